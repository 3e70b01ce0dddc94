"""The shipped networks: small enough, each with what it takes to make it again, and as good as it says."""

import pytest
import shipped  # benchmarks/shipped.py
import torch

from ssl_course import checkpoints

FILES = shipped.files()


def test_they_fit_together():
    assert sum(path.stat().st_size for path in FILES) <= shipped.MOST_TOGETHER


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_each_says_how_it_was_made(path):
    assert path.stat().st_size <= shipped.MOST_BYTES
    about = checkpoints.about(path)
    assert about["command"].startswith("python ") and about["data"]
    metrics = about["metrics"]
    assert metrics and metrics["steps"] > 0
    # Where the header names no seed, the command's default, 0, made it.
    assert metrics.get("seed", 0) == 0 or "--seed" in about["command"]
    words = about["command"].split()
    script = words[1] if words[1] != "-m" else f"{words[2]}/__main__.py"
    assert (shipped.ROOT / script).is_file(), "the command names a program that is there"
    if about["data"].startswith("scenes"):
        for label, row in metrics[shipped.BESIDE].items():
            for other in ("untrained", "pixels"):
                gap, half = row[f"above {other}"]
                assert gap == pytest.approx(row["network"] - row[other], abs=2e-4) and half > 0, (
                    label,
                    other,
                )


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_each_is_as_good_as_it_says(path):
    if path.stem == "clip_emoji":
        pytest.skip("its metric needs the emoji set, which is not shipped")
    checks = shipped.verify(path)
    assert checks, "no metric of this file can be measured again: teach benchmarks/shipped.py"
    assert all(check.holds for check in checks), checks


@pytest.mark.slow
def test_a_network_that_forgot_is_found_out(tmp_path):
    """The same file with other weights must fail its own metric."""
    path = next(p for p in FILES if p.stem == "rotation")
    method, about = checkpoints.load(path), checkpoints.about(path)
    torch.manual_seed(0)
    for p in method.parameters():
        p.data = torch.randn_like(p) * p.std()
    spoiled = tmp_path / "rotation.safetensors"
    checkpoints.save(spoiled, method, command=about["command"], metrics=about["metrics"], data=about["data"])
    assert not all(check.holds for check in shipped.verify(spoiled))
