"""The guides, executed: every shell and Python block, and the output that they state."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import guide_runner

ROOT = Path(__file__).parent.parent
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_the_blocks_of_a_guide_run(guide: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-P", str(ROOT / "tests" / "guide_runner.py"), str(guide)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == sum(language != "text" for language, _, _ in guide_runner.blocks_of(guide))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_is_short_and_has_something_to_run(guide: Path) -> None:
    text = guide.read_text("utf-8")
    fences = re.findall(r"^```(\w*)$", text, re.MULTILINE)[::2]
    assert set(fences) <= {"sh", "python", "text", "toml", "json"}, "a block that nothing runs or checks"
    assert {"sh", "python"} & set(fences)
    assert len(text.split()) < 1500


def test_the_runner_notices_what_goes_wrong(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("```sh\necho 12 apples\n```\n\n```text\n7 apples\n```\n", "utf-8")
    assert guide_runner.run(guide) == 1
    for wrong in ("```sh\nfalse\n```\n", "```python\nprint('pear')\n```\n\n```text\napple\n```\n"):
        guide.write_text(wrong, "utf-8")
        with pytest.raises(SystemExit):
            guide_runner.run(guide)
