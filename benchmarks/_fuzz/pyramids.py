"""Target of pyramid streams: small files of every architecture that the encoder writes, with random integers.

The golden files hold one such stream. These have contexts and networks of all sizes, grids of zeros, grey, colour and
transparent pictures, and integers from a fixed seed instead of training.
"""

from __future__ import annotations

import functools

import numpy as np

from tests.codec.damage import mutated, resealed

from ._target import Target, add
from .inrz import decoded, golden_and_corpus

N_SEEDS = 16
CHANNELS = (3, 1, 4, 2)
SIZES = ((9, 13), (16, 16), (1, 30), (21, 5))
MOST_BYTES = 4096


@functools.cache
def streams() -> list[bytes]:
    """Files of number 4: by random integers, and those among the golden and damaged ones."""
    import torch

    from inr.codec.compression_input import load_input
    from inr.codec.container.file import Container
    from inr.codec.profiles.pyramid.architecture import architecture_of
    from inr.codec.profiles.pyramid.latent_pyramid import PyramidProfile
    from inr.codec.profiles.pyramid.training import packed
    from inr.core.errors import FormatError
    from inr.signals.image import Image
    from tests.codec.profiles.pyramid.test_stream import groups_for, integers

    found = []
    for i in range(N_SEEDS):
        (height, width), channels = SIZES[i % len(SIZES)], CHANNELS[i // len(SIZES) % len(CHANNELS)]
        expected, effort = ((2000, 5), (4000, 5), (6000, 7), (20000, 7), (20000, 1), (20000, 5))[i % 6]
        architecture = architecture_of(channels, height, width, effort, expected)
        networks, grids = integers(architecture, i, size=2)
        quiet = [grid * (level % 3 != i % 4) for level, grid in enumerate(grids)]
        payload = packed(architecture, groups_for(architecture), networks, [torch.from_numpy(grid) for grid in quiet])
        given = load_input(Image.of_pixels(np.zeros((height, width, channels), np.uint8)))
        found.append(given.container(PyramidProfile.number, payload).to_bytes())
    for data in golden_and_corpus():
        try:
            if Container.read(data).number == PyramidProfile.number:
                found.append(data)
        except FormatError:
            continue
    return found


add(
    Target(
        "inrz-pyramid",
        streams,
        decoded,
        mutated,
        cost_ms=1.5,
        repair=resealed,
        may_raise=("FormatError",),
        follows=("inr.codec",),
        max_bytes=MOST_BYTES,
    )
)
