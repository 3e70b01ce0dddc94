"""MAE on noise given by hand: what the encoder may see, where tokens go, what the loss counts."""

import pytest
import torch

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.methods import MAE
from ssl_course.pretext.masking import patchify


@pytest.fixture(scope="module")
def mae():
    torch.manual_seed(0)
    return MAE(image_size=32, dim=32, depth=2, heads=2, decoder_dim=16, decoder_heads=2).eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def noise(seed=2):
    return torch.rand(3, 16, generator=torch.Generator().manual_seed(seed))


def test_the_encoder_sees_a_class_token_and_the_kept_patches(mae, images):
    latent, mask, ids_restore = mae.forward_encoder(images, 0.75, noise())
    assert latent.shape == (3, 5, 32) and mask.sum(1).tolist() == [12] * 3 and ids_restore.shape == (3, 16)
    order = noise().argsort(1)
    assert all((mask[n, order[n, :4]] == 0).all() for n in range(3))


def test_removed_pixels_do_not_leak(mae, images):
    images.requires_grad_(True)
    latent, mask, _ = mae.forward_encoder(images, 0.75, noise())
    latent.square().sum().backward()
    touched = patchify(images.grad, 8).abs().sum(-1)  # (N, L)
    assert (touched[mask == 1] == 0).all() and (touched[mask == 0] > 0).all()


def test_tokens_return_to_their_places(mae, images):
    """A mask token's place decides what is predicted there, and the order in which patches were kept does not."""
    latent, mask, ids_restore = mae.forward_encoder(images, 0.75, noise())
    prediction = mae.forward_decoder(latent, ids_restore)
    assert prediction.shape == (3, 16, 192)
    other = noise() * 0.5  # the same order, other numbers
    latent2, mask2, ids2 = mae.forward_encoder(images, 0.75, other)
    torch.testing.assert_close(mae.forward_decoder(latent2, ids2), prediction)
    swapped = noise()
    first, second = swapped.argsort(1)[:, 0], swapped.argsort(1)[:, 1]
    rows = torch.arange(3)
    swapped[rows, first], swapped[rows, second] = (
        noise()[rows, second],
        noise()[rows, first],
    )  # kept in other order
    latent3, mask3, ids3 = mae.forward_encoder(images, 0.75, swapped)
    assert torch.equal(mask3, mask)
    torch.testing.assert_close(mae.forward_decoder(latent3, ids3), prediction, atol=1e-5, rtol=1e-4)


def test_the_decoder_tells_gaps_apart(mae, images):
    latent, mask, ids_restore = mae.forward_encoder(images, 0.75, noise())
    removed = mae.forward_decoder(latent, ids_restore)[0][mask[0] == 1]  # (12, 192)
    assert torch.cdist(removed, removed).add(torch.eye(12) * 9).min() > 1e-4


def test_the_loss_counts_removed_patches_only(mae, images):
    prediction, mask = torch.zeros(3, 16, 192), torch.zeros(3, 16)
    mask[:, 3] = 1
    before = mae.forward_loss(images, prediction, mask)
    prediction[:, 4:] = 9
    assert mae.forward_loss(images, prediction, mask) == before


def test_reconstruct_keeps_what_is_visible(mae, images):
    filled, mask = mae.reconstruct(images, 0.5, noise())
    same = (patchify(filled, 8) - patchify(images, 8)).abs().amax(-1) < 1e-6
    assert torch.equal(same, mask == 0) and 0 <= filled.min() and filled.max() <= 1
    with pytest.raises(ValueError, match="norm_pix_loss"):
        MAE(image_size=32, norm_pix_loss=True).reconstruct(images)


def test_masks_differ_between_pictures_and_follow_the_seed(mae, images):
    masks = []
    for _ in range(2):
        torch.manual_seed(5)
        masks.append(mae.forward_encoder(images)[1])
    assert torch.equal(*masks) and len({tuple(m.tolist()) for m in masks[0]}) == 3


