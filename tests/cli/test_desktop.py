"""`inr desktop` and `inr thumbnail`: what is written, that the desktop's own programs read it, and what is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from inr_cli._desktop_files import MARK, MIME, files, magic, thumbnailer
from PIL import Image

from .conftest import PROGRAM, document, invoke, program

GOLDEN = Path(__file__).parents[1] / "codec" / "golden"
WORDS = {"image": "picture", "audio": "sound", "shape": "shape", "array": "array", "video": "video", "plain": "picture"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path / "share"


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_installed_is_removed_and_nothing_else(home: Path) -> None:
    (home / "mime" / "packages").mkdir(parents=True)
    other = home / "mime" / "packages" / "other.xml"
    other.write_text("<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'/>")
    found = document(invoke("desktop", "--install", "--json"))
    assert found["written"] == [str(path) for path in files()]
    assert all(MARK in path.read_text() for path in files())
    assert invoke("desktop", "--install").exit_code == 0  # again is no error
    found = document(invoke("desktop", "--remove", "--json"))
    assert found["removed"] == [str(path) for path in files()]
    assert not any(path.exists() for path in files())
    assert other.exists()
    assert document(invoke("desktop", "--remove", "--json"))["removed"] == []


def test_a_dry_run_changes_nothing(home: Path) -> None:
    assert "inr.xml  would be written" in invoke("desktop", "--install", "--dry-run").stdout
    assert not home.exists()


def test_files_of_others_are_left_alone(home: Path) -> None:
    foreign = next(iter(files()))
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    found = invoke("desktop", "--install")
    assert (found.exit_code, foreign.read_text()) == (2, "mine")
    assert "was not made by inr" in found.stderr
    assert invoke("desktop", "--remove").exit_code == 0
    assert foreign.read_text() == "mine"


def test_one_of_the_two_is_expected(home: Path) -> None:
    for words in ([], ["--install", "--remove"]):
        assert invoke("desktop", *words).exit_code == 2


def test_the_type_is_well_formed_and_the_desktop_finds_it(home: Path) -> None:
    invoke("desktop", "--install")
    root = ElementTree.parse(home / "mime" / "packages" / "inr.xml").getroot()
    space = "{http://www.freedesktop.org/standards/shared-mime-info}"
    assert root.find(f"{space}mime-type").get("type") == MIME  # type: ignore[union-attr]  # None fails the test
    if shutil.which("update-mime-database") is None:
        pytest.skip("needs update-mime-database (Debian's package shared-mime-info)")
    assert f"{MIME}:*.inrz" in (home / "mime" / "globs").read_text()
    assert MIME in (home / "mime" / "magic").read_bytes().decode("latin-1")


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.inrz")))
def test_file_tells_the_kind_of_every_golden_file(name: str, tmp_path: Path) -> None:
    found = shutil.which("file")
    if found is None:
        pytest.skip("needs file(1)")
    (tmp_path / "inr.magic").write_text(magic())
    command = [found, "-m", str(tmp_path / "inr.magic"), "-b", str(GOLDEN / name)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    word = WORDS[name.removesuffix(".inrz").split("-")[1]]
    assert text == f"compressed neural field (inr) version 1.0, {word}"


def test_the_thumbnailer_s_command_writes_a_small_png(home: Path, tmp_path: Path) -> None:
    invoke("desktop", "--install")
    command = exec_words((home / "thumbnailers" / "inr.thumbnailer").read_text())
    place = {"%i": str(GOLDEN / "pyramid-image.inrz"), "%o": str(tmp_path / "out.png"), "%s": "16"}
    words = [place.get(word, word) for word in command[1:]]
    before = time.monotonic()
    assert program(*words).returncode == 0
    assert time.monotonic() - before < 60
    with Image.open(tmp_path / "out.png") as found:
        assert (found.format, max(found.size)) == ("PNG", 16)


def exec_words(text: str) -> list[str]:
    (line,) = [line.removeprefix("Exec=") for line in text.splitlines() if line.startswith("Exec=")]
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("place", ["/usr/bin/inr", "/home/a b/100%/inr", '/a"b/$HOME/`c`/d\\e/inr'])
def test_the_program_may_be_anywhere(place: str) -> None:
    words = exec_words(thumbnailer(place))
    assert [word.replace("%%", "%") for word in words[:1]] == [place]
    assert words[1:] == ["thumbnail", "%i", "%o", "--side", "%s"]


def test_what_has_no_thumbnail(tmp_path: Path) -> None:
    (tmp_path / "cut.inrz").write_bytes((GOLDEN / "pyramid-image.inrz").read_bytes()[:50])
    for path in (GOLDEN / "grids-audio.inrz", tmp_path / "cut.inrz", tmp_path / "none.inrz"):
        found = invoke("thumbnail", path, tmp_path / "out.png")
        assert found.exit_code == 3
        assert not (tmp_path / "out.png").exists()


def test_the_shell_is_answered(home: Path) -> None:
    environment = os.environ | {"_INR_COMPLETE": "complete_bash", "COMP_WORDS": "inr compr", "COMP_CWORD": "1"}
    done = subprocess.run([*PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert "compress" in done.stdout.split()
    invoke("desktop", "--install")
    script = home / "bash-completion" / "completions" / "inr"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
