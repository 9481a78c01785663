"""Parameter names of the library's messages, as the options of the command line."""

from __future__ import annotations

import re

FLAGS = {
    "output": "-o",
    "rate_hz": "--rate",
    "settings": "--set",
    "slices": "--slice",
    "size_bytes": "--size",
    "target_psnr_db": "--target-psnr",
    "time_s": "--time",
    "verify": "--no-verify",
    "workers": "-j",
}
"""Options whose name is not that of the parameter; any other parameter `a_b` is `--a-b`."""

_QUOTED_OR_MARKED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*")|`([^`\s]+)`""")


def as_flags(text: str) -> str:
    """A message with every marked parameter as its option; text in quotes (file names) stays as it is.

    `size` is --size, `profile=weights` is --profile weights, `force=True` is --force, `fit.lr=0.1` is --set fit.lr=0.1,
    and `fit.lr` without a value is fit.lr.
    """
    return _QUOTED_OR_MARKED.sub(lambda found: found[0] if found[1] is None else _flag(found[1]), text)


def _flag(marked: str) -> str:
    name, equals, value = marked.partition("=")
    if "." in name:
        return f"--set {marked}" if equals else name
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        return marked
    flag = FLAGS.get(name, "--" + name.replace("_", "-"))
    return flag if value in ("", "True") else f"{flag} {value}"
