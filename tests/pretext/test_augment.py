"""Each step against torchvision's function for one picture; the draws against torchvision's and chance.

Tolerance: both sides compute in float32. Colours agree to a few roundings (1e-6). A sampling point is
known to about 4e-6 of a pixel, so on pictures of independent noise, as here, a sample is known to about 1e-5.
"""

from dataclasses import replace

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

from ssl_course.pretext import augment
from ssl_course.pretext.augment import Augmentation, Draw, apply

COLOUR, PLACE = 2e-6, 2e-5
OFF = Augmentation(crop=None, flip=0, jitter=0, gray=0)
ALL = Augmentation(rotate=20, zoom=(0.8, 1.25), blur=0.5, solarize=0.2)
N = 12


def noise(n=N, height=32, width=32, seed=0):
    return torch.randint(0, 256, (n, 3, height, width), generator=seeded(seed), dtype=torch.uint8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def colours(n=N):
    """Noise, and what is special to hue: grays, two equal channels, pure colours, black and white."""
    x = noise(n).float() / 255
    x[0] = x[0, :1]
    x[1, 1] = x[1, 2]
    x[2] = x[2].round()
    return x


def one_by_one(function, images, *values):
    return torch.stack([function(x, *map(float, v)) for x, *v in zip(images, *values, strict=True)])


def between(low, high, n=N, seed=1):
    return low + (high - low) * torch.rand(n, generator=seeded(seed))


def close(a, b, tolerance):
    assert a.shape == b.shape and a.dtype == torch.float32
    assert (a - b).abs().max() < tolerance


# ---- nothing at all ----------------------------------------------------------------------------------------


def test_nothing_drawn_changes_nothing(device):
    images = noise().to(device)
    for draw in (Draw(), OFF.draw(N, 32, 32, device=device)):
        assert torch.equal(apply(images, draw), images.float() / 255)
    floats = images.float() / 255
    view = apply(floats, Draw())
    assert torch.equal(view, floats) and view.data_ptr() != floats.data_ptr()


@pytest.mark.parametrize("height, width", [(32, 32), (64, 64), (30, 44)])
def test_neutral_values_change_nothing(device, height, width):
    images = noise(height=height, width=width).to(device)
    box = dict(top=0, left=0, height=height, width=width)
    place = dict(flip=0, angle=0, zoom=1)
    colour = dict(brightness=1, contrast=1, saturation=1, hue=0, gray=0, sigma=0, solarize=2)
    for values in (box, place, {"zoom": 1}, {"flip": 0}, {**box, **place, **colour}):
        close(apply(images, Draw(**values)), images.float() / 255, PLACE)
    close(apply(images, Draw(**colour)), images.float() / 255, COLOUR)


def test_pictures_are_left_as_they_were(device):
    floats = colours().to(device)
    before = floats.clone()
    apply(floats, ALL.draw(N, 32, 32, device=device))
    apply(floats, Draw(brightness=0.5, gray=1, solarize=0.5))
    assert torch.equal(floats, before)


# ---- geometry ----------------------------------------------------------------------------------------------


def test_flip(device):
    images = noise().to(device)
    flip = (torch.arange(N, device=device) % 3 == 0).float()
    view = apply(images, Draw(flip=flip))
    for x, mirrored, seen in zip(images.float() / 255, flip, view, strict=True):
        assert torch.equal(seen, TF.horizontal_flip(x) if mirrored else x)


BOXES = [
    (0, 0, 32, 32),
    (0, 0, 10, 13),
    (22, 19, 10, 13),
    (5, 7, 20, 11),
    (0, 20, 32, 1),
    (31, 31, 1, 1),
    (3, 4, 16, 16),
]


@pytest.mark.parametrize("size", [32, 16, 50])
def test_resized_crop(device, size):
    images = noise(len(BOXES))
    draw = Draw(*torch.tensor(BOXES, dtype=torch.float32).T)
    truth = torch.stack(
        [
            TF.resized_crop(x, *box, [size, size], antialias=False)
            for x, box in zip(images.float() / 255, BOXES, strict=True)
        ]
    )
    close(apply(images.to(device), draw, size).cpu(), truth, PLACE)


def test_crop_of_a_picture_that_is_not_square():
    x = noise(1, 24, 40)
    truth = TF.resized_crop(x.float() / 255, 5, 9, 18, 30, [24, 40], antialias=False)
    close(apply(x, Draw(5, 9, 18, 30)), truth, PLACE)


@pytest.mark.parametrize("zoom, pad", [(2.0, 0), (0.5, 16)])
def test_zoom_shows_the_reflection_beyond_the_edge(device, zoom, pad):
    x = noise().float() / 255
    if pad:
        truth = TF.resize(TF.pad(x, [pad], padding_mode="symmetric"), [32, 32], antialias=False)
    else:
        truth = TF.resized_crop(x, 8, 8, 16, 16, [32, 32], antialias=False)
    close(apply(x.to(device), Draw(zoom=zoom)).cpu(), truth, PLACE)


@pytest.mark.parametrize("height, width", [(32, 32), (24, 40)])
def test_rotation_shows_the_reflection_beyond_the_edge(device, height, width):
    """torchvision turns the picture with its reflections around it; the whole view is compared."""
    x = noise(height=height, width=width).float() / 255
    angle = between(-180, 180)
    wide = (
        TF.pad(x, [height, height], padding_mode="symmetric")
        if height == width
        else TF.pad(x, [height - 1, height - 1], padding_mode="symmetric")
    )
    turned = one_by_one(
        lambda p, a: TF.rotate(p, a, interpolation=TF.InterpolationMode.BILINEAR), wide, angle
    )
    close(apply(x.to(device), Draw(angle=angle)).cpu(), TF.center_crop(turned, [height, width]), 5e-5)


def test_a_quarter_turn_is_counter_clockwise(device):
    x = noise().float().to(device) / 255
    close(apply(x, Draw(angle=90)), x.rot90(1, (2, 3)), 5e-5)


def test_crop_then_flip_then_turn():
    """On a linear ramp interpolation is exact, so that torchvision's three samplings equal our one."""
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    x = torch.stack([rows, columns, rows + columns]) / 96
    draw = Draw(8, 14, 30, 20, flip=1.0, angle=25.0)
    truth = TF.horizontal_flip(TF.resized_crop(x, 8, 14, 30, 20, [48, 48], antialias=False))
    truth = TF.rotate(truth, 25.0, interpolation=TF.InterpolationMode.BILINEAR)
    inside = (rows - 23.5).hypot(columns - 23.5) < 22  # what never meets an edge
    seen = apply(x[None], draw)[0]
    close(seen[:, inside], truth[:, inside], PLACE)


# ---- colour ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, function, low, high",
    [
        ("brightness", TF.adjust_brightness, 0.0, 2.0),
        ("contrast", TF.adjust_contrast, 0.0, 2.0),
        ("saturation", TF.adjust_saturation, 0.0, 2.0),
        ("hue", TF.adjust_hue, -0.5, 0.5),
        ("solarize", TF.solarize, 0.0, 1.1),
    ],
)
def test_colour_steps(device, name, function, low, high):
    x, values = colours(), between(low, high)
    close(
        apply(x.to(device), Draw(**{name: values.to(device)})).cpu(), one_by_one(function, x, values), COLOUR
    )


