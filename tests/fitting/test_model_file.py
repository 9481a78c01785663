"""Foreign and damaged model documents: each is one UnreadableError that names the fault, before anything is used."""

from __future__ import annotations

import contextlib
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inr.core.document import MAX_DEPTH
from inr.core.errors import UnreadableError
from inr.fitting import Fit, Run, resolve, resume, save_checkpoint, unfinished_fit
from inr.inspection import describe
from inr.signals import Source
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from inr.workflows.fit import fit

SIREN = {"type": "siren", "width": 4, "depth": 2}
Document = dict[str, Any]


def array() -> Array:
    return Array.of_array(np.sin(np.arange(12, dtype=np.float32)).reshape(4, 3))


@pytest.fixture(scope="module")
def model() -> bytes:
    return fit(array(), SIREN, {"steps": 1}).to_bytes()


def split(data: bytes) -> tuple[Document, Document, bytes]:
    """(header without the document, document, tensors)."""
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + n])
    return header, json.loads(header.pop("__metadata__")["inr"]), data[8 + n :]


def joined(header: Document, document: Any, tensors: bytes) -> bytes:
    text = document if isinstance(document, str) else json.dumps(document)
    head = json.dumps(header | {"__metadata__": {"inr": text}}).encode()
    return struct.pack("<Q", len(head)) + head + tensors


def put(document: Document, place: str, value: Any) -> None:
    """Set document["a"]["b"] for the place "a.b"; a list's element by its number."""
    *parents, last = place.split(".")
    node: Any = document
    for key in parents:
        node = node[int(key) if isinstance(node, list) else key]
    node[int(last) if isinstance(node, list) else last] = value


