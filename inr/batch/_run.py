"""A batch: what is left to do, doing it, and the outcome of every input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from inr.batch._executor import Executor, Work
from inr.batch._inputs import Item
from inr.batch._job import JOBS, Result
from inr.batch._manifest import Manifest, input_state
from inr.batch.places import free_name, key_of, place_of
from inr.core.errors import ConfigError, InrError, UnavailableError, UsageError
from inr.core.files import reason_of
from inr.core.workers import Failure, attempt
from inr.signals import Source

_MISSING = object()


@dataclasses.dataclass(frozen=True)
class BatchRow:
    """The outcome of one input.

    state: "done" now, "kept" from an earlier call, "failed", or "waiting" (not begun, or its end was not waited for).
    output: name in the folder. summary: of the job. failure: where it failed.
    """

    name: str
    output: str
    state: Literal["done", "kept", "failed", "waiting"]
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    failure: Failure | None = None


Event = Callable[[BatchRow], None]


@dataclasses.dataclass(frozen=True)
class JobWork:
    """A job as picklable work for an executor."""

    job: str
    settings: Mapping[str, Any]
    device: str = "cpu"

    def __call__(self, path: Path) -> Result:
        return JOBS[self.job].run(Source.of(path), self.settings, torch.device(self.device))


class BatchRun:
    """One call's share of a batch in `folder`: those of `items` that the folder's manifest does not have as done.

    job, settings: what is done, see `JobKind`. force: begin anew, and replace files of others.
    notes: what a user should know of earlier calls.
    Raises ConfigError for wrong settings, UsageError if results of other settings or other files are in
    the way.
    """

    def __init__(
        self,
        manifest: Manifest,
        items: Sequence[Item],
        job: str,
        settings: Mapping[str, Any],
        *,
        force: bool = False,
    ) -> None:
        self.manifest, self.items, self.job, self.force = manifest, items, job, force
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.notes: tuple[str, ...] = ()
        check_settings(items, job, settings)
        self.is_new = force or manifest.job is None or self._is_other_epoch()
        self.rows: dict[str, BatchRow] = {}
        self._states: dict[str, tuple[int, int]] = {}
        self._is_full = False
        outputs = self._outputs()
        changed = []
        for item in items:
            record = None if self.is_new else manifest.records.get(item.name)
            self.rows[item.name] = BatchRow(item.name, outputs[item.name], "waiting")
            try:
                self._states[item.name] = item.state()
                if record is not None and manifest.is_done(item):
                    self.rows[item.name] = BatchRow(item.name, record["output"], "kept", record["summary"])
                elif record is not None and manifest.has_changed(item):
                    changed.append(item.name)
                if self.rows[item.name].state == "waiting":
                    place_of(manifest.folder, outputs[item.name])
            except InrError as error:
                failure = Failure(error.message, error.hint, error.exit_code)
                self.rows[item.name] = BatchRow(item.name, outputs[item.name], "failed", failure=failure)
            except OSError as error:
                failure = Failure(f"cannot read {str(error.filename)!r}: {reason_of(error)}", None, 3)
                self.rows[item.name] = BatchRow(item.name, outputs[item.name], "failed", failure=failure)
        if changed:
            self.notes += (
                f"{_counted(changed, 'input has', 'inputs have')} changed, processed again: {_some(changed)}",
            )
        if not force:
            self._check_outputs()

    @property
    def pending(self) -> list[Item]:
        return [item for item in self.items if self.rows[item.name].state == "waiting"]

    def rehearse(self, device: torch.device) -> None:
        """Prepare one waiting input per suffix without running its job; errors become failed rows.

        Uses the first readable input of each suffix. Wrong settings are raised, because they affect all inputs.
        """
        is_known: set[str] = set()
        for item in self.pending:
            suffix = item.path.suffix.lower()
            if suffix in is_known:
                continue
            outcome = attempt(lambda path: JOBS[self.job].prepare(Source.of(path), self.settings, device), item.path)
            if isinstance(outcome, Failure):
                self.rows[item.name] = dataclasses.replace(self.rows[item.name], state="failed", failure=outcome)
            if not isinstance(outcome, Failure) or outcome.exit_code == UsageError.exit_code:
                is_known.add(suffix)

    def run(self, executor: Executor, work: Work, on_row: Event | None = None) -> None:
        """Run the pending jobs and write every output when its job ends. Completed outputs survive any failure.

        After a full disk the remaining jobs stay waiting.
        """
        pending = self.pending
        if self.is_new:
            self.manifest.start(self.job, self.settings)
            self.is_new = False
        attempts = executor.run(work, [item.path for item in pending])
        try:
            for attempt in attempts if pending else ():
                row = self._ended(pending[attempt.index], attempt.outcome)
                self.rows[row.name] = row
                if on_row is not None:
                    on_row(row)
                if self._is_full:
                    break
        finally:
            attempts.close()

    def _ended(self, item: Item, outcome: Result | Failure) -> BatchRow:
        output = self.rows[item.name].output
        if isinstance(outcome, Failure):
            return BatchRow(item.name, output, "failed", failure=outcome)
        size, changed_ns = self._states[item.name]
        seen: dict[str, Any] = {"bytes": size, "changed_ns": changed_ns, "sha256": ""}
        try:
            if item.state() == (size, changed_ns):  # else the input changed during the job: the next call repeats it
                seen = input_state(item)
            self.manifest.finish(item, seen, output, outcome.data, outcome.summary, force=self.force)
        except InrError as error:
            self._is_full = isinstance(error, UnavailableError)
            return BatchRow(item.name, output, "failed", failure=Failure(error.message, error.hint, error.exit_code))
        return BatchRow(item.name, output, "done", outcome.summary)

    def _is_other_epoch(self) -> bool:
        """Whether to begin a new epoch because the last one has another job or settings and no completed jobs."""
        old, new = (self.manifest.job, self.manifest.settings), (self.job, self.settings)
        if old == new:
            return False
        if not self.manifest.records:
            return True
        said = difference({"job": old[0], **old[1]}, {"job": new[0], **new[1]})
        raise UsageError(
            f"{str(self.manifest.folder)!r} holds {len(self.manifest.records)} results of other settings: {said}",
            "use `force=True` to repeat all of them, or choose another `output`",
        )

    def _outputs(self) -> dict[str, str]:
        """Input name -> output name: the earlier name, else a free one."""
        suffix = JOBS[self.job].suffix
        before: dict[str, str] = {}
        taken: set[str] = set()
        for name, output in reversed(self.manifest.outputs.items()):  # the last job that wrote it owns it
            if output.endswith(suffix) and key_of(output) not in taken:
                before[name] = output
                taken.add(key_of(output))
        names = {}
        for item in self.items:
            if item.name not in before:
                names[item.name] = free_name(item.name, suffix, taken)
                taken.add(key_of(names[item.name]))
        return before | names

    def _check_outputs(self) -> None:
        folder, outputs = self.manifest.folder, [self.rows[item.name].output for item in self.pending]
        there = [output for output in outputs if (folder / output).exists()]
        foreign = [output for output in there if not self.manifest.has_written(output)]
        if foreign:
            raise UsageError(
                f"{_counted(foreign, 'output exists', 'outputs exist')} in {str(folder)!r} that no batch wrote, or "
                f"that were changed since: {_some(foreign)}",
                "move them, use `force=True` to repeat all jobs and replace them, or choose another `output`",
            )


def check_settings(items: Sequence[Item], job: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings that are wrong for any of the file types among the items. Raises ConfigError."""
    _refuse_unknown_keys(job, settings)
    for item in {item.path.suffix.lower(): item for item in items}.values():
        try:
            JOBS[job].check(Source(str(item.path), path=item.path), settings)
        except ConfigError:
            raise
        except (InrError, OSError):
            continue  # an error of this input only: it becomes a failed row


def _refuse_unknown_keys(job: str, settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for keys and flags that this kind of job does not have."""
    given = dict.fromkeys(settings, "keys") | dict.fromkeys(settings.get("flags", {}), "flags")
    unknown = [name for name, sort in given.items() if name not in getattr(JOBS[job], sort)]
    if unknown:
        known = {name: [kind for kind in JOBS if name in getattr(JOBS[kind], given[name])] for name in unknown}
        raise ConfigError(
            [f"{name} is not a setting of job {job!r}" for name in unknown],
            "; ".join(f"{name} is one of job {kinds[0]!r}" for name, kinds in known.items() if kinds) or None,
        )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """`flags.steps is 200, was 100`: the differences between two documents, in one line."""
    before, now = _flat(old), _flat(new)
    parts = []
    for key in sorted(before | now):
        if before.get(key, _MISSING) != now.get(key, _MISSING):
            is_, was = (f"{found[key]}" if key in found else "not given" for found in (now, before))
            parts.append(f"{key} is {is_}, was {was}")
    return "; ".join(parts)


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat


def _counted(names: Sequence[str], one: str, many: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else many}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
