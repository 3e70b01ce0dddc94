"""Small backbones and heads. A backbone turns pictures (N, 3, H, W), floats, into a map (N, D, h, w);
``.dim`` is D.

Any timm model does as well: ``backbone("resnet18")``. Pooled over places, the map is what `encode` returns.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Of ImageNet's red, green and blue, as everybody uses: networks learn best from numbers around 0 of size 1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def as_double(x: Tensor) -> Tensor:
    """float64, where the device has it; Apple's has none, and there the CPU computes."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def as_float(images: Tensor, module: nn.Module | None = None) -> Tensor:
    """Pictures as floats in [0, 1], on the module's device: uint8 is divided by 255, floats pass through."""
    if module is not None and (weight := next(module.parameters(), None)) is not None:
        images = images.to(weight.device)
    return images.float().div_(255) if images.dtype == torch.uint8 else images


@lru_cache(maxsize=16)
def mean_and_std(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """`MEAN` and `STD`, (3, 1, 1) each; kept on the device, a copy at every step would make a GPU wait."""
    with torch.inference_mode(False):  # else the first caller would decide what others may do with them
        mean, std = (torch.tensor(v, dtype=dtype, device=device).view(3, 1, 1) for v in (MEAN, STD))
    return mean, std


def normalise(images: Tensor) -> Tensor:
    """Pictures in [0, 1] centred and scaled, channel by channel (N, 3, H, W)."""
    mean, std = mean_and_std(images.dtype, images.device)
    return (images - mean) / std


def denormalise(images: Tensor) -> Tensor:
    """The inverse of `normalise`, (N, 3, H, W), cut to what a picture can show, [0, 1]."""
    mean, std = mean_and_std(images.dtype, images.device)
    return (images * std + mean).clamp(0, 1)


def arguments(local: dict[str, Any]) -> dict[str, Any]:
    """What a constructor was called with, from its ``locals()``:
    a method keeps it, so that a checkpoint can tell."""
    return {k: v for k, v in local.items() if k not in ("self", "__class__")}


# ---------------------------------------------------------------------------------------------- backbones
class Backbone(nn.Module):
    """Pictures (N, 3, H, W) → a map (N, dim, h, w). Nothing needs to inherit it:
    ``.dim`` is enough (`backbone`)."""

    dim: int
    __call__: Callable[..., Tensor]  # for type checkers, to which a module's answer may be anything


class ConvNet(Backbone):
    """A convolution, batch normalisation and ReLU per width, each halving the picture but the last.

    The course's default: 64 px pictures become (N, 128, 8, 8); a batch of 256 costs about 0.2 s forward and
    backward on two cores.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (before, width) in enumerate(zip((3, *widths), widths, strict=False)):
            stride = 2 if i < len(widths) - 1 else 1
            convolution = nn.Conv2d(before, width, 3, stride, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.dim = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, dim, H/8, W/8)."""
        h: Tensor = self.layers(x.contiguous(memory_format=torch.channels_last))
        return h


class Transformer(nn.Module):
    """Pre-norm Transformer blocks and a last LayerNorm: (N, T, dim) → (N, T, dim)."""

    __call__: Callable[..., Tensor]

    def __init__(self, dim: int, depth: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, heads, int(dim * mlp_ratio), dropout=0.0, activation="gelu",
                batch_first=True, norm_first=True,
            )
            for _ in range(depth)
        )  # fmt: skip
        self.norm = nn.LayerNorm(dim)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, causal: bool = False, padding: Tensor | None = None) -> Tensor:
        """``causal``: token t sees only tokens ≤ t. ``padding`` (N, T), True where a token is ignored."""
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], x.device) < 0 if causal else None
        for block in self.blocks:
            x = block(x, src_mask=mask, src_key_padding_mask=padding, is_causal=causal)
        states: Tensor = self.norm(x)
        return states


