"""The contract of a picture task: input pictures to stencils, and solved values to a picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inr.core.config import Config
from inr.core.errors import UnreadableError, UsageError
from inr.core.registry import Registry
from inr.signals import Source
from inr.signals.files.pictures import decode
from inr.solving.pictures.stencils import Stencils

Array = NDArray[Any]
TASKS: Registry[type[PictureTask]] = Registry("picture task", "inr.solving.pictures.tasks")
MOST_PIXELS = 2**24
GREY_LEVELS = "grey levels"


@dataclass(frozen=True)
class Raster:
    """An input. values: [H, W, C] float64, integers as parts of their largest value; alpha: [H, W] or None. dtype: of
    the file. meta: what its kind writes with; notes: of its reader.
    """

    name: str
    values: Array
    alpha: Array | None
    dtype: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, source: Source) -> Raster:
        """Read a picture. Raises UnreadableError for other files, and for pictures of more than 2^24 pixels."""
        picture = decode(source)
        pixels = picture.pixels
        height, width, channels = pixels.shape
        if height * width > MOST_PIXELS:
            raise UnreadableError(f"{source.name!r} has {width}x{height} pixels, expected at most {MOST_PIXELS} (2^24)")
        values = pixels.astype(np.float64)
        if pixels.dtype.kind == "u":
            values /= np.iinfo(pixels.dtype).max
        has_alpha = channels in (2, 4)
        from inr.signals.image import Image

        meta = Image.of_pixels(pixels[:1, :1], icc=picture.icc).meta
        if picture.colour_chunks:
            meta["colour_chunks"] = dict(picture.colour_chunks)
        alpha = values[..., -1] if has_alpha else None
        colours = values[..., :-1] if has_alpha else values
        return cls(source.name, colours, alpha, str(pixels.dtype), meta, picture.notes)

    @property
    def size(self) -> str:
        return f"{self.values.shape[1]}x{self.values.shape[0]}"


@dataclass(frozen=True)
class Inputs:
    """sources: pictures or arrays, in the order of the command. mask: where something is done. at: column and row in
    the target of the source's upper left corner.
    """

    sources: tuple[Source, ...]
    mask: Source | None = None
    at: tuple[int, int] | None = None


@dataclass(frozen=True)
class Posed:
    """A task as equations. meta: what the result is written with. finish: solved values [H, W, C] to those of the
    result; None: they are the result. unit: of the differences that are reported, "grey levels" (1/255) or one of size
    1.
    """

    stencils: Stencils
    meta: Mapping[str, Any]
    finish: Callable[[Array], Array] | None = None
    notes: tuple[str, ...] = ()
    unit: str = GREY_LEVELS

    @property
    def per_unit(self) -> float:
        return 255.0 if self.unit == GREY_LEVELS else 1.0


class PictureTask(Config):
    """Settings of a task.

    pictures: what it is given. takes_mask, needs_mask: whether there may or must be one. has_place: whether `at` has a
    meaning."""

    slot: ClassVar[Registry[type[PictureTask]]] = TASKS
    pictures: ClassVar[tuple[str, ...]] = ("picture",)
    takes_mask: ClassVar[bool] = False
    needs_mask: ClassVar[bool] = False
    has_place: ClassVar[bool] = False

    @abstractmethod
    def pose(self, inputs: Inputs) -> Posed:
        """The equations. Raises UsageError for inputs that do not go together, UnreadableError for files."""

    @classmethod
    def check(cls, inputs: Inputs) -> None:
        """Refuse inputs of another number or kind. Raises UsageError."""
        name = TASKS.name_of(cls)
        if len(inputs.sources) != len(cls.pictures):
            wanted = " ".join(word.upper() for word in cls.pictures)
            raise UsageError(
                f"{name} was given {len(inputs.sources)} files, expected {len(cls.pictures)}: {wanted}",
                f"inr solve {name} {wanted} -o out.png",
            )
        if inputs.mask is not None and not cls.takes_mask:
            raise UsageError(f"{name} takes no mask", "leave out `mask`")
        if inputs.mask is None and cls.needs_mask:
            raise UsageError(f"{name} needs a mask: white where pixels are to be found", "give `mask=mask.png`")
        if inputs.at is not None and not cls.has_place:
            raise UsageError(f"{name} has one picture, so a place has no meaning", "leave out `at`")


def mask_of(source: Source, shape: tuple[int, int], of: Raster) -> Array:
    """Where a mask is at least half white [H, W]. Raises UsageError for another size, or nothing selected."""
    mask = Raster.load(source)
    if mask.values.shape[:2] != shape:
        raise UsageError(f"mask {mask.name!r} is {mask.size} pixels, expected the {of.size} of {of.name!r}")
    top = 1.0 if mask.dtype != "float32" else max(float(mask.values.max()), 1e-300)
    selected: Array = mask.values.mean(-1) >= 0.5 * top
    if not selected.any():
        raise UsageError(f"mask {mask.name!r} selects no pixel, expected white where something is to be done")
    return selected


def with_alpha(picture: Raster) -> Callable[[Array], Array] | None:
    """Puts the alpha channel of a picture on values [H, W, C]; None if it has none."""
    if picture.alpha is None:
        return None
    alpha = picture.alpha[..., None]
    return lambda values: np.concatenate([values, alpha], -1)
