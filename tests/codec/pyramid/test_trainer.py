"""Training, quantising and steering a pyramid on a small picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

import inr
import inr.signals
from inr._errors import UsageError
from inr.codec.profile import PROFILES, Aim
from inr.codec.pyramid import stream
from inr.codec.pyramid.network import error, first_skip, rate
from inr.codec.pyramid.profile import Goal, architecture_of, dequantised
from inr.codec.pyramid.quantise import quantise
from inr.codec.pyramid.trainer import Steering, Trainer
from inr.codec.soap import Soap
from inr.signals.image import Image


def picture(height: int = 40, width: int = 56) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 16.0
    waves: np.ndarray = np.stack([np.sin(x + y), np.cos(2 * x - y), np.sin(x * y)], -1)
    pixels: np.ndarray = np.rint(127 + 90 * waves).astype(np.uint8)
    return pixels


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1).contiguous()


@pytest.fixture(scope="module")
def trained() -> Trainer:
    target = tensor(picture())
    architecture = architecture_of(3, 40, 56, effort=1, expected_bytes=500)
    trainer = Trainer(architecture, target, Steering(1e-3), Generator().manual_seed(0))
    trainer.soft(150)
    trainer.hard(15)
    return trainer


def test_the_model_of_the_rate_is_what_the_stream_takes(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    groups, integers = quantise(architecture, trained.values, grids, trained.target, 1e-3)
    latents = [grid.numpy().astype(np.int64) for grid in grids]
    _, body = stream.encode(architecture, groups, integers, latents)
    values = {name: torch.from_numpy(value) for name, value in dequantised(groups, integers).items()}
    with torch.no_grad():
        bits = float(rate(architecture, values, grids))
    assert 8 * len(body) == pytest.approx(bits, rel=0.03, abs=64)


def test_quantised_networks_are_nearly_as_good(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    groups, integers = quantise(architecture, trained.values, grids, trained.target, 1e-3)
    values = {name: torch.from_numpy(value) for name, value in dequantised(groups, integers).items()}

    def loss(of: dict[str, Tensor]) -> float:
        with torch.no_grad():
            bpp = rate(architecture, of, grids) / (40 * 56)
            return float(error(architecture, of, grids, trained.target) + 1e-3 * bpp)

    assert loss(values) < 1.3 * loss(trained.values)


def test_training_finds_a_better_picture_for_fewer_bits_than_a_flat_one(trained: Trainer) -> None:
    with torch.no_grad():
        mse = float(error(trained.architecture, trained.values, trained.grids(), trained.target))
    flat = float(trained.target.var(dim=(1, 2), unbiased=False).mean())
    assert mse < 0.05 * flat


def test_the_same_seed_gives_the_same_bytes() -> None:
    signal = Image.of_pixels(picture(17, 9))
    profile = PROFILES["pyramid"]()
    one, other = (profile.encode(signal, Aim(quality=40), 1, 3) for _ in range(2))
    assert one == other
    assert one != profile.encode(signal, Aim(quality=40), 1, 4)


@pytest.mark.parametrize("aim", [{"target_psnr_db": 27.0}, {"bpp": 2.0}])
def test_what_is_asked_for_is_reached(aim: dict[str, float]) -> None:
    from skimage.data import astronaut

    pixels = astronaut()[40:104, 180:276]
    done = inr.compress(Image.of_pixels(pixels), effort=2, verify=False, **aim)  # type: ignore[arg-type]
    assert done.profile == "pyramid"
    assert done.outcome == "done"
    if "bpp" in aim:
        assert done.bpp is not None
        assert 0.8 * aim["bpp"] < done.bpp <= aim["bpp"]
    else:
        assert done.metrics["psnr_db"] < aim["target_psnr_db"] + 2


def test_grey_pictures_with_alpha_and_floats() -> None:
    for pixels in (picture()[..., :1], picture()[..., :2], np.exp(picture() / 64).astype(np.float32)):
        done = inr.compress(Image.of_pixels(pixels), effort=1, verify=False)
        values = inr.decompress(done.data).values()
        assert values.shape == pixels.shape
        assert done.metrics["psnr_db"] > 18


def test_other_signals_are_refused_in_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "plane.npy", np.zeros((4, 4), np.float32))
    with pytest.raises(UsageError, match="of a picture, not of a signal of kind 'array'"):
        PROFILES["pyramid"]().encode(inr.signals.load_signal(tmp_path / "plane.npy"), Aim(), 1, 0)


def test_soap_takes_the_same_steps_in_a_turned_basis() -> None:
    generator = Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64)).Q
    scale = torch.tensor([1.0, 3.0, 10.0, 30.0, 100.0], dtype=torch.float64)[:, None]
    plain = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)
    turned = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)
    optimizers = Soap([plain]), Soap([turned])
    for _ in range(40):
        goal = torch.randn(5, 5, generator=generator, dtype=torch.float64)
        for weight, basis, optimizer in ((plain, torch.eye(5).double(), optimizers[0]), (turned, turn, optimizers[1])):
            optimizer.zero_grad()
            torch.autograd.backward((scale * (basis.T @ weight - goal)).square().sum())
            optimizer.step(0.05)
    torch.testing.assert_close(turn.T @ turned.detach(), plain.detach(), atol=1e-6, rtol=1e-6)


def test_soap_on_a_vector_is_adam() -> None:
    start = torch.tensor([1.0, -2.0, 0.5])
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    soap, adam = Soap([ours]), torch.optim.Adam([theirs], lr=0.1, betas=(0.95, 0.95))
    torch.autograd.backward(ours.square().sum())
    soap.step(0.1)  # builds statistics alone
    for _ in range(7):
        for weight in (ours, theirs):
            weight.grad = None
            torch.autograd.backward((weight**2 * torch.tensor([1.0, 4.0, 9.0])).sum())
        soap.step(0.1)
        adam.step()
    torch.testing.assert_close(ours, theirs)


def test_weight_decay_takes_its_share_of_matrices_alone() -> None:
    matrix, vector = torch.full((2, 3), 2.0, requires_grad=True), torch.full((3,), 2.0, requires_grad=True)
    soap = Soap([matrix, vector], weight_decay=0.5)
    matrix.grad, vector.grad = torch.zeros_like(matrix), torch.zeros_like(vector)
    for _ in range(3):
        soap.step(0.1)
    torch.testing.assert_close(matrix.detach(), torch.full((2, 3), 2.0 * 0.95**3))
    torch.testing.assert_close(vector.detach(), torch.full((3,), 2.0))


def test_all_that_is_trained_is_where_the_target_is() -> None:
    """On a device that only knows shapes: an operation that met a tensor from elsewhere would fail."""
    architecture = architecture_of(3, 40, 56, effort=1, expected_bytes=500)
    target = tensor(picture())
    trainer = Trainer(architecture, target, Steering(1e-3), Generator().manual_seed(0))
    trainer.target, trainer._networks = target.to("meta"), trainer._networks.to("meta")
    trainer._latents = [x.detach().to("meta").requires_grad_() for x in trainer._latents]
    grids = trainer._noisy(0.3, 0.2)
    found = rate(architecture, trainer.values, grids) + error(architecture, trainer.values, grids, trainer.target)
    assert found.device.type == "meta"
    assert {by.device.type for by in torch.autograd.grad(found, [*trainer._latents, *trainer.values.values()])} == {
        "meta"
    }


@pytest.mark.parametrize(("fine", "first"), [(0.0, [0, 0, 1, 0, 2, 0, 1]), (0.3, [0, 1, 2, 0, 1, 2, 0])])
def test_grids_begin_with_principal_colours(fine: float, first: list[int]) -> None:
    """Grey of large contrast, blue against red below it, green below that: of few pixels or of many."""
    n = 32
    x = torch.arange(n, dtype=torch.float32)
    checks = ((x[:, None] // 2 + x // 2) % 2 - 0.5).expand(n, n)
    slope = (x / n - 0.5).expand(n, n)
    grey, blue = torch.tensor([1.0, 1, 1]) / 3**0.5, torch.tensor([1.0, 0, -1]) / 2**0.5
    target = 0.5 + grey[:, None, None] * slope.T + blue[:, None, None] * (fine * checks + 0.3 * slope)
    skip = first_skip(target, 7, rate_weight=1e-3)
    assert skip.shape == (3, 7)
    torch.testing.assert_close(skip.norm(dim=0), torch.full((7,), 0.1 * 3**0.5))
    along = torch.stack([grey, blue, torch.linalg.cross(grey, blue)]) @ skip
    assert along.abs().argmax(0).tolist() == first
    assert first_skip(target[:1], 7, 1e-3).abs().tolist() == [pytest.approx([0.1] * 7)]


def test_networks_grow_with_the_file_that_pays_for_them() -> None:
    def n_weights(aim: Aim, effort: int = 5) -> int:
        goal = Goal(aim, Image.of_pixels(picture()).frame, 768 * 512)
        architecture = architecture_of(3, 512, 768, effort, goal.expected_bytes)
        return sum(np.prod(shape, dtype=int) for shape in stream.shapes_of(architecture).values())

    by_quality = [n_weights(Aim(quality=quality)) for quality in (0, 20, 50, 100)]
    assert by_quality == sorted(by_quality)
    assert n_weights(Aim(quality=50)) > n_weights(Aim(quality=20)) > n_weights(Aim(size_bytes=2000))
    assert n_weights(Aim(target_psnr_db=40.0)) == n_weights(Aim(size_bytes=50000))
    assert n_weights(Aim(quality=50), effort=2) < n_weights(Aim(quality=50)) < n_weights(Aim(quality=50), effort=7)


@pytest.mark.gpu
def test_a_file_of_a_device_decodes_here() -> None:
    signal = Image.of_pixels(picture())
    made = inr.codec.compress(signal, effort=1, quality=40, device="cuda")
    assert made.is_verified
    again = inr.codec.compress(signal, effort=1, quality=40)
    assert made.metrics["psnr_db"] == pytest.approx(again.metrics["psnr_db"], abs=0.5)
    assert len(made.data) == pytest.approx(len(again.data), rel=0.05)


def test_the_profile_gets_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def encode(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.device)
        raise UsageError("enough")

    monkeypatch.setattr(PROFILES["pyramid"], "encode", encode)
    for device in ("cuda:1", "mps", "cpu"):
        with pytest.raises(UsageError, match="enough"):
            inr.codec.compress(Image.of_pixels(picture()), device=device)
    assert seen == ["cuda:1", "cpu", "cpu"]
