"""A kind of signal is an object: outside its own files nothing compares names of kinds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from inr.codec.kind import CODEC_KINDS
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.signals import SIGNALS
from inr.signals.tiled.signal import TILED
from tests.imports import ROOT

KINDS = ("array", "audio", "image", "points", "shape", "slices", "unsigned", "video")

# These words have another meaning there.
EXCEPTIONS = {
    "inr/exporters/html.py": 2,  # views of the exported page: "shape" and "picture" go by dimensions, not by kind
}


def own_files(kind: str) -> list[Path]:
    folders = ("inr/signals", "inr/signals/tiled", "inr/codec/kinds", "inr/report/views")
    return [ROOT / folder / f"{kind}.py" for folder in folders]


def comparisons(tree: ast.AST) -> Iterator[ast.AST]:
    """Comparisons with a kind's name, and tables with a key that can be nothing else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [
                part for side in sides for part in (side.elts if isinstance(side, ast.Tuple | ast.Set) else [side])
            ]
            if any(isinstance(part, ast.Constant) and part.value in KINDS for part in parts) and not _is_key(node):
                yield node
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            if keys & {"audio", "image", "video"}:
                yield node
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant) and node.value.value in KINDS:
            yield node


def _constants(side: ast.AST) -> Iterator[ast.Constant]:
    """A constant, or those of a tuple or set."""
    for part in side.elts if isinstance(side, ast.Tuple | ast.Set) else [side]:
        if isinstance(part, ast.Constant):
            yield part


def _is_key(node: ast.Compare) -> bool:
    """`"shape" in document`: whether a mapping has a key."""
    return isinstance(node.ops[0], ast.In | ast.NotIn) and isinstance(node.left, ast.Constant)


def test_only_a_kinds_own_files_compare_its_name() -> None:
    found: dict[str, int] = {}
    own = {path for kind in KINDS for path in own_files(kind)}
    for path in sorted([*(ROOT / "inr").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]):
        n = len(list(comparisons(ast.parse(path.read_text("utf-8")))))
        if n and path not in own:
            found[path.relative_to(ROOT).as_posix()] = n
    assert found == EXCEPTIONS


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ('if spec.kind == "audio": pass', 1),
        ('if kind in ("shape", "points"): pass', 1),
        ('WIDTHS = {"audio": 222}', 1),
        ('{"shape": list(x), "dtype": y}', 0),
        ('"shape" in document', 0),
    ],
)
def test_comparisons_are_found(text: str, n: int) -> None:
    assert len(list(comparisons(ast.parse(text)))) == n


def test_every_kind_is_complete() -> None:
    """Its class, its description in the codec, its view and its numbers."""
    from inr.report.views import VIEWS

    assert tuple(SIGNALS) == KINDS
    assert set(KINDS) <= set(CODEC_KINDS)
    assert set(KINDS) <= set(VIEWS)
    assert {name: CODEC_KINDS[name].number for name in KINDS} == {
        "image": 0, "audio": 1, "shape": 2, "points": 3, "array": 4, "video": 5, "unsigned": 6, "slices": 7,
    }  # fmt: skip
    for name in KINDS:
        kind = SIGNALS[name]
        assert kind.kind == name
        assert kind.noun
        assert kind.formats
        assert set(kind.unclaimed) <= set(kind.extensions)
    assert [name for name in KINDS if name in TILED] == ["array", "audio", "image"]


def test_traits_follow_the_name_of_a_spec() -> None:
    assert Spec("audio", 1, 1, (8,)).traits.is_waveform
    assert not Spec("array", 1, 1, (8,)).traits.is_waveform
    assert Spec("points", 3, 1).quantity == Spec("shape", 3, 1).quantity == "distances"
    assert Spec("image", 2, 3, (4, 4)).quantity == "image"
    with pytest.raises(UsageError, match="did you mean 'image'"):
        Spec("imag", 2, 3, (4, 4)).traits  # noqa: B018
