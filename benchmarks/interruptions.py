"""Interrupt the program at random times: python benchmarks/interruptions.py [--trials 8] [--record interruptions]

`fit`, `compress`, `batch`, `mesh` and `export` are ended by SIGKILL, SIGTERM, Ctrl-C and a full disk. A trial is one
command in a folder with other files and, in half of the trials, an old result that --force replaces. It is ended at a
random moment of its run (for a full disk the free space is random), and then checked:

* existing files are unchanged; the old or the new result is complete;
* no partial and no temporary file is left, except after SIGKILL;
* no process is left;
* the exit code is that of the signal (4 for a full disk), with one line and no traceback;
* the next call (the printed command, if there is one) succeeds with the same bytes as an undisturbed run.

Most trials are forks of a process that has imported everything, so that the moments are in the work; some are the real
program, which spends its first quarter of a second on Python's start. A full disk is a small tmpfs if one can be
mounted, otherwise a limit on the size of files; it holds the result or the temporary files. Prints a line per trial;
exits with 1 after a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
FULL = "ENOSPC"
KINDS = (*SIGNALS, FULL)
SMALL = ("--field", "siren", "--set", "field.width=16", "--threads", "1", "--no-progress")
PROGRAM_FROM_S = 0.25
PAGE = 4096
SPARE = 3
"""Pages beyond those of the results up to which the room of a full disk is drawn: for checkpoints and manifests."""
FEW = 12
"""Rooms of a full disk up to which each of them is tried, so that each write of a command fails once."""
FILLER = "filler"
"""A file that takes the first page of the disk of temporary files, which could not have a size of 0."""


@dataclasses.dataclass(frozen=True)
class Command:
    """args: without those of the result. outputs: names of the results. share: of the trials; slow commands have fewer.

    n_temporary: temporary files, of one page each. Their disk may be the full one.
    """

    name: str
    args: tuple[str, ...]
    outputs: tuple[str, ...]
    share: float = 1.0
    n_temporary: int = 0

    def rooms(self, expected: dict[str, bytes]) -> list[tuple[bool, int]]:
        """Free spaces of a full disk: (whether it holds temporary files, bytes)."""
        found = [(False, PAGE * n) for n in range(used(expected) // PAGE + SPARE)]
        return found + [(True, PAGE * n) for n in range(self.n_temporary)]

    def words(self, *, force: bool) -> list[str]:
        place = "out" if self.name == "batch" else self.outputs[0]
        return [self.name, *self.args, "-o", place, *(["--force"] if force else [])]


COMMANDS = (
    Command("fit", ("p.png", *SMALL, "--steps", "200", "--save-every", "40"), ("m.safetensors",)),
    Command("compress", ("p.png", "--effort", "1", "--threads", "1", "--no-progress"), ("m.inrz",), 0.4, 3),
    Command("batch", ("in", *SMALL, "--steps", "40", "-j", "2"), tuple(f"out/{i}.safetensors" for i in range(3)), 0.25),
    Command("mesh", ("torus.safetensors", "--resolution", "48", "--threads", "1"), ("m.ply",)),
    Command("export", ("p.safetensors", "--threads", "1"), ("m.py", "m.npz"), 0.75),
)
CHECKPOINT = "m.checkpoint/checkpoint.safetensors"
OTHERS = {"notes.txt": b"mine", "m.safetensors.partial": b"mine too", "out/film.partial": b"a film", "m.ply.tmp": b"t"}


@dataclasses.dataclass
class Ended:
    """A command that ended. err: its stderr. seconds: its duration."""

    code: int
    err: str
    seconds: float
    session: int


# -- running


def fork(words: Sequence[str], folder: Path, scratch: Path, limit: int | None = None) -> tuple[int, Path]:
    """Fork this process to run the program; its process id, and the file of its stderr."""
    stderr = scratch / "stderr"
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid, stderr
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        streams = ((os.devnull, os.O_RDONLY), (str(scratch / "stdout"), os.O_WRONLY), (str(stderr), os.O_WRONLY))
        for descriptor, (name, flags) in enumerate(streams):
            os.dup2(os.open(name, flags | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.argv = ["inr", *words]
        from inr_cli.main import run

        run()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  the trial finds it in stderr
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def spawn(words: Sequence[str], folder: Path, scratch: Path) -> tuple[int, Path]:
    """The real program."""

    def heed() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    stderr = scratch / "stderr"
    with stderr.open("wb") as err:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "inr"), *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
            preexec_fn=heed,
        )
    process.returncode = 0  # it is waited for below
    return process.pid, stderr


def wait(pid: int, stderr: Path, started: float, timeout_s: float = 120) -> Ended:
    """Raises TimeoutError for a program that does not end, after killing it."""
    while time.perf_counter() - started < timeout_s:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            seconds = time.perf_counter() - started
            return Ended(os.waitstatus_to_exitcode(status), stderr.read_text(errors="replace"), seconds, pid)
        time.sleep(0.002)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"it did not end within {timeout_s} s: {stderr.read_text(errors='replace')[-300:]!r}")


def undisturbed(words: Sequence[str], folder: Path, scratch: Path) -> Ended:
    started = time.perf_counter()
    return wait(*fork(words, folder, scratch), started)


def members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, _, own = (path / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(own) == session and state != "Z":
                    found.append(int(path.name))
    return found


# -- one trial


@contextlib.contextmanager
def place(base: Path, size: int | None) -> Iterator[Path]:
    """An empty folder; with a size: a separate file system of this many bytes, which `make_room` enlarges."""
    folder = Path(tempfile.mkdtemp(dir=base))
    is_mounted = False
    if size is not None:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield folder
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def make_room(folder: Path) -> bool:
    """Enlarge the folder's file system; False if it has none of its own."""
    command = ["mount", "-o", "remount,size=256m", str(folder)]
    return folder.is_mount() and subprocess.run(command, capture_output=True).returncode == 0


