"""Files that people name: pipes, devices, links, full and read-only disks, checkpoints, results on stdout."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from _user_cases._case import Case, Result, case

FIT = ("--steps", "2", "--no-progress")


def expect_line(tried: Case, result: Result, codes: Sequence[int], *words: str) -> None:
    """One `error:` line that holds the words, and one of the exit codes."""
    errors = [line for line in result.err.splitlines() if line.startswith("error:")]
    holds = result.code in codes and len(errors) == 1 and all(word in errors[0].lower() for word in words)
    tried.expect(
        holds, f"{tried.shown(result)}: exit {result.code}, expected one of {codes} and {words}: {result.err!r}"
    )


def expect_files(tried: Case, folder: str, expected: Sequence[str]) -> None:
    found = sorted(path.name for path in tried.path(folder).iterdir())
    tried.expect(found == sorted(expected), f"{folder} holds {found}, expected {sorted(expected)}")


def kept(tried: Case, result: Result) -> None:
    """The error's hint names the model's file; the file can be read, and is removed."""
    _, _, command = result.err.rpartition("room: ")
    words = shlex.split(command)
    if tried.expect(len(words) == 3 and Path(words[1]).is_file(), f"no kept model is named: {result.err[-300:]!r}"):
        tried.expect_done(tried.inr("inspect", words[1]))
        shutil.rmtree(Path(words[1]).parent)


@contextlib.contextmanager
def file_system(tried: Case, name: str, size: str) -> Iterator[None]:
    """A separate small file system; needs root."""
    tried.path(name).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", tried.path(name)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", tried.path(name)], check=True)


def expect_sort(tried: Case, name: str, is_sort: bool) -> None:
    tried.expect(is_sort, f"{name} was replaced: {stat.filemode(tried.path(name).lstat().st_mode)}")


@case("cli/06-dev-full")
def dev_full(tried: Case) -> None:
    for line in (
        "inr inspect p.png",
        "inr fit p.png --steps 2 -o a.safetensors --no-progress",
        "inr render p.safetensors -o - --format png",
    ):
        expect_line(tried, tried.shell(f"{line} > /dev/full"), (1, 4), "no space")
    done = tried.shell("inr fields --json > /dev/full")
    tried.expect(done.code in (1, 4) and done.err.count("no space") in (1, 2), f"exit {done.code}: {done.err!r}")
    tried.expect(tried.path("a.safetensors").is_file(), "the fit is lost")


@case("cli/07-broken-pipe")
def broken_pipe(tried: Case) -> None:
    for line, expected in (
        ("inr fields --json | head -1", "{"),
        ("inr fields | head -1", "field"),
        ("inr -h | head -1", "Usage: inr"),
        ("inr render p.safetensors --scale 30 -o - --format png | head -c 10 | wc -c", "10"),
        ("PYTHONUNBUFFERED=1 inr doctor | head -1", "inr "),
    ):
        result = tried.shell(line)
        tried.expect(result.out.startswith(expected), f"{line}: {result.out!r}, expected {expected!r}")


@case("cli/08-disk-full-output")
def disk_full(tried: Case) -> None:
    with file_system(tried, "full", "24k"):
        large = (*FIT, "--field", "siren")
        result = tried.inr("fit", "p.png", *large, "-o", "full/p.safetensors")
        expect_line(tried, result, (4,), "no space", "full/p.safetensors")
        kept(tried, result)
        expect_files(tried, "full", [])
        for args in (
            ("render", "p.safetensors", "--scale", "32", "-o", "full/p.png"),
            ("export", "p.safetensors", "-o", "full/p.html"),
            ("report", "p.safetensors", "-o", "full/r.html"),
        ):
            expect_line(tried, tried.inr(*args), (2, 4), "no space", args[-1])
            expect_files(tried, "full", [])
        batch = tried.inr("batch", "p.png", "-o", "full/b", *large)
        expect_line(tried, batch, (2, 4), "no space")
        expect_files(tried, "full/b", ["manifest.jsonl"])


@case("cli/10-fifo-and-device-targets")
def fifo_and_device_targets(tried: Case) -> None:
    os.mkfifo(tried.path("in.png"))
    os.mkfifo(tried.path("out.png"))
    os.mknod(tried.path("nul.png"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    line = f"(cat p.png > in.png) & timeout 60 inr fit in.png {' '.join(FIT)} -o a.safetensors; r=$?; wait; exit $r"
    tried.expect_done(tried.shell(line))
    tried.expect_done(tried.shell(f"inr fit <(cat p.png) --kind image {' '.join(FIT)} -o b.safetensors"))
    for force in ("", "-f"):
        line = f"timeout 60 cat out.png > got.png & timeout 60 inr render p.safetensors -o out.png {force}"
        done = tried.shell(f"{line}; r=$?; wait; exit $r")
        tried.expect_done(done)
        tried.expect(
            tried.path("got.png").read_bytes()[:4] == b"\x89PNG", f"the pipe's reader got no picture ({force})"
        )
        tried.expect_done(tried.inr("render", "p.safetensors", "-o", "nul.png", *([force] if force else [])))
        expect_sort(tried, "nul.png", tried.path("nul.png").is_char_device())
        expect_sort(tried, "out.png", tried.path("out.png").is_fifo())


@case("cli/11-symlink-and-mode")
def symlink_and_mode(tried: Case) -> None:
    real, link = tried.path("real.png"), tried.path("link.png")
    real.write_bytes(b"private\n")
    real.chmod(0o600)
    link.symlink_to("real.png")
    tried.path("lost.png").symlink_to("nowhere/lost.png")
    tried.path("free.png").symlink_to("target2.png")
    for name in ("real.png", "link.png", "lost.png", "free.png"):
        tried.expect_refused(tried.inr("render", "p.safetensors", "-o", name), 2, "exists")
    tried.expect(real.read_bytes() == b"private\n", "a file was replaced without --force")
    tried.expect(not tried.path("target2.png").exists(), "a link was written through without --force")
    tried.expect_done(tried.inr("render", "p.safetensors", "-o", "link.png", "-f"))
    tried.expect(link.is_symlink(), "the link was replaced by a file")
    tried.expect(real.read_bytes()[:4] == b"\x89PNG", "the link's target was not written")
    mode = stat.S_IMODE(real.stat().st_mode)
    tried.expect(mode == 0o600, f"the mode of a private file became {mode:o}")
    tried.expect_done(tried.shell("umask 077; inr render p.safetensors -o u.png -q"))
    mode = stat.S_IMODE(tried.path("u.png").stat().st_mode)
    tried.expect(mode == 0o600, f"with umask 077 the mode is {mode:o}")


@case("cli/13-readonly-output-folder")
def readonly_output_folder(tried: Case) -> None:
    with file_system(tried, "ro", "1m"):
        subprocess.run(["mount", "-o", "remount,ro", tried.path("ro")], check=True)
        for args in (
            ("fit", "p.png", *FIT, "-o", "ro/a.safetensors"),
            ("fit", "p.png", *FIT, "-o", "a.safetensors", "--checkpoint", "ro/ck", "--save-every", "1"),
            ("batch", "p.png", "-o", "ro/b"),
            ("compress", "p.png", "-o", "ro/x.inrz"),
            ("export", "p.safetensors", "-o", "ro/x.html"),
        ):
            result = tried.inr(*args)
            tried.expect_refused(result, 2)
            tried.expect("seed 0" not in result.err, f"{args}: found out after the fit had begun")
        here = tried.shell(f"cd ro && inr fit ../p.png {' '.join(FIT)}")
        tried.expect_refused(here, 2, "not writable")
    for place in ("missing/dir/a.safetensors", "p.png/a.safetensors"):
        result = tried.inr("fit", "p.png", *FIT, "-o", place)
        tried.expect_refused(result, 2)
        tried.expect("mkdir -p p.png" not in result.err, f"a hint that cannot work: {result.err!r}")


@case("cli/21-resume")
def resume(tried: Case) -> None:
    fit = ("inr", "fit", "p.png", "--field", "siren", "--set", "field.width=16", "--steps", "400000")
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    running = subprocess.Popen(
        [*fit, "--save-every", "50", "-o", "a.safetensors", "--no-progress"],
        cwd=tried.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    saved = tried.path("a.checkpoint/checkpoint.safetensors")
    for _ in range(600):
        if saved.exists() or running.poll() is not None:
            break
        time.sleep(0.1)
    running.kill()
    running.wait()
    if not tried.expect(saved.exists(), "no checkpoint was written"):
        return
    expect_files(tried, "a.checkpoint", ["checkpoint.safetensors"])
    tried.expect_done(tried.inr("inspect", str(saved)))
    shutil.copy(tried.path("q.png"), tried.path("changed.png"))
    tried.expect_refused(
        tried.inr("fit", "changed.png", "--resume", "a.checkpoint", "-o", "b.safetensors"), 2, "another"
    )
    tried.expect_refused(tried.inr("fit", "p.png", "--steps", "2", "-o", "a.safetensors"), 2, "unfinished")
    whole = saved.read_bytes()
    zeroed, flipped = bytearray(whole), bytearray(whole)
    zeroed[-4000:] = bytes(4000)
    flipped[200] ^= 255
    for how, data in {"cut": whole[:5000], "zeroed": bytes(zeroed), "flipped": bytes(flipped), "empty": b""}.items():
        tried.path(how).mkdir()
        tried.path(f"{how}/checkpoint.safetensors").write_bytes(data)
        again = tried.inr("fit", "p.png", "--resume", how, "-o", f"c-{how}.safetensors", "--no-progress", timeout_s=60)
        tried.expect_refused(again, 3)
    tried.expect_refused(tried.inr("fit", "p.png", "--resume", "nowhere", "-o", "c.safetensors"), 3)
    tried.expect_refused(tried.inr("fit", "p.png", "--resume", "p.png", "-o", "c.safetensors"), 2)
    short = ("fit", "p.png", "--steps", "6", "-o", "done.safetensors", "-q")
    tried.expect_done(tried.inr(*short, "--save-every", "2"))
    tried.path("done.safetensors").unlink()
    tried.expect_done(tried.inr(*short))


@case("cli/38-time-budget")
def time_budget(tried: Case) -> None:
    for args in (("p.png", "--field", "siren"), ("p.png",), ("s.wav", "--field", "siren")):
        result = tried.inr("fit", *args, "--time", "3s", "-o", "b.safetensors", "-f", "--json", "--no-progress")
        tried.expect_done(result)
        seconds, steps = result.json.get("seconds", 0), result.json.get("steps", 1)
        tried.expect(3 <= seconds <= 3 * 1.05 + 3 / steps, f"{args}: {seconds} s for 3 s, in {steps} steps")


@case("pictures/17-output-is-a-device")
def output_is_a_device(tried: Case) -> None:
    shutil.rmtree(tried.path("dev"), ignore_errors=True)
    tried.path("dev").mkdir()
    os.mknod(tried.path("dev/null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkfifo(tried.path("dev/fifo"))
    tried.expect_done(tried.inr("fit", "a.png", *FIT, "-o", "m.safetensors", "-f"))
    tried.expect_done(tried.inr("render", "m.safetensors", "-o", "dev/null", "--format", "png", "--force"))
    line = "timeout 60 cat dev/fifo > got.png & inr render m.safetensors -o dev/fifo --format png --force"
    tried.expect_done(tried.shell(f"{line}; r=$?; wait; exit $r"))
    expect_sort(tried, "dev/null", tried.path("dev/null").is_char_device())
    expect_sort(tried, "dev/fifo", tried.path("dev/fifo").is_fifo())
    tried.expect(tried.path("got.png").read_bytes()[:4] == b"\x89PNG", "the pipe's reader got no picture")


@case("pictures/19-process-substitution")
def process_substitution(tried: Case) -> None:
    options = "--kind image --steps 1 -f --no-progress"
    tried.expect_done(tried.shell(f"inr fit <(cat a.png) {options} -o m.safetensors"))
    tried.expect_done(tried.shell(f"cat a.png | inr fit /dev/stdin {options} -o n.safetensors"))
    tried.expect(tried.path("m.safetensors").is_file() and tried.path("n.safetensors").is_file(), "a model is missing")
    tried.expect_done(tried.shell("inr fit <(cat a.png) --steps 1 -f --no-progress -o m.safetensors"))


@case("pictures/20-named-pipe-input")
def named_pipe_input(tried: Case) -> None:
    os.mkfifo(tried.path("in.png"))
    fit = "timeout 60 inr fit in.png --steps 1 -o m.safetensors -f --no-progress"
    tried.expect_done(tried.shell(f"(timeout 60 sh -c 'cat a.png > in.png' &); {fit}"))
    tried.expect(tried.path("m.safetensors").is_file(), "the model is missing")


@case("pictures/21-file-system-full")
def file_system_full(tried: Case) -> None:
    result = tried.shell("ulimit -f 4; inr fit a.png --steps 1 -o m.safetensors -f --no-progress")
    expect_line(tried, result, (2, 4), "cannot write 'm.safetensors'", "file too large")
    left = [path.name for path in tried.folder.iterdir() if "safetensors" in path.name or path.name.startswith(".inr")]
    tried.expect(not left, f"left behind: {left}")
