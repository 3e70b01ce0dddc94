"""Learning rates, groups of parameters and optimizers."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# Besides everything of fewer than two dimensions.
NO_DECAY = ("logit_scale", "cls_token", "mask_token", "positions")


def rate(step: int, steps: int, warmup: float = 0.05, schedule: str = "cosine") -> float:
    """The factor on the learning rate at step 0 … steps − 1: linear warm-up, then half a cosine (SGDR, 2017).

    Args:
        warmup: share of ``steps`` below 1, else a number of steps.
        schedule: "cosine" to (almost) 0, or "constant".

    Raises:
        ValueError: no such schedule.
    """
    if schedule not in ("cosine", "constant"):
        raise ValueError(f"schedule is 'cosine' or 'constant', not {schedule!r}")
    ramp = min(int(round(warmup * steps if warmup < 1 else warmup)), steps - 1)
    if step < ramp:
        return (step + 1) / (ramp + 1)
    return 1.0 if schedule == "constant" else (1 + math.cos(math.pi * (step - ramp) / (steps - ramp))) / 2


def parameter_groups(method: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for the optimizer: biases, norms and single vectors (`NO_DECAY`) without weight decay.

    ``method.param_groups(lr)``, where there is one, gives groups ``{"params": [(name, parameter), …], "lr":
    …, "constant_lr": True}``; parameters that it leaves out follow the schedule at ``lr``.
    Each group is then split.
    """
    own = getattr(method, "param_groups", None)
    given = own(lr) if own is not None else []
    taken = {id(p) for group in given for _, p in group["params"]}
    rest = [(n, p) for n, p in method.named_parameters() if p.requires_grad and id(p) not in taken]
    groups = []
    for group in [{"params": rest}, *given]:
        settings = {"lr": lr, "constant_lr": False} | {k: v for k, v in group.items() if k != "params"}
        kinds: dict[bool, list[Tensor]] = {True: [], False: []}
        for name, p in group["params"]:
            kinds[p.ndim > 1 and name.rpartition(".")[2] not in NO_DECAY].append(p)
        for decays, ps in kinds.items():
            if ps:
                decay = weight_decay if decays else 0.0
                groups.append({"params": ps, "weight_decay": decay, "base_lr": settings["lr"], **settings})
    return groups


def _without_compiler(kind: Any) -> Callable[..., torch.optim.Optimizer]:
    """``kind`` whose first step does not load PyTorch's compiler, which only a compiled step would ask.

    torch.optim wraps these methods for it, and the wrappers import it whole: 95 MB written, 70 of libraries.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    bare = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    bare["step"] = torch.no_grad()(inspect.unwrap(kind.step))  # no_grad: the other thing that a wrapper did
    return type(kind.__name__, (kind,), bare)


Adam, AdamW = _without_compiler(torch.optim.Adam), _without_compiler(torch.optim.AdamW)
LBFGS, SGD = _without_compiler(torch.optim.LBFGS), _without_compiler(torch.optim.SGD)


def make_optimizer(method: nn.Module, settings: dict[str, Any]) -> torch.optim.Optimizer:
    """AdamW, SGD with momentum, or SGD with LARS (timm's; SimCLR, arXiv 2002.05709, §2.1).

    Raises:
        ValueError: no such optimizer.
    """
    name = settings["optimizer"]
    groups = parameter_groups(method, settings["lr"], settings["weight_decay"])
    if name == "adamw":
        return AdamW(groups, betas=tuple(settings["betas"]), fused=True)
    if name == "sgd":
        return SGD(groups, momentum=settings["momentum"], fused=True)
    if name == "lars":
        from timm.optim.lars import Lars  # late: timm takes a second to load

        return Lars(groups, momentum=settings["momentum"])
    raise ValueError(f"optimizer is 'adamw', 'sgd' or 'lars', not {name!r}")


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a state whose tensors may have lost their memory layout on the way through a file.

    The fused kernels walk parameter and moments in step through memory, so a channels-last weight needs
    channels-last moments: with others the numbers would be mixed up without an error.
    """
    optimizer.load_state_dict(state)
    for p, moments in optimizer.state.items():
        for name, value in moments.items():
            if torch.is_tensor(value):  # copies, so that two runs can go on from one state
                like = p if value.shape == p.shape else value
                moments[name] = torch.empty_like(like, dtype=value.dtype).copy_(value)
