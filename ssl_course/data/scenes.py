"""The desert / forest / sea world: a finite skeleton that can be summed exactly, painted into pictures.

One picture is drawn like this (note §3.3.1, the thought experiment of gray and colour):

    biome y ─→ texture t ─→ object o      light z₁, count        →  X₁ = lightness L
        └────→ colours of sky and ground  tint z₂                →  X₂ = colour ab

Textures are shared between biomes (ripples can be dunes or water), so gray alone reaches the Bayes rate
``purity`` and no more. z₁ and z₂ are the same with probability λ + (1−λ)/3, where λ = ``dependence`` is the
knob of the course: at λ = 0, X₁ ⟂ X₂ | Y holds for the skeleton and, since the painters share no random
number, for the pictures.
"""

from dataclasses import dataclass

import torch

from ssl_course.data import painter
from ssl_course.data.pictures import Pictures
from ssl_course.pretext.color import rgb_to_lab
from ssl_course.theory.worlds import Enumerated

BIOMES = ["desert", "forest", "sea"]
LIGHTS = ["dawn", "noon", "dusk"]  # z₁, what the lightness shows: half sun, high sun, moon
TINTS = ["rosy", "clear", "violet"]  # z₂, what the colour shows
TEXTURES = list(painter.TEXTURES)  # two of each biome's own, in the order of BIOMES
OBJECTS = ["cactus", "pine", "boat"]
COUNTS = ["one", "two", "three"]
NAMES = dict(biome=BIOMES, light=LIGHTS, tint=TINTS, texture=TEXTURES, object=OBJECTS, count=COUNTS)
SEES = ("sky and ground", "average colour")
LARGEST = 1024  # pixels a side: the painter's noise alone is 450 MB a kind there, and grows with the area
# Pixels painted at a time, 512 pictures of 64: as floats a whole set would take 16 times its bytes.
PIECE = 2**21
OWN_OBJECT = 0.8  # P(object | texture) of the object of the texture's own biome; the other two share the rest

# ab of the ground and the sky of each biome without tint, and what each tint adds: as vivid as sRGB allows
# when every lightness of `painter.L_RANGE` may meet every colour (test_every_colour_is_in_the_gamut).
GROUND = ((14.0, 32.0), (-28.0, 32.0), (-4.0, -19.0))
SKY = ((1.0, -9.0), (-10.0, 1.0), (-4.0, -14.0))
TINT = ((13.0, 4.0), (-6.0, 3.0), (7.0, -10.0))
SKY_SHARE, GROUND_SHARE = 1.0, 0.5  # the profile w: how strongly a tint colours the sky and the ground
SPREAD = (0.0, 0.5, 1.0)  # tint="spread": how far the colour strays either way along TINT_AXIS, by z₂
TINT_AXIS = (8.0, -6.0)
AVERAGE = (0.36, 0.64)  # shares of sky and ground in the picture's average colour

_PLURAL = {"cactus": "cacti", "pine": "pines", "boat": "boats"}
_PLACE = {"desert": "in the desert", "forest": "in the forest", "sea": "at sea"}


