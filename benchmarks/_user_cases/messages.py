"""Messages: one clear line for impossible requests, names of any bytes, streams, terminals, environments."""

from __future__ import annotations

import io
import json
import os
import pwd
import re
import shlex
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from PIL import Image

from _user_cases._case import Case, Result, case

TINY = ("--field", "siren", "--set", "field.width=8", "--set", "field.depth=1")
ESCAPE = b"\x1b"
NOWHERE = "/proc/nope"


def _picture(tried: Case, name: bytes | str, side: int = 32) -> str:
    """Write a smooth picture under this name; returns its name in Python."""
    y, x = np.mgrid[0:side, 0:side]
    pixels = np.stack([x * 7, y * 7, (x + y) * 3], -1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    tried.folder.joinpath(os.fsdecode(name)).write_bytes(file.getvalue())
    return os.fsdecode(name)


def _one_line(tried: Case, result: Result, *codes: int) -> None:
    """An `error:` line, and one of these exit codes."""
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    tried.expect(
        result.code in codes and lines,
        f"{tried.shown(result)}: exit {result.code}, expected {codes}: {result.err[:200]!r}",
    )


@case("cli/01-newline-and-shell-names-exports")
def _(tried: Case) -> None:
    name = _picture(tried, "a\nb;touch PWNED1\n#.png")
    tried.expect_done(tried.inr("fit", name, *TINY, "--steps", "2", "-o", "m.safetensors", "-q"))
    for suffix in (".glsl", ".wgsl", ".html", ".py"):
        tried.expect_done(tried.inr("export", "m.safetensors", "-o", f"m{suffix}", "-q", "-f"))
    for suffix in (".glsl", ".wgsl"):
        text = tried.path(f"m{suffix}").read_text()
        lines = [line for line in text.splitlines() if "touch PWNED1" in line]
        tried.expect(lines and all(line.startswith("//") for line in lines), f"{suffix}: the name is in {lines}")
    tried.expect_done(tried.inr("report", "m.safetensors", "-o", "r.html"))
    usage = tried.run("python", "m.py", "--help")
    tried.expect("Traceback" not in usage.err, f"m.py --help: {usage.err[-200:]!r}")
    tried.expect(not list(tried.folder.glob("PWNED*")), "PWNED1 was made")


@case("cli/02-xss-names")
def _(tried: Case) -> None:
    name = _picture(tried, "<img src=x onerror=alert(1)>.png")
    tried.expect_done(tried.inr("fit", name, *TINY, "--steps", "2", "-o", "m.safetensors", "-q"))
    tried.expect_done(tried.inr("export", "m.safetensors", "-o", "m.html", "-q"))
    tried.expect_done(tried.inr("report", "m.safetensors", "--signal", name, "-o", "r.html", "-q"))
    tried.expect_done(tried.inr("ntk", name, *TINY, "--steps", "2", "-o", "n.svg", "-q"))
    title = "</title><script>alert(3)</script>"
    tried.expect_done(tried.inr("report", "m.safetensors", "-o", "r2.html", "--title", title, "-q"))
    for page in ("m.html", "r.html", "r2.html", "n.svg"):
        text = tried.path(page).read_text()
        tried.expect("<img src=x" not in text and "<script>alert" not in text, f"{page}: the name is not escaped")


@case("cli/04-home-unset-unknown-uid")
def _(tried: Case) -> None:
    known = {entry.pw_uid for entry in pwd.getpwall()}
    unknown = str(next(n for n in range(54321, 99999) if n not in known))
    _picture(tried, "p.png")
    tried.folder.chmod(0o777)
    result = tried.shell(
        f'umask 0; exec env -u HOME setpriv --reuid {unknown} --clear-groups inr "$@"', "fit", "p.png", *TINY,
        "--steps", "1", env={"XDG_CACHE_HOME": None},
    )  # fmt: skip
    tried.expect_done(result)
    tried.expect("once per machine" not in result.err, f"says that kernels are kept: {result.err!r}")


@case("cli/05-closed-std-streams")
def _(tried: Case) -> None:
    fit = f"inr fit p.png {shlex.join(TINY)} --steps 2"
    for closed, output in ((">&-", "a"), ("2>&-", "b"), ("<&-", "c")):
        result = tried.shell(f"{fit} -o {output}.safetensors {closed}")
        tried.expect(result.code == 0, f"{closed}: exit {result.code}")
        tried.expect(tried.path(f"{output}.safetensors").exists(), f"{closed}: the model was not written")
    tried.expect(tried.shell("inr inspect nofile.png 2>&-").code == 3, "an error without stderr has no code 3")
    tried.expect(tried.shell("inr inspect p.png >&-").code in (0, 4), "inspect without stdout")
    for line in (f"{fit} -o - >&-", "inr fit - --steps 2 <&-", "inr decompress - <&-", "inr compress - -o x.inrz <&-"):
        _one_line(tried, tried.shell(line), 2, 3)


@case("cli/22-non-utf8-names-and-locale")
def _(tried: Case) -> None:
    name = _picture(tried, b"bad\xff.png")
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    fitted = tried.inr("fit", name, *TINY, "--steps", "2", "-o", "m.safetensors", env=strict)
    tried.expect_done(fitted)
    for args in (
        ("inspect", name, "m.safetensors"),
        ("export", "m.safetensors", "-o", "m.html"),
        ("export", "m.safetensors", "-o", "m.glsl"),
        ("report", "m.safetensors", "-o", "r.html"),
        ("eval", "m.safetensors", name),
        ("compress", name, "--effort", "1", "--profile", "weights", "-o", "b.inrz", "--no-verify"),
        ("batch", name, "-o", "many", *TINY, "--steps", "2"),
        ("report", "many", "-o", "r2.html"),
        ("fit", name, *TINY, "--steps", "2", "--json"),
    ):
        tried.expect_done(tried.inr(*args, env=strict))


@case("cli/23-options-nan-inf-huge")
def _(tried: Case) -> None:
    digits = "9" * 400
    huge = "99999999999999999999"
    script = tried.path("cmd.sh").read_text()
    lines = [line[2:] for line in script.splitlines() if line.startswith("t ")]
    tried.expect(len(lines) > 40, "the commands of the case are not found")
    for line in lines:
        args = shlex.split(line.replace("$N", digits))
        result = tried.inr(*args)
        may_run = any(word in args for word in (huge, "99999999999999999999999")) or "-j" in args
        codes = (0, 1, 2, 4) if may_run or "1e300" in args or "-1e308" in args else (2, 4)
        tried.expect(result.code in codes, f"{tried.shown(result)}: exit {result.code}: {result.err[:200]!r}")
        if result.code in (2, 4):
            _one_line(tried, result, 2, 4)


@case("cli/25-environment")
def _(tried: Case) -> None:
    args: tuple[str, ...]
    fit = ("fit", "p.png", *TINY, "--steps", "1", "-f", "-o", "a.safetensors")
    ntk = ("ntk", "p.png", *TINY, "--steps", "2", "-o", "n.png", "-q", "-f")
    for environment, args in (
        ({"OMP_NUM_THREADS": "abc"}, ("inspect", "p.png")),
        ({"NUMBA_NUM_THREADS": "0"}, fit),
        ({"NUMBA_NUM_THREADS": "abc"}, fit),
        ({"NUMBA_CACHE_DIR": NOWHERE}, fit),
        ({"XDG_CACHE_HOME": "relative/dir"}, fit),
        ({"XDG_CACHE_HOME": NOWHERE}, fit),
        ({"INR_BACKEND": ""}, fit),
        ({"INR_DEVICE": ""}, fit),
        ({"PYTHONOPTIMIZE": "2"}, ("inspect", "p.png")),
        ({"PYTHONDONTWRITEBYTECODE": "1"}, ("--version",)),
        ({"CUDA_VISIBLE_DEVICES": "7"}, ("inspect", "p.png")),
        ({"MPLCONFIGDIR": NOWHERE}, ntk),
        ({"RANK": "1", "WORLD_SIZE": "2"}, fit),
        (
            {"TMPDIR": "/nonexistent"},
            ("compress", "p.png", "--effort", "1", "--profile", "weights", "-f", "-o", "a.inrz"),
        ),
    ):
        result = tried.inr(*args, env=environment)
        tried.expect(result.code == 0, f"{environment}: exit {result.code}: {result.err[:200]!r}")
    tried.expect(not tried.path("relative").exists(), "a relative XDG_CACHE_HOME made a folder here")
    for environment, args in (
        ({"INR_DEVICE": "nope"}, fit), ({"INR_BACKEND": "nope"}, fit), ({"MPLBACKEND": "nonsense"}, ntk),
        ({"INR_BACKEND": "nope"}, ("decompress", "s.inrz", "-f", "-o", "a.wav")),
    ):  # fmt: skip
        _one_line(tried, tried.inr(*args, env=environment), 2, 4)


@case("cli/26-terminal-widths-colours")
def _(tried: Case) -> None:
    args: tuple[str, ...]
    for columns in ("1", "5", "0", "-3", "abc", "10", "100000"):
        tried.expect_done(tried.inr("fit", "-h", env={"COLUMNS": columns}))
    for environment in ({"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1"}, {"NO_COLOR": "1"}):
        listed = tried.inr("fields", "--json", env=environment)
        tried.expect(listed.json.get("fields"), f"{environment}: fields --json is not JSON")
        for args in (("fields",), ("inspect", "p.png"), ("fit", "-h")):
            shown = tried.inr(*args, env=environment)
            tried.expect_done(shown)
            tried.expect(
                "FORCE_COLOR" in environment or ESCAPE not in shown.stdout, f"{environment}: escapes in a pipe"
            )
    fit = f"inr fit p.png {shlex.join(TINY)} --steps 5"
    for line in (
        "stty cols 12 rows 3; inr fields",
        "stty cols 0 rows 0; inr fields siren",
        f"TERM=dumb {fit} -o b.safetensors",
    ):
        tried.expect(tried.shell('script -qec "$1" /dev/null', line).code == 0, f"{line} failed")
    shown = tried.shell('script -qec "$1" /dev/null', f"{fit} -o c.safetensors --json --no-progress 2>/dev/null")
    tried.expect(json.loads(shown.out), "no JSON on a terminal")
    refused = tried.shell('script -qec "$1" /dev/null', f"{fit} -o -")
    tried.expect(refused.code == 2 and "is a terminal" in refused.out, f"-o - to a terminal: {refused.out!r}")
    for args in (
        ("fit", "p.png", *TINY, "--steps", "2", "-q", "-o", "q.safetensors"),
        ("compress", "p.png", "--effort", "1", "--profile", "weights", "-q", "-o", "q.inrz"),
        ("batch", "p.png", "-o", "qb", *TINY, "--steps", "2", "-q"),
    ):
        quiet = tried.inr(*args)
        tried.expect_done(quiet)
        tried.expect(quiet.stderr == b"", f"{tried.shown(quiet)}: --quiet, but stderr has {quiet.err!r}")


@case("cli/27-terminal-escapes")
def _(tried: Case) -> None:
    data = tried.path("p.safetensors").read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + n])
    document = json.loads(header["__metadata__"]["inr"])
    document["source"] = "\x1b]0;PWNED\x07\x1b[2Jx.png"
    document["made_by"] = {"inr": "\x1b[31mred"}
    header["__metadata__"]["inr"] = json.dumps(document)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    tried.path("evil.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + n :])
    name = _picture(tried, "a\x1b[2J\x1b]0;PWNED\x07.png")
    for args in (
        ("inspect", "evil.safetensors"),
        ("report", "evil.safetensors", "-o", "r.html"),
        ("export", "evil.safetensors", "-o", "e.glsl"),
        ("fit", name, *TINY, "--steps", "1"),
        ("fit", "no\x1b[2J.png"),
        ("batch", name, "-o", "many", *TINY, "--steps", "1"),
    ):
        result = tried.inr(*args)
        tried.expect(ESCAPE not in result.stdout + result.stderr, f"{args[0]}: an escape reaches the terminal")
        tried.expect(
            result.code == (3 if args[1].startswith("no") else 0), f"{args[0]}: exit {result.code}: {result.err}"
        )
    for page in ("r.html", "e.glsl"):
        tried.expect(ESCAPE not in tried.path(page).read_bytes(), f"an escape is in {page}")


@case("cli/29-bombs")
def _(tried: Case) -> None:
    _write_bombs(tried)
    for name in (
        "bomb.npz", "lie.npz", "lie.npy", "obj.npy", "obj.npz", "bomb.png", "lie.png", "ztxt.png", "bomb.ply",
        "bomb.stl", "bomb.wav",
    ):  # fmt: skip
        result = tried.shell(f"ulimit -v 8000000; inr fit {name} --dry-run -o x.safetensors", timeout_s=60)
        if name == "ztxt.png" and result.code == 0:  # the picture is whole; it is read without the profile
            tried.expect("left out" in result.err, f"{name}: the profile is dropped in silence")
        else:
            _one_line(tried, result, 2, 3, 4)
        tried.expect(name in result.err, f"{name}: the line does not name it: {result.err[:200]!r}")
        tried.expect("object at 0x" not in result.err, f"{name}: {result.err[:200]!r}")
    tried.expect(not tried.path("PWNED29").exists(), "code of a file ran")


def _write_bombs(tried: Case) -> None:
    """Files with false sizes, with large contents in few bytes, or with code."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, ("touch PWNED29",)

    def head(shape: tuple[int, ...]) -> bytes:
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        return file.getvalue()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(width: int, height: int, *chunks: bytes) -> bytes:
        start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunks) + chunk(b"IEND", b"")

    for name, shape, n_bytes in (("bomb", (30000, 30000), 4 * 10**8), ("lie", (100000, 100000), 400)):
        with zipfile.ZipFile(tried.path(f"{name}.npz"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", head(shape) + bytes(n_bytes))
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(10**6)) for _ in range(400)) + packer.flush()
    long_text = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(3 * 10**8)))
    file = io.BytesIO()
    np.save(file, np.array([Evil()], dtype=object), allow_pickle=True)
    np.savez(tried.path("obj.npz"), a=np.array([Evil()], dtype=object))
    sound = struct.pack("<IHHIIHH", 16, 1, 65535, 2**32 - 1, 2**32 - 1, 65535, 8)
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    ply = f"ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\n{properties}end_header\n"
    for name, data in {
        "lie.npy": head((10**6, 10**6)) + bytes(100),
        "obj.npy": file.getvalue(),
        "bomb.png": png(60000, 60000, chunk(b"IDAT", packed)),
        "lie.png": png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", zlib.compress(bytes(10**6)))),
        "ztxt.png": png(4, 4, long_text, chunk(b"IDAT", zlib.compress(bytes(20)))),
        "bomb.ply": ply.encode() + bytes(120),
        "bomb.stl": bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(50),
        "bomb.wav": b"RIFF" + struct.pack("<I", 40) + b"WAVEfmt " + sound + b"data" + struct.pack("<I", 4) + bytes(4),
    }.items():
        tried.path(name).write_bytes(data)


@case("cli/30-config-injection")
def _(tried: Case) -> None:
    key = '😀 "k\a\u2028\\'
    arrays: dict[str, Any] = {key: np.random.default_rng(0).random((8, 8)).astype("f4")}
    np.savez(tried.path("x.npz"), **arrays)
    printed = tried.inr("fit", "x.npz", "--set", f"signal.key={key}", "--print-config", *TINY)
    tried.expect_done(printed)
    tried.path("c.toml").write_bytes(printed.stdout)
    tried.expect_done(tried.inr("fit", "x.npz", "--config", "c.toml", "--steps", "1", "-o", "x.safetensors"))
    grid = '"encoding":{"otype":"HashGrid"'
    for name, text in {
        "deep.json": "[" * 100_000,
        "deep.toml": "a = " + "[" * 100_000,
        "dotted.toml": "field." + "a." * 5000 + "b = 1",
        "number.toml": "[fit]\nsteps = 0x" + "f" * 9000,
        "bad.toml": 'a = "\udcff"\n',
        "loop.json": '{"parent":"loop.json"}',
        "t.json": f'{{{grid},"n_levels":1e9,"log2_hashmap_size":1000}},"network":{{"n_neurons":"x"}}}}',
        "t2.json": '{"encoding":[1,2],"network":3,"loss":[],"optimizer":"x"}',
        "t3.json": f'{{{grid},"per_level_scale":NaN,"base_resolution":-5}},"network":{{"n_hidden_layers":1e400}}}}',
    }.items():
        tried.path(name).write_bytes(text.encode(errors="surrogateescape"))
        _one_line(tried, tried.inr("fit", "p.png", "--config", name, "--steps", "1", "-o", "y.safetensors"), 2, 3)
    for name in (".", "nofile.toml"):
        _one_line(tried, tried.inr("fit", "p.png", "--config", name, "--steps", "1", "-o", "y.safetensors"), 3)


@case("cli/31-json-every-command")
def _(tried: Case) -> None:
    model = "p.safetensors"
    for code, args in (
        (0, ("fit", "p.png", *TINY, "--steps", "2", "-o", "a1.safetensors")),
        (3, ("fit", "no.png")), (2, ("fit", "p.png", "--nope")), (2, ("fit",)), (2, ("nosuch",)),
        (2, ("fit", "p.png", "--steps", "x")), (2, ("fit", "p.png", "--steps", "9" * 30)),
        (1, ("fit", "p.png", *TINY, "--steps", "2", "--target-psnr", "90", "-o", "a2.safetensors")),
        (0, ("fit", "p.png", "--dry-run", "-o", "z.safetensors")), (0, ("fit", "p.png", "--print-config")),
        (0, ("batch", "p.png", "-o", "bb", *TINY, "--steps", "2")), (3, ("batch", "nofolder", "-o", "b2")),
        (0, ("render", model, "-o", "r.png")), (2, ("render", model, "-o", "r.png")), (2, ("render", model, "-o", "-")),
        (3, ("render", "p.png")), (2, ("mesh", model)), (0, ("eval", model, "p.png")), (2, ("eval", model, "s.wav")),
        (3, ("eval", "no.safetensors", "p.png")), (2, ("export", model, "-o", "e.xyz")),
        (0, ("compare", "p.png", "--fields", "siren", "--budget", "params=200", "--steps", "2")),
        (0, ("convert", model, *TINY, "--steps", "2", "-o", "c.safetensors")), (0, ("export", model, "-o", "e.html")),
        (0, ("report", model, "-o", "rep.html")), (3, ("report", "no.safetensors", "-o", "rep2.html")),
        (0, ("learn", "p.png", *TINY[2:], "--steps", "2", "-o", "l.safetensors")),
        (0, ("compress", "p.png", "-o", "p.inrz", "--effort", "1", "--profile", "weights")),
        (0, ("decompress", "s.inrz", "-o", "s2.wav")), (3, ("decompress", "p.png", "-o", "x.png")),
        (0, ("ntk", "p.png", *TINY, "--steps", "2")), (0, ("suggest", "p.png")),
        (0, ("inspect", model, "p.png", "s.wav", "s.inrz")), (3, ("inspect", "no")), (3, ("inspect", model, "no")),
        (0, ("fields",)), (0, ("fields", "siren")), (2, ("fields", "nope")), (0, ("doctor",)),
    ):  # fmt: skip
        result = tried.inr(*args, "--json")
        shown = tried.shown(result)
        tried.expect(result.code == code, f"{shown}: exit {result.code}, expected {code}: {result.err[-200:]!r}")
        if result.out:
            tried.expect(result.json.get("schema"), f"{shown}: stdout is not a JSON document: {result.out[:80]!r}")
        if not result.out or code > 1:
            error = result.err[max(result.err.find("{"), 0) :]
            tried.expect(_is_json(error), f"{shown}: no JSON document of the error on stderr: {result.err[:200]!r}")


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@case("cli/32-completion-module-version")
def _(tried: Case) -> None:
    versions = {tried.inr("--version").out, tried.run("python", "-m", "inr_cli", "--version").out}
    tried.expect(len(versions) == 1 and versions.pop().startswith("inr "), "versions differ")
    for shell in ("bash", "zsh", "fish", "powershell"):
        shown = tried.inr("--show-completion", shell)
        # typer asks the running processes for the shell; where there is none among the parents it says so in one line
        is_told = shown.code == 1 and len(shown.err.splitlines()) == 1
        tried.expect("_inr_completion" in shown.out or is_told, f"no completion for {shell}: {shown.err!r}")
    for words, expected in (("inr fi", {"fit", "fields"}), ("inr fit --field si", {"siren"})):
        environment = {"_INR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        found = set(tried.inr(env=environment).out.split())
        tried.expect(found >= expected, f"{words!r} completes to {found}")
    nonsense = tried.inr(env={"_INR_COMPLETE": "nonsense"})
    tried.expect(len((nonsense.out + nonsense.err).splitlines()) <= 2, f"nonsense: {nonsense.err!r}")
    tried.expect("Usage" in tried.inr().out, "inr alone shows no help")
    for args in (("fit",), ("help",), ("fit", "-V"), ("fit", "p.png", "--set", "x=" * 60_000)):
        result = tried.inr(*args)
        _one_line(tried, result, 2)
        tried.expect(len(result.err) < 3000, f"{tried.shown(result)}: {len(result.err)} characters")


@case("cli/35-threads-seeds-real")
def _(tried: Case) -> None:
    for threads in ("100000", "5000", "99999999999999999999", "0", "-1"):
        _one_line(tried, tried.inr("fit", "p.png", *TINY, "--steps", "1", "--threads", threads), 2, 4)
    result = tried.inr("fit", "p.png", "--steps", "1", "--threads", "2000", "-o", "a.safetensors")
    tried.expect(result.code in (0, 2, 4), f"2000 threads: exit {result.code}")
    for seed in ("18446744073709551615", "-1"):
        _one_line(tried, tried.inr("fit", "p.png", *TINY, "--steps", "1", "--seed", seed), 2)
    tried.expect_done(tried.inr("fit", "p.png", *TINY, "--steps", "1", "--seed", str(2**53 - 1), "-o", "s.safetensors"))


@case("cli/41-hints-are-not-quoted")
def _(tried: Case) -> None:
    result = tried.inr("fit", "p.png", *TINY, "--steps", "1", "-o", "no such; dir/x.safetensors")
    tried.expect_refused(result, 2, "does not exist")
    hint = re.search(r"^hint: (.*)$", result.err, re.MULTILINE)
    tried.expect(hint and tried.shell(hint[1]).code == 0, f"the hint cannot be run: {result.err!r}")
    tried.expect(tried.path("no such; dir").is_dir(), "the hint does not make the folder")
    tried.expect(not tried.path("no").exists(), "the hint makes another folder")


@case("pictures/23-name-not-utf8")
def _(tried: Case) -> None:
    name = _picture(tried, b"bad\xff.png")
    result = tried.inr(
        "fit", name, *TINY, "--steps", "2", "--no-progress", "-f", env={"PYTHONIOENCODING": "utf-8:strict"}
    )
    tried.expect_done(result)
    tried.expect("bad\\xff.safetensors" in result.out, f"the name is not shown escaped: {result.out!r}")
    tried.expect(tried.path(os.fsdecode(b"bad\xff.safetensors")).exists(), "the model has another name")
