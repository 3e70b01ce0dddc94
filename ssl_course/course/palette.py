"""The colours of the course: one for each of X₁, X₂, Y and ψ in formulas, plots and widgets alike.

Every colour is legible as text on white (contrast ≥ 4.5 : 1), and those of a group stay apart for readers who
confuse red, green or blue (tests/course/test_palette.py simulates all three). Import costs nothing.
"""

X1 = "#1450f5"  # what the network sees
X2 = "#b83a00"  # what it must predict
Y = "#8c21a1"  # the downstream label
PSI = "#06403a"  # the representation

BIOME = {"desert": "#a85f00", "forest": "#00512c", "sea": "#3a6fd8"}

INK = "#1a1a1a"  # text and axes
MUTED = "#5f6368"  # secondary text, grid labels
GRID = "#d9dce1"  # lines that must not compete with data
PAPER = "#ffffff"  # ground of every figure, in the dark theme too
WASH = "#f2f4f7"  # a ground a shade off the paper

PASSED = "#00695f"  # verdicts of exercises; always beside a word, never colour alone
WRONG = "#b3261e"

NAMES = {
    X1: "x1", X2: "x2", Y: "y", PSI: "psi",
    INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", WASH: "wash",
    PASSED: "passed", WRONG: "wrong", **{colour: name for name, colour in BIOME.items()},
}  # fmt: skip
# On a dark page.
DARK = {
    "x1": "#5b9bff", "x2": "#f98f4d", "y": "#dcb4ea", "psi": "#5ce6bd", "ink": "#f1f3f5", "muted": "#a9b0b8",
    "grid": "#3b4046", "paper": "#17191c", "wash": "#24282d", "passed": "#5fd0b8", "wrong": "#ff8a80",
    "desert": "#e8a23a", "forest": "#63d9a6", "sea": "#8f9fe0",
}  # fmt: skip


class Mixed(str):
    """A colour that knows what it was mixed from: a page may mix it anew from its own theme's colours."""

    low: str
    high: str
    share: float


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#1450f5" → (20, 80, 245)."""
    return tuple(bytes.fromhex(colour[1:]))


def mix(low: str, high: str, share: float) -> Mixed:
    """The colour that lies ``share`` of the way from ``low`` to ``high``; beyond the ends it stays there."""
    share = min(max(share, 0.0), 1.0)
    ends = zip(rgb(low), rgb(high), strict=True)
    mixed = Mixed("#" + bytes(round(a + (b - a) * share) for a, b in ends).hex())
    mixed.low, mixed.high, mixed.share = low, high, share
    return mixed


def ground(colour: str, share: float) -> Mixed:
    """A ground for words in INK: paper with a ``share`` of a colour, so little that they stay legible."""
    return mix(PAPER, colour, 0.45 * min(max(share, 0.0), 1.0))