@dataclass(frozen=True)
class World(Enumerated):
    """The scenes world; X₂ in Lab units. ε_CI² is λ² ‖w‖² Tr Cov τ for the biome with hue tints.

    Args:
        dependence: λ in [0, 1]; 0 is exact conditional independence of X₁ and X₂ given the biome.
        sees: what X₂ is: "sky and ground" (four numbers) or "average colour" (two: class and tint then share
            the plane, and the same dependence turns from harmless to harmful).
        tint: "hue" (z₂ shifts the colour) or "spread" (z₂ scales how far the colour strays, evenly to both
            sides: E[X₂|X₁,Y] = E[X₂|Y], so ε_CI = 0, while X₁ and X₂ stay dependent given Y when λ > 0).
        purity: Bayes accuracy of the biome from the lightness.
        tint_gain: factor on the tints; above 1 colours may leave sRGB, so pictures refuse it, sums do not.

    Raises:
        ValueError: a value outside its range.
    """

    dependence: float = 0.0
    sees: str = "sky and ground"
    tint: str = "hue"
    purity: float = 0.85
    tint_gain: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.dependence <= 1:
            raise ValueError(f"dependence (λ) must be in [0, 1], got {self.dependence}")
        if self.sees not in SEES:
            raise ValueError(f"sees must be one of {SEES}, got {self.sees!r}")
        if self.tint not in ("hue", "spread"):
            raise ValueError(f"tint must be 'hue' or 'spread', got {self.tint!r}")
        if not 1 / 3 < self.purity <= 1:
            raise ValueError(f"purity must be in (1/3, 1], got {self.purity}")
        if self.tint_gain < 0:
            raise ValueError(f"tint_gain must not be negative, got {self.tint_gain}")

    # ---- the skeleton: tables, exact ----------------------------------------------------------------------

    def texture_given_biome(self) -> torch.Tensor:
        """P(t | y), (3, 6): a biome's own two textures share ``purity``, the other four share the rest."""
        own = (torch.arange(6) // 2 == torch.arange(3)[:, None]).double()
        return own * self.purity / 2 + (1 - own) * (1 - self.purity) / 4

    def tint_given_light(self) -> torch.Tensor:
        """P(z₂ | z₁), (3, 3): the same with probability λ + (1−λ)/3."""
        return self.dependence * torch.eye(3).double() + (1 - self.dependence) / 3

    def states(self) -> torch.Tensor:
        """P(t, z₁, o, count, y, z₂, u), (6, 3, 3, 3, 3, 3, 2): the skeleton; u is the side of "spread"."""
        own = (torch.arange(6)[:, None] // 2 == torch.arange(3)).double()
        objects = own * OWN_OBJECT + (1 - own) * (1 - OWN_OBJECT) / 2  # (t, o)
        third, half = (torch.full((n,), 1 / n, dtype=torch.float64) for n in (3, 2))
        texture, tint = self.texture_given_biome(), self.tint_given_light()
        return torch.einsum("yt,y,l,to,c,lz,u->tlocyzu", texture, third, third, objects, third, tint, half)

    def joint(self, label: str = "biome") -> torch.Tensor:
        """P(X₁, X₂, label), (162, 18, classes): X₁ = (t, z₁, o, count), X₂ = (y, z₂, u), each flattened.

        Raises:
            ValueError: an unknown label.
        """
        letter = {"texture": "t", "light": "l", "object": "o", "count": "c", "biome": "y", "tint": "z"}
        if label not in letter:
            raise ValueError(f"unknown label {label!r}; the scenes have {', '.join(letter)}")
        one_hot = torch.eye(len(NAMES[label]), dtype=torch.float64)
        table = torch.einsum(f"tlocyzu,{letter[label]}k->tlocyzuk", self.states(), one_hot)
        return table.reshape(162, 18, -1)

    def hole_table(self) -> torch.Tensor:
        """P(X₁, X₂, Y) of a hole in the ground, (9, 3, 6) (note §3.3.2).

        X₁: the colours around it (biome, tint). X₂: the object in it. Y: the texture of the ground there.
        """
        return torch.einsum("tlocyzu->yzot", self.states()).reshape(9, 3, 6)

    def colours(
        self, biome: torch.Tensor, tint: torch.Tensor, side: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """ab of sky and ground, each (n, 2) in Lab units, of latents (n,); side is −1 or 1."""
        on = biome.device
        if self.tint == "hue":
            shift = self.tint_gain * torch.tensor(TINT, device=on)[tint]
        else:
            reach = torch.tensor(SPREAD, device=on)[tint] * side
            shift = self.tint_gain * reach[:, None] * torch.tensor(TINT_AXIS, device=on)
        sky = torch.tensor(SKY, device=on)[biome] + SKY_SHARE * shift
        return sky, torch.tensor(GROUND, device=on)[biome] + GROUND_SHARE * shift

    def x2_values(self) -> torch.Tensor:
        """X₂ in each of its 18 states, (18, 4) or (18, 2), Lab units: (sky a, b, ground a, b)."""
        y, z, u = (i.reshape(-1) for i in torch.meshgrid(*map(torch.arange, (3, 3, 2)), indexing="ij"))
        sky, ground = self.colours(y, z, 2 * u - 1)
        return self._seen(sky, ground).double()

    def _seen(self, sky: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
        if self.sees == "sky and ground":
            return torch.cat([sky, ground], -1)
        return AVERAGE[0] * sky + AVERAGE[1] * ground

    def bayes_rate(self, label: str = "biome") -> float:
        """Accuracy of the best classifier of ``label`` from the lightness."""
        return float(self.joint(label).sum(1).max(1).values.sum())

    # ---- the pictures --------------------------------------------------------------------------------------

    def sample(
        self, n: int, size: int = 64, seed: int = 0, device: str | torch.device = "cpu", parts: bool = False,
        objects: bool = True,
    ) -> Pictures:  # fmt: skip
        """Draw n pictures; the same seed gives the same pictures on one device,
        and the same scene at any size.

        Args:
            n: how many, at least 1.
            size: pixels a side, 16 to 1,024. Time and memory grow with the area:
                four pictures of 1,024 take 4 GB.
            seed: of the latents and of both painters.
            device: where they are painted and stay.
            parts: keep L (n, 1, size, size) and ab (n, 2, size, size), float32 in Lab units, in ``parts``.
            objects: False paints the very same scenes without what stands in them; labels and captions stay.

        Raises:
            ValueError: n < 1, size < 16 or > 1,024, or colours beyond sRGB (``tint_gain`` > 1).
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if size < 16:
            raise ValueError(f"size must be at least 16 pixels, got {size}: nothing is visible below")
        if size > LARGEST:
            gigabytes = 4 * (size / LARGEST) ** 2
            raise ValueError(
                f"scenes are painted up to {LARGEST} pixels a side; at {size} that would take "
                f"{gigabytes:.0f} GB of memory"
            )
        if self.tint_gain > 1:
            raise ValueError(f"tint_gain {self.tint_gain} takes colours out of sRGB; pictures need at most 1")
        streams = [torch.Generator(device).manual_seed(3 * seed + k) for k in range(3)]
        latents, side = self.latents(n, streams[0], device)
        u1 = torch.rand(n, painter.U_LIGHTNESS, generator=streams[1], device=device)
        u2 = torch.rand(n, painter.U_COLOUR, generator=streams[2], device=device)
        painted = latents if objects else latents | {"count": torch.full_like(latents["count"], -1)}
        sky, ground = self.colours(latents["biome"], latents["tint"], side)
        images = torch.empty(n, 3, size, size, dtype=torch.uint8, device=device)
        kept: dict[str, list[torch.Tensor]] = {"L": [], "ab": []}
        for rows in torch.arange(n, device=device).split(max(1, PIECE // size**2)):
            some = {name: values[rows] for name, values in painted.items()}
            lightness = painter.paint_lightness(some, u1[rows], size)  # (m, 1, size, size)
            colours = sky[rows], ground[rows], some["biome"]
            ab = painter.paint_colour(*colours, u2[rows], size)  # (m, 2, size, size)
            images[rows] = painter.to_uint8(lightness, ab)
            if parts:
                kept["L"].append(lightness)
                kept["ab"].append(ab)
        if size > 64 or n > 512:  # such pictures are painted once, and 16 pools are 28 MB at 64 pixels
            painter.noise_pool.cache_clear()
        return Pictures(
            images=images,
            labels=latents,
            captions=captions(latents),
            names=dict(NAMES),
            parts={name: torch.cat(pieces) for name, pieces in kept.items() if pieces},
        )

    def latents(
        self, n: int, stream: torch.Generator, device: str | torch.device
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Labels (n,) and the side −1 or 1 of n scenes, from a table of uniforms, so λ changes z₂ alone."""
        u = torch.rand(n, 8, generator=stream, device=device)
        third = (3 * u).long().clamp(max=2)  # (n, 8)
        biome = third[:, 0]
        cdf = self.texture_given_biome().float().to(device).cumsum(1)[biome]  # (n, 6)
        texture = (u[:, 1:2] > cdf).sum(1).clamp(max=5)
        own, other = texture // 2, (texture // 2 + 1 + (u[:, 3] * 2).long().clamp(max=1)) % 3
        light = third[:, 4]
        labels = {
            "biome": biome,
            "light": light,
            "tint": torch.where(u[:, 5] < self.dependence, light, third[:, 6]),
            "texture": texture,
            "object": torch.where(u[:, 2] < OWN_OBJECT, own, other),
            "count": third[:, 7],
        }
        return labels, torch.where(torch.frac(u[:, 7] * 3) < 0.5, -1, 1)

    def x1_index(self, labels: dict[str, torch.Tensor]) -> torch.Tensor:
        """The state of X₁, 0..161, of pictures with these labels, (n,)."""
        return ((labels["texture"] * 3 + labels["light"]) * 3 + labels["object"]) * 3 + labels["count"]

    def x2_index(self, labels: dict[str, torch.Tensor]) -> torch.Tensor:
        """(y, z₂) as 0..8, (n,): the state of X₂ up to the side of "spread"."""
        return labels["biome"] * 3 + labels["tint"]

    def x2(self, pictures: Pictures) -> torch.Tensor:
        """X₂ read off the pictures, (n, 4) or (n, 2), Lab units:
        mean ab of the rows that are all sky and all ground."""
        ab = pictures.parts.get("ab")
        # In pieces: as floats a whole set would take gigabytes.
        pieces = (pictures.images if ab is None else ab).split(64)
        means = [
            _sky_and_ground(part if ab is not None else rgb_to_lab(part.float() / 255)[:, 1:])
            for part in pieces
        ]
        return self._seen(*map(torch.cat, zip(*means, strict=True)))


def _sky_and_ground(ab: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean colour (n, 2) of the rows of ab (n, 2, s, s) that are all sky, and that are all ground."""
    size = ab.shape[2]
    rows = (torch.arange(size, device=ab.device) + 0.5) / size
    sky = ab[:, :, rows < min(painter.HORIZON) - painter.EDGE].mean((2, 3))
    return sky, ab[:, :, rows > max(painter.HORIZON) + painter.EDGE].mean((2, 3))


def captions(labels: dict[str, torch.Tensor], short: bool = False) -> list[str]:
    """One sentence a picture, from all six latents: "two boats on waves at sea at dusk, in rosy light".

    ``short`` leaves out texture and tint, "two boats at sea at dusk":
    81 different captions in place of 1,458.
    """
    columns = [labels[k].tolist() for k in ("count", "object", "texture", "biome", "light", "tint")]
    sentences = []
    for count, kind, texture, biome, light, tint in zip(*columns, strict=True):
        thing = OBJECTS[kind] if count == 0 else _PLURAL[OBJECTS[kind]]
        place, when = _PLACE[BIOMES[biome]], LIGHTS[light]
        if short:
            sentences.append(f"{COUNTS[count]} {thing} {place} at {when}")
        else:
            ground, colour = _ground(texture), TINTS[tint]
            sentences.append(f"{COUNTS[count]} {thing} {ground} {place} at {when}, in {colour} light")
    return sentences


def _ground(texture: int) -> str:
    return f"{'among' if TEXTURES[texture] in ('trunks', 'spruces') else 'on'} {TEXTURES[texture]}"


def every_caption() -> tuple[list[str], dict[str, torch.Tensor]]:
    """All 1,458 captions, each once, and their labels (1458,) by name,
    in the order of `World.states` without u."""
    order = ("texture", "light", "object", "count", "biome", "tint")
    grid = torch.meshgrid(*(torch.arange(len(NAMES[k])) for k in order), indexing="ij")
    labels = {k: g.reshape(-1) for k, g in zip(order, grid, strict=True)}
    return captions(labels), labels


PROMPTS = ("the word", "a phrase", "whole captions")


def prompts(label: str, kind: str = "whole captions") -> list[list[str]]:
    """What to ask about a label, a list of texts for each class: for zero-shot classification.

    "the word" is the bare name ("sea"); "a phrase" a piece of a caption ("at sea"); "whole captions" all
    captions with that class, whose features are to be averaged (prompt ensembling, CLIP §3.1.4).

    Raises:
        ValueError: an unknown label or kind.
    """
    if label not in NAMES:
        raise ValueError(f"unknown label {label!r}; the scenes have {', '.join(NAMES)}")
    if kind == "the word":
        return [[name] for name in NAMES[label]]
    if kind == "a phrase":
        phrase = {
            "biome": lambda k: [_PLACE[BIOMES[k]]],
            "light": lambda k: [f"at {LIGHTS[k]}"],
            "tint": lambda k: [f"in {TINTS[k]} light"],
            "texture": lambda k: [_ground(k)],
            "object": lambda k: [f"one {OBJECTS[k]}", f"two {_PLURAL[OBJECTS[k]]}"],
            "count": lambda k: [f"{COUNTS[k]} {name if k == 0 else _PLURAL[name]}" for name in OBJECTS],
        }[label]
        return [phrase(k) for k in range(len(NAMES[label]))]
    if kind != "whole captions":
        raise ValueError(f"kind is one of {', '.join(map(repr, PROMPTS))}, not {kind!r}")
    texts, labels = every_caption()
    return [[texts[i] for i in (labels[label] == k).nonzero()[:, 0]] for k in range(len(NAMES[label]))]