def fill(folder: Path, inputs: Path, old: dict[str, bytes]) -> None:
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    for name, content in {**OTHERS, **old}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def used(files: dict[str, bytes]) -> int:
    """Bytes that files take on a file system with pages."""
    return sum(-(-len(data) // PAGE) * PAGE for data in files.values())


class Trial:
    """One interrupted command, and the faults of what it leaves."""

    def __init__(
        self, command: Command, kind: str, expected: dict[str, bytes], base: Path, dice: random.Random
    ) -> None:
        self.command, self.kind, self.expected, self.base, self.dice = command, kind, expected, base, dice
        self.problems: list[str] = []
        self.has_old = dice.random() < 0.5
        self.old = dict.fromkeys(command.outputs, b"an old result " * 40) if self.has_old else {}

    def expect(self, holds: object, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def run(self, inputs: Path, seconds: float, *, is_program: bool, n: int) -> dict[str, Any]:
        """seconds: duration of the undisturbed command. n: number of the trial among those of its kind."""
        first = PROGRAM_FROM_S if is_program else 0.0
        moment = first + self.dice.random() * max(seconds - first, 0.05)
        rooms = self.command.rooms(self.expected)
        is_temporary, room = rooms[n % len(rooms)] if len(rooms) <= FEW else self.dice.choice(rooms)
        scratch = Path(tempfile.mkdtemp(dir=self.base, prefix="scratch-"))
        taken = used({**OTHERS, **self.old, **contents(inputs)})
        sizes = [PAGE + room if is_temporary else None, None if is_temporary else taken + room]
        if self.kind != FULL:
            sizes = [None, None]
        with place(scratch, sizes[0]) as elsewhere, place(self.base, sizes[1]) as folder:
            os.environ["TMPDIR"] = tempfile.tempdir = str(elsewhere)  # chosen before it is full
            (elsewhere / FILLER).write_bytes(bytes(PAGE))
            try:
                fill(folder, inputs, self.old)
                before = contents(folder)
                words = self.command.words(force=self.has_old)
                is_small = folder.is_mount() or elsewhere.is_mount()
                started = time.perf_counter()
                if is_program:
                    pid, stderr = spawn(words, folder, scratch)
                else:
                    limit = max(room, PAGE) if self.kind == FULL and not is_small else None
                    pid, stderr = fork(words, folder, scratch, limit)
                is_group = self.kind == "SIGINT" or (self.kind == "SIGTERM" and self.dice.random() < 0.5)
                if self.kind in SIGNALS:
                    while os.getsid(pid) != pid:  # the group does not exist before
                        time.sleep(0.001)
                    time.sleep(max(0.0, moment - (time.perf_counter() - started) if is_program else moment))
                    with contextlib.suppress(ProcessLookupError):
                        (os.killpg if is_group else os.kill)(pid, SIGNALS[self.kind])
                ended = wait(pid, stderr, started)
                self.check(ended, folder, before, elsewhere)
                if self.kind == FULL and is_small:
                    for full in (folder, elsewhere):
                        make_room(full)
                self.go_on(ended, folder, before, scratch)
            except TimeoutError as error:
                self.problems.append(str(error))
                ended = Ended(-1, "", 0.0, 0)
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        shutil.rmtree(scratch, ignore_errors=True)
        drawn = (
            {"room_bytes": room, "is_temporary": is_temporary} if self.kind == FULL else {"moment_s": round(moment, 3)}
        )
        return {
            "command": self.command.name,
            "kind": self.kind,
            "is_program": is_program,
            "has_old": self.has_old,
            **drawn,
            "exit": ended.code,
            "line": _line(ended.err),
            "problems": self.problems,
        }

    def check(self, ended: Ended, folder: Path, before: dict[str, bytes], elsewhere: Path) -> None:
        """Check the folder after the end."""
        is_killed = self.kind == "SIGKILL"
        codes = {"SIGKILL": (-9, 0), "SIGTERM": (143, 0), "SIGINT": (130, 0), FULL: (4, 0)}[self.kind]
        self.expect(ended.code in codes, f"exit {ended.code}, expected one of {codes}: {ended.err[-300:]!r}")
        for sign in ("Traceback", "bug in inr", "Exception ignored", "BrokenProcessPool", "terminate called"):
            self.expect(sign not in ended.err, f"{sign} in {ended.err[-400:]!r}")
        if ended.code not in (0, -9):
            lines = [line for line in ended.err.splitlines() if line.startswith(("interrupted", "error: "))]
            self.expect(len(lines) == 1, f"{len(lines)} lines say what ended it: {ended.err[-400:]!r}")
        deadline = time.perf_counter() + 20
        while (left := members(ended.session)) and time.perf_counter() < deadline:
            time.sleep(0.05)
        self.expect(not left, f"processes {left} are left")
        after = contents(folder)
        for name, content in before.items():
            if name not in self.expected:
                self.expect(after.get(name) == content, f"{name}, which was there, has changed")
        for name, content in self.expected.items():
            allowed = [content, self.old.get(name)]
            self.expect(
                after.get(name) in allowed,
                f"{name} is neither the old nor the new file: {len(after.get(name, b''))} bytes",
            )
            if ended.code == 0:
                self.expect(after.get(name) == content, f"exit 0, and {name} is not the new file")
        new = set(after) - set(before) - set(self.expected) - {CHECKPOINT, "out/manifest.jsonl"}
        if is_killed:
            new = {name for name in new if not re.fullmatch(r"\.inr-[0-9a-f]{16}", Path(name).name)}
        self.expect(not new, f"left in the folder: {sorted(new)}")
        strays = [path for path in elsewhere.rglob("*") if path.is_file()]
        strays = [path for path in strays if path.name != FILLER and str(path) not in ended.err]
        self.expect(is_killed or not strays, f"left in the folder of temporary files: {strays}")

    def go_on(self, ended: Ended, folder: Path, before: dict[str, bytes], scratch: Path) -> None:
        """The next call."""
        if ended.code != 0:
            hint = next(
                (line.removeprefix("hint: ") for line in ended.err.splitlines() if line.startswith("hint: ")), ""
            )
            kept = re.search(r"mv (?:'[^']*'|\S+) (?:'[^']*'|\S+)$", hint)
            words = self.command.words(force=self.has_old)
            if self.command.name == "batch":
                pass  # the same command continues
            elif kept is not None:
                source, target = shlex.split(kept[0])[1:]
                shutil.copyfile(source, folder / target)
                words = []
            elif hint.startswith("inr fit"):
                words = [*shlex.split(hint)[1:], "--threads", "1", "--no-progress"]
            elif self.command.name == "fit" and (folder / CHECKPOINT).exists():
                words = ["fit", "p.png", "--resume", "m.checkpoint", "-o", *self.command.outputs, "--threads", "1"]
                words += ["--force"] if self.has_old or (folder / self.command.outputs[0]).exists() else []
            elif any((folder / name).exists() for name in self.command.outputs) and not self.has_old:
                words = self.command.words(force=True)  # killed after the result was in its place
            if words:
                again = undisturbed(words, folder, scratch)
                self.expect(
                    again.code == 0, f"the next call, inr {shlex.join(words)}: exit {again.code}: {again.err[-300:]!r}"
                )
        after = contents(folder)
        for name, content in self.expected.items():
            self.expect(after.get(name) == content, f"after the next call {name} is not the right file")
        for name, content in before.items():
            if name not in self.expected:
                self.expect(after.get(name) == content, f"{name} has changed in the next call")


def _line(err: str) -> str:
    lines = [line for line in err.splitlines() if line.startswith(("interrupted", "error: "))]
    return re.sub(r"/\S*/", "", lines[0])[:160] if lines else ""


# -- all of them


def make_inputs(folder: Path) -> None:
    y, x = np.mgrid[0:24, 0:32]
    for i, name in enumerate(("p.png", "in/0.png", "in/1.png", "in/2.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.stack([x * 7, y * 9, (x + y * (i + 1)) % 64 * 4], axis=-1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)


def warm_up(inputs: Path, base: Path) -> dict[str, tuple[dict[str, bytes], float]]:
    """Import and compile everything here; returns the results of each command and its seconds."""
    import torch
    from inr_cli._commands import app

    torch.set_num_threads(1)

    def here(*words: str) -> None:
        with contextlib.suppress(SystemExit):
            app([*words])

    with contextlib.chdir(inputs):
        smooth = ("--set", "field.activation.omega=8", "--steps", "200", "--batch", "1024")
        here("fit", "analytic:torus", *SMALL, *smooth, "-o", "torus.safetensors", "-q")
        here("fit", "p.png", *SMALL, "--steps", "20", "-o", "p.safetensors", "-q")
        for command in COMMANDS:
            if command.name != "batch":
                with contextlib.chdir(shutil.copytree(inputs, base / f"warm-{command.name}")):
                    here(*command.words(force=True), "-q")
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise SystemExit(f"this process has {threads} threads, so it cannot be forked")
    found: dict[str, tuple[dict[str, bytes], float]] = {}
    for command in COMMANDS:
        for _ in range(2):
            with place(base, None) as folder:
                fill(folder, inputs, {})
                ended = undisturbed(command.words(force=False), folder, base)
                if ended.code != 0:
                    raise SystemExit(f"inr {shlex.join(command.words(force=False))}: exit {ended.code}: {ended.err}")
                made = {name: (folder / name).read_bytes() for name in command.outputs}
            if command.name in found and made != found[command.name][0]:
                raise SystemExit(f"{command.name}: two runs make different files")
            found[command.name] = (made, ended.seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="End the program at random moments.")
    parser.add_argument("--trials", type=int, default=8, help="per command and kind, as forks")
    parser.add_argument("--programs", type=int, default=1, help="per command and signal, of the real program")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[command.name for command in COMMANDS])
    parser.add_argument("--record")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = []
    with tempfile.TemporaryDirectory(prefix="interruptions-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        inputs = base / "inputs"
        make_inputs(inputs)
        known = warm_up(inputs, base)
        for command in COMMANDS:
            expected, seconds = known[command.name]
            if command.name not in arguments.only:
                continue
            with place(base, None) as real:
                fill(real, inputs, {})
                started = time.perf_counter()
                program_s = wait(*spawn(command.words(force=False), real, base), started).seconds
            for kind in KINDS:
                n, m = round(arguments.trials * command.share), arguments.programs if kind in SIGNALS else 0
                n_rooms = len(command.rooms(expected))
                if kind == FULL and n_rooms <= FEW:
                    n = max(n, n_rooms)
                for i in range(n + m):
                    seed = hashlib.sha256(f"{arguments.seed} {command.name} {kind} {i}".encode()).digest()
                    trial = Trial(command, kind, expected, base, random.Random(seed))
                    row = trial.run(inputs, program_s if i >= n else seconds, is_program=i >= n, n=i)
                    rows.append(row)
                    drawn, how = row.get("moment_s", row.get("room_bytes")), "program" if i >= n else "fork"
                    stderr = f"{command.name:8} {kind:7} {how:7} {drawn:>8}  exit {row['exit']:4}  {row['line']}"
                    print(stderr, flush=True)
                    for problem in row["problems"]:
                        print(f"    {problem}", flush=True)
    wrong = sum(bool(row["problems"]) for row in rows)
    ended = sum(row["exit"] != 0 for row in rows)
    print(f"{len(rows)} trials, {ended} of them ended before their time, {wrong} with something wrong")
    if arguments.record:
        import _record

        print(_record.save(arguments.record, rows))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
