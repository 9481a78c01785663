"""Settings of a picture problem: the [solve] table where [problem] has kind = "picture"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inr.core.config import Config, param


@dataclass(frozen=True, kw_only=True)
class PictureSettings(Config):
    """How the least squares of a picture are solved.

    direct: cosine transform, sparse factors or conjugate gradients. edge: by a field with the loss `edge`, from a
    coarse start; it is compared with the direct solution.
    """

    method: Literal["direct", "edge"] = param("direct", "direct: linear algebra; edge: a field, by loss `edge`")
    time_s: float = param(30.0, "seconds of training, also of a fit of the result, at most", gt=0, le=86400)
    steps: int = param(
        2500,
        "steps of training with method edge, at most; without --field each is five of conjugate gradients",
        ge=1,
        le=10**7,
    )
    target: float = param(
        0.5,
        "of method edge: root mean square to the direct solution, in 1/255 of its range; above it exit code 1",
        gt=0,
    )
    lr: float = param(
        0.05,
        "learning rate at the start of a correction of more than a million pixels, in parts of its scale",
        gt=0,
        le=1,
    )
    vertices: int = param(64, "of the coarse start along the longer side", ge=2, le=512)
    seed: int = param(0, "of initial weights and batches", ge=0)
