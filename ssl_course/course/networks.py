"""Drawings of the methods' networks as the library builds them: ``draw("mae")`` in a cell shows one.

A shape on an arrow is written "N×128×8×8@backbone": what that module gives; "…@backbone<" is what it takes,
"…@x1" a part of the pair, and "…@GPT:net" belongs to a drawing's second method.
A test compares each with what the methods' defaults pass along.
"""

from __future__ import annotations

from math import cos, radians, sin

from ssl_course.course.palette import GRID, INK, MUTED, PAPER, PSI, WASH, X1, X2, ground, mix
from ssl_course.course.pen import Sheet
from ssl_course.course.plots import FigureImage
from ssl_course.course.themes import css

WIDTH = 720  # CSS pixels; on a narrower page the drawing scrolls, so that its words keep their size
KEY = (
    "Blue: what the network sees. Orange: what it is to predict or to meet. Green: what stays after "
    "training; gray: what does not."
)
HIDDEN = mix(PAPER, MUTED, 0.3)


# fmt: off
# What follows is a table of coordinates, one thing a line.
def colorization() -> Sheet:
    """The lightness of a picture, X₁, goes through backbone and head to a distribution over 75 colour bins at
    each of 16 × 16 places. The loss is its cross-entropy against X₂, the true colour shared among the 5
    nearest bins; rare bins weigh more. To be looked at, each distribution becomes one colour,
    its annealed mean."""
    s = Sheet(WIDTH, 256)
    s.scene(8, 42, 64, X1, "X₁: L", gray=True)
    s.flow(74, 76, "N×1×64×64@x1", (164, 84, "backbone", PSI), "N×128×8×8@backbone", (336, 64, "head"),
           "N×75×16×16@head", 492)
    s.note(368, 120, "reads the whole picture's mean\nand each place's coordinates too")
    s.words(538, 22, "P(bin) at each place")
    s.bars(500, 104, 76, [4, 7, 22, 40, 58, 36, 16, 10, 19, 30, 12, 5])
    s.flow(74, 584, "annealed", 644)
    s.note(612, 85, "mean")
    s.scene(648, 42, 64, MUTED, "to look at")
    s.scene(8, 164, 64, X2, "X₂: ab")
    s.flow(196, 76, "N×2×16×16@x2", 328)
    s.bars(336, 216, 64, [0.1, 0.1, 10, 24, 40, 26, 9, 0.1, 0.1, 0.1], X2)
    s.note(368, 234, "shared among\nthe 5 nearest bins")
    s.flow(196, 408, 452)
    s.loss(452, 196, 172, "cross-entropy,\nrare bins weigh more")
    s.arrow((538, 108), (538, 176))
    return s


