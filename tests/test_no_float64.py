"""Apple's GPUs have no float64: whatever reaches them is brought to the CPU first. A tensor that plays one finds out."""

import pytest
import torch

from ssl_course import nets
from ssl_course.evaluation import solvers
from ssl_course.evaluation.encoding import rows_of
from ssl_course.evaluation.gauges import feature_std
from ssl_course.losses import gather_ranks
from ssl_course.methods import deep_cca
from ssl_course.pretext import color, halves


class Apple(torch.Tensor):
    """A tensor that says it lies on Apple's GPU, and refuses float64 until ``cpu()`` takes it away."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func == torch.Tensor.device.__get__:
            return torch.device("mps")
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch.Tensor.cpu:  # clone: the same tensor would stay an Apple
                return args[0].as_subclass(torch.Tensor).clone()
        out = super().__torch_function__(func, types, args, kwargs or {})
        if not isinstance(out, torch.Tensor):
            return out
        if out.dtype == torch.float64:
            raise TypeError(f"Cannot convert a MPS Tensor to float64 ({getattr(func, '__name__', func)})")
        return out


def apple(x):
    return x.as_subclass(Apple)


def test_the_stand_in_refuses_what_apples_gpu_refuses():
    x = apple(torch.rand(3))
    assert x.device.type == "mps" and type(2 * x) is Apple
    for refused in (
        lambda: x.double(),
        lambda: x.to(torch.float64),
        lambda: (2 * x).sum(dtype=torch.float64),
    ):
        with pytest.raises(TypeError, match="float64"):
            refused()
    assert type(x.cpu()) is torch.Tensor and x.cpu().double().dtype == torch.float64


CASES = {
    "as_double": lambda on, x: nets.as_double(on(x)),
    "rows of features": lambda on, x: rows_of(on(x)),
    "gauges": lambda on, x: feature_std(on(x)),
    "halves": lambda on, x: halves.halves(on(x.reshape(6, 3, 4, 4)), "left", 2)[0],
    "Lab and back": lambda on, x: color.lab_to_rgb(color.rgb_to_lab(on(x.reshape(6, 3, 4, 4)))),
    "smooth prior": lambda on, x: color.smooth_prior(on(x[0] / x[0].sum()), on(50 * torch.rand(48, 2) - 25)),
    "ridge": lambda on, x: solvers.ridge_map(on(x), on(x[:, :2]), 1e-3)(on(x)),
    "correlation": lambda on, x: deep_cca._unit_scale(on(x)),
    "ranks": lambda on, x: gather_ranks(on(x)),
}


@pytest.mark.parametrize("name", CASES)
def test_no_float64_on_the_device(name):
    x = torch.rand(6, 48, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        there = CASES[name](apple, x.clone())
        torch.manual_seed(1)
        here = CASES[name](lambda t: t, x.clone())
    with torch._C.DisableTorchFunctionSubclass():
        plain = torch.as_tensor(there).as_subclass(torch.Tensor)
    assert torch.allclose(plain, torch.as_tensor(here), atol=1e-6)
