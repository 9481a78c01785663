"""A torch module in a Python file: `FILE.py:NAME`."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inr.core.errors import UnreadableError, UsageError, did_you_mean
from inr.core.text import error_line

if TYPE_CHECKING:
    from torch import nn

_FORM = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


def is_python_object(text: str) -> bool:
    """Whether an argument has the form FILE.py:NAME."""
    return _FORM.fullmatch(text) is not None


def module_in_file(text: str) -> nn.Module:
    """The module NAME of FILE.py, which is run. NAME may also be a class or function without arguments that makes it.

    Raises UnreadableError for a file that is missing or fails, UsageError for a name that is missing, or
    that is something else.
    """
    from torch import nn

    found = _FORM.fullmatch(text)
    assert found is not None
    path, name = Path(found["path"]), found["name"]
    values = _run(path)
    if name not in values:
        public = [key for key, value in values.items() if isinstance(value, nn.Module) and not key.startswith("_")]
        raise UsageError(
            f"{path} has no name {name!r}{did_you_mean(name, public)}",
            f"it has the modules {', '.join(sorted(public))}" if public else "assign a torch module to that name",
        )
    value = values[name]
    if callable(value) and not isinstance(value, nn.Module):
        try:
            value = value()
        except Exception as error:
            raise UsageError(f"{text} failed when called without arguments: {error_line(error)}") from error
    if not isinstance(value, nn.Module):
        raise UsageError(f"{text} is a {type(value).__name__}, expected a torch module or a function that makes one")
    return value


def _run(path: Path) -> dict[str, Any]:
    """The names that a file defines. Its folder is on the path of imports meanwhile, as for `python FILE`."""
    if not path.is_file():
        raise UnreadableError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UnreadableError(f"{path} failed: {error_line(error)}", f"try `python {path}`") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return vars(module)
