"""Masked autoencoder: most patches of a picture are removed, the rest must tell what they were.

He, Chen, Xie, Li, Dollár, Girshick, *Masked Autoencoders Are Scalable Vision Learners*, CVPR 2022, arXiv
2111.06377 (note §3.1, §3.5). The paper's ViT-B/16 is ``MAE(image_size=224, patch_size=16, dim=768, depth=12,
heads=12, decoder_dim=512, decoder_depth=8, decoder_heads=16, norm_pix_loss=True)``.
"""

import torch
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.interfaces import Batch, Pair
from ssl_course.losses import masked_mse
from ssl_course.nets import encoder_flops as encoder_flops
from ssl_course.pretext.holes import fill
from ssl_course.pretext.holes import mean_picture as mean_picture
from ssl_course.pretext.masking import hidden_error as hidden_error
from ssl_course.pretext.masking import mask_noise, patchify, random_masking, to_pixels, unpatchify
from ssl_course.pretext.masking import patch_means as patch_means


class MAE(nn.Module):
    """visible patches → encoder → latent → decoder, with mask tokens in the gaps
    → pixels of the removed patches.

    Args:
        image_size, patch_size: in pixels.
        dim, depth, heads: of the encoder, a ViT that sees the visible patches and a class token only.
        decoder_dim, decoder_depth, decoder_heads: of the decoder, thrown away after training.
        mask_ratio: share of patches that are removed, rounded to a whole number between 1 and L − 1.
        masking: how they are chosen: "random", "block" or "grid".
        norm_pix_loss: predict each patch normalised by its own mean and variance. Better features, but
            pictures drawn from it use the true patch's statistics.
    """

    decoder_position: Tensor  # (L, decoder_dim)
    defaults = {
        "optimizer": "adamw", "lr": 2e-3, "betas": (0.9, 0.95), "weight_decay": 0.05, "warmup": 0.1,
        "steps": 200,
    }  # fmt: skip

    def __init__(
        self,
        image_size: int = 64,
        patch_size: int = 8,
        dim: int = 128,
        depth: int = 4,
        heads: int = 4,
        decoder_dim: int = 64,
        decoder_depth: int = 1,
        decoder_heads: int = 4,
        mask_ratio: float = 0.75,
        masking: str = "random",
        norm_pix_loss: bool = False,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        self.image_size, self.patch_size = image_size, patch_size
        self.mask_ratio, self.masking, self.norm_pix_loss = mask_ratio, masking, norm_pix_loss
        self.backbone = nets.ViT(image_size, patch_size, dim, depth, heads)
        self.grid = self.backbone.grid
        # For whoever classifies by it later (App. A.1); and something to read when every patch is hidden.
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        # One vector for every gap, and the decoder's alone: the encoder is never to see a gap (§3).
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_dim) * 0.02)
        position = nets.sincos_position(decoder_dim, self.grid)  # (L, decoder_dim)
        self.register_buffer("decoder_position", position, persistent=False)
        self.decoder = nets.Transformer(decoder_dim, decoder_depth, decoder_heads)
        self.decoder_pred = nn.Linear(decoder_dim, patch_size**2 * 3)
        for layer in (self.decoder_embed, self.decoder_pred):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def pair(self, batch: Batch) -> Pair:
        """X₁: pictures (N, 3, H, W) in [0, 1] with the removed patches in one gray.
        X₂: the removed patches alone.

        Both are whole pictures, blank where the other is not, so that they can be shown; the network is given
        the visible patches of X₁ and no others. parts: "hidden" (N, 1, H, W), "mask" (N, L), both 1 where
        removed, and "ids_keep" (N, K), "ids_restore" (N, L) of `masking.random_masking`.
        """
        return self.hide(batch.inputs)

    def hide(self, images: Tensor, mask_ratio: float | None = None, noise: Tensor | None = None) -> Pair:
        """The `pair` of pictures (N, 3, H, W), uint8 or floats in [0, 1].

        Args:
            images: differentiable in floats.
            mask_ratio: instead of the method's own.
            noise: (N, L), the patches with the smallest stay; by default drawn as ``masking`` says.

        Raises:
            ValueError: pictures of another size than the method was built for.
        """
        if tuple(images.shape[-2:]) != (self.image_size, self.image_size):
            raise ValueError(
                f"this MAE was built for pictures of {self.image_size} px, not {images.shape[-2]} × "
                f"{images.shape[-1]}; say image_size=… when you build it"
            )
        x, ratio = nets.as_float(images, self), self.mask_ratio if mask_ratio is None else mask_ratio
        if noise is None:
            noise = mask_noise(self.masking, len(x), self.grid, ratio, device=x.device)  # (N, L)
        # Ranking noise draws without replacement, all pictures at once,
        # and every picture keeps equally many (§3).
        ids_keep, ids_restore, mask = random_masking(noise.to(x.device), ratio)
        hidden = to_pixels(mask, self.patch_size)  # (N, 1, H, W)
        gray = nets.mean_and_std(x.dtype, x.device)[0].flatten()  # 0 in normalised pixels
        parts = {"hidden": hidden, "mask": mask, "ids_keep": ids_keep, "ids_restore": ids_restore}
        return Pair(fill(x, hidden, gray), fill(x, 1 - hidden, gray), parts)

    def see(self, pair: Pair) -> Tensor:
        """The latent of the visible patches, (N, 1 + K, dim), class token first."""
        # Positions first, while each patch still has its place; then the gaps are left out, not filled: no
        # mask token costs the encoder time, or teaches it what it will not meet in whole pictures
        # (§3, table 1c).
        x = self.backbone.embed(nets.normalise(pair.x1))  # (N, L, dim)
        kept = x.gather(1, pair.parts["ids_keep"][:, :, None].expand(-1, -1, x.shape[2]))  # (N, K, dim)
        latent = torch.cat([self.cls_token.expand(len(x), -1, -1), kept], 1)  # (N, 1 + K, dim)
        return self.backbone.transformer(latent)

    def forward_encoder(
        self, images: Tensor, mask_ratio: float | None = None, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hide patches (`hide`), encode the rest: latent (N, 1 + K, dim), mask (N, L), ids_restore (N, L)."""
        pair = self.hide(images, mask_ratio, noise)
        return self.see(pair), pair.parts["mask"], pair.parts["ids_restore"]

    def forward_decoder(self, latent: Tensor, ids_restore: Tensor) -> Tensor:
        """Latent and ids_restore → prediction (N, L, p²·3) in normalised pixels (`nets.normalise`)."""
        # The decoder is narrow and thrown away: painting pixels is its task,
        # so that the latent need not be good at it.
        x = self.decoder_embed(latent)  # (N, 1 + K, decoder_dim)
        n, length = ids_restore.shape
        gaps = self.mask_token.to(x.dtype).expand(n, length + 1 - x.shape[1], -1)  # (N, L − K, decoder_dim)
        tokens = torch.cat([x[:, 1:], gaps], 1)  # (N, L, decoder_dim): kept ones, then gaps
        tokens = tokens.gather(1, ids_restore[:, :, None].expand(-1, -1, x.shape[2]))  # each to its place
        # each token is told where it stands
        tokens = tokens + self.decoder_position
        decoded = self.decoder(torch.cat([x[:, :1], tokens], 1))  # (N, 1 + L, decoder_dim)
        patches: Tensor = self.decoder_pred(decoded[:, 1:])
        return patches

    def forward_loss(self, images: Tensor, prediction: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error in normalised pixels, on the removed patches only (`losses.masked_mse`)."""
        # What is visible costs nothing: to copy it would be learned first, and teaches nothing (§3).
        target = nets.normalise(nets.as_float(images, self))
        return masked_mse(target, prediction.float(), mask, self.patch_size, self.norm_pix_loss)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch with freshly drawn masks."""
        pair = self.pair(batch)
        prediction = self.forward_decoder(self.see(pair), pair.parts["ids_restore"])  # (N, L, p²·3)
        return self.forward_loss(pair.x2, prediction, pair.parts["mask"])

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), nothing removed → features (N, dim), the mean over patch tokens."""
        tokens = self.backbone.embed(nets.normalise(nets.as_float(x, self)))  # (N, L, dim)
        # The class token comes along, since the blocks never worked without it; what it says is left out,
        # since no loss ever asked it for anything.
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1)
        return self.backbone.transformer(tokens)[:, 1:].mean(1)

    @torch.no_grad()
    def reconstruct(
        self,
        images: Tensor,
        mask_ratio: float | None = None,
        noise: Tensor | None = None,
        lend: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Fill in removed patches: (pictures in [0, 1] (N, 3, H, W) with the visible patches as they were,
        mask).

        Args:
            images, noise: see `hide`.
            mask_ratio: also 1: then every patch is removed and the encoder reads its class token alone.
            lend: give each patch its own true mean and contrast, a leak: how ``norm_pix_loss`` is drawn.

        Raises:
            ValueError: the method was trained with ``norm_pix_loss``, whose patches know neither mean nor
                contrast, and none is lent.
        """
        # Better features (table 1d), but no picture: each target has lost its mean and contrast.
        if self.norm_pix_loss and not lend:
            raise ValueError(
                "norm_pix_loss=True predicts patches without their mean and contrast: no picture can be "
                "drawn from that honestly. Train with norm_pix_loss=False to see pictures"
            )
        if mask_ratio == 1:
            # `hide` always leaves one patch: without any, the class token alone is read.
            mask = torch.ones(len(images), self.grid**2, device=self.cls_token.device)  # (N, L)
            ids_restore = torch.arange(self.grid**2, device=mask.device).expand(len(images), -1)  # (N, L)
            latent = self.backbone.transformer(self.cls_token.expand(len(images), -1, -1))  # (N, 1, dim)
        else:
            latent, mask, ids_restore = self.forward_encoder(images, mask_ratio, noise)
        patches = self.forward_decoder(latent, ids_restore).float()  # (N, L, p²·3)
        if lend:
            true = patchify(nets.normalise(nets.as_float(images, self)), self.patch_size)  # (N, L, p²·3)
            # the inverse of what `masked_mse` did to the target
            patches = patches * (true.var(-1, keepdim=True) + 1e-6).sqrt() + true.mean(-1, keepdim=True)
        filled = unpatchify(patches, self.patch_size)  # (N, 3, H, W)
        removed = to_pixels(mask, self.patch_size).bool()  # (N, 1, H, W)
        # What is visible is shown as it was: the network was never asked to repeat it.
        return torch.where(removed, nets.denormalise(filled), nets.as_float(images, self)), mask
