"""A method of one's own, tried on a few pictures before minutes are spent on comparing it."""

from typing import Any

import torch
from torch import nn

from ssl_course.interfaces import Data, pair_of

TRY = 8  # pictures


class Entry(ValueError):
    """What is wrong with a method that wants to enter, in a sentence for its author."""


def try_out(method: Any, data: Data) -> None:
    """Call a method once as training and probe will, before minutes are spent on it.

    Args:
        method: hoped to be a `Method`; it may be anything.
        data: of which the first few pictures are used.

    Raises:
        Entry: says which of the few rules it breaks.
    """
    if isinstance(method, type):
        raise Entry(f"That is the class. Hand over an object: {method.__name__}().")
    if not isinstance(method, nn.Module):
        raise Entry(f"A method is a torch.nn.Module; yours is a {type(method).__name__}.")
    if not callable(getattr(method, "encode", None)):
        raise Entry("It has no encode(x): pictures (N, 3, H, W) → features (N, D).")
    if not any(p.requires_grad for p in method.parameters()):
        raise Entry("It has no parameters to train. Was super().__init__() called before any layer was made?")
    if hasattr(method, "prepare"):
        data = _called(method.prepare, data, "prepare(data)")
    batch = data[: min(TRY, len(data))]
    method.train()
    loss = _called(method, batch, "forward(batch)")
    if not torch.is_tensor(loss) or loss.numel() != 1:
        shape = tuple(loss.shape) if torch.is_tensor(loss) else type(loss).__name__
        raise Entry(f"forward(batch) must return one number, the loss, as a tensor; yours returns {shape}.")
    _called(lambda batch: pair_of(method, batch), batch, "pair(batch)")
    if not torch.isfinite(loss):
        raise Entry(f"The first loss is {loss.item()}: nothing can be learned from that.")
    if not loss.requires_grad:
        raise Entry(
            "The loss does not depend on any parameter: did .item(), .detach() or torch.no_grad() cut it off?"
        )
    _called(lambda _: loss.backward(), batch, "loss.backward()")
    if not any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters()):
        raise Entry("The gradient of the loss is zero everywhere: no step would change the network.")
    method.zero_grad(set_to_none=True)
    method.eval()
    with torch.no_grad():
        features = _called(method.encode, batch.inputs, "encode(x)")
    if not torch.is_tensor(features) or features.ndim != 2 or len(features) != len(batch):
        shape = tuple(features.shape) if torch.is_tensor(features) else type(features).__name__
        raise Entry(f"encode(x) of {len(batch)} pictures must return ({len(batch)}, D); it returns {shape}.")
    if not torch.isfinite(features).all():
        raise Entry("encode(x) gives features that are not finite.")


def _called(function: Any, argument: Any, what: str) -> Any:
    try:
        return function(argument)
    except Exception as error:
        message, hint = str(error).strip().partition("\n")[0].rstrip("."), ""
        if any(word in message for word in ("Byte", "uint8", "unsigned char")):
            hint = " Pictures come as uint8: begin with ssl_course.nets.as_float(x)."
        elif isinstance(error, AttributeError) and "Pictures" in message:
            hint = " A batch has batch.inputs, the pictures (N, 3, H, W), and batch.labels."
        raise Entry(f"{what} stopped with {type(error).__name__}: {message}.{hint}") from error
