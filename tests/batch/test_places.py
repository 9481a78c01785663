"""Outputs stay inside their folder for every manifest, name, link and folder; a damaged line is one message."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.batch import MANIFEST_NAME, Manifest, collect
from inr.batch.places import free_name, is_inside, key_of
from inr.core.errors import InrError, UnreadableError, UsageError
from tests.batch.test_manifest import SETTINGS, call

FORMAT = {"format": "inr-batch", "version": 1}
DIGEST = "0" * 64
DONE: dict[str, Any] = {
    "done": "a.png",
    "input": {"bytes": 5, "changed_ns": 1, "sha256": DIGEST},
    "output": "a.safetensors",
    "bytes": 5,
    "sha256": DIGEST,
    "summary": {"outcome": "done", "headline": "psnr_db", "metrics": {"psnr_db": 30.5}, "seconds": 1.5},
}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def manifest_of(folder: Path, *lines: object) -> None:
    folder.mkdir(exist_ok=True)
    start = {"start": "fit", "settings": SETTINGS}
    texts = [line if isinstance(line, str) else json.dumps(line) for line in (FORMAT, start, *lines)]
    (folder / MANIFEST_NAME).write_text("\n".join(texts) + "\n")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "output",
    ["../evil.safetensors", "x/../../evil.safetensors", "/tmp/evil.safetensors", "", ".", "..", "a//b.safetensors",
     "./a.safetensors", "a\0.safetensors", "\ud800.safetensors", "sub/", MANIFEST_NAME],
)  # fmt: skip
def test_a_manifest_cannot_lead_out_of_its_folder(inputs: Path, tmp_path: Path, output: str) -> None:
    out = tmp_path / "out"
    manifest_of(out, DONE | {"output": output})
    before = everything(tmp_path)
    with pytest.raises(UnreadableError, match=r"manifest\.jsonl' is damaged in line 3: output is .* inside the folder"):
        call(inputs, out)
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "a list"),
        ("7", "it is 7"),
        ("null", "null"),
        ('"done"', "a text"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("\x00\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a": ' * 99 + "1" + "}" * 99, "nested"),
        ("1" * 5000, "not JSON"),
        ({"start": 5, "settings": {}}, "start is 5"),
        ({"start": "fit"}, "settings is missing"),
        ({"start": "fit", "settings": []}, "settings is a list"),
        ({key: value for key, value in DONE.items() if key != "summary"}, "summary is missing"),
        (DONE | {"done": None}, "done is null"),
        (DONE | {"input": "a"}, "input is a text"),
        (DONE | {"input": {"bytes": 5, "changed_ns": 1}}, "input.sha256 is missing"),
        (DONE | {"input": {"bytes": 1.5, "changed_ns": 1, "sha256": ""}}, "input.bytes is a number"),
        (DONE | {"bytes": -1}, "bytes is -1"),
        (DONE | {"bytes": True}, "bytes is true or false"),
        (DONE | {"sha256": 5}, "sha256 is 5"),
        (DONE | {"output": ["a"]}, "output is a list"),
        (DONE | {"summary": 3}, "summary is 3"),
        (DONE | {"summary": {"metrics": 3}}, "summary.metrics is 3"),
        (DONE | {"summary": {"headline": "psnr_db"}}, "summary.metrics is missing"),
        (DONE | {"summary": {"headline": []}}, "summary.headline is a list"),
        (DONE | {"summary": {"seconds": "1"}}, "summary.seconds is a text"),
        (DONE | {"summary": {"seconds": float("inf")}}, "summary.seconds"),
        (DONE | {"summary": {"n_params": 10**400}}, "summary.n_params"),
        (DONE | {"summary": {"metrics": {"psnr_db": {}}}}, "summary.metrics.psnr_db is an object"),
        (DONE | {"summary": {"outcome": 1}}, "summary.outcome is 1"),
    ],
)
def test_a_damaged_line_is_named(inputs: Path, tmp_path: Path, line: object, message: str) -> None:
    out = tmp_path / "out"
    manifest_of(out, DONE, line, DONE)
    before = everything(out)
    with pytest.raises(UnreadableError) as caught:
        call(inputs, out)
    assert "out/manifest.jsonl' is damaged in line 4: " in caught.value.message
    assert message in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert everything(out) == before


def test_unknown_lines_are_kept_and_a_newer_format_is_refused(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest_of(out, {"note": "from the future"})
    assert call(inputs, out)[1] == 2
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / MANIFEST_NAME).write_text(json.dumps(FORMAT | {"version": 2}) + "\n")
    with pytest.raises(UnreadableError, match="version 2, this inr reads version 1"):
        call(inputs, tmp_path / "new")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
near_lines = st.builds(
    lambda base, changes: {**base, **changes},
    st.sampled_from([DONE, {"start": "fit", "settings": {}}]),
    st.dictionaries(st.sampled_from([*DONE, "start", "settings"]), json_values, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(near_lines | json_values, max_size=4), st.binary(max_size=9))
def test_any_manifest_is_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, lines: list[object], tail: bytes
) -> None:
    """It raises no other exception and writes nothing outside the folder."""
    place = tmp_path_factory.mktemp("any")
    (place / "in").mkdir()
    (place / "in" / "a.png").write_bytes(b"a.png")
    manifest_of(place / "out", *lines)
    with (place / "out" / MANIFEST_NAME).open("ab") as file:
        file.write(tail)
    code = 0
    try:
        batch, _ = call(place / "in", place / "out")
        assert batch.rows["a.png"].state in ("done", "failed")
    except InrError as error:
        code = error.exit_code
    assert code in (0, 2, 3)
    assert sorted(p.name for p in place.iterdir()) == ["in", "out"]


@given(st.text(alphabet="./ab\0\\\ud800", max_size=12))
def test_names_are_inside_exactly_if_the_file_system_agrees(name: str) -> None:
    if is_inside(name):
        resolved = os.path.normpath(os.path.join("/folder", name))
        assert resolved.startswith("/folder/")
        assert resolved == f"/folder/{name}"


def test_links_do_not_lead_out_of_the_folder(inputs: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (inputs / "sub").mkdir()
    (inputs / "sub" / "c.png").write_bytes(b"c")
    (elsewhere / "precious").write_text("mine")
    out.mkdir()
    (out / "sub").symlink_to(elsewhere)
    (out / "a.safetensors").symlink_to(elsewhere / "precious")
    (out / "b.safetensors").symlink_to(elsewhere / "new")
    for force in (False, True):
        batch, n = call(inputs, out, force=force)
        assert n == 0
        failures = {name: row.failure for name, row in batch.rows.items()}
        assert all(failure is not None and failure.exit_code == 2 for failure in failures.values())
        assert "is a link" in str(failures["a.png"])
        assert "is not inside" in str(failures["sub/c.png"])
    assert everything(elsewhere) == {"precious": b"mine"}
    assert [p.name for p in elsewhere.iterdir()] == ["precious"]


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)  # the paths of sockets are short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


@pytest.mark.parametrize(
    ("make", "message"), [(Path.mkdir, "a folder"), (_fifo, "a named pipe"), (_socket, "a socket")]
)
@pytest.mark.parametrize("force", [False, True])
def test_an_output_that_is_not_a_file_is_left_unchanged(
    inputs: Path, tmp_path: Path, make: Callable[[Path], None], message: str, force: bool
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    make(out / "a.safetensors")
    batch, n = call(inputs, out, force=force)
    assert n == 1  # the other one
    assert f"is {message}, expected a file or nothing" in str(batch.rows["a.png"].failure)
    assert not (out / "a.safetensors").is_file()
    assert batch.rows["b.png"].state == "done"


def test_a_file_where_a_folder_is_needed_stays(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (inputs / "sub").mkdir()
    (inputs / "sub" / "c.png").write_bytes(b"c")
    out.mkdir()
    (out / "sub").write_text("mine")
    batch, n = call(inputs, out, force=True)
    assert n == 2
    assert "needs a folder" in str(batch.rows["sub/c.png"].failure)
    assert (out / "sub").read_text() == "mine"


def test_names_that_are_too_long_are_found_before_the_work(tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / ("n" * 251 + ".png")).write_bytes(b"a")
    (inputs / "b.png").write_bytes(b"b")
    batch, n = call(inputs, tmp_path / "out")
    assert n == 1
    failure = batch.rows["n" * 251 + ".png"].failure
    assert failure is not None
    assert "file name too long" in failure.message
    assert failure.exit_code == 2


@pytest.mark.parametrize("target", ["missing", "notes"])
def test_a_manifest_that_is_a_link_is_refused(inputs: Path, tmp_path: Path, target: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "notes").write_text("")
    (out / MANIFEST_NAME).symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match="it is a link"):
        call(inputs, out)
    with pytest.raises(UsageError, match="it is a link"):
        Manifest.read(out)
    assert not (tmp_path / "missing").exists()
    assert (tmp_path / "notes").read_text() == ""


@pytest.mark.parametrize("make", [Path.mkdir, _fifo])
def test_a_manifest_is_a_regular_file(inputs: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    make(out / MANIFEST_NAME)
    with pytest.raises(UsageError, match="manifest"):
        call(inputs, out)


def test_inputs_never_share_an_output(tmp_path: Path) -> None:
    """This holds also where an earlier call used the name, or one that differs only in case."""
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    for names in (["a.wav.png"], ["a.png", "a.wav", "A.png", "a.safetensors.png"]):
        for name in names:
            (inputs / name).write_bytes(name.encode())
        batch, _ = call(inputs, out)
    outputs = [row.output for row in batch.rows.values()]
    assert len({key_of(output) for output in outputs}) == 5
    for row in batch.rows.values():
        assert (out / row.output).read_bytes() == row.name.encode()
    assert call(inputs, out)[1] == 0


def test_a_manifest_that_gives_one_output_to_two_inputs_does_not_mix_them(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest_of(out, DONE | {"done": "b.png"}, DONE)
    batch, n = call(inputs, out)
    assert n == 2
    assert {row.output: (out / row.output).read_bytes() for row in batch.rows.values()} == {
        "a.safetensors": b"a.png",
        "b.safetensors": b"b.png",
    }


@given(st.lists(st.sampled_from(["a", "A", "a.png", "a.wav", "a.inrz", "a.wav.inrz", "b/a.png", "é.png", "é.png"])))
def test_free_names_are_free(items: list[str]) -> None:
    taken: set[str] = set()
    for item in items:
        name = free_name(item, ".inrz", taken)
        assert is_inside(name)
        assert key_of(name) not in taken
        assert name.endswith(".inrz")
        taken.add(key_of(name))


def test_patterns_that_go_up_have_names_inside(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inputs / "deep").mkdir()
    monkeypatch.chdir(inputs)
    out = tmp_path / "out"
    assert [item.name for item in collect(["*/../../in/*.png"], None, out)] == ["a.png", "b.png"]
    assert [item.name for item in collect(["*/../*.png"], None, out)] == ["a.png", "b.png"]
    assert [item.name for item in collect(["../in/*.png"], None, out)] == ["a.png", "b.png"]


def test_an_input_that_is_a_pipe_is_refused_and_not_waited_for(inputs: Path, tmp_path: Path) -> None:
    os.mkfifo(inputs / "p.png")
    with pytest.raises(UsageError, match="a pipe or device"):
        collect([str(inputs / "p.png")], None, tmp_path / "out")
    batch, n = call(inputs, tmp_path / "out")
    assert n == 2
    assert "not a regular file" in str(batch.rows["p.png"].failure)


def test_a_folder_that_cannot_be_listed_is_reported(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files would otherwise be missing without a message."""
    closed = inputs / "closed"
    closed.mkdir()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(closed))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UnreadableError, match="closed"):
        collect([str(inputs)], None, tmp_path / "out")
