"""The curve of a run: the loss, and the PSNR estimated from it, at steps spread evenly in their logarithm."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

PER_OCTAVE = 4


@dataclasses.dataclass(frozen=True)
class Curve:
    """step: of each point, rising. loss: smoothed, as `Progress` has it. psnr_db: estimated from it, or None.

    It has no times, so that equal fits are equal bytes.
    """

    step: tuple[int, ...] = ()
    loss: tuple[float, ...] = ()
    psnr_db: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return len(self.step)

    def followed_by(self, step: int, loss: float, psnr_db: float | None) -> Self:
        """With one more point; the same curve where it ends at that step, or the loss is not finite."""
        if (self.step and step <= self.step[-1]) or not math.isfinite(loss):
            return self
        psnr = None if psnr_db is None or not math.isfinite(psnr_db) else _rounded(psnr_db)
        return type(self)((*self.step, step), (*self.loss, _rounded(loss)), (*self.psnr_db, psnr))

    def document(self) -> dict[str, Sequence[float | None]]:
        return {"step": list(self.step), "loss": list(self.loss), "psnr_db": list(self.psnr_db)}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for any other document."""
        psnr = tuple(None if v is None else float(v) for v in document["psnr_db"])
        curve = cls(tuple(map(int, document["step"])), tuple(map(float, document["loss"])), psnr)
        if not len(curve.step) == len(curve.loss) == len(curve.psnr_db):
            raise ValueError("the columns of the curve differ in length")
        return curve


def is_on_curve(step: int) -> bool:
    """Whether it is the whole part of 2^(k / PER_OCTAVE) for a k = 0, 1, 2 ..."""
    return step > 0 and int(2 ** (math.ceil(PER_OCTAVE * math.log2(step)) / PER_OCTAVE) + 1e-9) == step


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