def test_ints_and_floats_are_the_same_picture(mae):
    whole = torch.randint(
        0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(mae.encode(whole), mae.encode(whole / 255))
    assert mae.encode(whole).shape == (2, 32)


def test_the_papers_size_by_arguments():
    """ViT-B/16 with the paper's decoder, without a number computed: on the meta device only shapes exist."""
    with torch.device("meta"):
        big = MAE(
            image_size=224, patch_size=16, dim=768, depth=12, heads=12, decoder_dim=512, decoder_depth=8,
            decoder_heads=16, norm_pix_loss=True,
        )  # fmt: skip
        images = torch.rand(2, 3, 224, 224)
        encoder = sum(p.numel() for n, p in big.named_parameters() if not n.startswith(("decoder", "mask")))
        assert encoder == 85_798_656 - 197 * 768  # timm's vit_base_patch16_224: no head, no learned positions
        total = sum(p.numel() for p in big.parameters())
        assert total == 111_907_840 - 197 * (768 + 512)  # the paper's 111.9 M less its fixed positions
        latent, mask, ids_restore = big.forward_encoder(images, noise=torch.rand(2, 196))
        assert latent.shape == (2, 1 + 49, 768) and mask.shape == ids_restore.shape == (2, 196)
        prediction = big.forward_decoder(latent, ids_restore)
        assert prediction.shape == (2, 196, 16 * 16 * 3)
        assert prediction.requires_grad and big.encode(images).shape == (2, 768)


def test_the_encoder_is_timms_vision_transformer(images):
    """With timm's weights in place, the same numbers come out of pictures with nothing removed."""
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    theirs = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0, norm_layer=torch.nn.LayerNorm
    ).eval()  # fmt: skip
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.2)
    mae = MAE(image_size=32, dim=32, depth=2, heads=2).eval()
    ours, given = mae.backbone, dict(theirs.named_parameters())
    copied = {
        mae.cls_token: given["cls_token"] + given["pos_embed"][:, :1],  # ours has no position of its own
        ours.patch_embed.weight: given["patch_embed.proj.weight"],
        ours.patch_embed.bias: given["patch_embed.proj.bias"],
        ours.position: given["pos_embed"][0, 1:],
        ours.transformer.norm.weight: given["norm.weight"],
        ours.transformer.norm.bias: given["norm.bias"],
    }
    names = {
        "attn.qkv.weight": "self_attn.in_proj_weight", "attn.qkv.bias": "self_attn.in_proj_bias",
        "attn.proj.weight": "self_attn.out_proj.weight", "attn.proj.bias": "self_attn.out_proj.bias",
        "mlp.fc1.weight": "linear1.weight", "mlp.fc1.bias": "linear1.bias",
        "mlp.fc2.weight": "linear2.weight", "mlp.fc2.bias": "linear2.bias",
        "norm1.weight": "norm1.weight", "norm1.bias": "norm1.bias",
        "norm2.weight": "norm2.weight", "norm2.bias": "norm2.bias",
    }  # fmt: skip
    for k, block in enumerate(ours.transformer.blocks):
        own = dict(block.named_parameters())
        copied |= {own[mine]: given[f"blocks.{k}.{his}"] for his, mine in names.items()}
    assert len(copied) == len(given)
    with torch.no_grad():
        for mine, his in copied.items():
            mine.copy_(his)
        expected = theirs.forward_features(nets.normalise(images))[:, 1:].mean(1)
        torch.testing.assert_close(mae.encode(images), expected, atol=1e-4, rtol=1e-4)


def test_it_learns_what_two_colours_share():
    """Pictures of one random colour each: removed patches have the colour of the visible ones."""
    torch.manual_seed(0)
    colours = torch.rand(256, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 32, 32)
    data = Pictures((colours * 255).to(torch.uint8))
    mae = MAE(image_size=32, dim=32, depth=1, heads=2, decoder_dim=16, decoder_heads=2)
    from ssl_course.training import train

    losses = [step.loss for step in train(mae, data, steps=150, batch_size=64, lr=5e-3)]
    assert losses[-1] < 0.2 * losses[0]
