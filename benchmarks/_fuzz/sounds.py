"""Targets of sound files: WAV, RF64, FLAC, and Ogg with Vorbis and Opus."""

from __future__ import annotations

import io
import random
import struct

import numpy as np

from ._mutation import mostly, numbers_mutated, ogg_repaired
from ._reading import reading
from ._target import Target, add


def written(
    form: str, subtype: str, channels: int = 1, n: int = 40, rate_hz: int = 8000, endian: str = "FILE"
) -> bytes:
    import soundfile

    t = np.arange(n)[:, None] * (1 + np.arange(channels))
    out = io.BytesIO()
    soundfile.write(out, 0.5 * np.sin(t), rate_hz, subtype, endian, form)
    return out.getvalue()


def wavs() -> list[bytes]:
    """PCM of every width, floats, both logarithmic laws, ADPCM, the extensible header, RIFX, an extra chunk."""
    made = [
        written("WAV", subtype)
        for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
    ]
    made += [
        written("WAV", "IMA_ADPCM", n=600),
        written("WAVEX", "PCM_16", 6),
        written("WAV", "PCM_16", 2, endian="BIG"),
    ]
    chunk = b"LIST" + struct.pack("<I", 8) + b"INFOabcd"
    riff = made[1]
    return [*made, riff[:4] + struct.pack("<I", len(riff)) + riff[8:12] + chunk + riff[12:]]


def wav_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """Chunks dropped, doubled, moved, and given other sizes; the outer size is corrected or not."""
    order = ">" if data[:4] == b"RIFX" else "<"
    chunks = []
    at = 12
    while at + 8 <= len(data):
        (n,) = struct.unpack_from(order + "I", data, at + 4)
        chunks.append([data[at : at + 4], n, data[at + 8 : at + 8 + n]])
        at += 8 + n + n % 2
    if not chunks:
        raise ValueError("it has no chunks left")
    i = draw.randrange(len(chunks))
    what = draw.randrange(6)
    if what == 0:
        chunks[i][1] = draw.choice((0, 1, chunks[i][1] + 1, chunks[i][1] - 1, 2**31, 2**32 - 1, 2**32 - 8)) % 2**32
    elif what == 1:
        chunks[i][2] = numbers_mutated(order)(chunks[i][2], draw, others)
    elif what == 2:
        del chunks[i]
    elif what == 3:
        chunks.insert(draw.randrange(len(chunks) + 1), chunks[i])
    elif what == 4:
        draw.shuffle(chunks)
    else:
        chunks[i][0] = draw.choice((b"data", b"fmt ", b"fact", b"ds64", b"JUNK", b"\0\0\0\0"))
    body = data[8:12] + b"".join(k + struct.pack(order + "I", n) + v + b"\0" * (len(v) % 2) for k, n, v in chunks)
    size = draw.choice((len(body), len(body), len(body), len(body) + 8, len(body) - 8, 0, 2**32 - 1))
    return data[:4] + struct.pack(order + "I", size % 2**32) + body


def flacs() -> list[bytes]:
    made = [written("FLAC", subtype, channels) for subtype, channels in (("PCM_S8", 1), ("PCM_16", 2), ("PCM_24", 1))]
    unknown = bytearray(made[1])  # as an encoder writes to a pipe: 36 bits of the number of samples are 0
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    return [*made, bytes(unknown)]


def oggs() -> list[bytes]:
    return [written("OGG", "VORBIS", n=200), written("OGG", "OPUS", 2, n=200, rate_hz=48000)]


wav = mostly(wav_mutated)
add(Target("wav", wavs, reading(".wav", "audio"), wav, cost_ms=1.0))
add(
    Target(
        "rf64",
        lambda: [written("RF64", "PCM_16", 2), written("RF64", "FLOAT")],
        reading(".wav", "audio"),
        wav,
        cost_ms=1.0,
    )
)
add(Target("flac", flacs, reading(".flac", "audio"), mostly(numbers_mutated(">"), share=0.4), cost_ms=1.0))
add(
    Target(
        "ogg", oggs, reading(".ogg", "audio"), mostly(numbers_mutated("<"), share=0.4), cost_ms=2.0, repair=ogg_repaired
    )
)