def context_encoder() -> Sheet:
    """A picture with a hole, X₁, goes through the backbone, a channel-wise linear layer and a decoder to a
    whole picture. The loss is L2 on the hole and a band around it, X₂. Dashed: a discriminator may judge the
    filling. Below: the channel-wise layer joins every place of a channel's map with every place of the same
    map, and never two maps."""
    s = Sheet(WIDTH, 290)
    s.scene(8, 32, 64, X1, "X₁: rest")
    s.rect(24, 48, 32, 32, HIDDEN)
    s.flow(64, 76, "N×3×64×64@x1", (160, 80, "backbone", PSI), "N×128×8×8@backbone",
           (324, 96, "channel-wise\nlinear"),
           "N×128×8×8@decoder.0", (504, 64, "decoder"), "N×3×64×64@decoder", 648)
    s.scene(648, 32, 64)
    s.rect(664, 48, 32, 32, "none", X2)
    s.rect(460, 148, 64, 64, HIDDEN)
    s.scene(474, 162, 36, "none", view=(5, 5, 14, 14))
    s.rect(460, 148, 64, 64, "none", X2)
    s.words(492, 225, "X₂: the hole and a band", X2)
    s.flow(180, 528, 572)
    s.loss(572, 180, 116, "L2, the band\nten times")
    s.arrow((672, 100), (672, 160))
    s.block(572, 262, 140, "discriminator", h=40, dash=True)
    s.arrow((492, 238), (492, 262), (572, 262), dash=True)
    s.arrow((702, 100), (702, 242), dash=True)
    s.line((324, 94), (8, 142), colour=GRID)
    s.line((420, 94), (396, 142), colour=GRID)
    s.rect(8, 140, 388, 142, WASH, rx=6)
    s.words(202, 158, "128 maps, each with itself alone", size=12)
    for k, x in enumerate((20, 140, 260)):
        for j in range(16):
            s.line((x + 41, 179 + 10 * (j // 4)), (x + 63, 179 + 10 * (j % 4)), width=0.6)
        for at, step in ((x, 7), (x + 64, 4)):
            s.grid(at, 174, 40, [mix(PAPER, MUTED, 0.25 + (j * step + k) % 5 / 8) for j in range(16)])
    s.words(381, 194, "…")
    s.note(202, 248, "every place of a map reaches every place of that map,\nand none of another")
    return s


def mae() -> Sheet:
    """Of 64 patches 16 stay visible, X₁. Only they and a class token go through the large encoder. A linear
    layer makes them narrower; mask tokens take the gaps; a small decoder predicts the pixels of every patch.
    The loss counts the removed patches alone, X₂. After training the encoder stays."""
    kept = {3, 5, 10, 12, 17, 20, 23, 27, 34, 37, 40, 46, 49, 54, 59, 62}
    token = mix(PAPER, PSI, 0.7)
    s = Sheet(WIDTH, 304)
    for x, y, colour, text, over in (
        (8, 24, X1, "X₁: visible", ("", HIDDEN)), (8, 180, X2, "X₂: removed", (HIDDEN, "")),
        (240, 180, MUTED, "predicted", (PAPER + "a8", "")),
    ):
        s.scene(x, y, 96, colour, text)
        s.grid(x, y, 96, [over[k not in kept] for k in range(64)], 0)
        s.rect(x, y, 96, 96, "none", colour)
    s.flow(72, 108, "N×17×128@backbone.transformer<", 196)
    for i in range(17):  # the class token, and two columns of patches
        s.rect(200 + 11 * ((i + 1) % 2) * (i > 0), 24 + 10.8 * ((i + 1) // 2), 9, 9, token if i else PSI)
    s.block(236, 72, 174, "encoder\n4 blocks, 128 wide,\nvisible patches only", PSI, 96)
    s.flow(72, 410, "N×17×128@backbone.transformer", (494, 62, "linear"), h=44)
    s.arrow((556, 72), (664, 72), (664, 176), text="N×17×64@decoder_embed")
    s.note(656, 142, "mask tokens take the gaps,\neach place gets its position", "end")
    s.grid(616, 180, 96, [token if k in kept else HIDDEN for k in range(64)], 2)
    s.arrow((612, 228), (532, 228), text="N×65×64@decoder<")
    s.block(432, 228, 100, "decoder\n1 block", h=44)
    s.arrow((432, 228), (340, 228), text="N×64×192@decoder_pred")
    s.arrow((236, 228), (216, 228))
    s.arrow((108, 228), (128, 228))
    s.loss(128, 228, 88, "L2, removed\nalone")
    s.words(664, 289, "65 tokens", MUTED)
    return s


def puzzles() -> Sheet:
    """Jigsaw: nine shuffled tiles, X₁, go one by one through the same backbone and tile head; their features
    stand side by side, and a head names which of 64 orders, X₂, it was. Rotation: a picture in its four
    turns, X₁, goes through one backbone; a linear head names the turn, X₂.
    Both losses are cross-entropies."""
    s = Sheet(WIDTH, 318)
    tiles = [6, 2, 7, 0, 4, 8, 5, 1, 3]
    for k, t in enumerate(tiles):
        s.scene(8 + 26 * (k % 3), 58 + 26 * (k // 3), 20, X1, view=(1 + 8 * (t % 3), 1 + 8 * (t // 3), 6, 6))
    s.words(44, 147, "X₁: tiles", X1)
    for y, t in ((42, 6), (94, 2), (146, 3)):
        s.line((86, 94), (112, y))
        s.scene(114, y - 14, 28, X1, view=(1 + 8 * (t % 3), 1 + 8 * (t // 3), 6, 6))
        shapes = ("9N×3×17×17@backbone<", "9N×64@tile_head") if y == 42 else ("", "")
        s.flow(y, 146, shapes[0], (242, 78, "backbone", PSI), (338, 70, "tile head"), shapes[1], 462, h=30)
    s.line((281, 57), (281, 79), dash=True)
    s.line((281, 109), (281, 131), dash=True)
    s.note(292, 68, "the same weights", "start")
    s.words(128, 120, "⋮")
    s.rect(462, 28, 12, 132, ground(MUTED, 0.6), MUTED)
    s.flow(94, 474, "N×576@head<", (530, 54, "head"), "N×64@head", 632)
    s.loss(632, 94, 80, "cross-\nentropy")
    s.words(672, 147, "X₂: one of\n64 orders", X2)
    s.arrow((672, 132), (672, 114))
    s.line((8, 190), (712, 190), colour=GRID)
    for k in range(4):
        s.scene(8 + 54 * k, 222, 46, X1, turn=90 * k)
        s.words(31 + 54 * k, 280, f"{90 * k}°", X2)
    s.words(112, 303, "X₁: four turns", X1)
    s.flow(245, 222, "4N×3×64×64@Rotation:backbone<", (320, 78, "backbone", PSI), "4N×128@Rotation:head<",
           (530, 54, "head"),
           "4N×4@Rotation:head", 632)
    s.loss(632, 245, 80, "cross-\nentropy")
    s.words(672, 298, "X₂: the turn", X2)
    s.arrow((672, 288), (672, 265))
    return s


def language() -> Sheet:
    """BERT beside GPT on the review "I like this movie. The CG is awesome." BERT: "like" became [MASK], X₁,
    and is to be told, X₂, from all other words, above all "awesome": its 8 × 8 attention matrix is full, and
    the loss sits at the chosen word. GPT: each word is to tell the next one from itself and those before it:
    the matrix is a lower triangle, and every place has a loss."""
    s = Sheet(WIDTH, 344)
    typed = ["I", "like", "this", "movie", "The", "CG", "is", "awesome", "[SEP]"]
    at = [12, 52, 98, 141, 177, 203, 243, 301]
    for left, gpt in ((8, False), (384, True)):
        s.words(left, 16, "GPT" if gpt else "BERT", size=15, at="start")
        s.block(left, 102, 328, "Transformer, causal" if gpt else "Transformer", PSI, 40)
        s.note(left + 318, 102, "N×tokens×64@" + "GPT:" * gpt + "net", "end")
        looks, sees = (6, 1) if gpt else (1, 7)
        for k, x in enumerate(left + place for place in at):
            hidden = not gpt and k == looks
            s.words(x, 158, "[MASK]" if hidden else typed[k], X1, 12)
            s.arrow((x, 148), (x, 124))
            if gpt or hidden:
                s.arrow((x, 80), (x, 58), colour=X2)
                s.words(x, 46, typed[k + gpt], X2, 12)
            if k != looks and (k < looks or not gpt):
                a, colour = left + at[looks], css(PSI if k == sees else GRID)
                arc = f"M{x} 169Q{(a + x) / 2} {169 + 0.24 * abs(a - x):.0f} {a} 169"
                s.parts.append(f'<path d="{arc}" fill="none" stroke="{colour}" stroke-width="2"/>')
        seen = [k % 8 <= k // 8 or not gpt for k in range(64)]
        s.grid(left, 244, 88, [mix(PAPER, PSI, 0.75) if one else HIDDEN for one in seen])
        s.words(left + 104, 261, "row: the word that looks\ncolumn: the word it sees", MUTED, 12, "start")
        pays = "loss at every place" if gpt else "loss at the chosen words alone"
        s.words(left + 104, 300, pays, X2, 12, "start")
        s.note(left + 104, 324, "[CLS] and full stops are left out", "start")
    return s


def _views(
    s: Sheet, y: float, apart: float, side: float, start: float, views: tuple[tuple[float, ...], ...]
) -> None:
    """From x = start at height y to two views of the picture, above and below."""
    for sign, colour, text, view in zip((-1, 1), (X1, X2), ("X₁", "X₂"), views, strict=True):
        at = y + sign * apart
        s.arrow((start, y), (start + 16, y), (start + 16, at), (start + 34, at))
        s.scene(start + 38, at - side / 2, side, colour, text, view)


CROPS = ((0, 3, 17, 17), (7, 1, 16, 16))
HALVES = ((0, 0, 12, 24), (12, 0, 12, 24))


def simclr() -> Sheet:
    """Two random views of a picture, X₁ and X₂, go through one backbone to features h and through a
    projection head to z. On the unit sphere the loss pulls the two z of a picture together and pushes them
    from the z of all other pictures. After training h is kept, for the probe; the projection head is not."""
    s = Sheet(WIDTH, 258)
    s.scene(8, 77, 64)
    _views(s, 109, 57, 56, 76, CROPS)
    for y, i, colour in ((52, "₁", X1), (166, "₂", X2)):
        s.flow(y, 174, "2N×3×64×64@backbone<" * (y < 100), 268)
        s.flow(y, 348, "2N×128@projection_head<" * (y < 100), 430)
        turn = 109 + (25 if y > 100 else -25)
        s.arrow((520, y), (609, y), (609, turn), text="2N×64@projection_head" * (y < 100))
        s.words(389, y + 12, f"h{i}", PSI)
        s.words(564, y + 12, f"z{i}", colour)
    s.block(268, 109, 80, "backbone", PSI, 170)
    s.block(430, 109, 90, "projection\nhead", MUTED, 170)
    s.arrow((389, 190), (389, 222), colour=PSI)
    s.words(389, 236, "h is kept: a probe reads it", PSI)
    s.parts.append(f'<circle cx="656" cy="109" r="50" fill="none" stroke="{css(GRID)}" stroke-width="1.5"/>')
    for degrees, colour in ((199, X1), (161, X2), *((a, MUTED) for a in (-80, -45, -12, 20, 50, 85))):
        x, y = 656 + 50 * cos(radians(degrees)), 109 + 50 * sin(radians(degrees))
        s.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{css(colour)}"/>')
    s.note(660, 109, "pull the two,\npush the rest")
    s.arrow((656, 168), (656, 204))
    s.loss(606, 224, 100, "NT-Xent")
    return s


def siamese() -> Sheet:
    """SimSiam: both views go through one backbone and projection head to z₁ and z₂; a prediction head makes
    p₁ of z₁, which is to point where z₂ points, and at z₂ the gradient stops. BYOL: the lower network,
    dashed, is a moving average of the upper one, and the distance is that of rows of length 1.
    Both add the same with the views exchanged."""
    s = Sheet(WIDTH, 388)
    for top, byol in ((0, False), (198, True)):
        d, p, z, of = (64, "q₁", "z′₂", "BYOL:") if byol else (256, "p₁", "z₂", "")
        up, low = top + 56, top + 142
        s.words(8, top + 16, "BYOL" if byol else "SimSiam", size=15, at="start")
        s.note(712, top + 16, "and the same with X₁ and X₂ exchanged", "end")
        s.scene(8, top + 77, 44)
        _views(s, top + 99, 43, 40, 56, CROPS)
        s.flow(up, 138, f"N×3×64×64@{of}x1", 218)
        s.flow(up, 296, f"N×128@{of}projection_head<", 354)
        s.flow(low, 138, f"N×3×64×64@{of}x2" * byol, 218)
        s.flow(low, 296, f"N×128@{of}target.1<" * byol, 354)
        if byol:
            s.block(218, up, 78, "backbone", PSI, 44)
            s.block(354, up, 84, "projection\nhead", MUTED, 44)
            s.block(218, low, 78, "slow\nbackbone", MUTED, 44, dash=True)
            s.block(354, low, 84, "slow\nprojection", MUTED, 44, dash=True)
            s.arrow((257, up + 22), (257, low - 24), dash=True)
            s.arrow((396, up + 22), (396, low - 24), dash=True)
            s.note(326, top + 99, "moving average")
        else:
            s.block(218, 99, 78, "backbone", PSI, 130)
            s.block(354, 99, 84, "projection\nhead", MUTED, 130)
        s.flow(up, 438, f"N×{d}@{of}projection_head", (500, 84, "prediction\nhead"), h=44)
        s.arrow((584, up), (666, up), (666, top + 77), text=f"N×{d}@{of}prediction_head")
        s.arrow((438, low), (666, low), (666, top + 121), text=f"N×{d}@{of}target.1" * byol)
        for x, y, name in ((469, up, "z₁"), (625, up, p), (552, low, z)):
            s.words(x, y + 12, name)
        s.loss(620, top + 99, 92, f"‖{p} − {z}‖²" if byol else f"−cos({p}, {z})")
        for x in (616, 623):
            s.line((x, low - 9), (x, low + 9), colour=INK, width=3)
        s.note(620, low + 20, "stop-gradient")
    return s


def clip() -> Sheet:
    """Pictures, X₁, go through a backbone and a linear layer to u; their captions, X₂, through a causal
    Transformer and a linear layer to v. All N × N cosines of a batch, times a learned scale, make a matrix;
    the loss is a cross-entropy of each row and of each column, whose right answers lie on the diagonal."""
    s = Sheet(WIDTH, 312)
    s.rect(8, 22, 104, 40, ground(X2, 0.2), X2, 6)
    s.words(60, 42, "three boats\nat dawn", size=12)
    s.words(60, 75, "X₂: captions", X2)
    s.flow(42, 116, "N×tokens@x2", (180, 100, "Transformer,\nend token", PSI), "N×tokens×64@text",
           (370, 64, "linear", PSI), h=48)
    s.arrow((434, 42), (602, 42), (602, 84), text="N×64@text_projection")
    for k in (2, 1, 0):
        s.rect(24 + 4 * k, 138 - 4 * k, 64, 64, PAPER, X1)
    s.scene(24, 138, 64, X1)
    s.words(60, 215, "X₁: pictures", X1)
    s.flow(166, 100, "N×3×64×64@x1", (190, 80, "backbone", PSI), "N×128@projection_head<",
           (370, 64, "linear", PSI),
           "N×64@projection_head", 520, h=48)
    s.grid(524, 88, 156, [HIDDEN if k % 7 else mix(PAPER, PSI, 0.8) for k in range(36)], 2)
    s.words(477, 178, "u", X1)
    s.words(614, 62, "v", X2)
    s.note(602, 255, "N × N cosines u·v, scaled")
    s.loss(516, 286, 172, "cross-entropy of rows\nand of columns, halved")
    return s


def deep_cca() -> Sheet:
    """The left half of a picture, X₁, goes through the network ψ, the right half, X₂, through another one, η,
    to 16 numbers each. Both are whitened by the batch's covariances; the singular values of what is left
    between them are the canonical correlations ρ, and the loss is the sum of all 2 (1 − ρ)."""
    s = Sheet(WIDTH, 206)
    s.scene(8, 65, 64, X1, view=HALVES[0])
    s.scene(44, 65, 64, X2, view=HALVES[1])
    _views(s, 97, 51, 56, 80, HALVES)
    for y, k, name in ((46, 1, "ψ"), (148, 2, "η")):
        s.flow(y, 150, f"N×3×64×32@x{k}", (236, 86, f"network {name}", PSI), f"N×16@net{k}", 384, h=48)
        s.loss(384, y, 80, "whiten")
        s.arrow((464, y), (530, y), (530, 97 + (38 if y > 97 else -38)))
    s.grid(496, 63, 68, [mix(PAPER, INK, 0.08 if k % 7 else 0.9 - 0.02 * k) for k in range(36)])
    s.flow(97, 568, "ρ₁, ρ₂, …", 630)
    s.loss(630, 97, 82, "2 Σ (1 − ρ)")
    return s


# fmt: on
def draw(name: str) -> FigureImage:
    """The drawing of a method's network: one of `NETWORKS`.

    Raises:
        ValueError: no such drawing.
    """
    if name not in NETWORKS:
        raise ValueError(f"no drawing {name!r}; there are {', '.join(NETWORKS)}")
    alt = " ".join((NETWORKS[name].__doc__ or "").split())
    return FigureImage(NETWORKS[name]().svg(), alt, KEY, WIDTH, least=WIDTH)


NETWORKS = {
    f.__name__: f
    for f in (colorization, context_encoder, mae, puzzles, language, simclr, siamese, clip, deep_cca)
}