@pytest.mark.parametrize("turns", [-0.5, -1 / 3, -1 / 6, 0.0, 1 / 6, 1 / 3, 0.5])
def test_hue_where_the_sixths_meet(turns):
    x = colours()
    close(apply(x, Draw(hue=turns)), TF.adjust_hue(x, turns), COLOUR)


def test_solarize_takes_the_threshold_itself():
    x = colours()
    assert (x == 1).any()
    close(apply(x, Draw(solarize=1.0)), TF.solarize(x, 1.0), COLOUR)


def test_gray(device):
    x, gray = colours().to(device), (torch.arange(N, device=device) % 2).float()
    view = apply(x, Draw(gray=gray))
    close(view[1::2], TF.rgb_to_grayscale(x[1::2], 3), COLOUR)
    close(view[::2], x[::2], COLOUR)


@pytest.mark.parametrize("size, kernel", [(32, 3), (64, 7)])
def test_gaussian_blur(device, size, kernel):
    x, sigma = noise(height=size, width=size).float() / 255, between(0.1, 2.0)
    truth = one_by_one(lambda p, s: TF.gaussian_blur(p, [kernel, kernel], [s, s]), x, sigma)
    close(apply(x.to(device), Draw(sigma=sigma)).cpu(), truth, COLOUR)


# ---- the whole recipe --------------------------------------------------------------------------------------


