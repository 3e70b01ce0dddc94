"""MAE on noise given by hand: what the encoder may see, where tokens go, what the loss counts."""

import pytest
import torch

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
    with torch.device("meta"):
        big = MAE(224, 16, 768, 12, 12, 512, 8, 16, norm_pix_loss=True)
    encoder = sum(p.numel() for n, p in big.named_parameters() if not n.startswith(("decoder", "mask")))
    assert encoder == pytest.approx(85.8e6, rel=0.01)  # ViT-B/16 without its head: 85.8 M


def test_it_learns_what_two_colours_share():
    """Pictures of one random colour each: removed patches have the colour of the visible ones."""
    torch.manual_seed(0)
    colours = torch.rand(256, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 32, 32)
    data = Pictures((colours * 255).to(torch.uint8))
    mae = MAE(image_size=32, dim=32, depth=1, heads=2, decoder_dim=16, decoder_heads=2)
    from ssl_course.training import train

    losses = [step.loss for step in train(mae, data, steps=150, batch_size=64, lr=5e-3)]
    assert losses[-1] < 0.2 * losses[0]
