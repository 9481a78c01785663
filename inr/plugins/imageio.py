"""imageio reads `.inrz` pictures and videos: `import inr.plugins.imageio`, then `imageio.v3.imread("photo.inrz")`.

Pixels have the type of the source (uint8, uint16, float32).
"""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np
from imageio.config import known_extensions, known_plugins
from imageio.config.extensions import FileExtension
from imageio.config.plugins import PluginConfig
from imageio.core.request import InitializationError, Request
from imageio.core.v3_plugin_api import ImageProperties, PluginV3

from inr.codec import decompress, inspect
from inr.core.errors import InrError
from inr.signals.files.picture_writing import quantised

NAME, SUFFIX = "inrz", ".inrz"

Pixels = np.ndarray[Any, np.dtype[Any]]
Index = int | EllipsisType | None


class InrzPlugin(PluginV3):  # type: ignore[misc]  # imageio has no types
    """Reads one file. index: frame of a video; None or ...: all of it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        if request.mode.io_mode != "r":
            raise InitializationError("inr writes .inrz files by `inr.compress`, not through imageio")
        self._data = request.get_file().read()
        try:
            self._header = inspect(self._data).header
        except InrError as error:
            raise InitializationError(error.message) from error
        if not (self._header.codec_kind.is_picture or self._header.codec_kind.has_frames):
            raise InitializationError(f"the file holds a signal of kind {self._header.kind!r}, expected a picture")
        self._pixels: Pixels | None = None

    def read(self, *, index: Index = None) -> Pixels:
        pixels = self._decoded()
        if self._header.codec_kind.is_picture:
            if isinstance(index, int) and index != 0:
                raise IndexError(f"index is {index}, but the file holds one picture")
            return pixels
        return pixels[index] if isinstance(index, int) else pixels

    def iter(self) -> Iterator[Pixels]:
        pixels = self._decoded()
        yield from pixels if self._header.codec_kind.has_frames else [pixels]

    def write(self, ndimage: Any) -> None:
        raise RuntimeError("inr writes .inrz files by `inr.compress`, not through imageio")

    def properties(self, index: Index = None) -> ImageProperties:
        header, has_frames = self._header, self._header.codec_kind.has_frames
        shape = header.array_shape if header.channels > 1 or has_frames else header.array_shape[:-1]
        is_batch = has_frames and not isinstance(index, int)
        if has_frames and not is_batch:
            shape = shape[1:]
        dtype = np.dtype(header.meta.get("dtype", "uint8"))
        return ImageProperties(shape=shape, dtype=dtype, n_images=shape[0] if is_batch else None, is_batch=is_batch)

    def metadata(self, index: Index = None, exclude_applied: bool = True) -> dict[str, Any]:
        return {"kind": self._header.kind, **self._header.meta}

    def _decoded(self) -> Pixels:
        if self._pixels is None:
            try:
                values = decompress(self._data).values()
            except InrError as error:
                raise OSError(error.message) from error
            pixels = quantised(values, str(self._header.meta.get("dtype", "uint8")))
            self._pixels = pixels[..., 0] if pixels.shape[-1] == 1 and self._header.codec_kind.is_picture else pixels
        return self._pixels


def register() -> None:
    """Make imageio choose this plug-in for the suffix; once is enough, again does no harm."""
    known_plugins[NAME] = PluginConfig(
        name=NAME, class_name="InrzPlugin", module_name=__name__, install_name="inr", package_name="inr"
    )
    extension = FileExtension(extension=SUFFIX, priority=[NAME], name="neural field (inr)")
    known_extensions[SUFFIX] = [extension]


register()
