"""Lecture 11: a world with one number that breaks the note's literal bound by any factor (note §3.4)."""

from typing import Any, NamedTuple

import numpy as np
from ipywidgets import Dropdown, FloatLogSlider, SelectionSlider

from ssl_course.course import palette
from ssl_course.theory import independence
from ssl_course.theory.bounds import approximation_error, label_noise, literal_bound, probe_limit, sigma_k
from ssl_course.theory.worlds import two_bits
from ssl_course.widgets.frame import Explorer, Frame, Key, Panel, Pointer, draw

SMALLEST, LARGEST, STEP = -2.0, -0.1, 0.05  # log10 of δ
UNITS = {"as it is": 1.0, "a tenth": 0.1, "a hundredth": 0.01, "ten times": 10.0}
LABELS = [30, 100, 300, 1000, 10_000, 100_000]


class Broken(NamedTuple):
    """What the note promises and what comes about, at one δ; exact."""

    epsilon_squared: float  # in squared units of X₂
    sigma: float  # σ₂(M), in units of X₂
    approximation: float  # a
    promise: float  # k/n_L + ε_CI²
    excess: float  # expected excess squared risk of least squares with n_L labels
    bayes: float  # accuracy
    probe: float  # accuracy of the best probe


def broken(delta: float, n: int = 1000, unit: float = 1.0) -> Broken:
    """All numbers of world C1, X₂ measured in ``unit`` of its one-hot code (note §3.4).

    ψ* is constant here, so the probe is an intercept: the mean of n labels,
    whose risk is a + Tr Cov(Y)/n exactly.
    """
    joint, x2 = two_bits(delta)
    x2 = unit * x2
    prior = joint.sum((0, 1))
    a, epsilon = approximation_error(joint, x2), independence.epsilon_ci_squared(joint, x2)
    spread = 1 - prior.square().sum()  # Tr Cov(Y) = V + a
    assert abs(spread - label_noise(joint) - a) < 1e-9
    limit = probe_limit(joint, x2)
    bayes, excess = joint.sum(1).max(1).values.sum(), a + spread / n
    promise = literal_bound(2, n, epsilon)
    numbers = (epsilon, sigma_k(joint, x2), a, promise, excess, bayes, limit.accuracy)
    return Broken(*map(float, numbers))


class BreakTheBound(Explorer):
    """Move δ: the promise k/n_L + ε_CI² falls, the probe's excess risk does not. Drag in the last plot."""

    def __init__(self) -> None:
        grid = 10 ** np.linspace(SMALLEST, LARGEST, 39)
        state = np.array([[d, *broken(d)[:3]] for d in grid])  # (39, 4): δ, ε², σ₂, a, in the plain unit
        range_ = {"base": 10, "min": SMALLEST, "max": LARGEST, "step": STEP, "readout_format": ".3f"}
        numbers = [(f"{v:,}", v) for v in LABELS]
        controls = {
            "delta": FloatLogSlider(0.1, **range_, description="δ, how often x₂ decides Y"),
            "n": SelectionSlider(options=numbers, value=1000, description="labels n_L"),
            "unit": Dropdown(options=UNITS, value=1.0, description="unit of X₂"),
        }
        super().__init__(controls, state=state)

    @staticmethod
    def render(state: Any, *, delta: float, n: int, unit: float) -> Frame:
        """The world, the magnifying glass, promise against truth; pure."""
        now = broken(delta, n, unit)
        times, allowed = now.excess / now.promise, now.epsilon_squared / now.sigma**2
        numbers = (now.epsilon_squared, now.sigma**2, allowed, now.approximation, now.promise, now.excess)
        epsilon, sigma, quotient, a, promise, excess = map(draw.number, numbers)
        line = (
            f"The note promises an excess of k/n_L + ε² = <b>{promise}</b>. The probe's is "
            f"<b>{excess}</b>: {_times(times)}. Best possible accuracy from X₁ {100 * now.bayes:.1f} %, "
            f"the probe of ψ* {100 * now.probe:.0f} %."
            f"<br>With the class means' distance in it the bound holds: ε²/σ₂² = {epsilon} / {sigma} = "
            f"{quotient}, and a = {a}, which is what always saying ½ loses."
        )
        return [_world(delta), _glass(delta, unit), _chart(state, delta, n, unit, now)], line

    def on_pointer(self, event: Pointer) -> None:
        """On the plot: choose δ."""
        if event.panel == 2 and event.kind != "up":
            self._move(_axes().at(event.x, event.y)[0])

    def on_key(self, event: Key) -> None:
        """Arrows on the plot move δ."""
        dx, dy = event.arrow
        self._move(np.log10(self.values()["delta"]) + STEP * (dx - dy))

    def _move(self, log_delta: float) -> None:
        steps = round((min(max(log_delta, SMALLEST), LARGEST) - SMALLEST) / STEP)
        self.set(delta=10 ** (SMALLEST + STEP * steps))


