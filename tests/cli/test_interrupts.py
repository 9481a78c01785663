"""Signals at every stage: a checkpoint once a fit runs, one line, the exit code of the signal, no temporary files."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import inr_cli
import numpy as np
import pytest
from inr_cli import _interrupts
from inr_cli._interrupts import NUMBERS, Interrupted
from inr_cli._io import OutputTarget
from inr_cli._progress import FitProgress, PartProgress
from typer.testing import Result

import inr.codec.profiles.pyramid.encoder
import inr.fitting
import inr.signals
from inr.codec.compression_input import CompressionInput
from inr.codec.verification import Verifier
from inr.core.files import whole_file
from inr.signals.image import Image
from tests.cli.conftest import PROGRAM, TINY, invoke, listing

FIT = ("fit", "a.png", *TINY, "--set", "fit.batch=64", "--steps", "12")
CHECKPOINT = Path("m.checkpoint/checkpoint.safetensors")


@pytest.fixture(autouse=True)
def installed(here: Path) -> Iterator[None]:
    """Installs the program's handlers during a test."""
    before = {number: signal.getsignal(number) for number in (*NUMBERS, signal.SIGALRM)}
    program, hook = _interrupts.program, sys.unraisablehook
    start()
    yield
    _interrupts.program, sys.unraisablehook = program, hook
    for number, handler in before.items():
        signal.signal(number, handler)


def start() -> None:
    """Reset the handlers to those of a new program."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    _interrupts.program = _interrupts.SignalState()
    _interrupts.install()


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Patches for the next command; `again` undoes them."""
    patch = pytest.MonkeyPatch()
    yield patch
    patch.undo()


