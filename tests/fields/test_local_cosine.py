"""The lapped transform: statements of Princen and Bradley's form, by scipy's DCT of type IV."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct

from inr.core.domain import Spec
from inr.encodings.local_cosine import LocalCosine, LocalCosineConfig
from inr.fields.local_cosine import LocalCosineField
from inr.signals.array import Array as Signal
from inr.workflows.fit import fit
from tests.published import AnyValues, Array, Parameters, Published, PublishedFamily, PublishedFormula, check, linear

PICTURE = Spec("image", 2, 3, (20, 12))
SOUND = np.random.default_rng(5).random((96, 1)).astype(np.float32)
M = 16


def _functions(x: Array, n: int, m: int, n_frames: int) -> Array:
    """[N, J, M]: sqrt(2 / M) sin(pi t / 2 M) cos(pi / M (t + M / 2) (k + 1/2)), t = n x - (j - 1) M in [0, 2 M]."""
    t = (n * x[:, None] - (np.arange(n_frames) - 1) * m)[..., None]
    wave = np.sqrt(2 / m) * np.sin(np.pi * t / (2 * m)) * np.cos(np.pi / m * (t + m / 2) * (np.arange(m) + 0.5))
    return np.asarray(np.where((t >= 0) & (t <= 2 * m), wave, 0))


def _forward(p: Parameters, x: Array) -> Array:
    """Sums over the frames of two axes, and a linear map."""
    table = p["body.encoding.table"].reshape(3, 3, 3, 10, 6)  # frames along both axes, features, bands
    along = [_functions(x[:, d], n, m, 3) for d, (n, m) in enumerate(((20, 10), (12, 6)))]
    return linear(p, "body.last", np.einsum("nik,njl,ijfkl->nf", *along, table))


def _transformed() -> Array:
    """Frames of 2 M samples, windowed, folded to M and transformed by the DCT of type IV (Malvar)."""
    padded = np.pad(SOUND[:, 0].astype(float), M)
    window = np.sin(np.pi * (np.arange(2 * M) + 0.5) / (2 * M))
    found = []
    for start in range(0, len(padded) - M, M):
        a, b, c, d = np.split(window * padded[start : start + 2 * M], 4)
        found.append(dct(np.concatenate([-c[::-1] - d, a - b[::-1]]), type=4, norm="ortho"))
    return np.array(found)


def _here() -> Array:
    config = LocalCosineConfig(bands=(M,)).resolve(Spec("array", 1, 1, (96,)))
    encoding = config.build(1, torch.Generator())
    assert isinstance(encoding, LocalCosine)
    return encoding.transform(torch.from_numpy(SOUND))[:, 0].numpy()


def _samples_of_the_field() -> Array:
    done = fit(Signal.of_array(SOUND[:, 0]), {"type": "local_cosine"}, {"dtype": "float32"})
    return done((torch.arange(96)[:, None] + 0.5) / 96).numpy()


PUBLISHED = (
    PublishedFamily(
        config=LocalCosineField(),
        source="Princen and Bradley 1986; Malvar 1990",
        spec=PICTURE,
        forward=_forward,
        initial={"*": AnyValues()},  # of the signal
        settings={"field.depth": 0, "fit.steps": 0},
        seeds=1,
    ),
    PublishedFormula(
        name="local_cosine, coefficients", source="scipy.fft.dct, type 4", published=_transformed, here=_here
    ),
    PublishedFormula(
        name="local_cosine, perfect reconstruction",
        source="Princen and Bradley 1986",
        published=lambda: SOUND,
        here=_samples_of_the_field,
        tolerance=1e-5,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)
