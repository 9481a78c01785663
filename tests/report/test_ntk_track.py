"""The figure of a tracked fit, of logs with and without the newer numbers."""

from __future__ import annotations

import math

from inr.ntk.track_log import track_in
from inr.report.ntk_track import draw_track


def log(*, is_old: bool) -> dict[str, object]:
    looks = []
    for step in (0, 1, 4, 16, 64):
        look: dict[str, object] = {
            "step": step, "seconds": 0.1 * step, "loss": 1 / (1 + step), "cka": math.exp(-step / 40),
            "band_residual": [1.0, 1 / (1 + step), 1 / (1 + step / 8), None], "kappa": [9.0, 4.0, 1.0, 0.1],
        }  # fmt: skip
        if not is_old:
            look |= {
                "sharpness": 3.0 + step,
                "hessian": None,
                "condition": 50.0,
                "kta": 0.2,
                "layers": {"a": 0.3, "b": 0.7},
            }
        looks.append(look)
    return {"edges": [[0, 0], [0.02, 0.1], [0.1, 0.5], [0.5, 0.7]], "looks": looks}


def test_figures_of_both_kinds_of_log() -> None:
    old, new = (draw_track(track_in(log(is_old=is_old)), ".svg") for is_old in (True, False))
    assert b"Sharpness" not in old
    for title in (b"Left of each band", b"Sharpness of the loss", b"share, %"):
        assert title in new
    assert draw_track(track_in(log(is_old=False))).startswith(b"\x89PNG")


def test_one_look_is_enough() -> None:
    one = log(is_old=False)
    one["looks"] = one["looks"][:1]  # type: ignore[index]  # a list
    assert draw_track(track_in(one)).startswith(b"\x89PNG")
