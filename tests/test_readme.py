"""README's commands and examples, executed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inr.fields import FIELDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
TOUR = re.findall(r"```sh\n(.*?)```", README.split("## A tour")[1].split("\n## ")[0], re.DOTALL)
INSTALL = r"python3 -m venv \.venv && \.venv/bin/pip install -q -c constraints\.txt (\.|-e '\.\[test\]') && "


def test_the_top_shows_two_commands_that_start_from_a_fresh_clone() -> None:
    for block in SHELL[:2]:
        assert len(block.strip().splitlines()) == 1
        assert re.match(INSTALL, block)
    assert SHELL[1].strip().endswith(".venv/bin/python -m pytest -n auto")
    assert "torch==" in (ROOT / "constraints.txt").read_text()


def test_it_states_the_number_of_field_families() -> None:
    assert f"{len(list(FIELDS))} field families" in README


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the commands name, and this environment as its .venv."""
    place = tmp_path_factory.mktemp("clone")
    (place / "assets").mkdir()
    shutil.copy(ROOT / "assets" / "make.py", place / "assets")
    (place / ".venv").symlink_to(sys.prefix)
    return place


@pytest.mark.slow
def test_the_main_command_fits_a_picture_and_prints_its_psnr(clone: Path) -> None:
    command = re.sub(INSTALL, "", SHELL[0].strip())
    done = subprocess.run(command, shell=True, cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    psnr = re.search(r"astronaut\.safetensors\s+([\d.]+) dB PSNR", done.stdout)
    assert psnr is not None, done.stdout
    assert float(psnr[1]) > 38
    assert (clone / "fitted.png").stat().st_size > 100_000


@pytest.mark.slow
def test_the_tour_runs_from_what_the_main_command_leaves(clone: Path) -> None:
    if not (clone / "astronaut.safetensors").exists():
        test_the_main_command_fits_a_picture_and_prints_its_psnr(clone)
    environment = {**os.environ, "PATH": f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for block in TOUR:
        command = ["bash", "-e", "-c", block]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        for name in re.findall(r"-o (\S+)", block):
            assert (clone / name).stat().st_size > 1000, name
    assert len(TOUR) == 5


def test_the_pictures_are_there_and_small() -> None:
    names = re.findall(r"!\[[^]]+\]\((assets/tour/\S+)\)", README)
    assert len(names) == 5
    assert sum((ROOT / name).stat().st_size for name in names) < 300_000


@pytest.mark.slow
def test_the_python_example_runs(clone: Path) -> None:
    if not (clone / "assets" / "astronaut.png").exists():
        subprocess.run([sys.executable, "assets/make.py"], cwd=clone, check=True)
    (example,) = PYTHON
    done = subprocess.run([sys.executable, "-c", example], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 20 < float(done.stdout) < 60


def test_readme_is_short() -> None:
    assert len(README.encode()) <= 8192
    assert len(PYTHON[0].splitlines()) <= 15
    rows = README.split("<!-- records:begin -->")[1].split("<!-- records:end -->")[0].strip().splitlines()
    assert 5 <= len(rows) - 2 <= 14  # one of them for each codec


def test_readme_links_every_command_and_guide() -> None:
    for folder in ("commands", "guide"):
        paths = list((ROOT / "docs" / folder).glob("*.md"))
        assert len(paths) > 5
        for path in paths:
            assert path.stem == "README" or f"(docs/{folder}/{path.name})" in README, path.name


def test_the_results_are_what_the_records_say(tmp_path: Path) -> None:
    for folder in ("benchmarks", "inr/kernels", "README.md"):  # the names of the kernels are in the tables
        copy = shutil.copytree if (ROOT / folder).is_dir() else shutil.copy
        copy(ROOT / folder, tmp_path / folder)
    subprocess.run([sys.executable, "table.py"], cwd=tmp_path / "benchmarks", check=True)
    for name in ("README.md", "benchmarks/RESULTS.md"):
        assert (tmp_path / name).read_text("utf-8") == (ROOT / name).read_text("utf-8"), (
            "run: python benchmarks/table.py"
        )


def test_every_option_that_readme_names_exists() -> None:
    lines = [line.split("#")[0] for block in SHELL[2:] for line in block.splitlines()]
    helps: dict[str, str] = {}
    program = str(Path(sys.executable).parent / "inr")
    n_checked = 0
    for line in lines:
        words = shlex.split(line)
        if not words or words[0] != "inr":
            continue
        command = words[1]
        if command not in helps:
            environment = {**os.environ, "COLUMNS": "80"}
            shown = subprocess.run([program, command, "-h"], capture_output=True, text=True, env=environment)
            assert shown.returncode == 0, f"README names inr {command}"
            helps[command] = shown.stdout
        for word in words[2:]:
            if word.startswith("-") and len(word) > 1:
                assert word in helps[command], f"inr {command} has no {word}"
                n_checked += 1
    assert n_checked >= 5


def test_no_file_names_a_registry_host() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "download.pytorch" + ".org")
    for name in tracked.stdout.split():
        text = (ROOT / name).read_bytes()
        assert not any(host.encode() in text for host in hosts), name
