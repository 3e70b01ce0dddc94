"""The formulas of the lecture note, and the function that computes each
(tests/test_equations.py holds them together)."""

from typing import NamedTuple


class Equation(NamedTuple):
    """One formula of the note.

    Attributes:
        name: how cards and tests call it.
        section: of the note, "§3.4"; the function's docstring names the same.
        latex: the formula, without dollars.
        function: dotted path of the function that computes it.
        test: pytest id of the test that compares it with an independent truth.
        lecture: number of the lecture that runs it.
    """

    name: str
    section: str
    latex: str
    function: str
    test: str
    lecture: str


_THEORY = "ssl_course.theory.independence."
_TESTS = "tests/theory/test_independence.py::"
_BOUNDS = "tests/theory/test_bounds.py::"
_CORRELATION = "ssl_course.theory.correlation."
_SIMILAR = "tests/theory/test_correlation.py::"
_LOSSES = "tests/test_losses.py::"

EQUATIONS = [
    Equation(
        "pretext task", "§3.1",
        r"X_2 \approx \psi(X_1)",
        _THEORY + "best_predictor", _TESTS + "test_best_predictor_against_brute_force", "11",
    ),
    Equation(
        "downstream task", "§3.1",
        r"Y \approx w\,\psi(X_1)",
        "ssl_course.theory.bounds.probe_features",
        _BOUNDS + "test_probe_limit_of_the_world_where_nothing_is_learned", "11",
    ),
    Equation(
        "conditional independence", "§3.3",
        r"X_1 \perp X_2 \mid Y \iff P(x_1, x_2 \mid y) = P(x_1 \mid y)\,P(x_2 \mid y)",
        _THEORY + "conditional_mutual_information", _TESTS + "test_cmi_against_brute_force", "01",
    ),
    Equation(
        "best predictor", "§3.3",
        r"\psi^*(x_1) = E[X_2 \mid X_1 = x_1]",
        _THEORY + "best_predictor", _TESTS + "test_best_predictor_against_brute_force", "01",
    ),
    Equation(
        "best predictor under CI", "§3.3",
        r"\psi^*(x_1) = \sum_y P(y \mid x_1)\,E[X_2 \mid y] = A\,P(Y \mid x_1)",
        _THEORY + "predictor_through_y", _TESTS + "test_under_ci_the_predictor_goes_through_y", "01",
    ),
    Equation(
        "approximate conditional independence", "§3.4",
        r"\varepsilon_{CI}^2 = E_{X_1} \bigl\| E[X_2 \mid X_1] - E_Y[E[X_2 \mid Y] \mid X_1] \bigr\|^2",
        _THEORY + "epsilon_ci_squared", _TESTS + "test_epsilon_against_brute_force", "01",
    ),
    Equation(
        "ε² from samples", "§3.4",
        r"\varepsilon_{CI}^2 = E \bigl\| E[X_2 - E[X_2 \mid Y] \mid X_1] \bigr\|^2",
        _THEORY + "estimate_epsilon_ci_squared", _TESTS + "test_estimate_converges", "01",
    ),
    Equation(
        "reconstruction loss", "§3.5.2",
        r"L_{mask}(\psi) = E \| X_2 - \psi(X_1) \|^2",
        "ssl_course.losses.reconstruction", _LOSSES + "test_reconstruction_is_the_squared_distance", "02",
    ),
    Equation(
        "contrast of two views", "§3.2",
        r"\ell_{ij} = -\log \frac{\exp(\mathrm{sim}(z_i, z_j)/\tau)}"
        r"{\sum_{m \ne i} \exp(\mathrm{sim}(z_i, z_m)/\tau)}",
        "ssl_course.losses.nt_xent", _LOSSES + "test_nt_xent_against_a_double_loop", "08",
    ),
    Equation(
        "negative cosine", "§3.2",
        r"D(p, z) = -\frac{p}{\|p\|} \cdot \frac{z}{\|z\|}",
        "ssl_course.losses.negative_cosine", _LOSSES + "test_negative_cosine_and_its_stop_gradient", "12",
    ),
    Equation(
        "contrast of pictures and captions", "§3.2",
        r"\ell = \tfrac{1}{2N} \sum_i \Bigl( -\log \frac{\exp(u_i^\top v_i/\tau)}{\sum_j \exp(u_i^\top "
        r"v_j/\tau)}"
        r" - \log \frac{\exp(u_i^\top v_i/\tau)}{\sum_j \exp(u_j^\top v_i/\tau)} \Bigr)",
        "ssl_course.losses.clip_loss", _LOSSES + "test_clip_loss_against_loops", "10",
    ),
    Equation(
        "canonical correlations", "§3.2",
        r"\rho_i = \sigma_i\bigl(\Sigma_{11}^{-1/2}\, \Sigma_{12}\, \Sigma_{22}^{-1/2}\bigr)",
        _CORRELATION + "cca_from_covariance",
        "tests/theory/test_components.py::test_covariances_give_the_same",
        "07",
    ),
    Equation(
        "number of classes", "§3.4",
        r"k = |Y|, \quad \text{rank of } \psi^* - E\psi^* \le k - 1 \text{ under conditional independence}",
        "ssl_course.theory.bounds.predictor_rank", _BOUNDS + "test_the_rank_of_the_predictor", "11",
    ),
    Equation(
        "literal bound", "§3.4",
        r"\text{test error} \lesssim \frac{k}{n_L} + \varepsilon_{CI}^2",
        "ssl_course.theory.bounds.literal_bound", _BOUNDS + "test_c1", "11",
    ),
    Equation(
        "supervised learning", "§3.4",
        r"\text{test error} \lesssim \frac{C(w\psi)}{n_L}, \quad \text{linear: } \frac{V d_1}{n_L - d_1 - 1}",
        "ssl_course.theory.bounds.excess_risk", _BOUNDS + "test_excess_risk_of_gaussian_features", "11",
    ),
    Equation(
        "excess risk of the probe", "§3.4",
        r"\text{excess} = a + (V + a)\,\frac{r}{n - r - 1}, \quad a \le \varepsilon_{CI}^2 / "
        r"\sigma_{k-1}(M\Pi)^2",
        "ssl_course.theory.bounds.excess_risk", _BOUNDS + "test_excess_risk_of_gaussian_features", "11",
    ),
    Equation(
        "rank condition", "§3.5.2",
        r"\sigma_k\bigl(E[X_2 Y^\top]\bigr) > 0",
        "ssl_course.theory.bounds.smallest_class_correlation",
        _BOUNDS + "test_smallest_class_correlation", "12",
    ),
    Equation(
        "similarity loss", "§3.5.2",
        r"L_{sim}(\eta, \psi) = E \| \eta(X_2) - \psi(X_1) \|^2 "
        r"= E\|\eta(X_2)\|^2 + E\|\psi(X_1)\|^2 - 2\,E[\eta(X_2)^\top \psi(X_1)]",
        _CORRELATION + "l_sim", _SIMILAR + "test_l_sim_is_the_similarity_loss", "12",
    ),
    Equation(
        "similarity as a maximum", "§3.5.2",
        r"\arg\max_{\eta, \psi} E[\eta(X_2)^\top \psi(X_1)] "
        r"\ \text{ under } E[\eta\eta^\top] = E[\psi\psi^\top] = \mathrm{Id}_r",
        _CORRELATION + "maximal_functions", _SIMILAR + "test_maximal_functions_have_these_correlations", "12",
    ),
    Equation(
        "maximal correlation", "§3.5.2",
        r"\min L_{sim} = 2r - 2 \sum_{i \le r} \rho_i \ \text{ under } E[\eta\eta^\top] = E[\psi\psi^\top] = "
        r"\mathrm{Id}_r",
        _CORRELATION + "l_sim_minimum", _SIMILAR + "test_l_sim_minimum", "12",
    ),
    Equation(
        "approximate independence of functions", "§3.5.2",
        r"\tilde\varepsilon_{CI}^2 = \max_{\|g\|=1} E_{X_1} \bigl(E[g(X_2) \mid X_1]"
        r" - E_Y[E[g(X_2) \mid Y] \mid X_1]\bigr)^2",
        _THEORY + "epsilon_tilde_squared", _TESTS + "test_epsilon_tilde_against_search", "12",
    ),
    Equation(
        "rank condition of functions", "§3.5.2",
        r"\rho_{k-1}(X_2, Y) > 0 \quad (\rho_k \text{ where the trivial } \rho = 1 \text{ counts as the "
        r"first})",
        _CORRELATION + "maximal_correlations", _SIMILAR + "test_maximal_correlations", "12",
    ),
    Equation(
        "representation error", "§3.5.2",
        r"a \le 4 \Bigl(1 - \sum_y P(y)^2\Bigr) \frac{\tilde\varepsilon_{CI}^2}{\rho_{k-1}(X_2, Y)^2}",
        "ssl_course.theory.bounds.similarity_error", _BOUNDS + "test_c1", "12",
    ),
]  # fmt: skip


def by_name(name: str) -> Equation:
    """The row of that name.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    for row in EQUATIONS:
        if row.name == name:
            return row
    raise ValueError(f"no equation {name!r}; there are: {', '.join(row.name for row in EQUATIONS)}")
