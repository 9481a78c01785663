"""Pillow opens `.inrz` pictures: `import inr.plugins.pillow`, then `PIL.Image.open("photo.inrz")`.

Opening reads the header; the picture is decoded when its pixels are used, as with other formats.
Pictures of 16 bits or floats are opened as 8 bits, because Pillow has no colour pictures of more.
"""

from __future__ import annotations

import base64
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from inr.codec import decompress, inspect
from inr.core.errors import InrError

MAGIC = b"\x89INR\r\n\x1a\n"
MIME = "application/x-inrz"


class InrzImageFile(ImageFile.ImageFile):
    """A picture in an `.inrz` file. Raises SyntaxError for other kinds of signals, as Pillow's plug-ins do, and OSError
    for a damaged file."""

    format = "INRZ"
    format_description = "neural field (inr)"

    def _open(self) -> None:
        self._bytes = _read(self.fp)
        try:
            header = inspect(self._bytes).header
        except InrError as error:
            raise OSError(error.message) from error
        if not header.codec_kind.is_picture:
            raise SyntaxError(f"the file holds a signal of kind {header.kind!r}, expected a picture")
        self._size = (header.shape[0], header.shape[1])
        self._mode = ("L", "LA", "RGB", "RGBA")[header.channels - 1]
        if header.meta.get("icc"):
            self.info["icc_profile"] = base64.b64decode(header.meta["icc"])
        self.info["dtype"] = header.meta["dtype"]
        self.tile = []

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._bytes:
            data, self._bytes = self._bytes, b""
            try:
                values = decompress(data).values()
            except InrError as error:
                raise OSError(error.message) from error
            low, high = (0.0, 1.0) if self.info["dtype"] != "float32" else (values.min(), values.max())
            shown = np.rint(255 * np.clip((values - low) / ((high - low) or 1.0), 0, 1)).astype(np.uint8)
            self.im = Image.fromarray(shown[..., 0] if shown.shape[-1] == 1 else shown).im
            if self._exclusive_fp and self.fp is not None:  # Pillow opened the file, and nothing more is read
                self.fp.close()
                self.fp = None
        return super().load()

    def verify(self) -> None:
        """Decode the whole file. Raises OSError if that fails."""
        try:
            decompress(self._bytes)
        except InrError as error:
            raise OSError(error.message) from error


def _read(file: IO[bytes] | None) -> bytes:
    assert file is not None, "Pillow opens the file first"
    file.seek(0)
    return file.read()


def _accepts(start: bytes) -> bool:
    return start.startswith(MAGIC)


Image.register_open("INRZ", InrzImageFile, _accepts)
Image.register_extension("INRZ", ".inrz")
Image.register_mime("INRZ", MIME)
