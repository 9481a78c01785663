"""One page that holds a compressed picture and its decoder, which runs in the browser.

The bytes of both are the text of a script element of the page, in the encoding windows-1252, which has a character for
every byte. Four bytes are escaped, because a page cannot hold them or they would end the text: = and the byte + 64.
"""

from __future__ import annotations

import html
import json
import math
import re
import struct
import zlib
from pathlib import Path

from inr.codec import Limits, inspect
from inr.codec.container.header import Header
from inr.codec.decode import decode
from inr.codec.guards import naming, only_format_errors
from inr.codec.verification import measure_decoded
from inr.core.errors import UsageError
from inr.core.text import printable
from inr.signals import Signal, load_signal

PROFILE = "pyramid"
"""The profile that the decoder in the page knows."""
_ESCAPED = b"\x00\r=<"


def has_page(data: bytes) -> bool:
    """Whether a file holds a picture that the decoder in the page decodes. Raises FormatError."""
    return inspect(data).name == PROFILE


def page_of_file(data: bytes, name: str, original: str | None = None) -> bytes:
    """The page of a compressed picture. The file is decoded first, so that no page is written for a damaged one.

    Args:
        data: the bytes of an .inrz file for which `has_page` is true.
        name: of the file, for its title.
        original: a picture of which the decoded one's PSNR is told.

    Raises:
        FormatError: the file is damaged.
        UsageError, UnreadableError: the original cannot be read or has another size.
    """
    from inr._version import __version__

    name = Path(name).name
    with naming(name), only_format_errors():
        decoded = decode(data, Limits())
    header = decoded.header
    width, height = header.shape
    bits = {"uint8": 8, "uint16": 16, "float32": 32}[header.meta["dtype"]]
    facts = [
        ("size", f"{width} x {height}"),
        ("channels", f"{header.channels} of {bits} bits"),
        ("file", f"{len(data):,} bytes"),
        ("bits per pixel", f"{8 * len(data) / header.n_samples:.3f}"),
    ]
    about = f"Written by inr {__version__} from {name}; SHA-256 of its symbols {decoded.symbols_sha256.hex()[:16]}..."
    if original is not None:
        psnr = measure_decoded(decoded, _signal(original, header))["psnr_db"]
        facts.append(("PSNR", f"{psnr:.2f} dB" if math.isfinite(psnr) else "no error"))
        about += f" PSNR against {Path(original).name}."
    document = {
        "name": printable(name),
        "stem": printable(Path(name).stem),
        "facts": facts,
        "about": printable(about),
    }
    text = _without_spaces(Path(__file__).with_name("_file_page.html").read_text("ascii"))
    title = html.escape(printable(name)).encode("ascii", "xmlcharrefreplace").decode("ascii")
    described = json.dumps(document, sort_keys=True).replace("<", "\\u003c")
    head, tail = text.split("BYTES")
    before, after = head.split("DATA")
    code = zlib.compress(Path(__file__).with_name("_viewer.js").read_bytes(), 9)
    content = embedded(struct.pack(">I", len(code)) + code + data)
    start = before.replace("TITLE", title) + described + after
    return start.encode("ascii") + content + tail.encode("ascii")


def _without_spaces(page: str) -> str:
    """A page without the indentation of its lines and the spaces of its style sheet that are there for readers."""
    sheet = re.compile(r"<style>.*?</style>", re.DOTALL)
    tight = sheet.sub(lambda found: re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", found[0]), page)
    return re.sub(r"\n\s+", "\n", tight)


def _signal(original: str, header: Header) -> Signal:
    """The original of a picture. UsageError if its size is another."""
    signal = load_signal(original, kind=header.kind)
    if (signal.spec.shape, signal.spec.d_out) != (header.shape, header.channels):
        found, expected = (
            " x ".join(map(str, sizes))
            for sizes in ((*(signal.spec.shape or ()), signal.spec.d_out), (*header.shape, header.channels))
        )
        raise UsageError(
            f"original {original!r} is {found} (width, height, channels), the compressed picture is {expected}"
        )
    return signal


def embedded(data: bytes) -> bytes:
    """Bytes as the text of a script element."""
    for byte in (b"=", *(bytes([b]) for b in _ESCAPED if b != ord("="))):
        data = data.replace(byte, b"=" + bytes([byte[0] + 64]))
    return data