class ViT(Backbone):
    """A thin Vision Transformer (Dosovitskiy et al. 2021): patches, fixed sin-cos positions, blocks.

    It takes pictures of any shape, tiles and halves of pictures too: they are resized to whole patches, and
    get the positions of ``image_size`` averaged down (or repeated) to their own grid.

    Args:
        image_size: height and width in pixels of the pictures that it is made for.
        patch_size: side of a patch in pixels, a divisor of ``image_size``.
        dim: width; divisible by 4 (positions) and by ``heads``.

    Raises:
        ValueError: the sizes do not fit each other.
    """

    def __init__(
        self, image_size: int = 64, patch_size: int = 8, dim: int = 128, depth: int = 4, heads: int = 4
    ) -> None:
        super().__init__()
        self.position: Tensor
        if image_size % patch_size:
            raise ValueError(f"patch_size={patch_size} does not divide image_size={image_size}")
        if dim % heads:
            raise ValueError(f"heads={heads} does not divide dim={dim}")
        self.image_size, self.patch_size, self.dim = image_size, patch_size, dim
        self.grid = image_size // patch_size
        self.patch_embed = nn.Conv2d(3, dim, patch_size, patch_size)
        nn.init.xavier_uniform_(self.patch_embed.weight.view(dim, -1))  # as the linear map that it is
        self.patch_embed.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("position", sincos_position(dim, self.grid), persistent=False)  # (L, dim)
        self.transformer = Transformer(dim, depth, heads)

    def embed(self, x: Tensor) -> Tensor:
        """Patches as tokens with their positions, row by row: (N, 3, H, W) → (N, h·w, dim)."""
        h, w = self.grid_of(x)
        if tuple(x.shape[-2:]) != (h * self.patch_size, w * self.patch_size):
            x = F.interpolate(x, (h * self.patch_size, w * self.patch_size), mode="bilinear", antialias=True)
        position = self.position  # (L, dim)
        if (h, w) != (self.grid, self.grid):
            square = position.T.unflatten(1, (self.grid, self.grid))  # (dim, grid, grid)
            position = F.adaptive_avg_pool2d(square, (h, w)).flatten(1).T  # (h·w, dim)
        return torch.flatten(self.patch_embed(x), 2).transpose(1, 2) + position

    def grid_of(self, x: Tensor) -> tuple[int, int]:
        """Patches of such a picture (N, 3, H, W) from top to bottom and from left to right, rounded up."""
        return -(-x.shape[-2] // self.patch_size), -(-x.shape[-1] // self.patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, dim, h, w), h = H / patch_size, rounded up."""
        tokens = self.transformer(self.embed(x)).transpose(1, 2)  # (N, dim, h·w)
        return tokens.reshape(*tokens.shape[:2], *self.grid_of(x))


class Timm(Backbone):
    """Any timm model without its head, as a map (N, D, h, w)."""

    def __init__(self, name: str, small_stem: bool = False) -> None:
        import timm  # late: it takes a second and most of the course does without

        super().__init__()
        model: Any = timm.create_model(name, pretrained=False, num_classes=0)
        self.model, self.dim = model, int(model.num_features)
        if small_stem:
            if not hasattr(model, "conv1") or not hasattr(model, "maxpool"):
                raise ValueError(f"small-{name}: only ResNets have a stem to make small")
            model.conv1 = nn.Conv2d(3, model.conv1.out_channels, 3, 1, 1, bias=False)
            model.maxpool = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, dim, h, w)."""
        h: Tensor = cast(Any, self.model).forward_features(x)
        if h.ndim == 3:  # tokens of a Transformer: without class and register tokens, back on the grid
            h = h[:, getattr(self.model, "num_prefix_tokens", 0) :]  # (N, L, D)
            side = round(h.shape[1] ** 0.5)
            h = h.transpose(1, 2).unflatten(2, (side, side))
        elif h.ndim == 4 and h.shape[1] != self.dim:  # some models keep channels last
            h = h.permute(0, 3, 1, 2)
        return h


def backbone(which: nn.Module | str | None = None) -> Backbone:
    """The backbone that ``which`` names: None is `ConvNet`, a module with ``.dim`` is itself,
    a string is timm's.

    ``"small-resnet18"`` is timm's resnet18 with a 3 × 3 stem of stride 1 and no max-pooling, for pictures of
    32 px (SimCLR, arXiv 2002.05709, appendix B.9).

    Raises:
        ValueError: no such timm model, or the module has no ``.dim``.
    """
    if which is None:
        return ConvNet()
    if isinstance(which, str):
        name = which.removeprefix("small-")
        try:
            return Timm(name, small_stem=which != name)
        except RuntimeError as error:  # timm's "Unknown model"
            raise ValueError(f"timm knows no model {name!r}; list them with timm.list_models()") from error
    if not hasattr(which, "dim"):
        raise ValueError(
            f"backbone {type(which).__name__} needs an attribute .dim, the number of channels it returns"
        )
    return cast(Backbone, which)


# --------------------------------------------------------------------------------------------------- heads
def mlp(*dims: int, norm: bool = True, last_norm: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with (BatchNorm and) ReLU between them: ``mlp(128, 256, 64)`` is 128 → 256 → 64.

    ``last_norm`` stands behind the last layer, without ReLU (SimSiam, arXiv 2011.10566, §3).
    """
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip(dims, dims[1:], strict=False)):
        last = i == len(dims) - 2
        after_it = last_norm if last else nn.BatchNorm1d(after) if norm else None
        layers.append(nn.Linear(before, after, bias=after_it is None))  # a norm would take a bias away again
        layers += [m for m in (after_it, None if last else nn.ReLU(inplace=True)) if m is not None]
    return nn.Sequential(*layers)


