"""The page of an encoding: the file has the same bytes, and what is shown is what a decoder shows in the end."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from inr.codec import compress, decompress
from inr.signals.image import Image
from inr.watch import EncodingWatch, Session


def photo() -> Image:
    rows, columns = np.mgrid[:40, :56]
    waves = 127 + 60 * np.sin(rows / 5) + 60 * np.cos(columns / 7)
    return Image.of_pixels(np.stack([waves, 3 * rows, 4 * columns], -1).astype(np.uint8))


def test_a_watched_encoding_has_the_same_bytes_and_shows_the_picture_so_far() -> None:
    plain = compress(photo(), effort=1, quality=60, verify=False)
    session = Session("photo", controls=("pause",))
    try:
        with session.feed.reader():
            watch = EncodingWatch(session)
            signal = photo()
            watch.begin(signal)
            made = compress(signal, effort=1, quality=60, verify=False, on_progress=watch)
            watch.end(made)
            watch.linger(0.3)
        assert made.data == plain.data
        messages = {message.name: message.document for message in session.feed.newer(0, 0)}
    finally:
        session.close()
    assert messages["curve"]["step"] == sorted(messages["curve"]["step"])
    assert min(messages["curve"]["rate"]) > 0
    assert messages["facts"]["file"] == f"{len(made.data):,} bytes"
    assert messages["state"]["state"] == "finished"
    layer = session.feed.layer(messages["picture"]["number"], "fit")
    assert layer is not None
    shown = np.asarray(Pillow.open(io.BytesIO(layer.data))).astype(int)
    decoded = decompress(made.data)
    assert np.array_equal(shown, np.rint(255 * np.clip(decoded.values(), 0, 1)))
    assert messages["picture"]["layers"] == ["fit", "target", "error"]


def test_a_pause_ends_when_the_program_must() -> None:
    session = Session("photo", controls=("pause",))
    try:
        session.is_paused = True
        watch = EncodingWatch(session, is_interrupted=lambda: True)
        heard: list[float] = []
        watch.begin(None, lambda share, text: heard.append(share))
        watch(0.5, "31 dB")
        assert heard == [0.5]
        assert not session.is_paused
    finally:
        session.close()
