"""What a new fit starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inr.core.errors import UsageError
from inr.fitting import Fit


@dataclass(frozen=True)
class Start:
    """A random initialisation unless `init` is given.

    init: a model, or a learned initialisation, whose parameters the run starts at. name: of its file. fresh: the
    frequency setting that the signal's spectrum chooses, see `choose_frequency`.
    """

    init: Fit | None = None
    name: str = ""
    fresh: str | None = None

    @classmethod
    def of(cls, init: Fit | str | Path | None = None, fresh: str | None = None) -> Start:
        """Read `init` if it names a file. Raises UsageError if both are given, and as `Fit.load` does."""
        if init is not None and fresh is not None:
            raise UsageError("`init` and `fresh` are both given, expected one of them: `init` brings its own settings")
        if init is None or isinstance(init, Fit):
            return cls(init, "", fresh)
        return cls(Fit.load(init), Path(init).name, fresh)

    @property
    def is_default(self) -> bool:
        return self.init is None and self.fresh is None


RANDOM_START = Start()
