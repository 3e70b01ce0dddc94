"""What a linear probe of the learned representation can reach (note §3.4)."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ssl_course.theory.independence import Array, as_joint, best_predictor, posterior


class ProbeLimit(NamedTuple):
    """The best linear probe of ψ*, fitted on the whole population: no estimation error is left."""

    excess: float  # a = min E‖P(Y|X₁) − Wψ* − b‖², excess squared risk (not accuracy)
    accuracy: float  # of the largest output


def probe_limit(joint: Array, x2: Array) -> ProbeLimit:
    """Least squares of P(Y|X₁) on ψ*(X₁) with an intercept, weighted by P(X₁) (note §3.3, §3.4).

    Under conditional independence with class means of full rank the excess is 0: the probe is Bayes-optimal.
    """
    table = as_joint(joint)
    p = table.sum((1, 2))  # (n1,)
    target = posterior(table)  # (n1, k)
    features = best_predictor(table, x2)  # (n1, d)
    design = torch.cat([torch.ones_like(p)[:, None], features - p @ features], 1)  # (n1, 1 + d)
    root = p.sqrt()[:, None]
    # The smallest singular values are rounding error, and would be inverted into huge weights.
    weights = torch.linalg.pinv(root * design, rtol=1e-9) @ (root * target)
    fit = design @ weights  # (n1, k)
    excess = p @ (target - fit).square().sum(1)
    # ties between outputs (a probe that knows nothing) count as a guess among the tied
    top = fit >= fit.max(1, keepdim=True).values - 1e-9
    guess = top / top.sum(1, keepdim=True)
    return ProbeLimit(float(excess), float(p @ (target * guess).sum(1)))
