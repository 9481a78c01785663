"""Signals, child processes and batches: no foreign code runs, no file is deleted, no process or file is left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ._case import Case, Result, case

FIT = ("fit", "p.png", "--field", "siren", "--set", "field.width=16", "--time", "60s", "-o", "a.safetensors")
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(tried: Case, *args: str) -> subprocess.Popen[bytes]:
    """Start the program in a new session with default signal handlers."""

    def heed() -> None:
        for number in NUMBERS:
            signal.signal(number, signal.SIG_DFL)

    return subprocess.Popen(
        [str(Path(sys.executable).parent / "inr"), *args],
        cwd=tried.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=heed,
    )


def end(args: Sequence[str], process: subprocess.Popen[bytes], *, timeout_s: float = 120) -> Result:
    started = time.perf_counter()
    try:
        out, err = process.communicate(timeout=timeout_s)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        code = None
    return Result(tuple(args), code, out, err, time.perf_counter() - started)


def wait_for_line(process: subprocess.Popen[bytes], word: bytes) -> bytes:
    """Its stderr until a line holds a word, or it ends."""
    assert process.stderr is not None
    printed = b""
    for line in process.stderr:
        printed += line
        if word in line:
            break
    return printed


def expect_interrupted(tried: Case, result: Result, number: int, before: set[str], what: str) -> None:
    new = sorted(set(os.listdir(tried.folder)) - before)
    lines = [line for line in result.err.splitlines() if line.startswith(("interrupted", '  "message": "interrupted'))]
    tried.expect(result.code == 128 + number, f"{what}: exit {result.code}, expected {128 + number}")
    tried.expect(len(lines) == 1, f"{what}: {len(lines)} lines say interrupted: {result.err[-300:]!r}")
    for sign in ("Traceback", "Exception ignored", "bug in inr", "terminate called"):
        tried.expect(sign not in result.err, f"{what}: {sign} in {result.err[-300:]!r}")
    tried.expect(not new, f"{what}: left {new}")


def living(pids: Sequence[int]) -> list[int]:
    def is_alive(pid: int) -> bool:
        try:
            return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False

    return [pid for pid in pids if is_alive(pid)]


def children_of(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@case("cli/03-cwd-module-shadowing")
def _(tried: Case) -> None:
    for name in ("socket", "json", "typing", "torch"):
        tried.path(f"{name}.py").write_text("open('PWNED', 'w').write('x')\n")
    args = ("compress", "p.png", "-o", "p.inrz", "--effort", "1", "--profile", "weights", "-q", "--no-progress")
    tried.expect_done(tried.inr(*args))
    result = tried.run("python", "-m", "inr_cli", "inspect", "p.inrz")
    tried.expect_done(result)
    tried.expect(not tried.path("PWNED").exists(), "a module of the current folder was run")
    tried.expect(tried.path("p.inrz").stat().st_size > 0, "no file was written")


@case("cli/36-spawn-in-a-strange-folder")
def _(tried: Case) -> None:
    for name in ("socket", "secrets", "tempfile", "queue", "random", "numpy", "json"):
        tried.path(f"{name}.py").write_text("open('PWNED36', 'w').write('x')\n")
    batch = tried.inr("batch", "p.png", "q.png", "-o", "out", "--steps", "2", "-j", "2", "--no-progress")
    tried.expect_done(batch)
    tried.expect(len(list(tried.path("out").glob("*.safetensors"))) == 2, "batch: two models were expected")
    decompress = tried.inr("decompress", "s.inrz", "t.inrz", "-o", "o2", "-j", "2")
    tried.expect_done(decompress)
    tried.expect(len(list(tried.path("o2").iterdir())) == 2, "decompress: two files were expected")
    tried.expect_done(tried.inr("inspect", "p.png"))
    tried.expect(not tried.path("PWNED36").exists(), "a module of the current folder was run")


@case("cli/18-batch-partial-files")
def _(tried: Case) -> None:
    others = {"movie.mkv.partial": b"my download", "sub/x.partial": b"other", "p.safetensors.partial": b"mine"}
    for name, content in others.items():
        tried.path(f"out/{name}").parent.mkdir(parents=True, exist_ok=True)
        tried.path(f"out/{name}").write_bytes(content)
    tried.path("out/dir.partial").mkdir()
    for _again in range(2):
        tried.expect_done(tried.inr("batch", "p.png", "-o", "out", "--steps", "2", "--no-progress"))
    for name, content in others.items():
        path = tried.path(f"out/{name}")
        tried.expect(path.exists() and path.read_bytes() == content, f"{name}, which others made, has gone or changed")
    tried.expect(tried.path("out/dir.partial").is_dir(), "a folder has gone")
    tried.expect(tried.path("out/p.safetensors").exists(), "no model was written")


@case("cli/20-batch-names")
def _(tried: Case) -> None:
    picture = tried.path("p.png").read_bytes()
    inputs = os.fsencode(tried.path("in"))
    os.mkdir(inputs)
    for name in (b"a.png", b"[x].png", b"n\nl.png", b"caf\xe9.png", b"sp ace.png"):
        Path(os.fsdecode(inputs + b"/" + name)).write_bytes(picture)
    code = "from PIL import Image; Image.open('p.png').save('in/a.webp')"
    tried.expect_done(tried.run("python", "-c", code))
    tried.path("in/bad.png").write_text("bad")
    first = tried.inr("batch", "in", "-o", "out", "--steps", "2", "--no-progress", "--json")
    counts = [first.json.get(key) for key in ("done", "kept", "failed")]
    tried.expect(first.code == 3 and counts == [6, 0, 1], f"exit {first.code}, done, kept, failed {counts}")
    second = tried.inr("batch", "in", "-o", "out", "--steps", "2", "--no-progress", "--json")
    counts = [second.json.get(key) for key in ("done", "kept", "failed")]
    tried.expect(second.code == 3 and counts == [0, 6, 1], f"again: exit {second.code}, done, kept, failed {counts}")
    made = sorted(os.listdir(os.fsencode(tried.path("out"))))
    expected = [b"[x]", b"a", b"a.webp", b"caf\xe9", b"n\nl", b"sp ace"]
    tried.expect(made == sorted([*(name + b".safetensors" for name in expected), b"manifest.jsonl"]), f"made {made}")
    tried.expect_done(tried.inr("batch", "in/[x].png", "-o", "out2", "--steps", "2", "--no-progress", "-q"))
    tried.expect_refused(tried.inr("batch", "nothing/*.png", "-o", "out3"), 3, "nothing/*.png")
    tried.expect_done(tried.inr("batch", "in", "-o", "in", "--steps", "1", "--dry-run"))


@case("cli/24-ctrl-c-at-every-stage")
def _(tried: Case) -> None:
    """During the first hundredths of a second Python's handlers answer: no line of the program has run."""
    before = set(os.listdir(tried.folder))
    delays = (0.3, 0.4, 0.5, 0.8, 1.2, 0.6)
    early: list[tuple[signal.Signals, tuple[str, ...], float]] = [
        (number, FIT, delay) for number, delay in zip(NUMBERS * 2, delays, strict=True)
    ]
    early += [(signal.SIGINT, (*FIT, "--json"), 0.5), (signal.SIGINT, ("-h",), 0.25)]
    early += [(signal.SIGTERM, ("compress", "p.png", "--effort", "3", "-o", "a.inrz", "--no-progress"), 2)]
    for number, args, delay in early:
        process = start(tried, *args)
        time.sleep(delay)
        is_over = process.poll() is not None
        if not is_over:
            os.killpg(process.pid, number)
        result = end(args, process)
        if b"seed" in result.stderr or is_over or (args == ("-h",) and result.code == 0):
            _remove(tried, before)  # it was quick: the fit had started, or had finished
            continue
        expect_interrupted(tried, result, number, before, f"{args[0]} after {delay} s, signal {int(number)}")
    for number, times in ((signal.SIGINT, 1), (signal.SIGINT, 4), (signal.SIGTERM, 1), (signal.SIGHUP, 2)):
        process = start(tried, *FIT)
        printed = wait_for_line(process, b"seed")
        for _time in range(times):
            os.killpg(process.pid, number)
            time.sleep(0.2)
        result = end(FIT, process)
        result = Result(result.args, result.code, result.stdout, printed + result.stderr, result.seconds)
        expect_interrupted(tried, result, number, before | {"a.checkpoint"}, f"fit, signal {int(number)} x{times}")
        hint = result.err.strip().splitlines()[-1].removeprefix("hint: ")
        if tried.expect(hint.startswith("inr fit p.png --resume"), f"no command that goes on: {hint!r}"):
            tried.expect_done(tried.inr(*shlex.split(hint)[1:], "--dry-run"))
        _remove(tried, before)
    batch = ("batch", "p.png", "-o", "bo", "--field", "siren", "--time", "60s")
    process = start(tried, *batch)
    while not tried.path("bo/manifest.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    workers = children_of(process.pid)
    os.kill(process.pid, signal.SIGTERM)
    expect_interrupted(tried, end(batch, process), signal.SIGTERM, before | {"bo"}, "batch")
    tried.expect(sorted(os.listdir(tried.path("bo"))) == ["manifest.jsonl"], "batch left something half-written")
    tried.expect(workers and not living(workers), f"workers {workers} outlive the batch")


def _remove(tried: Case, before: set[str]) -> None:
    import shutil

    for name in set(os.listdir(tried.folder)) - before:
        path = tried.path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@case("cli/39-worker-killed")
def _(tried: Case) -> None:
    """A job killed once is restarted, one killed each time is reported; no worker outlives its parent."""
    for is_once in (True, False):
        folder = f"out{int(is_once)}"
        args = ("compress", "p.png", "q.png", "r.png", "-o", folder, "-j", "2", "--effort", "3", "--no-progress")
        process = start(tried, *args)
        killed: list[int] = []
        deadline = time.monotonic() + 200
        while process.poll() is None and time.monotonic() < deadline and not (is_once and killed):
            new = [pid for pid in children_of(process.pid) if pid not in killed]
            if new:
                time.sleep(1)
                victim = new[0]
                if living([victim]):
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)
            time.sleep(0.05)
        result = end(args, process, timeout_s=300)
        tried.expect("BrokenProcessPool" not in result.err and "bug in inr" not in result.err, f"{result.err[-300:]!r}")
        tried.expect(killed, "no worker was found to kill")
        made = {path.name for path in tried.path(folder).iterdir()}
        if is_once:
            tried.expect(result.code == 0 and len(made) == 3, f"killed once: exit {result.code}, {sorted(made)}")
        else:
            errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
            named = [name for name in ("p.png", "q.png", "r.png") if any(name in line for line in errors)]
            tried.expect(result.code == 4, f"killed each time: exit {result.code}, expected 4")
            tried.expect(len(errors) == len(named) == 3 - len(made), f"{errors} for what is not in {sorted(made)}")


