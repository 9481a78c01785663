"""What the page of a fit costs: python benchmarks/watch.py PICTURE [SOUND SHAPE ...] [--record watch]

Two runs of one signal with equal settings take turns in one process: one alone, one with `FitWatch` and a client in
another process that reads the events and fetches every picture, as the page does. Each turn lasts some seconds; a ratio
is of two turns that follow each other, so that other load on the machine meets both: of the steps per second of wall
time, and of the steps per second of CPU time of this process, which other processes disturb less.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any

from _record import save

from inr.fitting import Run, resolve
from inr.ntk import observers_of
from inr.signals import load_signal
from inr.watch import FitWatch, Session

ROUNDS, TURN_S = 10, 5.0
LAYERS = {"picture": ("fit", "target", "error"), "wave": ("wave",), "surface": ("surface",)}


def client(port: int, token: str, seen: Any) -> None:
    """Read the events of a page and fetch what they announce; counts pictures and bytes in `seen`."""

    def ask(path: str, cookie: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        return connection.getresponse()

    cookie = str(ask(f"/?token={token}").headers["Set-Cookie"]).partition(";")[0]
    events = ask("/events", cookie)
    name = ""
    while line := events.readline().decode():
        if line.startswith("event: "):
            name = line[7:].strip()
        elif line.startswith("data: ") and name == "picture":
            kind = next(kind for kind in LAYERS if f'"view": "{kind}"' in line)
            for layer in LAYERS[kind]:
                seen[1] += len(ask(f"/layer/{layer}", cookie).read())
            seen[0] += 1


def turn(run: Run, watch: FitWatch | None) -> tuple[float, float]:
    """Steps per second of wall time, and of CPU time of all threads."""
    first, start, used = run.step, time.perf_counter(), time.process_time()
    end = start + TURN_S
    run.advance(None if watch is None else watch.on_progress, should_stop=lambda: time.perf_counter() >= end)
    steps = run.step - first
    return steps / (time.perf_counter() - start), steps / (time.process_time() - used)


def measured(path: Path) -> dict[str, Any]:
    signal = load_signal(path)
    field, settings = resolve(signal, signal.default_field, {"steps": 10**9})
    session = Session(signal.name)
    watch = FitWatch(session, signal)
    watched = Run(signal, field, settings, observers=watch.beside(observers_of))
    alone = Run(signal, field, settings)
    context = multiprocessing.get_context("spawn")
    seen = context.Array("q", 2)
    reader = context.Process(target=client, args=(session.server.port, session.server.token, seen), daemon=True)
    reader.start()
    while not session.feed.has_readers:
        time.sleep(0.05)
    for run, observer in ((alone, None), (watched, watch)):  # kernels are compiled or loaded
        turn(run, observer)
    pairs = []
    for number in range(ROUNDS):  # each is first in turns
        first = turn(watched, watch) if number % 2 else turn(alone, None)
        second = turn(alone, None) if number % 2 else turn(watched, watch)
        pairs.append((second, first) if number % 2 else (first, second))
    reader.terminate()
    session.close()
    ratios = [[with_page[clock] / without[clock] for without, with_page in pairs] for clock in range(2)]
    return {
        "file": path.name,
        "field": field.type_name,
        "alone_per_s": statistics.median(alone[0] for alone, _ in pairs),
        "watched_per_s": statistics.median(shown[0] for _, shown in pairs),
        "ratio": statistics.median(ratios[0]),
        "cpu_ratio": statistics.median(ratios[1]),
        "ratios": sorted(ratios[0]),
        "cpu_ratios": sorted(ratios[1]),
        "pictures": seen[0],
        "picture_bytes": seen[1],
        "turns_s": TURN_S * ROUNDS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals", type=Path, nargs="+")
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    rows = []
    for path in options.signals:
        row = measured(path)
        rows.append(row)
        print(
            f"{row['file']:16} {row['alone_per_s']:8.2f} steps/s alone, {row['watched_per_s']:8.2f} watched: "
            f"{row['ratio']:.3f} ({row['ratios'][0]:.3f} to {row['ratios'][-1]:.3f}), of CPU time "
            f"{row['cpu_ratio']:.3f} ({row['cpu_ratios'][0]:.3f} to {row['cpu_ratios'][-1]:.3f}), "
            f"{row['pictures']} pictures",
            flush=True,
        )
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
