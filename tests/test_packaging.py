"""The wheel: its content, and that it works in a clean environment without the source."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {f"inr/{p.relative_to(ROOT / 'inr').as_posix()}" for p in (ROOT / "inr").rglob("*.py")}
    sources |= {f"inr_cli/{p.name}" for p in (ROOT / "cli").glob("*.py")}
    assert sources <= names, sorted(sources - names)
    assert "inr/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"inr", "inr_cli"}


def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """A new environment with only the wheel; a path file gives it the dependencies of this one."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, "--disable-pip-version-check"], check=True)
    lent = place / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages" / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")
    work = tmp_path / "work"
    work.mkdir()

    def inr(*words: str) -> str:
        command = [str(place / "bin" / "inr"), *words]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert inr("--version").startswith("inr ")
    where = subprocess.run(
        [str(place / "bin" / "python"), "-c", "import inr, inr_cli; print(inr.__file__, inr_cli.__file__)"],
        cwd=work, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.count(str(place)) == 2
    assert "dB PSNR" in inr("demo", "-q", "--no-progress") or (work / "demo-image.safetensors").exists()
    inr("render", "demo-image.safetensors", "-o", "big.png", "--scale", "2")
    assert (work / "big.png").exists()
