"""The animation of a tracked fit."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from inr.ntk.track_log import track_in
from inr.report.ntk_film import film_element, track_frames
from tests.report.test_ntk_track import log


def test_there_is_a_frame_for_each_look_and_they_differ() -> None:
    frames = track_frames(track_in(log(is_old=False)))
    assert len(frames) == 5
    assert all(frame.shape == frames[0].shape for frame in frames)
    assert not np.array_equal(frames[0], frames[-1])


def test_one_look_or_a_log_without_bands_has_no_film() -> None:
    one = log(is_old=False)
    one["looks"] = one["looks"][:1]  # type: ignore[index]  # a list
    assert track_frames(track_in(one)) == []
    bare = log(is_old=False)
    bare["edges"] = []
    assert track_frames(track_in(bare)) == []


def test_the_element_holds_all_frames_and_the_last_alone() -> None:
    frames = track_frames(track_in(log(is_old=False)))
    still, moving = re.findall(r"base64,([^\"]+)", film_element(frames, "a film"))
    with Image.open(io.BytesIO(base64.b64decode(moving))) as film:
        assert film.n_frames == 5  # type: ignore[attr-defined]  # of animated formats
        film.seek(4)
        last = np.asarray(film.convert("RGB"))
    with Image.open(io.BytesIO(base64.b64decode(still))) as alone:
        assert np.array_equal(np.asarray(alone.convert("RGB")), last)
    assert np.array_equal(last, frames[-1])
