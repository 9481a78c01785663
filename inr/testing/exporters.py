"""What every exporter must do with a small fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inr.core.errors import UsageError
from inr.exporters import Exporter, export
from inr.fitting import Fit
from inr.testing._suite import Document, Suite, config_of
from inr.testing.fitting import a_signal
from inr.workflows.fit import fit


class ExporterTests(Suite):
    """Exporters, with a fit of 2 x 8 sines to an array; `fit` may be overridden for formats of other signals."""

    def fit(self) -> Fit:
        """2 x 8 sines, fitted to 24 x 24 samples for 5 steps."""
        return fit(a_signal(), {"type": "siren", "width": 8, "depth": 2}, {"steps": 5})

    def make(self, document: Document) -> Exporter:
        return config_of(Exporter, document)

    def test_equal_fits_give_equal_files(self, document: Document) -> None:
        exporter = self.make(document)
        made = self.fit()
        for suffix in exporter.suffixes:
            one, two = exporter.encode(made, suffix), exporter.encode(self.fit(), suffix)
            assert dict(one.files) == dict(two.files)
            assert one.notes == two.notes
            assert next(iter(one.files)) == suffix
            assert all(one.files.values())

    def test_files_are_written_whole_and_never_over_others(self, document: Document, tmp_path: Path) -> None:
        exporter = self.make(document)
        made = self.fit()
        path = tmp_path / f"model{exporter.suffixes[0]}"
        paths = export(made, path, exporter)
        assert paths[0] == path
        assert sorted(paths) == sorted(tmp_path.iterdir())
        held = {p: p.read_bytes() for p in paths}
        with pytest.raises(UsageError, match="exists"):
            export(made, path, exporter)
        assert {p: p.read_bytes() for p in tmp_path.iterdir()} == held
        assert export(made, path, exporter, force=True) == paths

    def test_what_it_writes_is_said_in_a_line(self, document: Document) -> None:
        exporter = self.make(document)
        said = (type(exporter).__doc__ or "").strip().splitlines()[0]
        assert 10 < len(said) <= 120
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in exporter.suffixes)

    def test_settings_round_trip(self, document: Document) -> None:
        config = self.make(document)
        assert config_of(Exporter, json.loads(json.dumps(config.to_json()))) == config
