"""What the page of a fit costs: python benchmarks/watch.py PICTURE [SOUND SHAPE ...] [--field siren] [--record watch]

One run goes on in turns: with `FitWatch` and a client in another process that reads the events and fetches every
picture, as the page does, and alone (two runs would differ in where their arrays lie in memory). Turns last a second,
so that other load on the machine meets both; pictures come in some turns and not in others, so the ratios are of all
steps of all turns: per second of wall time, and of CPU time of this process, which other processes disturb less. The
ratios of eight parts of the turns tell how far they can be trusted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _record import save

from inr.fitting import Run, resolve
from inr.ntk import observers_of
from inr.signals import load_signal
from inr.watch import FitWatch, Session

TURN_S = 1.0
PARTS = 8
Pair = tuple[tuple[float, float, float], tuple[float, float, float]]
"""A turn alone, and the watched one that follows or precedes it."""

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
            found = json.loads(line[6:])
            for layer in LAYERS[found["view"]]:
                seen[1] += len(ask(f"/layer/{found['number']}/{layer}", cookie).read())
            seen[0] += 1


def turn(run: Run, watch: FitWatch | None) -> tuple[float, float, float]:
    """Steps, seconds of wall time, and of CPU time of all threads. Alone, it reports progress too, as `inr fit`."""
    run.observers, seconds = [] if watch is None else [watch], run.seconds
    first, start, used = run.step, time.perf_counter(), time.process_time()
    end = start + TURN_S
    told = (lambda progress: None) if watch is None else watch.on_progress
    run.advance(told, should_stop=lambda: time.perf_counter() >= end)
    taken = run.step - first, time.perf_counter() - start, time.process_time() - used
    run.seconds = seconds if watch is None else run.seconds  # the page has a share of the seconds that it watches
    return taken


def speed(turns: Sequence[tuple[float, float, float]], clock: int) -> float:
    """Steps per second of all turns. clock: 1 for wall time, 2 for CPU time."""
    return sum(each[0] for each in turns) / sum(each[clock] for each in turns)


def ratio(pairs: Sequence[Pair], clock: int) -> float:
    return speed([watched for _, watched in pairs], clock) / speed([alone for alone, _ in pairs], clock)


def measured(path: Path, field_name: str | None, rounds: int) -> dict[str, Any]:
    signal = load_signal(path)
    field, settings = resolve(signal, field_name or signal.default_field, {"steps": 10**9})
    session = Session(signal.name)
    watch = FitWatch(session, signal)
    run = Run(signal, field, settings, observers=watch.beside(observers_of))
    context = multiprocessing.get_context("spawn")
    seen = context.Array("q", 2)
    reader = context.Process(target=client, args=(session.server.port, session.server.token, seen), daemon=True)
    reader.start()
    while not session.feed.has_readers:
        time.sleep(0.05)
    for observer in (None, watch):  # kernels are compiled or loaded
        turn(run, observer)
    pairs = []
    for number in range(rounds):  # each is first in turns
        first = turn(run, watch if number % 2 else None)
        second = turn(run, None if number % 2 else watch)
        pairs.append((second, first) if number % 2 else (first, second))
    reader.terminate()
    session.close()
    n = rounds // PARTS
    parts = [pairs[first : first + n] for first in range(0, rounds, n)]
    ratios = [[ratio(part, clock) for part in parts] for clock in (1, 2)]
    return {
        "file": path.name,
        "field": field.type_name,
        "alone_per_s": speed([alone for alone, _ in pairs], 1),
        "watched_per_s": speed([shown for _, shown in pairs], 1),
        "ratio": ratio(pairs, 1),
        "cpu_ratio": ratio(pairs, 2),
        "ratios": sorted(ratios[0]),
        "cpu_ratios": sorted(ratios[1]),
        "pictures": seen[0],
        "picture_bytes": seen[1],
        "turns_s": TURN_S * rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals", type=Path, nargs="+")
    parser.add_argument("--field", help="default: that of the kind of signal")
    parser.add_argument("--rounds", type=int, default=40, help=f"turns of each way, a multiple of {PARTS}")
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    rows = []
    for path in options.signals:
        row = measured(path, options.field, options.rounds)
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