@pytest.fixture
def again(patch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call this before the second command of a test: it is a new program without patches."""

    def renew() -> None:
        patch.undo()
        start()

    return renew


@pytest.fixture
def whole(picture: Path) -> bytes:
    """The model of an uninterrupted run."""
    assert invoke(*FIT, "-o", "whole.safetensors").exit_code == 0
    data = Path("whole.safetensors").read_bytes()
    Path("whole.safetensors").unlink()
    start()
    return data


def raising(patch: pytest.MonkeyPatch, where: Any, name: str, *numbers: int, after: bool = False) -> None:
    """From now on every call of this function raises the signals."""
    real = getattr(where, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs) if after else None
        for number in numbers:
            signal.raise_signal(number)
        return result if after else real(*args, **kwargs)

    patch.setattr(where, name, called)


def at_step(patch: pytest.MonkeyPatch, step: int, number: int) -> None:
    real = FitProgress.__call__

    def called(self: FitProgress, progress: Any) -> None:
        if progress.step == step:
            signal.raise_signal(number)
        real(self, progress)

    patch.setattr(FitProgress, "__call__", called)


def assert_goes_on(result: Result, step: int, code: int, whole: bytes, again: Callable[[], None]) -> None:
    """The run was interrupted, and the printed command makes the same bytes as an uninterrupted run."""
    assert result.exit_code == code, result.output
    line, hint = result.stderr.splitlines()[-2:]
    assert line == f"interrupted at step {step}; checkpoint in m.checkpoint"
    assert hint == "hint: inr fit a.png --resume m.checkpoint -o m.safetensors"
    assert sorted(str(p) for p in Path().rglob("*") if p.is_file()) == ["a.png", str(CHECKPOINT)]
    again()
    assert invoke(*hint.split()[2:], "--threads", "1", "--no-progress").exit_code == 0
    assert Path("m.safetensors").read_bytes() == whole


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_while_it_fits(
    whole: bytes, patch: pytest.MonkeyPatch, again: Callable[[], None], number: int
) -> None:
    at_step(patch, 5, number)
    assert_goes_on(invoke(*FIT, "-o", "m.safetensors"), 5, 128 + number, whole, again)


def test_a_signal_before_the_first_step(whole: bytes, patch: pytest.MonkeyPatch, again: Callable[[], None]) -> None:
    raising(patch, FitProgress, "__enter__", signal.SIGTERM)
    assert_goes_on(invoke(*FIT, "-o", "m.safetensors"), 0, 143, whole, again)


def test_a_signal_after_the_last_step(whole: bytes, patch: pytest.MonkeyPatch, again: Callable[[], None]) -> None:
    """Quality has been measured, and the file is not written yet."""
    real = inr.fitting.Run.result
    calls = []

    def called(self: Any, outcome: Any, **options: Any) -> Any:
        calls.append(outcome)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return real(self, outcome, **options)

    patch.setattr(inr.fitting.Run, "result", called)
    assert_goes_on(invoke(*FIT, "-o", "m.safetensors"), 12, 130, whole, again)


def test_a_signal_while_a_checkpoint_is_written_anyway(
    whole: bytes, patch: pytest.MonkeyPatch, again: Callable[[], None]
) -> None:
    raising(patch, inr.fitting, "save_checkpoint", signal.SIGTERM)
    assert_goes_on(invoke(*FIT, "-o", "m.safetensors", "--save-every", "7"), 7, 143, whole, again)


def test_more_signals_do_not_lose_the_checkpoint(
    whole: bytes, patch: pytest.MonkeyPatch, again: Callable[[], None]
) -> None:
    at_step(patch, 5, signal.SIGINT)
    raising(patch, inr.fitting, "save_checkpoint", *[signal.SIGINT, signal.SIGTERM, signal.SIGHUP] * 4)
    assert_goes_on(invoke(*FIT, "-o", "m.safetensors"), 5, 130, whole, again)


def test_a_signal_while_the_model_is_written_lets_it_be_written(
    whole: bytes, patch: pytest.MonkeyPatch, again: Callable[[], None]
) -> None:
    raising(patch, OutputTarget, "write", signal.SIGTERM)
    assert invoke(*FIT, "-o", "m.safetensors").exit_code == 0
    assert Path("m.safetensors").read_bytes() == whole
    again()
    raising(patch, OutputTarget, "write", signal.SIGTERM, after=True)
    result = invoke(*FIT, "-o", "n.safetensors", "--render", "n.png")
    assert result.exit_code == 143
    assert result.stderr.splitlines()[-1] == "interrupted; n.safetensors was written, n.png was not"
    assert Path("n.safetensors").read_bytes() == whole
    assert not Path("n.png").exists()
    assert not Path("n.checkpoint").exists()


def test_the_command_that_continues_has_the_options_of_the_signal(
    here: Path, patch: pytest.MonkeyPatch, again: Callable[[], None]
) -> None:
    """Options of the signal are not settings of the run, so a resumed run needs them again."""
    np.save("b c.npy", np.random.default_rng(0).normal(size=(9, 8, 3)))
    Path("b c.npy").rename("b c.bin")
    Path("m.safetensors").write_text("to be replaced")
    at_step(patch, 3, signal.SIGINT)
    run = ("fit", "b c.bin", "--kind", "array", *TINY, "--steps", "5", "--set", "signal.channels=last")
    result = invoke(*run, "-o", "m.safetensors", "--render", "m.npy", "--force")
    hint = result.stderr.splitlines()[-1].removeprefix("hint: inr ")
    assert hint == (
        "fit 'b c.bin' --kind array --set signal.channels=last --resume m.checkpoint -o m.safetensors "
        "--render m.npy --force"
    )
    again()
    result = invoke(*shlex.split(hint), "--threads", "1", "--no-progress")
    assert result.exit_code == 0, result.output
    assert np.load("m.npy").shape == (9, 8, 3)


COMPRESS = ("compress", "a.png", "--effort", "1", "--threads", "1", "--no-progress")


def at_encoding_step(patch: pytest.MonkeyPatch, step: int, number: int) -> None:
    """From now on encodings have 20 steps, and the signal comes in this one."""
    patch.setattr("inr.codec.profiles.pyramid.encoder.quick_steps", lambda rate_weight: 20)
    patch.setitem(inr.codec.profiles.pyramid.encoder.STEPS, 1, 20)
    real, steps = PartProgress.__call__, [0]

    def called(self: PartProgress, done: float, text: str) -> None:
        steps[0] += 1
        if steps[0] == step:
            signal.raise_signal(number)
        real(self, done, text)

    patch.setattr(PartProgress, "__call__", called)


def test_a_signal_while_it_compresses_leaves_a_checkpoint(picture: Path, patch: pytest.MonkeyPatch) -> None:
    at_encoding_step(patch, 7, signal.SIGTERM)
    result = invoke(*COMPRESS, "-o", "m.inrz")
    assert result.exit_code == 143, result.output
    assert result.stderr.splitlines()[-2:] == [
        "interrupted at step 7; checkpoint in m.checkpoint",
        "hint: inr compress a.png --resume m.checkpoint -o m.inrz",
    ]
    assert not Path("m.inrz").exists()
    start()
    refused = invoke("compress", "a.png", "--resume", "m.checkpoint", "-o", "m.inrz", "--effort", "3", "--seed", "1")
    assert refused.exit_code == 2
    assert "--resume takes its settings from the checkpoint, not from --effort and --seed" in refused.stderr
    assert "holds an unfinished run" in invoke(*COMPRESS, "-o", "m.inrz").stderr
    done = invoke("compress", "a.png", "--resume", "m.checkpoint", "-o", "m.inrz", "--threads", "1", "--no-progress")
    assert done.exit_code == 0, done.output
    assert invoke(*COMPRESS, "-o", "whole.inrz").exit_code == 0
    assert Path("m.inrz").read_bytes() == Path("whole.inrz").read_bytes()
    assert "compressed" in invoke("inspect", "m.inrz").stdout
    assert "encoding of a.png, effort 1" in invoke("inspect", str(CHECKPOINT)).stdout


def test_a_kept_encoding_is_written_with_the_best_so_far(picture: Path, patch: pytest.MonkeyPatch) -> None:
    at_encoding_step(patch, 12, signal.SIGINT)
    result = invoke(*COMPRESS, "-o", "m.inrz", "--keep")
    assert result.exit_code == 130, result.output
    assert "verified  " in result.stdout
    assert result.stdout.rstrip().endswith("interrupted")
    assert result.stderr.splitlines()[-2:] == [
        "interrupted at step 12; m.inrz has the best so far",
        "hint: inr compress a.png --resume m.checkpoint -o m.inrz --force",
    ]
    start()
    assert invoke("decompress", "m.inrz", "-o", "m.png").exit_code == 0
    start()
    patch.undo()
    at_encoding_step(patch, 12, signal.SIGINT)
    told = invoke(*COMPRESS, "-o", "m.inrz", "--keep", "--force", "--json")
    document = json.loads(told.stdout)
    assert (told.exit_code, document["outcome"], document["checkpoint"]) == (130, "interrupted", "m.checkpoint")


def test_only_one_encoding_is_kept_and_nothing_is_made_for_more(picture: Path) -> None:
    several = invoke("compress", "a.png", "b.png", "-o", "out", "--keep")
    assert several.exit_code == 2
    assert "--keep works with one input and one output file, but 2 inputs are given" in several.stderr
    assert not Path("out").exists()
    folder = invoke("compress", "a.png", "-o", ".", "--save-every", "5")
    assert folder.exit_code == 2
    assert "--save-every works with one input and one output file, but -o . is a folder" in folder.stderr


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_before_the_fit_leaves_nothing(picture: Path, patch: pytest.MonkeyPatch, number: int) -> None:
    raising(patch, inr.signals, "load_signal", number)
    before = listing(Path())
    result = invoke(*FIT, "-o", "m.safetensors")
    assert (result.exit_code, result.stdout, result.stderr) == (128 + number, "", "interrupted\n")
    assert listing(Path()) == before


def test_with_json_the_line_is_a_document(picture: Path, patch: pytest.MonkeyPatch) -> None:
    raising(patch, inr.signals, "load_signal", signal.SIGTERM)
    result = invoke(*FIT, "-o", "m.safetensors", "--json")
    printed = json.loads(result.stderr)
    assert (printed["schema"], printed["message"], printed["exit_code"], result.exit_code) == (
        "inr.error",
        "interrupted",
        143,
        143,
    )


@pytest.mark.parametrize(
    ("place", "args"),
    [
        ((inr.fitting.Fit, "bands"), ("render", "a.safetensors", "-o", "x.png")),
        ((Image, "write_bands"), ("render", "a.safetensors", "-o", "x.png")),
        ((inr.fitting.Fit, "load"), ("export", "a.safetensors", "-o", "x.py")),
        ((inr.fitting.Fit, "load"), ("mesh", "torus.safetensors", "-o", "x.ply", "--resolution", "16")),
        ((CompressionInput, "container"), ("compress", "a.png", "-o", "x.inrz", "--profile", "grids", "--effort", "1")),
        (
            (Verifier, "verify"),
            ("compress", "a.png", "-o", "x.inrz", "--profile", "grids", "--effort", "1"),
        ),
    ],
    ids=[
        "render before its file",
        "render with its file",
        "export",
        "mesh",
        "compress before its file",
        "compress with its file",
    ],
)
def test_other_commands_leave_nothing(
    model: Path,
    shape_model: Path,
    picture: Path,
    patch: pytest.MonkeyPatch,
    place: tuple[Any, str],
    args: tuple[str, ...],
) -> None:
    raising(patch, *place, signal.SIGTERM)
    before = listing(Path())
    result = invoke(*args)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (143, "interrupted")
    assert listing(Path()) == before


def test_an_interrupted_batch_prints_the_command_that_continues_it(picture: Path, patch: pytest.MonkeyPatch) -> None:
    from inr.batch import EXECUTORS

    raising(patch, EXECUTORS["local"], "run", signal.SIGTERM)
    result = invoke("batch", "a.png", "-o", "out", *TINY, "--steps", "1", "-q")
    assert (result.exit_code, result.stderr) == (143, "interrupted; the same command continues\n")


def test_a_keyboard_interrupt_is_reported_as_well(picture: Path, patch: pytest.MonkeyPatch) -> None:
    """The handlers are not installed here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raising(patch, inr.signals, "load_signal", signal.SIGINT)
    result = invoke(*FIT, "-o", "m.safetensors")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_an_interruption_that_a_library_turns_into_an_error_is_not_a_bug(
    picture: Path, patch: pytest.MonkeyPatch
) -> None:
    real = inr.signals.load_signal

    def converted(*args: Any, **kwargs: Any) -> Any:
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as error:
            raise RuntimeError("std::exception") from error
        return real(*args, **kwargs)

    patch.setattr(inr.signals, "load_signal", converted)
    result = invoke(*FIT, "-o", "m.safetensors")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


# -- the handlers themselves


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Lines that run after the handlers are installed."""
    code = "import os, signal, sys, time\nfrom inr_cli import _interrupts\n_interrupts.install()\n" + text
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_at_the_start_it_ends_at_once() -> None:
    for number in NUMBERS:
        done = script(f"signal.raise_signal({int(number)})\nprint('still there')")
        assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "interrupted\n")
    done = script("signal.raise_signal(15)", "--json")
    assert json.loads(done.stderr)["exit_code"] == 143


@pytest.mark.parametrize("number", NUMBERS)
def test_before_anything_is_imported_it_ends_at_once_with_a_line(number: int) -> None:
    """The second import of the program is that of `_interrupts`: the signal comes as it begins."""
    code = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == 'inr_cli._interrupts': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import inr_cli.main\n"
        "before = set(sys.modules)\n"
        "inr_cli.main.run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "interrupted\n")
    printed = subprocess.run([sys.executable, "-c", code, "--json"], capture_output=True, text=True, check=False).stderr
    assert json.loads(printed)["exit_code"] == 128 + number


def test_the_first_lines_of_the_program_import_nothing(here: Path) -> None:
    """Except modules of this package that import nothing: until they are loaded, Python's handler is active."""
    Path("inr_cli").symlink_to(Path(inr_cli.__file__).parent)
    code = "import sys; before = set(sys.modules); import inr_cli.main; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-S", "-c", f"import os, sys; sys.path.insert(0, '.'); {code}"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(imported) - {"__future__"} == {"inr_cli", "inr_cli.main", "inr_cli._first_signals"}


def test_an_import_is_not_cut(here: Path) -> None:
    Path("slow.py").write_text("import signal, time\nsignal.raise_signal(15)\ntime.sleep(0.1)\nprint('whole')\n")
    done = script(
        "sys.path.insert(0, '.')\n_interrupts.begin()\n"
        "try:\n    import slow\n    time.sleep(9)\nexcept _interrupts.Interrupted as error:\n    print(error.number)"
    )
    assert done.stdout.split() == ["whole", "15"]


def test_an_alarm_that_is_pending_does_not_end_the_process(here: Path) -> None:
    Path("slow.py").write_text("import signal\nsignal.raise_signal(15)\n")
    done = script(
        "class Slow:\n    def __del__(self, sleep=time.sleep): sleep(0.3)\n"
        "last, _interrupts.AGAIN_S = Slow(), 0.1\n"
        "sys.path.insert(0, '.')\n_interrupts.begin()\nimport slow\n_interrupts.end()\nsys.exit(143)"
    )
    assert (done.returncode, done.stderr) == (143, "")


def test_an_interruption_lost_in_a_finalizer_is_raised_again() -> None:
    done = script(
        "_interrupts.begin()\n"
        "class Finalized:\n    def __del__(self): signal.raise_signal(15)\n"
        "try:\n    Finalized()\n    time.sleep(9)\nexcept _interrupts.Interrupted as error:\n    print(error.number)"
    )
    assert (done.stdout.split(), done.stderr) == (["15"], "")


def test_the_third_signal_ends_at_once_and_those_within_a_second_are_one() -> None:
    waiting = (
        "_interrupts.BOUNCE_S = float(sys.argv[1])\n_interrupts.begin()\n"
        "with _interrupts.held():\n"
        "    for _ in range(5):\n        signal.raise_signal(2)\n        time.sleep(0.01)\n"
        "    print('written', flush=True)\n"
    )
    patient, hurried = script(waiting, "100"), script(waiting, "0")
    assert (patient.returncode, patient.stdout) == (0, "written\n")
    assert (hurried.returncode, hurried.stdout, hurried.stderr) == (130, "", "interrupted\n")


def test_ignored_signals_stay_ignored() -> None:
    """As with nohup."""
    code = (
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from inr_cli import _interrupts\n_interrupts.install()\nsignal.raise_signal(1)\nprint('on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "on\n")


def test_only_the_program_installs_signal_handlers() -> None:
    code = (
        "import signal\nbefore = [signal.getsignal(n) for n in (1, 2, 15)]\n"
        "import inr, inr_cli.main\ninr.fit, inr.compress, inr_cli.main.app\n"
        "assert before == [signal.getsignal(n) for n in (1, 2, 15)]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_python_m_imports_nothing_from_the_current_folder(here: Path) -> None:
    for name in ("json", "numpy", "random", "signal", "socket", "typer", "typing", "inr", "dataclasses", "shlex"):
        Path(f"{name}.py").write_text("open('RUN', 'w')\n")
    for module in ("inr_cli", "inr_cli.main"):
        done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()[0]) == (0, "inr"), done.stderr
    assert not Path("RUN").exists()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_pipe_that_nobody_reads(number: int) -> None:
    """Opening it waits for a reader, and a signal ends that; `whole_file`, which calls it, is not cut elsewhere."""
    os.mkfifo("out.png")

    def write() -> None:
        with whole_file(Path("out.png"), force=True) as file:
            file.write(b"x")
            _interrupts.begin()
            threading.Timer(0.2, os.kill, (os.getpid(), number)).start()

    with pytest.raises(Interrupted) as found:
        write()
    assert found.value.number == number


@pytest.mark.slow
def test_from_a_folder_that_is_gone(picture: Path, here: Path) -> None:
    gone = here / "gone"
    command = ["bash", "-c", 'cd "$0" && rmdir "$0" && exec "$@"']

    def program(*args: str | Path) -> subprocess.CompletedProcess[str]:
        gone.mkdir()
        words = [*command, str(gone), *PROGRAM, *map(str, args)]
        return subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)

    done = program("batch", here / "a.png", "-o", here / "out", *TINY, "--steps", "1", "-q")
    assert (done.returncode, done.stdout.strip()) == (0, str(here / "out" / "a.safetensors")), done.stderr
    refused = program("fit", here / "a.png", *TINY, "--steps", "1")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: output folder '.' is not writable")


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_the_program_at_its_start(picture: Path, number: int) -> None:
    """At every import, and in the fit where a fast machine is there already: one line, the exit code of the signal."""
    for delay in (0.4, 0.9, 1.6):
        process = subprocess.Popen(
            [*PROGRAM, "fit", "a.png", *TINY, "-o", f"{delay}.safetensors", "--time", "600s"],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in NUMBERS] and None,
        )
        time.sleep(delay)
        os.kill(process.pid, number)
        _, printed = process.communicate()
        assert process.returncode == 128 + number
        assert printed == "interrupted\n" or f"checkpoint in {delay}.checkpoint" in printed
        assert not Path(f"{delay}.safetensors").exists()


def test_codes_are_those_of_the_signals() -> None:
    assert [Interrupted(number).exit_code for number in NUMBERS] == [130, 143, 129]
