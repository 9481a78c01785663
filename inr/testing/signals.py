"""What every kind of signal must do with a small file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from inr.core.domain import Frame
from inr.core.errors import InrError, UsageError
from inr.signals import SIGNALS, Signal, Source, View, load_signal
from inr.testing._suite import assert_near, assert_same_bytes, seeded


class SignalTests:
    """Kinds of signals. A subclass sets `kind` and `suffix`, and says in `content` what a small file holds:

        class TestMine(SignalTests):
            kind, suffix = "mine", ".mine"

            def content(self) -> bytes: ...

    options: with which the file is loaded. is_lattice: whether its samples lie on a lattice, which is rendered and
    written; others are distances. is_found_by_suffix: without naming the kind. tolerance: of written values, relative
    to the largest, for formats that lose some.
    """

    kind: ClassVar[str]
    suffix: ClassVar[str]
    options: ClassVar[Mapping[str, str]] = {}
    is_lattice: ClassVar[bool] = True
    is_found_by_suffix: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.01

    def content(self) -> bytes:
        """The bytes of a small file."""
        raise NotImplementedError

    def load(self, data: bytes | None = None) -> Signal:
        source = Source(f"small{self.suffix}", data=self.content() if data is None else data)
        return load_signal(source, self.kind, dict(self.options))

    def test_it_is_found_by_its_suffix(self, tmp_path: Path) -> None:
        path = tmp_path / f"small{self.suffix}"
        path.write_bytes(self.content())
        signal = load_signal(path, None if self.is_found_by_suffix else self.kind, dict(self.options))
        assert SIGNALS.name_of(type(signal)) == self.kind
        assert signal.name == path.name

    def test_its_description_is_json_and_agrees_with_itself(self) -> None:
        signal = self.load()
        assert signal.spec.kind == self.kind
        assert signal.spec.d_in == signal.frame.d_in
        assert signal.spec.d_out == signal.frame.d_out
        assert json.loads(json.dumps(signal.meta, allow_nan=False)) == signal.meta
        assert Frame.from_json(json.loads(json.dumps(signal.frame.to_json()))) == signal.frame
        assert (signal.spec.shape is not None) == self.is_lattice
        assert all("\n" not in note for note in signal.notes)

    def test_samples_lie_in_the_box_and_have_training_values(self) -> None:
        signal = self.load()
        pool = signal.pool(seeded())
        index = torch.arange(0, pool.size, max(1, pool.size // 500))
        batch = pool.batch(index)
        assert batch.x.shape == (len(index), signal.spec.d_in)
        assert batch.y.shape == (len(index), signal.spec.d_out)
        assert batch.x.dtype == batch.y.dtype == torch.float32
        assert float(batch.x.min()) >= 0
        assert float(batch.x.max()) <= 1
        assert torch.isfinite(batch.y).all()
        assert float(batch.y.abs().max()) <= 10  # about [-1, 1], so that one learning rate suits all signals
        if batch.weight is not None:
            assert float(batch.weight.min()) >= 0

    def test_equal_seeds_give_equal_samples(self) -> None:
        before = torch.get_rng_state()
        one, two = (self.load().pool(seeded(3)) for _ in range(2))
        assert one.size == two.size
        index = torch.arange(min(one.size, 400))
        assert_same_bytes(one.batch(index).x, two.batch(index).x)
        assert_same_bytes(one.batch(index).y, two.batch(index).y)
        assert_same_bytes(torch.get_rng_state(), before)

    def test_the_signal_itself_is_written_and_read_again(self, tmp_path: Path) -> None:
        """Every format that it can be written as, from the values on its own lattice."""
        if not self.is_lattice:
            assert self.load().pool(seeded()).order is None
            return
        signal = self.load()
        values, meta = self.on_own_lattice(signal)
        path = tmp_path / f"again{self.suffix}"
        with path.open("wb") as file:
            notes = signal.write(values.numpy(), meta, file, self.suffix)
        assert all("\n" not in note for note in notes)
        again = load_signal(path, self.kind, dict(self.options))
        assert again.spec.shape == signal.spec.shape
        found, _ = self.on_own_lattice(again)
        assert_near(found, values, self.tolerance)

    def on_own_lattice(self, signal: Signal) -> tuple[torch.Tensor, dict[str, Any]]:
        """Values in signal units [*lattice, C], in the order in which they are written, and their metadata."""
        grid, meta = signal.grid(signal.spec, signal.frame, signal.meta, View())
        pool = signal.pool(seeded())
        values = signal.frame.from_field(pool.batch(torch.arange(pool.size)).y)
        return values.reshape(*grid.shape, signal.spec.d_out), meta

    def test_a_perfect_field_has_a_better_quality_than_a_flat_one(self) -> None:
        signal = self.load()
        pool = signal.pool(seeded())
        batch = pool.batch(torch.arange(pool.size))
        mean = batch.y.mean(0)

        def flat(x: torch.Tensor) -> torch.Tensor:
            return signal.frame.from_field(mean.expand(*x.shape[:-1], -1))

        metrics = signal.metrics(flat)
        assert signal.headline in metrics
        assert all(isinstance(value, int | float) for value in metrics.values())

    def test_an_unknown_option_is_refused_in_one_line(self) -> None:
        with pytest.raises(UsageError) as caught:
            load_signal(Source(f"small{self.suffix}", data=self.content()), self.kind, {"no-such-option": "1"})
        assert "no-such-option" in caught.value.message
        assert "\n" not in caught.value.message

    def test_a_file_cut_off_anywhere_loads_or_is_refused_in_one_line(self) -> None:
        data = self.content()
        for n in sorted({0, 1, 7, *(len(data) * i // 20 for i in range(20))}):
            said = ""
            try:
                self.load(data[:n])
            except InrError as error:
                said = error.message
            assert "\n" not in said
            assert len(said) < 1000

    def test_a_model_file_describes_it(self) -> None:
        signal = self.load()
        assert list(type(signal).described.problems(signal.spec, signal.meta)) == []