def refusal(data: bytes, tmp_path: Path) -> str:
    """The message with which a model file is refused; `inspect` refuses it too, or shows what it can."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with contextlib.suppress(UnreadableError):
        describe(path)
    with pytest.raises(UnreadableError) as caught:
        Fit.load(path)
    message = caught.value.message
    assert "m.safetensors" in message
    assert "\n" not in message
    return message


WRONG = [
    ("spec.d_in", 0, "spec.d_in"),
    ("spec.d_in", "2", "spec.d_in is '2'"),
    ("spec.d_in", True, "spec.d_in is True"),
    ("spec.d_in", 3, "3"),
    ("spec.d_out", 10**30, "spec.d_out"),
    ("spec.shape", [-4, 4], "spec.shape[0] is -4"),
    ("spec.shape", [4], "spec.shape has 1 values, expected 2"),
    ("spec.shape", None, "spec.shape"),
    ("spec.shape", [2**30, 2**30], "2^40"),
    ("spec.kind", "picture", "picture"),
    ("spec.kind", "image", "meta.channels"),
    ("spec", [1], "spec is a list"),
    ("frame.domain.low", [0.0, float(10**39)], "frame.domain.low[1]"),
    ("frame.domain.high", [0.0, 3.0], "0"),
    ("frame.scale", [0.0], "frame.scale[0] is 0.0"),
    ("frame.scale", [1e-60], "frame.scale[0]"),
    ("frame.offset", [[1]], "frame.offset[0] is a list"),
    ("meta", None, "meta"),
    ("meta.dtype", "object", "meta.dtype is 'object'"),
    ("meta.range", [0], "meta.range"),
    ("meta.channels", 1, "meta.channels"),
    ("metrics.mse", "low", "metrics.mse"),
    ("steps", 1e9, "steps"),
    ("outcome", "well", "outcome"),
    ("fit.seed", -1, "fit.seed"),
    ("fit.lr", 10**400, "fit.lr is an integer of more than 64 bits"),
    ("fit.loss", {"power": 2}, "fit.loss"),
    ("field.width", 2**40, "field"),
    ("field.depth", 10**9, "field.depth"),
    ("field.type", "sirene", "sirene"),
    ("field.type", 5, "field.type"),
    ("field.activation", {"type": "sine", "omega": "x"}, "omega"),
    ("field.activation", {"omega": []}, "omega"),
    ("made_by", {"inr": 1}, "made_by.inr"),
    ("provenance", {"distilled_from": "a"}, "provenance.distilled_from"),
    ("curve", {"step": [1], "loss": [], "psnr_db": []}, "curve"),
    ("ntk_track", {"looks": [3]}, "ntk_track.looks[0]"),
    ("source", "x" * 10**6, "source"),
]


@pytest.mark.parametrize(("place", "value", "phrase"), WRONG, ids=lambda v: str(v)[:30] if isinstance(v, str) else "")
def test_an_impossible_value_is_named(place: str, value: Any, phrase: str, model: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(model)
    put(document, place, value)
    assert phrase in refusal(joined(header, document, tensors), tmp_path)


@pytest.mark.parametrize("key", ["field", "spec", "frame", "meta", "fit", "metrics", "made_by", "steps"])
def test_a_missing_part_is_named(key: str, model: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(model)
    del document[key]
    assert f"{key} is missing" in refusal(joined(header, document, tensors), tmp_path)


def test_more_keys_than_are_known_are_left_alone(model: bytes) -> None:
    """A later version of the same format may have more keys; unknown settings are refused, as they change values."""
    header, document, tensors = split(model)
    document["colour"] = document["meta"]["more"] = document["spec"]["more"] = {"a": [1]}
    again = Fit.load(Source("m.safetensors", data=joined(header, document, tensors)))
    x = torch.rand(5, 2)
    assert torch.equal(again(x), Fit.load(Source("m.safetensors", data=model))(x))
    document["field"]["more"] = 1
    with pytest.raises(UnreadableError, match=r"unknown setting 'field.more'"):
        Fit.load(Source("m.safetensors", data=joined(header, document, tensors)))


@pytest.mark.parametrize("version", [2, 0, "1", True, None, 1.5, 10**400, [1]])
def test_another_version_is_refused(version: Any, model: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(model)
    document["version"] = version
    assert "format version" in refusal(joined(header, document, tensors), tmp_path)


@pytest.mark.parametrize(
    "text", ["NaN", "[" * 100_000, '{"version": 1}', '{"version": 1, "format": ["inr-model"]}', ""]
)
def test_files_without_a_document_are_refused(text: str, model: bytes, tmp_path: Path) -> None:
    header, _, tensors = split(model)
    assert refusal(joined(header, text, tensors), tmp_path)


def test_a_document_of_deep_tables_is_refused(model: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(model)
    node: Any = document["meta"]
    for _ in range(MAX_DEPTH):
        node["more"] = node = {}
    assert "deep" in refusal(joined(header, document, tensors), tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_numbers_are_refused(value: float, model: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(model)
    del document["sha256"]  # of the tensors, as a file of before has none
    assert "NaN or infinite" in refusal(joined(header, document, np.float32(value).tobytes() + tensors[4:]), tmp_path)


@pytest.mark.parametrize(
    ("entry", "phrase"),
    [
        ({"dtype": "F31"}, "dtype"),
        ({"shape": [-1]}, "shape"),
        ({"shape": [2**40, 2**40]}, "wrong size"),
        ({"data_offsets": [0, 2**50]}, "wrong size"),
        ({"data_offsets": "all"}, "data_offsets"),
    ],
)
def test_an_impossible_table_of_tensors_is_refused(entry: Document, phrase: str, model: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(model)
    header[next(iter(header))] |= entry
    assert phrase in refusal(joined(header, document, tensors), tmp_path)


def test_a_picture_and_a_sound_need_what_writing_them_needs(tmp_path: Path) -> None:
    picture = fit(Image.of_pixels(np.zeros((2, 3, 3), np.uint8)), SIREN, {"steps": 1}).to_bytes()
    sound = fit(Audio.of_samples(np.zeros((9, 1), np.float32), 8000), SIREN, {"steps": 1}).to_bytes()
    for data, place, value in [
        (picture, "meta.dtype", "float16"),
        (picture, "meta.icc", "%%%"),
        (picture, "meta.icc", 5),
        (picture, "spec.shape", None),
        (sound, "meta.rate_hz", 0),
        (sound, "meta.rate_hz", 8000.5),
        (sound, "meta.subtype", None),
    ]:
        header, document, tensors = split(data)
        put(document, place, value)
        assert place in refusal(joined(header, document, tensors), tmp_path)


# -- checkpoints


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("run")
    run = Run(array(), *resolve(array(), SIREN, {"steps": 8, "batch": 6}))
    left = iter(range(99))
    run.advance(should_stop=lambda: next(left) >= 3)
    save_checkpoint(run, folder)
    return (folder / "checkpoint.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("step", -1),
        ("step", "3"),
        ("seconds", "long"),
        ("smooth_loss", None),
        ("optimizer", 3),
        ("optimizer", "[" * 5000),
        ("optimizer", "[{}, []]"),
        ("signal", None),
        ("fit.optimizer", {"type": "adamant"}),
        ("spec.shape", [-4, 3]),
    ],
)
def test_an_impossible_checkpoint_is_refused(place: str, value: Any, checkpoint: bytes, tmp_path: Path) -> None:
    header, document, tensors = split(checkpoint)
    put(document, place, value)
    (tmp_path / "checkpoint.safetensors").write_bytes(joined(header, document, tensors))
    with pytest.raises(UnreadableError, match=r"checkpoint\.safetensors"):
        resume(tmp_path, array())


def lbfgs(folder: Path) -> tuple[Document, Document, bytes]:
    """A checkpoint of L-BFGS, as `split` gives it."""
    settings = {"steps": 8, "batch": 12, "optimizer": {"type": "lbfgs", "iterations": 2, "history": 2}}
    run = Run(array(), *resolve(array(), SIREN, settings))
    left = iter(range(99))
    run.advance(should_stop=lambda: next(left) >= 3)
    save_checkpoint(run, folder)
    return split((folder / "checkpoint.safetensors").read_bytes())


def test_a_history_of_another_length_is_refused(tmp_path: Path) -> None:
    header, document, tensors = lbfgs(tmp_path)
    document["fit"]["optimizer"]["history"] = 9
    (tmp_path / "checkpoint.safetensors").write_bytes(joined(header, document, tensors))
    assert resume(tmp_path, array()).advance() == "done"


@pytest.mark.parametrize(("old", "new"), [('"n_iter": ', '"n_iter": "x", "n": '), ('"old_dirs"', '"dirs"')])
def test_a_state_that_the_first_step_cannot_use_is_refused(old: str, new: str, tmp_path: Path) -> None:
    header, document, tensors = lbfgs(tmp_path)
    assert old in document["optimizer"]
    document["optimizer"] = document["optimizer"].replace(old, new)
    (tmp_path / "checkpoint.safetensors").write_bytes(joined(header, document, tensors))
    with pytest.raises(UnreadableError, match=r"checkpoint\.safetensors"):
        resume(tmp_path, array()).advance()


@pytest.mark.parametrize(("name", "value"), [("order", 99), ("order", -1), ("next", -5)])
def test_a_sampler_s_state_outside_of_the_signal_is_refused(
    name: str, value: int, checkpoint: bytes, tmp_path: Path
) -> None:
    header, document, tensors = split(checkpoint)
    del document["sha256"]
    begin = header[f"sampler.{name}"]["data_offsets"][0]
    changed = tensors[:begin] + struct.pack("<q", value) + tensors[begin + 8 :]
    (tmp_path / "checkpoint.safetensors").write_bytes(joined(header, document, changed))
    with pytest.raises(UnreadableError, match=name):
        resume(tmp_path, array())


def test_undamaged_files_open(model: bytes, checkpoint: bytes, tmp_path: Path) -> None:
    assert Fit.load(Source("m.safetensors", data=joined(*split(model)))).steps == 1
    (tmp_path / "checkpoint.safetensors").write_bytes(checkpoint)
    assert unfinished_fit(tmp_path).steps == resume(tmp_path, array()).step == 3


# -- random changes


def changed(document: Any, draw: random.Random) -> Any:
    """One value of a document swapped for another one, dropped, or put where a table is expected."""
    holders = list(_holders(document))
    holder = draw.choice(holders)
    key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
    odd: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        10**400,
        2**63,
        1e308,
        1e-320,
        0.5,
        "",
        "x",
        [],
        {},
        [0],
        {"type": "mlp"},
        "\ud800",
    )
    if draw.random() < 0.1:
        del holder[key]
    else:
        holder[key] = draw.choice(odd)
    return document


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_model_opens_or_is_refused(seed: int, model: bytes, tmp_path: Path) -> None:
    """Models that open can be rendered and saved."""
    draw = random.Random(seed)
    path = tmp_path / "m.safetensors"
    n_opened = 0
    for _ in range(15):
        header, document, tensors = split(model)
        path.write_bytes(joined(header, changed(document, draw), tensors))
        try:
            opened = Fit.load(path)
        except UnreadableError:
            continue
        describe(path)
        opened.render(size=(2,) * opened.spec.d_in)
        assert Fit.load(Source("m.safetensors", data=opened.to_bytes())).spec == opened.spec
        n_opened += 1
    assert n_opened < 15
