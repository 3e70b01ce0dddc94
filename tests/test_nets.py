"""Backbones keep their contract, heads their shape, positions the published formula."""

import math

import pytest
import torch

from ssl_course import nets


def test_sincos_position_number_by_number():
    dim, grid = 16, 3
    found = nets.sincos_position(dim, grid)
    assert found.shape == (9, 16)
    for place in range(9):
        row, column = divmod(place, grid)
        expected = []
        for where in (column, row):
            angles = [where / 10000 ** (i / 4) for i in range(4)]
            expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        assert found[place].tolist() == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="divisible by 4"):
        nets.sincos_position(6, 2)


@pytest.mark.parametrize("which", [None, "small-resnet18", "vit_tiny_patch16_224", nets.ViT(32, 8)])
def test_a_backbone_gives_a_map_of_its_dim(which):
    net = nets.backbone(which).eval()
    size = 224 if which == "vit_tiny_patch16_224" else 32
    with torch.no_grad():
        h = net(torch.rand(2, 3, size, size))
    assert h.ndim == 4 and h.shape[:2] == (2, net.dim) and h.shape[2] == h.shape[3] > 1


def test_a_wrong_backbone_is_named():
    with pytest.raises(ValueError, match="timm knows no model 'resnet19'"):
        nets.backbone("resnet19")
    with pytest.raises(ValueError, match=r"\.dim"):
        nets.backbone(torch.nn.Identity())
    with pytest.raises(ValueError, match="only ResNets"):
        nets.backbone("small-vit_tiny_patch16_224")


def test_the_vit_sees_where_a_patch_is():
    torch.manual_seed(0)
    vit = nets.ViT(16, 8, dim=16, depth=1, heads=2).eval()
    picture = torch.zeros(1, 3, 16, 16)
    one, other = picture.clone(), picture.clone()
    one[..., :8, :8], other[..., 8:, 8:] = 1, 1
    with torch.no_grad():
        assert (vit(one).mean((2, 3)) - vit(other).mean((2, 3))).abs().max() > 1e-3
    with pytest.raises(ValueError, match="does not divide"):
        nets.ViT(16, 5)


def test_the_vit_takes_any_shape():
    """Half a picture has the positions of pairs of patches; one size is as if written out; odd sizes are resized."""
    torch.manual_seed(0)
    vit = nets.ViT(16, 4, dim=16, depth=1, heads=2).eval()
    with torch.no_grad():
        x = torch.rand(2, 3, 16, 16)
        patches = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(2, 16, 48)
        embedded = patches @ vit.patch_embed.weight.view(16, 48).T + vit.patch_embed.bias
        torch.testing.assert_close(vit.embed(x), embedded + vit.position, atol=1e-5, rtol=1e-5)
        half = vit.embed(x[..., :8]) - embedded.view(2, 4, 4, 16)[:, :, :2].reshape(2, 8, 16)
        pairs = vit.position.view(4, 2, 2, 16).mean(2).view(8, 16)
        torch.testing.assert_close(half[0], pairs, atol=1e-5, rtol=1e-5)
        assert vit(x[..., :8]).shape == (2, 16, 4, 2) and vit(x[..., :7, :13]).shape == (2, 16, 2, 4)
        assert vit(torch.rand(1, 3, 32, 32)).shape == (1, 16, 8, 8)


def test_a_causal_transformer_does_not_look_ahead():
    torch.manual_seed(0)
    for causal in (True, False):
        net = nets.TextTransformer(11, 8, dim=16, depth=2, heads=2, causal=causal).eval()
        ids = torch.arange(8)[None]
        changed = ids.clone()
        changed[0, 5] = 9
        with torch.no_grad():
            moved = (net(ids) - net(changed)).abs().amax(-1)[0] > 1e-6
        assert moved[5:].all() and moved[:5].any() != causal
    with pytest.raises(ValueError, match="context=8"):
        net(torch.zeros(1, 9, dtype=torch.long))


def test_padding_is_not_seen():
    torch.manual_seed(0)
    net = nets.TextTransformer(11, 8, dim=16, depth=2, heads=2).eval()
    ids = torch.tensor([[1, 2, 3, 0, 0], [1, 2, 3, 7, 8]])
    padding = torch.tensor([[False, False, False, True, True]] * 2)
    with torch.no_grad():
        h = net(ids, padding)
        torch.testing.assert_close(h[0, :3], h[1, :3])
        torch.testing.assert_close(h[0, :3], net(ids[:1, :3])[0], atol=1e-5, rtol=1e-5)


def test_mlp_puts_norms_where_asked():
    def kinds(net):
        return [type(m).__name__ for m in net]

    assert kinds(nets.mlp(4, 8, 2)) == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert kinds(nets.mlp(4, 8, 2, norm=False)) == ["Linear", "ReLU", "Linear"]
    last = torch.nn.BatchNorm1d(2, affine=False)
    *_, linear, end = nets.mlp(4, 8, 2, last_norm=last)
    assert end is last and linear.bias is None and nets.mlp(4, 8, 2)[-1].bias is not None


def test_as_float_and_normalise():
    picture = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert nets.as_float(picture).eq(1).all()
    half = torch.full((1, 3, 2, 2), 0.5)
    assert nets.as_float(half) is half
    expected = (torch.tensor([0.5] * 3) - torch.tensor(nets.MEAN)) / torch.tensor(nets.STD)
    torch.testing.assert_close(nets.normalise(half)[0, :, 0, 0], expected)
    torch.testing.assert_close(nets.denormalise(nets.normalise(half)), half)
    assert nets.denormalise(torch.tensor([-9.0, 9.0]).expand(1, 3, 1, 2)).unique().tolist() == [0, 1]
