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


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#1450f5" → (20, 80, 245)."""
    return tuple(bytes.fromhex(colour[1:]))


def mix(low: str, high: str, share: float) -> str:
    """The colour that lies ``share`` of the way from ``low`` to ``high``; beyond the ends it stays there."""
    share = min(max(share, 0.0), 1.0)
    ends = zip(rgb(low), rgb(high), strict=True)
    return "#" + bytes(round(a + (b - a) * share) for a, b in ends).hex()
