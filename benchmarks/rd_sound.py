"""Rate against distortion of compressed sounds: `python benchmarks/rd_sound.py SOUND [--record rd-sound] [--plot PNG]`.

The sound is compressed by `inr compress` at every quality, and by FLAC, MP3 (LAME), Vorbis (oggenc) and Opus (opusenc)
if their encoders are installed; every file is decoded by a separate process, its size is read from the disk, and
the error is against all samples of the original. FLAC takes the sound rounded to 8, 12, 16 and 24 bits.

Codecs get the sound in 24 bits, and may add a delay: before the error is measured, the decoded sound is aligned by the
peak of the cross-correlation, and then by a part of a sample. `inr` optimises SNR and perceptual codecs do not, so SNR
measures the distance of waveforms, not how they sound.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _bd import rate_at
from _inr import inr
from _record import newest_rows, save

QUALITIES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
MAX_LAG = 4096
LEVELS_DB = (20.0, 30.0, 40.0, 50.0)

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True)
class Codec:
    """A codec's programs. encode, decode: words, in which IN, OUT, SETTING and RATE are replaced."""

    name: str
    suffix: str
    settings: tuple[str, ...]
    encode: str
    decode: str
    version: str

    @property
    def is_there(self) -> bool:
        return all(shutil.which(words.split()[0]) for words in (self.encode, self.decode))


