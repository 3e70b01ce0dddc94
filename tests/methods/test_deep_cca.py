"""Deep CCA: its loss is that of CCA, survives what usually gives NaN, and finds what no line can."""

import numpy as np
import pytest
import torch

from ssl_course.data.pairs import Pairs
from ssl_course.data.pictures import Pictures
from ssl_course.methods import DeepCCA
from ssl_course.methods.deep_cca import canonical_loss
from ssl_course.theory.correlation import canonical_correlations, l_sim


def rows(n=300, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_loss_is_that_of_cca():
    eta, psi = rows(), rows(seed=1) + rows()
    rho = canonical_correlations(psi, eta)
    assert float(canonical_loss(eta, psi, 1e-9)) == pytest.approx(8 - 2 * float(rho.sum()), rel=1e-6)
    assert float(canonical_loss(eta, psi, 1e-9, 2)) == pytest.approx(4 - 2 * float(rho[:2].sum()), rel=1e-6)
    mixed = psi @ rows(4, seed=3) * 1e4 + 7  # whitening forgets linear maps and scales
    assert float(canonical_loss(eta, mixed, 1e-9)) == pytest.approx(8 - 2 * float(rho.sum()), rel=1e-5)
    assert canonical_loss(eta, psi) <= l_sim(eta, psi, whiten=True) + 0.02  # the best rotation is included
    assert float(canonical_loss(eta, 1e6 * psi)) == pytest.approx(float(canonical_loss(eta, psi)), rel=1e-6)


def hard_batches():
    same, n = rows(64), 64
    white = torch.linalg.qr(rows(n) - rows(n).mean(0)).Q * n**0.5  # all eigenvalues equal
    yield "equal views: all correlations tie at 1", same, same
    yield "equal eigenvalues", white, white.roll(1, 0)
    yield "orthogonal views: all correlations tie at 0", white[:, :2], white[:, 2:]
    yield "constant features", torch.full((n, 4), 0.1), rows(n)
    yield "both constant", torch.full((n, 4), 0.1), torch.zeros(n, 4)
    yield "one constant column", torch.cat([rows(n, 3), torch.ones(n, 1).double()], 1), rows(n)
    yield "repeated columns", rows(n, 1).expand(n, 4), rows(n, seed=1)
    yield "huge repeated columns", 1e8 * rows(n, 1).expand(n, 4), rows(n, seed=1)
    yield "fewer rows than columns", rows(3), rows(3, seed=1)
    yield "two rows", rows(2), rows(2, seed=1)
    yield "float32", rows(n).float(), rows(n, seed=1).float()


@pytest.mark.parametrize(("eta", "psi"), [pytest.param(a, b, id=name) for name, a, b in hard_batches()])
def test_no_nan(eta, psi, device):
    eta, psi = (h.detach().clone().to(device).requires_grad_() for h in (eta, psi))
    loss = canonical_loss(eta, psi)
    loss.backward()
    assert -1e-9 <= float(loss.detach()) <= 2 * eta.shape[1] + 1e-9
    assert torch.isfinite(eta.grad).all() and torch.isfinite(psi.grad).all()


def test_limits():
    same = rows()
    assert float(canonical_loss(same, same, 1e-6)) == pytest.approx(0, abs=1e-4)
    assert float(canonical_loss(torch.full((50, 3), 0.1), rows(50, 3))) == pytest.approx(
        6
    )  # collapse is worst


def test_gradients_are_right():
    eta, psi = rows(12, 3).requires_grad_(), (rows(12, 3, 1) + rows(12, 3)).requires_grad_()
    assert torch.autograd.gradcheck(canonical_loss, (eta, psi))
    tied = torch.cat([rows(8, 2), -rows(8, 2)]).requires_grad_()
    step = (
        tied
        - 0.05
        * torch.autograd.grad(canonical_loss(psi := torch.cat([tied[8:], tied[:4], tied[4:8]]), tied), tied)[
            0
        ]
    )
    assert torch.isfinite(step).all() and psi.shape == tied.shape


def curved(n, seed):
    """Two views that share a sign: x1 on a ring inside or outside, x2 by the parity of two signs; no linear correlation."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, n)
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(z == 1, 2.0, 1.0) + 0.1 * rng.normal(size=n)
    sign = rng.choice([-1, 1], n)
    x2 = np.stack([sign, sign * (2 * z - 1)], 1) + 0.2 * rng.normal(size=(n, 2))
    x1 = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return Pairs(*(torch.tensor(v).float() for v in (x1, x2)), {"z": torch.tensor(z)})


def test_it_finds_what_no_line_can(device):
    data, test = curved(2000, 0).to(device), curved(1000, 1)
    assert canonical_correlations(data.x1, data.x2)[0] < 0.1
    torch.manual_seed(0)
    method = DeepCCA(inputs=(2, 2), dim=1, width=32).to(device)
    optimizer = torch.optim.AdamW(method.parameters(), lr=5e-3)
    for step in range(150):
        loss = method(data[torch.arange(256) + 256 * (step % 7)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    method.eval()
    with torch.no_grad():
        psi, eta = method.encode(test.inputs).cpu(), method.encode2(test.x2).cpu()
    assert canonical_correlations(psi, eta)[0] > 0.9
    guess = (psi[:, 0] > psi[:, 0].median()).long()
    agreement = (guess == test.labels["z"]).double().mean()
    assert max(agreement, 1 - agreement) > 0.95


def test_pictures_are_split_into_halves(device):
    images = torch.randint(
        0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    batch = Pictures(images, {"a": torch.zeros(6, dtype=torch.long)}).to(device)
    method = DeepCCA(dim=2).to(device).eval()
    loss = method(batch)
    loss.backward()
    assert loss.ndim == 0 and torch.isfinite(loss)
    first, second = method.encode(batch.inputs), method.encode2(batch.inputs)
    assert first.shape == second.shape == (6, 2)
    other = batch.inputs.clone()
    other[..., 8:] = 0  # the right half is hidden from ψ, the left from η
    torch.testing.assert_close(method.encode(other), first)
    assert not torch.allclose(method.encode2(other), second)
    torch.testing.assert_close(method.encode(batch.inputs.float() / 255), first)
    own = {id(p) for p in method.net1.parameters()} & {id(p) for p in method.net2.parameters()}
    assert not own


def test_a_given_backbone_is_copied_not_shared():
    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dim, self.layer = 5, torch.nn.Conv2d(3, 5, 3)

        def forward(self, x):
            return self.layer(x)

    method = DeepCCA(dim=2, backbone=Tiny())
    assert len(list(method.parameters())) == 8
    assert method.encode(torch.rand(4, 3, 8, 8)).shape == (4, 2)


def test_pairs():
    data = curved(10, 0)
    assert len(data) == 10 and data[3].x1.shape == (1, 2) and data[-1].x2.shape == (1, 2)
    assert torch.equal(data[torch.tensor([4, 2])].labels["z"], data.labels["z"][[4, 2]])
    assert torch.equal(data[2:5].inputs, data.x1[2:5])
    mask = data.labels["z"] == 1
    assert len(data[mask]) == int(mask.sum()) and data.to("cpu").names == {}
    with pytest.raises(ValueError, match="'x2' has 3 rows where x1 has 2"):
        Pairs(torch.zeros(2, 1), torch.zeros(3, 1))
    with pytest.raises(IndexError):
        data[10]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: canonical_loss(rows(5), rows(6)), "one shape"),
        (lambda: canonical_loss(rows(1), rows(1)), "one pair"),
        (lambda: canonical_loss(rows(9), rows(9), n_components=5), "n_components"),
        (lambda: canonical_loss(rows(9), rows(9), ridge=0), "ridge"),
        (lambda: DeepCCA(inputs=(2, 2))(curved(1, 0)), "one pair"),
        (lambda: DeepCCA(inputs=(2, 0)), "inputs"),
        (lambda: DeepCCA(dim=2, n_components=3), "n_components"),
        (lambda: DeepCCA(inputs=(2, 3)).encode2(torch.zeros(4, 2)), "must be \\(N, 3\\)"),
        (lambda: DeepCCA(dim=2).encode(torch.zeros(4, 2)), "must be pictures"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