def _every_end(tried: Case) -> None:
    args = ("compress", "p.png", "q.png", "-o", "o", "-j", "2", "--effort", "5", "--no-progress")
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = start(tried, *args)
        while len(children_of(process.pid)) < 2 and process.poll() is None:
            time.sleep(0.05)
        workers = children_of(process.pid)
        os.kill(process.pid, number)
        result = end(args, process)
        deadline = time.monotonic() + 30
        while living(workers) and time.monotonic() < deadline:
            time.sleep(0.1)
        tried.expect(len(workers) == 2 and not living(workers), f"signal {int(number)}: workers {workers} live on")
        expected = -number if number == signal.SIGKILL else 143
        tried.expect(result.code == expected, f"signal {int(number)}: exit {result.code}")


@case("cli/40-sigterm-leaves-workers")
def _(tried: Case) -> None:
    _every_end(tried)


@case("cli/19-batch-manifest-traversal")
def _(tried: Case) -> None:
    """A foreign manifest with paths outside its folder, and lines of every JSON type."""
    tried.expect_done(tried.inr("batch", "p.png", "-o", "out", "--steps", "2", "--no-progress"))
    manifest = tried.path("out/manifest.jsonl")
    whole = manifest.read_text()
    tried.path("evil").mkdir()
    lines = ["[1]", "7", "{", '{"done": 1}', '{"start": []}', "[" * 99999]
    lines += [whole.splitlines()[-1].replace("p.safetensors", "../evil/x.safetensors")]
    for line in lines:
        manifest.write_text(f"{whole}{line}\n{whole.splitlines()[-1]}\n")
        result = tried.inr("batch", "p.png", "-o", "out", "--steps", "2", "--no-progress")
        n = len(whole.splitlines()) + 1
        tried.expect_refused(result, 3, "manifest.jsonl", f"line {n}")
        tried.expect(not list(tried.path("evil").iterdir()), "something was written outside of the folder")
