"""ComfyUI's nodes on tensors, loaded from their folder as ComfyUI loads them, without ComfyUI."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import inr.plugins.comfyui
from inr.codec import compress, decompress
from inr.core.errors import UsageError
from inr.signals.image import Image

GOLDEN = Path(__file__).parents[1] / "codec" / "golden"


@pytest.fixture
def nodes() -> ModuleType:
    path = Path(inr.plugins.comfyui.__path__[0]) / "__init__.py"
    spec = importlib.util.spec_from_file_location("custom_nodes_inr", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["custom_nodes_inr"] = module
    spec.loader.exec_module(module)
    return module


def test_a_picture_is_loaded(nodes: ModuleType) -> None:
    node = nodes.NODE_CLASS_MAPPINGS["InrLoad"]
    image, mask = getattr(node(), node.FUNCTION)(path=str(GOLDEN / "pyramid-image.inrz"))
    values = decompress(GOLDEN / "pyramid-image.inrz").values()
    assert torch.equal(image, torch.from_numpy(np.clip(values, 0, 1))[None])
    assert mask.shape == image.shape[:3]
    assert not mask.any()
    with pytest.raises(UsageError, match="expected a picture"):
        node().execute(path=str(GOLDEN / "grids-audio.inrz"))


def test_a_file_that_was_written_again_is_loaded_again(nodes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.inrz"
    seen = [nodes.LoadInrz.IS_CHANGED(path=str(path))]
    for name in ("pyramid-image.inrz", "weights-image.inrz"):
        path.write_bytes((GOLDEN / name).read_bytes())
        seen += [nodes.LoadInrz.IS_CHANGED(path=str(path))] * 2
    assert seen[1] == seen[2]
    assert seen[3] == seen[4]
    assert len(set(seen)) == 3


def test_alpha_becomes_a_mask_and_grey_three_channels(nodes: ModuleType, tmp_path: Path) -> None:
    pixels = np.full((16, 16, 2), (90, 255), np.uint8)
    pixels[:, :8, 1] = 0
    compress(Image.of_pixels(pixels), tmp_path / "a.inrz", effort=1, verify=False)
    image, mask = nodes.LoadInrz().execute(path=str(tmp_path / "a.inrz"))
    assert image.shape == (1, 16, 16, 3)
    assert float(mask[0, :, :6].mean()) > 0.7 > 0.3 > float(mask[0, :, 10:].mean())


def test_the_pictures_of_a_batch_are_saved(nodes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = torch.rand(2, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    (names,) = nodes.SaveInrz().execute(images=images, name="out", bits_per_pixel=8.0, effort=1)
    assert names.splitlines() == ["out-0.inrz", "out-1.inrz"]
    assert decompress(tmp_path / "out-1.inrz").header.shape == (24, 16)
    with pytest.raises(UsageError, match="exists"):
        nodes.SaveInrz().execute(images=images, name="out", bits_per_pixel=8.0, effort=1)


def test_every_node_has_what_comfyui_expects(nodes: ModuleType) -> None:
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        assert set(node.INPUT_TYPES()) == {"required"}
        assert callable(getattr(node, node.FUNCTION))
        assert isinstance(node.RETURN_TYPES, tuple)