CODECS = (
    Codec("FLAC", "flac", ("8", "12", "16", "24"), "flac -8 -s -f -o OUT IN", "flac -d -s -f -o OUT IN", "flac -v"),
    Codec(
        "MP3",
        "mp3",
        ("32", "40", "48", "64", "80", "96", "128", "160", "192", "256", "320"),
        "lame -S -q 0 --resample 44.1 -b SETTING IN OUT",
        "lame -S --decode IN OUT",
        "lame --version",
    ),
    Codec(
        "Vorbis",
        "ogg",
        ("-1", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
        "oggenc -Q -q SETTING -o OUT IN",
        "oggdec -Q -b 16 -o OUT IN",
        "oggenc --version",
    ),
    Codec(
        "Opus",
        "opus",
        ("8", "12", "16", "24", "32", "48", "64", "96", "128", "192", "256"),
        "opusenc --quiet --comp 10 --bitrate SETTING IN OUT",
        "opusdec --quiet --float --rate RATE IN OUT",
        "opusenc -V",
    ),
)


def of_codec(codec: Codec, setting: str, original: Floats, rate_hz: int, folder: Path) -> dict[str, Any]:
    """The row of a codec at one of its settings."""
    import soundfile

    source, packed, shown = folder / "source.wav", folder / f"packed.{codec.suffix}", folder / "shown.wav"
    bits = int(setting) if codec.name == "FLAC" else 24
    coarse = np.clip(np.rint(original * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) / 2 ** (bits - 1)
    soundfile.write(source, coarse, rate_hz, subtype="PCM_24" if bits > 16 else "PCM_16")
    encode_s = _run(codec.encode, source, packed, setting, rate_hz)
    decode_s = _run(codec.decode, packed, shown, setting, rate_hz)
    decoded, _ = soundfile.read(shown, dtype="float64", always_2d=True)
    aligned, lag = align(decoded, original)
    printed = subprocess.run(codec.version.split(), capture_output=True, text=True, check=False)
    version = (printed.stdout + printed.stderr).strip().splitlines()[0]
    return {
        **_row(codec.name, setting, packed, aligned, original, rate_hz),
        "lag_samples": lag,
        "version": version,
        "encode_s": encode_s,
        "decode_s": decode_s,
    }


def of_inr(
    sound: Path, quality: float, effort: int, profile: str | None, original: Floats, rate_hz: int, folder: Path
) -> dict[str, Any]:
    """Our row at a quality, without alignment."""
    import soundfile

    packed, shown = folder / "packed.inrz", folder / "shown.wav"
    words = [] if profile is None else ["--profile", profile]
    encode_s = inr("compress", sound, "-o", packed, "--quality", quality, "--effort", effort, "--force", *words)
    decode_s = inr("decompress", packed, "-o", shown, "--force")
    decoded, _ = soundfile.read(shown, dtype="float64", always_2d=True)
    return {
        **_row("inr" if profile is None else f"inr {profile}", f"{quality:g}", packed, decoded, original, rate_hz),
        "effort": effort,
        "encode_s": encode_s,
        "decode_s": decode_s,
    }


def align(decoded: Floats, original: Floats, max_lag: int = MAX_LAG) -> tuple[Floats, float]:
    """(decoded [n, C] aligned with the original [n, C], its delay in samples).

    First by the whole lag of the largest cross-correlation, then by the part of a sample of the least squared error;
    outside of what was decoded are zeros. A part that gains less than 0.01 dB is left out.
    """
    from scipy.optimize import minimize_scalar
    from scipy.signal import correlate

    n = len(original)
    mono, reference = decoded.mean(1), original.mean(1)
    correlation = correlate(mono, reference, "full", "fft")
    lags = np.arange(len(correlation)) - (n - 1)
    near = np.abs(lags) <= max_lag
    whole = int(lags[near][np.argmax(correlation[near])])
    padded = np.zeros((n + 2 * max_lag, decoded.shape[1]))
    start = max_lag - whole
    count = min(len(decoded), len(padded) - start)
    padded[start : start + count] = decoded[:count]
    spectrum = np.fft.rfft(padded, axis=0)
    turn = 2j * np.pi * np.fft.rfftfreq(len(padded))[:, None]

    def moved(part: float) -> Floats:
        out: Floats = np.fft.irfft(spectrum * np.exp(turn * part), len(padded), axis=0)[max_lag : max_lag + n]
        return out

    def error(part: float) -> float:
        return float(np.square(moved(part) - original).sum())

    part = float(minimize_scalar(error, bounds=(-1, 1), method="bounded", options={"xatol": 1e-4}).x)
    plain = padded[max_lag : max_lag + n]
    if error(part) > np.square(plain - original).sum() * 10**-0.001:
        return plain, float(whole)
    return moved(part), whole + part


def snr_db(decoded: Floats, original: Floats) -> float:
    """10 log10(sum r^2 / sum (p - r)^2) over all samples of the original."""
    fitted = np.zeros_like(original)
    fitted[: len(decoded)] = decoded[: len(original)]
    noise = float(np.square(fitted - original).sum())
    return math.inf if noise == 0 else 10 * math.log10(float(np.square(original).sum()) / noise)


def _row(
    codec: str, setting: str, packed: Path, decoded: Floats, original: Floats, rate_hz: int
) -> dict[str, str | float | int]:
    size = packed.stat().st_size
    return {
        "codec": codec,
        "setting": setting,
        "size_bytes": size,
        "kbit_per_s": 8e-3 * size * rate_hz / len(original),
        "snr_db": snr_db(decoded, original),
    }


def _run(words: str, given: Path, made: Path, setting: str, rate_hz: int) -> float:
    meant = {"IN": given, "OUT": made, "SETTING": setting, "RATE": rate_hz}
    start = time.perf_counter()
    subprocess.run([str(meant.get(word, word)) for word in words.split()], check=True, capture_output=True)
    return time.perf_counter() - start


def by_codec(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of each codec, by rising rate."""
    for name in dict.fromkeys(row["codec"] for row in rows):
        yield name, sorted((row for row in rows if row["codec"] == name), key=lambda row: row["kbit_per_s"])


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """SNR over kbit/s."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for name, own in by_codec(rows):
        finite = [row for row in own if math.isfinite(row["snr_db"])]
        style = {"color": "black", "lw": 2.2} if name == "inr" else {"lw": 1.2}
        axes.plot(
            [row["kbit_per_s"] for row in finite], [row["snr_db"] for row in finite], marker="o", ms=3, label=name,
            **style,
        )  # fmt: skip
    axes.set_xscale("log")
    ticks = [8, 16, 32, 64, 128, 256, 512]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("kbit/s")
    axes.set_ylabel("SNR, dB")
    axes.grid(visible=True, lw=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    import soundfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--qualities", default=",".join(map(str, QUALITIES)), help="with commas")
    parser.add_argument("--profile", help="of `inr compress`, instead of the default one; codecs are left out")
    parser.add_argument("--effort", type=int, default=5)
    parser.add_argument("--record", help="keep the rows under this name, over those it has of the same settings")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file")
    given = parser.parse_args()
    original, rate_hz = soundfile.read(given.sound, dtype="float64", always_2d=True)
    rows = newest_rows(given.record) if given.record else []

    def keep(row: dict[str, Any]) -> None:
        print(json.dumps(row), flush=True)
        same = ("codec", "setting", "effort")
        rows[:] = [old for old in rows if any(old.get(key) != row.get(key) for key in same)] + [row]
        if given.record:
            save(given.record, rows)

    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS if given.profile is None else ():
            if not codec.is_there:
                print(f"{codec.name}: not installed")
                continue
            for setting in codec.settings:
                keep(of_codec(codec, setting, original, rate_hz, Path(folder)))
        for quality in map(float, given.qualities.split(",")):
            keep(of_inr(given.sound, quality, given.effort, given.profile, original, rate_hz, Path(folder)))
    for name, own in by_codec(rows):
        curve = [(row["kbit_per_s"], row["snr_db"]) for row in own]
        found = {level: rate_at(curve, level) for level in LEVELS_DB}
        print(f"{name:>12}  " + "  ".join(f"{k:g} dB {v:.1f}" for k, v in found.items() if v is not None) + " kbit/s")
    if given.plot is not None:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