def chain(x, d, i):
    """The recipe for picture i as torchvision's functions, one after the other."""
    box = [int(v[i]) for v in (d.top, d.left, d.height, d.width)]
    x = TF.resized_crop(x, *box, list(x.shape[-2:]), antialias=False)
    x = TF.horizontal_flip(x) if d.flip[i] else x
    x = TF.adjust_brightness(x, float(d.brightness[i]))
    x = TF.adjust_contrast(x, float(d.contrast[i]))
    x = TF.adjust_saturation(x, float(d.saturation[i]))
    x = x if d.hue is None else TF.adjust_hue(x, float(d.hue[i]))
    x = TF.rgb_to_grayscale(x, 3) if d.gray[i] else x
    x = TF.gaussian_blur(x, [3, 3], [float(d.sigma[i])] * 2) if d.sigma[i] else x
    return TF.solarize(x, 0.5) if d.solarize[i] < 1 else x


STRONG = Augmentation(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, gray=0.3, blur=0.5)


def test_recipe_is_torchvision_s(device):
    """At the paper's full strength. Not solarised: it jumps, so rounding may flip a pixel."""
    images = noise(64)
    draw = STRONG.draw(64, 32, 32, generator=seeded(3))
    assert 0 < draw.gray.sum() < 64 and 0 < draw.flip.sum() < 64 and 0 < (draw.sigma > 0).sum() < 64
    as_chained = replace(draw, solarize=torch.full((64,), 2.0))
    truth = torch.stack([chain(x, as_chained, i) for i, x in enumerate(images.float() / 255)])
    close(apply(images.to(device), draw).cpu(), truth, 5e-5)


def test_gradient_is_torchvision_s():
    """Working in place must not harm the gradient. torchvision's hue has none: see below."""
    x, weight = noise(8).float() / 255, torch.randn(8, 3, 32, 32, generator=seeded(5))
    draw = STRONG.draw(8, 32, 32, generator=seeded(4))
    draw = replace(draw, hue=None, solarize=torch.full((8,), 2.0))

    def gradient(function):
        leaf = x.clone().requires_grad_()
        (function(leaf) * weight).sum().backward()
        return leaf.grad

    ours = gradient(lambda x: apply(x, draw))
    truth = gradient(lambda x: torch.stack([chain(p, draw, i) for i, p in enumerate(x)]))
    assert truth.abs().mean() > 0.1
    # A value that rounding clips in one and not in the other has another gradient: very few do
    assert ((ours - truth).abs() < 1e-3).float().mean() > 0.999


def test_gradient_of_hue():
    """Against that of the textbook's hexagon of HSV, there and back, nothing in place."""
    x, turns = torch.rand(N, 3, 32, 32, generator=seeded()), between(-0.5, 0.5)
    weight = torch.randn(x.shape, generator=seeded(5))

    def through_hsv(x):
        (r, g, b), most, spread = x.unbind(1), x.amax(1), x.amax(1) - x.amin(1)
        sixths = torch.where(
            r == most,
            (g - b) / spread,
            torch.where(g == most, 2 + (b - r) / spread, 4 + (r - g) / spread),
        )
        k = [(n + sixths + 6 * turns.view(-1, 1, 1)) % 6 for n in (5, 3, 1)]
        return torch.stack([most - spread * torch.minimum(v, 4 - v).clamp(0, 1) for v in k], 1)

    gradients = []
    for function in (lambda x: apply(x, Draw(hue=turns)), through_hsv):
        leaf = x.clone().requires_grad_()
        view = function(leaf)
        close(view, one_by_one(TF.adjust_hue, x, turns), COLOUR)
        (view * weight).sum().backward()
        gradients.append(leaf.grad)
    ours, truth = gradients
    assert ((ours - truth).abs() < 1e-3 * (1 + truth.abs())).float().mean() > 0.999  # all but the corners


