"""Settings of one family's run, ranked by what each would leave of the signal: all are rehearsed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Generator

from inr.core.errors import ConfigError, UsageError
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.fitting import FitConfig, resolve
from inr.ntk.changes import Change, changes, sizes
from inr.ntk.piece_runs import rehearse_piece
from inr.ntk.thin_runs import ThinRun, check_share
from inr.ntk.verdict import WORTH_DB
from inr.signals import Signal

SAME_SIZE = 1.1
"""Parameters over those of the run as it is, up to which the gain is the setting's and not the size's."""
PIECE_WEIGHT = 0.3
"""Of a piece's gain beside that of few samples per step, which is too small for most runs; a piece's is too large."""
MOST_PIECE_DB = 12.0
"""A piece's gain counts up to this, in either direction: a piece that is learned by heart says no more."""
AGAIN = 6.0
"""Share of the second rehearsal of a trained grid's settings over that of the first; see `rank`."""


@dataclass(frozen=True)
class Ranked:
    """A change, and what its rehearsals leave less of the signal than those of the run as it is.

    gain_db: of the energy left (shapes: of the loss, `loss_db`), of both rehearsals; -inf if one diverged. Of a grid
    that was rehearsed again, of that rehearsal. thin_db, piece_db: of either; nan if there was none. size: parameters
    over those of the run as it is.
    """

    change: Change
    gain_db: float
    thin_db: float
    piece_db: float
    size: float

    @property
    def is_worth(self) -> bool:
        """Whether the gain is said to be WORTH_DB or more, by a change that is not `Change.is_lower`."""
        return self.gain_db >= WORTH_DB and not self.change.is_lower


@dataclass(frozen=True)
class Ranking:
    """found: largest gain first; changes that do not suit the signal or the field are not in it. field, settings: of
    the run as it is. share: of the run's samples, of each first rehearsal. rehearsals: how many, first and second.
    cost: samples that all took, over those of the fit. seconds: of all."""

    field: FieldConfig
    settings: FitConfig
    share: float
    found: tuple[Ranked, ...]
    steps: int
    rehearsals: int
    cost: float
    seconds: float

    @property
    def advised(self) -> tuple[Ranked, ...]:
        """Changes with a gain of at least WORTH_DB and not more parameters, largest gain first; none that are lower."""
        return tuple(r for r in self.found if r.is_worth and r.size <= SAME_SIZE)

    @property
    def larger(self) -> Ranked | None:
        """The best change with more parameters, if it gains WORTH_DB more than the best without."""
        least = WORTH_DB + max((r.gain_db for r in self.advised), default=0.0)
        return next((r for r in self.found if r.size > SAME_SIZE and r.gain_db >= least), None)


def rank(
    signal: Signal,
    field: FieldConfig,
    settings: FitConfig,
    share: float = 0.03,
    *,
    device: torch.device | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Ranking:
    """Rehearse a run as it is and with each of `changes` and `sizes`, on `share` of the samples each.

    All steps are taken with few samples each (`thin_runs`); changes of the rate, the optimizer, the schedule and the
    recipe on lattices also on pieces of the signal (`piece_runs`), where optimizers act as in the fit.

    Changes of fields whose encoding is trained are rehearsed again with AGAIN times as many samples per step, if they
    are said to gain WORTH_DB or more; their gain is then that of this rehearsal. With few samples most of a grid's
    entries have no gradient in a step, which SOAP's statistics bear less than Adam's, and a grid learns a piece by
    heart (records `verdict-advice`: earlier reports and those of today).

    signal: with values; pictures, sound, shapes, arrays. field, settings: of the run.
    Raises UsageError for optimizers that take all samples in every step, for surfaces without values, and for a run
    that diverges as it is.
    """
    if signal.spec.traits.is_surface_only:
        raise UsageError(
            "a point cloud has no values that a rehearsal could be compared with",
            "use a mesh, a picture, a sound or an array",
        )
    check_share(settings)
    tell = on_progress or (lambda part: None)
    begin = time.monotonic()
    field, settings = resolve(signal, field, settings)
    pool = signal.pool(Generator().manual_seed(settings.seed))
    samples = Samples.counted(signal.spec, pool, signal.tile)
    samples.refuse_tiles()
    signal = copy.copy(signal)
    signal.pool = lambda generator: pool  # type: ignore[method-assign]  # distances to a mesh are calculated once
    wanted = [*changes(signal, field, settings), *sizes(field, settings)]
    tell(f"rehearsals of {1 + len(wanted)} settings, each on {100 * share:.3g} % of the samples of a fit")
    as_it_is = Change.none(field, settings)
    taken: list[float] = []

    def thin_run(change: Change, part: float) -> tuple[float, ThinRun]:
        taken.append(part)
        thin = ThinRun(signal, *resolve(signal, change.field, change.run), samples, part, device, looks=0)
        thin.go()
        return math.inf if thin.has_diverged else thin.total_db, thin

    def unchanged(part: float) -> tuple[float, ThinRun]:
        left, thin = thin_run(as_it_is, part)
        if left == math.inf:
            raise UsageError(f"the run diverges within {settings.steps} steps as it is", "give a lower learning rate")
        return left, thin

    def piece(change: Change) -> float:
        taken.append(share)
        return rehearse_piece(signal, *resolve(signal, change.field, change.run), samples, share, device)

    is_lattice = samples.order is not None
    started = time.monotonic()
    plain, first = unchanged(share)
    middle = time.monotonic()
    plain_piece = piece(as_it_is) if is_lattice else math.nan
    n_pieces = sum(change.is_of_run for change in wanted)
    expected = len(wanted) * (middle - started) + n_pieces * (time.monotonic() - middle)
    tell(f"{len(wanted)} settings to rehearse, which takes about {expected:.2g} s")
    found = []
    for i, change in enumerate(wanted):
        tell(f"{i + 1} of {len(wanted)}: {change.what}")
        try:
            left, run = thin_run(change, share)
            left_piece = piece(change) if is_lattice and change.is_of_run else math.nan
        except (ConfigError, UsageError):
            continue  # the change does not suit the signal
        gains = plain - left, plain_piece - left_piece
        found.append(Ranked(change, gain_db(*gains), *gains, run.n_params / max(first.n_params, 1)))
    larger = min(1.0, AGAIN * share)
    if first.is_grid and any(r.is_worth for r in found) and larger > share:
        tell(f"once more with {100 * larger:.3g} % of the samples: {sum(r.is_worth for r in found)} settings")
        plain, _ = unchanged(larger)
        found = [replace(r, gain_db=plain - thin_run(r.change, larger)[0]) if r.is_worth else r for r in found]
    ranked = tuple(sorted(found, key=lambda r: -r.gain_db))
    steps = settings.steps or 0
    return Ranking(field, settings, share, ranked, steps, len(taken), sum(taken), time.monotonic() - begin)


def gain_db(thin: float, piece: float) -> float:
    """Of two rehearsals: (1 - w) thin + w piece, w = PIECE_WEIGHT, within MOST_PIECE_DB. piece: nan if there was none.

    -inf if either diverged.
    """
    if math.isnan(piece):
        return thin
    if piece == -math.inf:
        return piece
    return (1 - PIECE_WEIGHT) * thin + PIECE_WEIGHT * max(-MOST_PIECE_DB, min(MOST_PIECE_DB, piece))