def _times(ratio: float) -> str:
    if ratio >= 1:
        return f"<b>{ratio:,.0f} times</b> as much" if ratio >= 9.5 else f"<b>{ratio:.1f} times</b> as much"
    return f"{ratio:.2f} of it, the promise is kept"


def _world(delta: float) -> Panel:
    """A mosaic: four equal cells (x₁, x₂), each cut where Y changes."""
    joint = two_bits(delta).joint.numpy()  # (2, 2, 2)
    plot = draw.Plot(190, 230, (0, 2), (0, 2), margin=(26, 8, 24, 44))
    for i, j in np.ndindex(2, 2):
        ones = joint[i, j, 1] / joint[i, j].sum()  # P(Y = 1 | x₁, x₂)
        zeros = (ones, 1, palette.ground(palette.Y, 0.4), palette.INK, 0)
        for low, high, colour, ink, y in ((0, ones, palette.Y, palette.PAPER, 1), zeros):
            bottom, end = (2 - i - 0.97 + 0.94 * share for share in (low, high))
            if high > low:
                plot.rect(j + 0.03, bottom, j + 0.97, end, fill=colour)
            if high - low > 0.2:
                plot.text(j + 0.5, (bottom + end) / 2, f"Y = {y}", ink, 12)
    for j in range(2):
        plot.text(j + 0.5, 2, f"x₂ = {j}", palette.X2, 12, "mb", True, (0, -4))
        plot.text(0, 1.5 - j, f"x₁ = {j}", palette.X1, 12, "rm", True, (-3, 0))
    alt = f"x1 and x2 are independent fair bits; Y equals x1, but in {100 * delta:.1f} % of the cases x2"
    return plot.panel("the world: four equal cells; Y mostly copies X₁", alt)


def _glass(delta: float, unit: float) -> Panel:
    """The probe as a magnifying glass: from X₂'s scale above to Y's scale below, 1/σ times larger."""
    joint, x2 = two_bits(delta)
    of_x2 = (independence.best_predictor, independence.predictor_through_y, independence.class_means)
    psi, through, means = (f(joint, x2)[:, 1].numpy() for f in of_x2)  # (2,)
    truth = independence.posterior(joint)[:, 1].numpy()  # (2,)
    plot = draw.Plot(440, 230, (-0.06, 1.06), (-0.6, 1.62), margin=(2, 4, 2, 4))
    plot.polygon([(means[0], 1), (means[1], 1), (1, 0), (0, 0)], fill=palette.WASH)
    for mean, y in zip(means, (0, 1), strict=True):
        plot.line([(mean, 1), (y, 0)], palette.Y, 1, dash=(4, 4))
    for height in (0, 1):
        plot.line([(0, height), (1, height)], palette.MUTED, 1.5)
        for at in (0, 0.5, 1):
            plot.line([(at, height - 0.03), (at, height + 0.03)], palette.MUTED, 1.5)
            label = f"{at * (unit if height else 1):g}"
            plot.text(at, height, label, palette.MUTED, 11, offset=(0, -15 if height else 17))
    for t, b, p in zip(through, truth, psi, strict=True):
        plot.line([(p, 1), (t, 1)], palette.X2, 4)
        plot.line([(0.5 + (p - 0.5) / delta, 0), (b, 0)], palette.X2, 4)
    for mean, y in zip(means, (0, 1), strict=True):
        plot.dot(mean, 1, palette.Y, 5).dot(y, 0, palette.Y, 5)
    for t, b in zip(through, truth, strict=True):
        plot.dot(t, 1, palette.PAPER, 4.5, palette.X1, 2.5).dot(b, 0, palette.PAPER, 4.5, palette.X1, 2.5)
    plot.dot(psi[0], 1, palette.PSI, 6).dot(0.5, 0, palette.PSI, 6)
    plot.text(-0.05, 1.5, "on X₂'s scale: how sure that x₂ = 1", palette.X2, 12, "lm", True)
    plot.text(-0.05, -0.5, "on Y's scale: how sure that Y = 1", palette.Y, 12, "lm", True)
    plot.text(0.5, 0.5, f"× {1 / delta:.3g}", palette.INK, 17, bold=True, halo=True)
    y0 = 1.28
    plot.dot(0.5, y0, palette.PSI, 4).text(0.5, y0, "ψ*", palette.PSI, 10, "lm", offset=(7, 0))
    plot.dot(0.62, y0, palette.Y, 4).text(0.62, y0, "E[X₂|Y]", palette.Y, 10, "lm", offset=(7, 0))
    plot.dot(0.785, y0, palette.PAPER, 4, palette.X1, 2)
    plot.text(0.785, y0, "Σ P(y|x₁) E[X₂|y]", palette.X1, 10, "lm", offset=(7, 0))
    alt = (
        f"the class means lie {delta:.3g} apart on the scale of X2 and must be spread to 1 on the scale of "
        f"Y; the small gap between psi and what goes through Y is enlarged {1 / delta:.3g} times with them"
    )
    caption = "the probe is a magnifying glass: it enlarges the gap (the bar) as much as the classes"
    return plot.panel(caption, alt)


