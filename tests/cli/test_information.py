"""`inr inspect`, `fields`, `doctor`, `demo`, and the help."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tifffile
from inr_cli.main import app
from PIL import Image
from typer.main import get_command

import inr
from inr.signals.files.png import SIGNATURE, joined
from tests.cli.conftest import TINY, document, invoke, listing, program
from tests.signals.files.tiff_bytes import file_of


def test_inspect_a_model(model: Path) -> None:
    result = invoke("inspect", model)
    assert result.exit_code == 0
    for word in ("siren, 371 parameters", "image 16x12, 3 channels, from a.png", "dB PSNR", "body.last.weight"):
        assert word in result.stdout
    entry = document(invoke("inspect", model, "--json"))["files"][0]
    assert (entry["what"], entry["n_params"], entry["signal"]["kind"]) == ("model", 371, "image")
    assert sum(np.prod(t["shape"]) for t in entry["tensors"]) == 371


def test_inspect_reads_no_more_than_the_header(model: Path) -> None:
    """The tensors are replaced by a hole of the same size."""
    whole = model.read_bytes()
    (n,) = struct.unpack("<Q", whole[:8])
    with model.open("wb") as file:
        file.write(whole[: 8 + n])
        file.truncate(len(whole))
    assert invoke("inspect", model).exit_code == 0


def test_inspect_continues_after_errors_and_ends_with_the_worst_code(model: Path, picture: Path, sound: Path) -> None:
    np.save("x.npy", np.zeros((3, 4), np.float32))
    Path("m.ply").write_text("ply\nformat ascii 1.0\nelement vertex 8\nelement face 12\nend_header\n")
    Path("m.obj").write_text("# cube\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    result = invoke("inspect", "missing", picture, sound, "x.npy", "m.ply", "m.obj", model)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert f"{picture}: picture 16x12 RGB (png), {picture.stat().st_size} bytes" in lines
    assert f"{sound}: sound 0.1 s at 4000 Hz, 1 channel, PCM_16 (wav), 844 bytes" in lines
    assert "x.npy: array 3x4 float32 (npy), 176 bytes" in lines
    assert f"m.ply: mesh 8 vertices, 12 faces (ply), {Path('m.ply').stat().st_size} bytes" in lines
    assert any(line.startswith("m.obj: mesh (obj)") for line in lines)


def pictures_of_all_kinds(folder: Path) -> dict[str, tuple[str, tuple[int, int, int, str]]]:
    """Files, and (the printed line, (width, height, channels, dtype))."""
    rng = np.random.default_rng(0)
    for name, dtype, shape, options in (
        ("float.tif", np.float32, (5, 7, 3), {"photometric": "rgb"}),
        ("double.tif", np.float64, (5, 7), {}),
        ("half.tif", np.float16, (5, 7), {"compression": "lzw", "predictor": 3}),
        ("big.tif", np.uint16, (5, 7, 3), {"photometric": "rgb", "bigtiff": True}),
        ("big-endian.tif", np.uint16, (5, 7), {"bigtiff": True, "byteorder": ">"}),
        ("turned.tif", np.uint8, (5, 7, 4), {"photometric": "rgb", "extratags": [(274, 3, 1, 6, True)]}),
    ):
        tifffile.imwrite(folder / name, (200 * rng.random(shape)).astype(dtype), **options)
    return {
        "float.tif": ("7x5 RGB float32", (7, 5, 3, "float32")),
        "double.tif": ("7x5 L float32", (7, 5, 1, "float32")),
        "half.tif": ("7x5 L float32", (7, 5, 1, "float32")),
        "big.tif": ("7x5 RGB uint16", (7, 5, 3, "uint16")),
        "big-endian.tif": ("7x5 L uint16", (7, 5, 1, "uint16")),
        "turned.tif": ("5x7 RGBA", (5, 7, 4, "uint8")),
    }


def test_inspect_knows_every_picture_that_is_fitted(tmp_path: Path) -> None:
    for name, (line, expected) in pictures_of_all_kinds(tmp_path).items():
        path = tmp_path / name
        reported = invoke("inspect", path)
        assert reported.stdout.startswith(f"{path}: picture {line} (tif), ")
        entry = document(invoke("inspect", path, "--json"))["files"][0]
        assert (entry["width"], entry["height"], entry["channels"], entry["dtype"]) == expected
        for source, stdin in ((str(path), b""), ("-", path.read_bytes())):
            dry = document(invoke("fit", source, "--field", "siren", "--dry-run", "--json", stdin=stdin))
            assert (*dry["shape"], dry["channels"]) == expected[:3]


def test_inspect_reads_no_pixels_of_large_pictures(tmp_path: Path) -> None:
    """Headers before a hole state sizes that are too large to be read whole."""
    for is_big in (False, True):
        tags = [(256, 4, [30000]), (257, 4, [20000]), (258, 3, [8]), (262, 3, [1]), (277, 3, [1]), (278, 4, [20000])]
        data = file_of(tags, [bytes(16)], is_big=is_big)
        at = data.index(struct.pack("<HHI", 279, 4, 1)) if not is_big else data.index(struct.pack("<HHQ", 279, 4, 1))
        at += 12 if is_big else 8
        patched = data[:at] + struct.pack("<I", 600_000_000) + data[at + 4 :]
        with (tmp_path / "a.tif").open("wb") as file:
            file.write(patched)
            file.truncate(600_000_100)
        entry = document(invoke("inspect", tmp_path / "a.tif", "--json"))["files"][0]
        assert (entry["width"], entry["height"], entry["mode"]) == (30000, 20000, "L")
    header = struct.pack(">IIBBBBB", 30000, 20000, 8, 2, 0, 0, 0)
    png = SIGNATURE + joined([(b"IHDR", header), (b"IDAT", b"x"), (b"IEND", b"")])
    (tmp_path / "a.png").write_bytes(png)
    assert "picture 30000x20000 RGB (png)" in invoke("inspect", tmp_path / "a.png").stdout
    assert invoke("fit", tmp_path / "a.png").exit_code == 3
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "JPEG")
    jpeg = bytearray(out.getvalue())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 20000, 30000)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    assert "picture 30000x20000 L (jpg)" in invoke("inspect", tmp_path / "a.jpg").stdout
    assert invoke("fit", tmp_path / "a.jpg").exit_code == 3


def test_inspect_a_checkpoint(picture: Path) -> None:
    invoke("fit", picture, *TINY, "--steps", "4", "--save-every", "2")
    for name in ("a.checkpoint", "a.checkpoint/checkpoint.safetensors"):
        entry = document(invoke("inspect", name, "--json"))["files"][0]
        assert (entry["what"], entry["n_params"], entry["steps"]) == ("checkpoint", 371, 4)


@pytest.mark.parametrize("keep", [0, 5, 40, -1])
def test_inspect_a_truncated_model(model: Path, keep: int) -> None:
    model.write_bytes(model.read_bytes()[:keep])
    result = invoke("inspect", model)
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")


def test_fields_lists_families_and_the_settings_of_one() -> None:
    names = set(document(invoke("fields", "--json"))["fields"])
    assert {"siren", "hash_grid", "mlp"} <= names
    assert "arXiv:2006.09661" in invoke("fields").stdout
    shown = invoke("fields", "siren").stdout
    assert "field.activation.omega " in shown
    assert "(>= 1, <= 65536)" in shown
    message = document(invoke("fields", "siren", "--json"))
    assert message["json_schema"]["properties"]["width"]["default"] == 256
    assert "omega" in message["slots"]["activation"]["sine"]["properties"]


def _has(config: Any, path: list[str]) -> bool:
    return not path or (isinstance(config, dict) and path[0] in config and _has(config[path[0]], path[1:]))


def test_every_setting_that_fields_shows_can_be_set(picture: Path) -> None:
    names = document(invoke("fields", "--json"))["fields"]
    assert len(names) > 30
    for name in names:
        keys = invoke("fields", name, "-q").stdout.split()
        assert keys
        shown: list[str | Path] = [picture]
        if name == "lbdn":  # which has another encoding for shapes
            shown.append("analytic:sphere")
        configs = [document(invoke("fit", of, "--field", name, "--dry-run", "--json"))["field"] for of in shown]
        for key in keys:
            assert any(_has(config, key.split(".")[1:]) for config in configs), key


def test_fields_suggests_the_nearest() -> None:
    result = invoke("fields", "sirne")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: unknown field 'sirne' (did you mean 'siren'?)",
    )


def test_doctor() -> None:
    assert "hash_grid" in invoke("doctor").stdout
    message = document(invoke("doctor", "--json"))
    assert message["inr"] == inr.__version__
    assert {row["backend"] for row in message["kernels"]} >= {"reference", "cpu"}
    assert message["optional"]["onnx"] in ("absent", "present") or message["optional"]["onnx"][0].isdigit()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise ModuleNotFoundError(\"No module named 'triton'\", name='triton')", "absent"),
        ("import a_part_that_is_not_here", "broken: ModuleNotFoundError: No module named 'a_part_that_is_not_here'"),
        ("raise OSError('libcuda.so.1 is missing\\nin two lines')", "broken: OSError: libcuda.so.1 is missing"),
        ("raise SystemError", "broken: SystemError: "),
    ],
)
def test_doctor_reports_that_triton_is_missing_or_broken(here: Path, text: str, message: str) -> None:
    """A package of that name hides the installed one."""
    (here / "triton").mkdir()
    (here / "triton" / "__init__.py").write_text(text)
    doctor = program("doctor", "--json", "--device", "cpu", env={"PYTHONPATH": str(here)})
    assert doctor.returncode == 0, doctor.stderr
    found = json.loads(doctor.stdout)
    assert found["optional"]["triton"] == message
    rows = [row for row in found["kernels"] if row["backend"] == "cuda"]
    assert {row["op"] for row in rows} >= {"hash_grid", "relu_mlp", "dense_mlp", "sine", "kernel_sum", "context_rate"}
    for row in rows:
        assert not row["is_usable"]
        assert "the package 'triton' cannot be imported" in row["reasons"][0]


@pytest.mark.slow
def test_a_fit_on_the_cpu_does_not_import_triton(here: Path) -> None:
    (here / "triton").mkdir()
    (here / "triton" / "__init__.py").write_text("open('imports', 'a').write('x')\nraise SystemError")
    fitted = program(
        "fit", "analytic:chirp", *TINY, "--steps", "2", "-o", "a.safetensors", env={"PYTHONPATH": str(here)}
    )
    assert fitted.returncode == 0, fitted.stderr
    assert not Path("imports").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "rendering"), [("sound", "audio", "wav"), ("image", "image", "png")])
def test_demo(name: str, kind: str, rendering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from inr.signals import SIGNALS

    demo = SIGNALS[kind].demo
    assert demo is not None
    monkeypatch.setattr(SIGNALS[kind], "demo", dataclasses.replace(demo, settings={"steps": 2, "batch": 512}))
    result = invoke("demo", name)
    assert result.exit_code == 0
    assert sorted(p.name for p in Path().iterdir()) == sorted([f"demo-{name}.{rendering}", f"demo-{name}.safetensors"])
    assert invoke("demo", name).exit_code == 2


def test_demo_refuses_another_name_and_a_missing_folder(here: Path) -> None:
    assert "did you mean 'shape'?" in invoke("demo", "shap").stderr
    assert invoke("demo", "-o", "nowhere").exit_code == 2
    assert listing(here) == []


def test_no_command_shows_the_help() -> None:
    alone, requested = invoke(), invoke("--help")
    assert (alone.exit_code, requested.exit_code) == (0, 0)
    assert alone.stdout == requested.stdout
    assert "Exit codes:" in alone.stdout


def test_version() -> None:
    assert invoke("--version").stdout == f"inr {inr.__version__}\n"


def test_a_misspelt_command() -> None:
    result = invoke("fitt")
    assert result.exit_code == 2
    assert "Did you mean 'fit'?" in result.stderr


@pytest.mark.parametrize("name", ["fit", "render", "mesh", "eval", "inspect", "fields", "doctor", "demo"])
def test_help_has_examples_and_fits_80_columns(name: str) -> None:
    shown = invoke(name, "--help").stdout
    assert f"\n  inr {name}" in shown or f"| inr {name}" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert name in get_command(app).list_commands(None)  # type: ignore[attr-defined]


def test_an_internal_error_is_one_line(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import inr.signals

    def broken(*args: object) -> None:
        raise RuntimeError("boom\nsecond line")

    monkeypatch.setattr(inr.signals, "load_signal", broken)
    result = invoke("fit", picture)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "error: RuntimeError: boom second line"
    assert "Traceback" not in result.stderr
    assert "Traceback" in invoke("fit", picture, "-vv").stderr
    assert json.loads(invoke("fit", picture, "--json").stderr)["message"].startswith("RuntimeError")


def test_sounds_of_every_container_are_inspected_and_piped(sound: Path) -> None:
    samples, rate_hz = soundfile.read(sound)
    for form in ("RF64", "AIFF", "AU", "W64", "CAF", "FLAC"):
        soundfile.write("a.sound", samples, rate_hz, format=form, subtype="PCM_16")
        entry = document(invoke("inspect", "a.sound", "--json"))["files"][0]
        assert (entry["what"], entry["format"]) == ("sound", form.lower())
        assert (entry["n_samples"], entry["rate_hz"]) == (len(samples), rate_hz)
        result = invoke("fit", "-", "--dry-run", "-o", "m.safetensors", stdin=Path("a.sound").read_bytes())
        assert result.exit_code == 0, result.stderr


def test_inspect_refuses_a_sound_that_lacks_samples_as_fit_does(sound: Path) -> None:
    sound.write_bytes(sound.read_bytes()[:-100])
    for command in (("inspect", sound), ("fit", sound, "--dry-run")):
        result = invoke(*command)
        assert result.exit_code == 3
        assert "truncated" in result.stderr
        assert "0x" not in result.stderr


def test_inspect_counts_a_flac_whose_header_does_not(sound: Path) -> None:
    samples, rate_hz = soundfile.read(sound)
    soundfile.write("a.flac", samples, rate_hz)
    data = bytearray(Path("a.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    Path("a.flac").write_bytes(data)
    assert document(invoke("inspect", "a.flac", "--json"))["files"][0]["n_samples"] == len(samples)