def test_gradient_flows_through_every_step(device):
    x = 0.1 + 0.8 * colours().to(device)  # torch's clamp passes nothing at its very ends
    for draw in (
        ALL.draw(N, 32, 32, generator=seeded(), device=device),
        Draw(),
        Draw(hue=0.2),
        Draw(solarize=0.5),
    ):
        leaf = x.clone().requires_grad_()
        apply(leaf, draw).square().sum().backward()
        assert leaf.grad.isfinite().all() and (leaf.grad.abs().sum((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("recipe", [Augmentation(), ALL])
def test_each_picture_is_alone(device, recipe, monkeypatch):
    """A picture's view does not depend on the batch, nor on how the batch is cut to fit the cache."""
    images = noise(height=40, width=40).to(device)
    draw = recipe.draw(N, 40, 40, generator=seeded(), device=device)
    together = apply(images, draw)
    rows = [Draw(**{k: v[i : i + 1] for k, v in vars(draw).items() if v is not None}) for i in range(N)]
    close(torch.cat([apply(x[None], row) for x, row in zip(images, rows, strict=True)]), together, COLOUR)
    monkeypatch.setattr(augment, "PIECE", 5 * 3 * 40 * 40)
    close(apply(images, draw), together, COLOUR)
    by_hand = replace(draw, angle=10)  # one number for all goes to every piece
    close(apply(images, by_hand), apply(images, replace(draw, angle=torch.full((N,), 10.0))), COLOUR)


def test_views_are_in_range_and_of_the_size_asked_for(device):
    view = ALL(noise(64).to(device), size=24)
    assert view.shape == (64, 3, 24, 24) and view.dtype == torch.float32 and view.device.type == device
    assert view.min() >= 0 and view.max() <= 1
    white = torch.full((200, 3, 32, 32), 255, dtype=torch.uint8, device=device)
    assert replace(ALL, jitter=0, solarize=0, gray=0)(white).max() <= 1
    assert Augmentation()(noise(0)).shape == (0, 3, 32, 32)


def test_half_precision_around_it_changes_nothing(device):
    images, draw = noise().to(device), ALL.draw(N, 32, 32, generator=seeded())
    with torch.autocast(device, dtype=torch.bfloat16):
        view = apply(images, draw)
    assert torch.equal(view, apply(images, draw))


# ---- chance ------------------------------------------------------------------------------------------------


def test_same_seed_same_views(device):
    images = noise().to(device)
    first = ALL(images, generator=seeded(1))
    assert torch.equal(first, ALL(images, generator=seeded(1)))
    assert not torch.equal(first, ALL(images, generator=seeded(2)))
    generator = seeded(1)
    assert not torch.equal(ALL(images, generator=generator), ALL(images, generator=generator))


def test_only_the_generator_is_used(device):
    images = noise().to(device)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    ALL(images, generator=seeded(1))
    assert torch.equal(before, torch.random.get_rng_state())
    first = ALL(images)
    torch.manual_seed(0)
    assert torch.equal(first, ALL(images))


def test_a_step_switched_off_leaves_the_others_draws():
    whole, without = (a.draw(N, 32, 32, generator=seeded()) for a in (ALL, replace(ALL, contrast=0, flip=0)))
    assert without.contrast is None and without.flip is None
    for name, value in vars(without).items():
        assert value is None or torch.equal(value, getattr(whole, name))


def test_one_parameter_set_by_hand():
    images, draw = noise(), Augmentation().draw(N, 32, 32, generator=seeded())
    by_hand = apply(images, replace(draw, angle=30))
    close(by_hand, apply(images, replace(draw, angle=torch.full((N,), 30.0))), COLOUR)
    assert (by_hand - apply(images, draw)).abs().mean() > 0.05


@pytest.mark.parametrize("height, width", [(32, 32), (64, 64), (32, 80)])
def test_boxes_are_drawn_as_torchvision_draws_them(height, width):
    """Kolmogorov-Smirnov on 3,000 boxes of each: area, ratio, place. Wrong settings are found out."""
    n, torch_state = 3000, torch.random.get_rng_state()
    torch.manual_seed(0)
    pictures = torch.empty(3, height, width)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(pictures, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(n)],
        dtype=torch.float32,
    ).T
    torch.random.set_rng_state(torch_state)

    def statistics(top, left, h, w):
        return h * w, w / h, top / (height - h).clamp(min=1), left / (width - w).clamp(min=1)

    def p_values(recipe):
        draw = recipe.draw(n, height, width, generator=seeded())
        ours = statistics(draw.top, draw.left, draw.height, draw.width)
        return [ks_2samp(a, b).pvalue for a, b in zip(ours, statistics(*theirs), strict=True)]

    assert min(p_values(Augmentation())) > 1e-3
    assert p_values(Augmentation(crop=(0.3, 1.0)))[0] < 1e-6
    assert p_values(Augmentation(ratio=(0.6, 4 / 3)))[1] < 1e-6


def test_boxes_stay_inside_and_the_largest_is_taken_when_none_fits():
    for height, width in ((32, 32), (17, 50), (50, 17)):
        for recipe in (Augmentation(), Augmentation(crop=(1, 1)), Augmentation(crop=(0.01, 0.02))):
            d = recipe.draw(2000, height, width, generator=seeded())
            assert (
                (d.top >= 0).all() and (d.left >= 0).all() and (d.height >= 1).all() and (d.width >= 1).all()
            )
            assert (d.top + d.height <= height).all() and (d.left + d.width <= width).all()
    wide = Augmentation(ratio=(1.5, 2)).draw(2000, 32, 32, generator=seeded())
    assert (wide.width > wide.height).all()
    tall = Augmentation(crop=(1, 1)).draw(100, 50, 17, generator=seeded())
    assert (tall.width == 17).all() and (tall.height == round(17 / (3 / 4))).all()


def test_how_often_and_how_far():
    n = 20_000
    d = replace(ALL, blur=0.3, solarize=0.1).draw(n, 32, 32, generator=seeded())
    share = {
        "flip": (d.flip, 0.5), "gray": (d.gray, 0.2), "jitter": (d.brightness != 1, 0.8),
        "blur": (d.sigma > 0, 0.3), "solarize": (d.solarize == 0.5, 0.1),
    }  # fmt: skip
    for name, (seen, p) in share.items():
        assert abs(float(seen.float().mean()) - p) < 4 * (p * (1 - p) / n) ** 0.5, name
    jittered = d.brightness != 1
    assert (d.hue[~jittered] == 0).all() and (d.contrast[~jittered] == 1).all()
    ranges = {
        "brightness": (0.6, 1.4), "contrast": (0.6, 1.4), "saturation": (0.6, 1.4), "hue": (-0.1, 0.1),
        "angle": (-20, 20), "zoom": (0.8, 1.25),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        values = getattr(d, name)[jittered]
        uniform = low + (high - low) * torch.rand(n, generator=seeded(9))
        assert low <= values.min() and values.max() <= high
        assert ks_2samp(values, uniform).pvalue > 1e-3, name
    drawn = torch.stack([d.brightness, d.contrast, d.saturation, d.hue, d.angle, d.zoom, d.flip, d.gray])[
        :, jittered
    ]
    assert (drawn.corrcoef() - torch.eye(8)).abs().max() < 0.04  # each on its own


def test_no_waiting_for_the_gpu(device):
    if device != "cuda":
        pytest.skip("only a GPU runs ahead of Python")
    images = noise().to(device)
    ALL(images)
    torch.cuda.set_sync_debug_mode("error")
    try:
        ALL(images)
    finally:
        torch.cuda.set_sync_debug_mode("default")


# ---- wrong use ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, named",
    [
        ({"flip": 1.5}, "flip"), ({"hue": 0.6}, "hue"), ({"crop": (0, 1)}, "crop"),
        ({"crop": (0.5, 0.2)}, "crop"), ({"crop": (0.5, 1.2)}, "crop"),
        ({"zoom": (0, 1)}, "zoom"), ({"rotate": -3}, "rotate"),
        ({"blur_sigma": (1.0,)}, "blur_sigma"), ({"brightness": -0.1}, "brightness"),
    ],
)  # fmt: skip
def test_settings_out_of_range(settings, named):
    with pytest.raises(ValueError, match=named):
        Augmentation(**settings)


@pytest.mark.parametrize(
    "images, draw, named",
    [
        (torch.zeros(3, 8, 8), Draw(), "images"),
        (torch.zeros(2, 1, 8, 8), Draw(), "images"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), Draw(), "images"),
        (torch.zeros(2, 3, 8, 8), Draw(angle=torch.zeros(3)), "angle has 3 values for 2"),
        (torch.zeros(2, 3, 8, 8), Draw(top=0, left=0), "box"),
    ],
)
def test_what_does_not_fit_is_named(images, draw, named):
    with pytest.raises(ValueError, match=named):
        apply(images, draw)


def test_nothing_large_is_allocated_before_the_first_draw(monkeypatch):
    import runpy

    from ssl_course.pretext import augment as module

    monkeypatch.setattr(torch, "empty", None)
    runpy.run_path(module.__file__, run_name="again")
