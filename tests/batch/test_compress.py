"""The job `compress`: it writes the bytes of `inr.compress` and refuses bad requests before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inr.batch import JOBS, Item, check_settings
from inr.codec import compress, decompress
from inr.core.errors import ConfigError
from inr.signals import Source

CPU = torch.device("cpu")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    y, x = np.mgrid[0:12, 0:16]
    path = tmp_path / "a.png"
    Image.fromarray(np.stack([x * 15, y * 20, (x + y) * 8], axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.mark.slow
def test_the_bytes_are_those_of_compress(picture: Path, tmp_path: Path) -> None:
    settings = {"flags": {"effort": 1, "quality": 30.0, "seed": 3, "verify": False}}
    made = JOBS["compress"].run(Source.of(picture), settings, CPU)
    assert made.data == compress(picture, effort=1, quality=30.0, seed=3, verify=False).data
    message = made.summary
    assert (message["profile"], message["outcome"], message["headline"], message["shape"]) == (
        "pyramid",
        "done",
        "psnr_db",
        [16, 12],
    )
    assert message["bytes"] == len(made.data)
    (tmp_path / "a.inrz").write_bytes(made.data)
    assert decompress(tmp_path / "a.inrz").values().shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("job", "settings", "message"),
    [
        ("compress", {"flags": {"effort": 0}}, "`effort` is 0"),
        ("compress", {"flags": {"bpp": 0.5, "quality": 10.0}}, "`bpp` and `quality` are given"),
        ("compress", {"flags": {"profile": "pyramdi"}}, "pyramdi"),
        ("compress", {"flags": {"profile": "pyramid"}, "field": "siren"}, "takes neither `field` nor `settings`"),
        ("compress", {"set": ["field.wdith=3"], "field": "siren", "flags": {"profile": "weights"}}, "wdith"),
        ("compress", {"set": ["fit.lr=3"]}, "fit"),
        ("compress", {"flags": {"steps": 5}, "init": "x"}, "steps is not a setting of job 'compress'"),
        ("fit", {"flags": {"bpp": 0.5}}, "bpp is not a setting of job 'fit'"),
    ],
)
def test_impossible_requests_are_refused_before_any_work(
    picture: Path, job: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_settings([Item("a.png", picture)], job, settings)