def _axes() -> draw.Plot:
    return draw.Plot(440, 250, (SMALLEST, 0), (-6.2, 1.2), margin=(40, 12, 40, 58))


def _chart(state: np.ndarray, delta: float, n: int, unit: float, now: Broken) -> Panel:
    """Promise and truth against δ, both axes logarithmic."""
    plot = _axes()
    xticks = {-2: "0.01", -1.5: "0.03", -1: "0.1", -0.5: "0.3", 0: "1"}
    plot.axes("δ", "squared risk", xticks, draw.log_ticks(*(10.0**-k for k in range(7))))
    x = np.log10(state[:, 0])
    curves = (
        (state[:, 3], palette.PSI, "the probe's excess, a", None, 3.0),
        (2 / n + unit**2 * state[:, 1], palette.X2, "promised: k/n_L + ε²", (7, 5), 2.5),
        (unit**2 * state[:, 1], palette.MUTED, "ε² alone", (2, 4), 2.0),
    )
    for value, colour, name, dash, width in curves:
        y = np.log10(value).clip(-6.2, 0.4)
        plot.line(np.stack([x, y], 1), colour, width, dash, name)
    (excess, *others) = [(name, colour) for _, colour, name, _, _ in curves]
    plot.names([excess], row=1).names(others)
    most = np.log10(0.5)  # 1 − ΣP(y)²
    plot.line([(SMALLEST, most), (0, most)], palette.INK, 1.5, (1, 4))
    plot.text(0, 0, "no constant loses more: 1 − ΣP(y)²", palette.INK, 11, "rb", offset=(-3, -4), halo=True)
    at, low, high = np.log10(delta), np.log10(now.promise), np.log10(now.excess)
    low, high = (float(np.clip(v, -6.1, 0.3)) for v in (low, high))
    plot.line([(at, -6.2), (at, 1.2)], palette.GRID, 2)
    plot.line([(at, low), (at, high)], palette.INK, 2)
    plot.dot(at, high, palette.PSI, 6).dot(at, low, palette.X2, 6)
    anchor, offset = ("lm", (9, 0)) if at < -1.2 else ("rm", (-9, 0))
    factor = now.excess / now.promise
    text = f"{factor:,.0f} ×" if factor >= 9.5 else f"{factor:.2g} ×"
    plot.text(at, (low + high) / 2, text, palette.INK, 15, anchor, True, offset, halo=True)
    promise, excess = draw.number(now.promise), draw.number(now.excess)
    alt = f"at delta {delta:.3g} the note promises {promise}, the probe's excess is {excess}"
    return plot.panel("promise and truth; drag to move δ. a/ε² grows like 1/δ²", alt, operable=True)