class TextTransformer(nn.Module):
    """Tokens to hidden states: embedding, learned positions, Transformer blocks; causal or not by one flag.

    Attributes:
        tokens: the embedding, (vocab_size, dim); its weight also serves as the last layer where weights are
            tied.
    """

    __call__: Callable[..., Tensor]

    def __init__(
        self, vocab_size: int, context: int, dim: int = 128, depth: int = 4, heads: int = 4,
        causal: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.context, self.dim, self.causal = context, dim, causal
        self.tokens = nn.Embedding(vocab_size, dim)
        self.positions = nn.Parameter(torch.zeros(context, dim))
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.02)
        self.transformer = Transformer(dim, depth, heads)

    def forward(self, ids: Tensor, padding: Tensor | None = None) -> Tensor:
        """ids (N, T) LongTensor, T ≤ context; padding (N, T) True where there is no token → (N, T, dim).

        Raises:
            ValueError: more tokens than ``context``.
        """
        if ids.shape[1] > self.context:
            raise ValueError(f"{ids.shape[1]} tokens, but context={self.context}")
        x = self.tokens(ids) + self.positions[: ids.shape[1]]  # (N, T, dim)
        return self.transformer(x, causal=self.causal, padding=padding)


def sincos_position(dim: int, grid: int) -> Tensor:
    """Fixed position embedding of a square of patches, (grid², dim), row by row
    (MAE, arXiv 2111.06377, App. A.1).

    The first half of the numbers encodes the column, the second the row; in each half sines before cosines,
    of frequencies 10000^(−i/(dim/4)). No row for a class token.

    Raises:
        ValueError: ``dim`` is not divisible by 4.
    """
    if dim % 4:
        raise ValueError(f"dim={dim} must be divisible by 4: sine and cosine of column and row")
    frequency = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))  # (dim/4,)
    angle = torch.arange(grid, dtype=torch.float64)[:, None] * frequency  # (grid, dim/4)
    one = torch.cat([angle.sin(), angle.cos()], 1)  # (grid, dim/2)
    column = one.repeat(grid, 1)  # (grid², dim/2): 0, 1, 2, 0, 1, 2, …
    row = one.repeat_interleave(grid, 0)  # (grid², dim/2): 0, 0, 0, 1, 1, 1, …
    return torch.cat([column, row], 1).float()


def settle_norms(method: nn.Module, images: Tensor) -> None:
    """Let every BatchNorm take mean and variance of these pictures (N, 3, H, W), in one pass,
    before any training.

    A network just made has running means of 0: until they are learned, `encode` in eval mode says little.
    """
    norms = [m for m in method.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept, mode = [m.momentum for m in norms], method.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a plain average: after one pass, that of the pass
    method.train()
    with torch.no_grad():
        cast(Any, method).project(images)
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum
    method.train(mode)


def encoder_flops(tokens: int, dim: int, depth: int, mlp_ratio: float = 4.0) -> float:
    """Floating-point operations of the encoder's blocks for one picture,
    a multiplication and an addition being two.

    12 · dim² a token in the linear layers (with ``mlp_ratio`` 4), 2 · dim for each pair of tokens in the
    attention: hiding three quarters saves more than three quarters.
    Norms, softmax and patch embedding are left out.
    """
    linear = (4 + 2 * mlp_ratio) * dim**2 * tokens
    attention = 2 * dim * tokens**2
    return 2.0 * depth * (linear + attention)
