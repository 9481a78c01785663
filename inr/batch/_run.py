"""A batch: what is to be done, the doing of it, and what became of every input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import torch

from inr._errors import ConfigError, InrError, UsageError
from inr.batch._executor import Executor, Failure, Work
from inr.batch._inputs import Item
from inr.batch._job import JOBS, Result
from inr.batch._manifest import Manifest, seen_as
from inr.signals import Source

_MISSING = object()


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of one input.

    state: "done" now, "kept" from an earlier call, "failed", or "waiting" (not begun, or its end was not waited for).
    output: name in the folder. summary: of the job. failure: where it failed.
    """

    name: str
    output: str
    state: Literal["done", "kept", "failed", "waiting"]
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    failure: Failure | None = None


Event = Callable[[Row], None]


@dataclasses.dataclass(frozen=True)
class JobWork:
    """A job as work for an executor: settings that go to every process."""

    job: str
    settings: Mapping[str, Any]
    device: str = "cpu"

    def __call__(self, path: Path) -> Result:
        return JOBS[self.job].run(Source.of(path), self.settings, torch.device(self.device))


class Batch:
    """One call's share of a batch in `folder`: those of `items` that the folder's manifest does not have as done.

    job, settings: what is done, see `JobKind`. force: begin anew, and replace files of others.
    notes: what a user should be told of earlier calls.
    Raises ConfigError for settings that can not be, UsageError where results of other settings or other files are in
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
        self.manifest, self.items, self.job = manifest, items, job
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.notes: tuple[str, ...] = ()
        check_settings(items, job, settings)
        self.is_new = force or manifest.job is None or self._is_other_epoch()
        self.rows: dict[str, Row] = {}
        self._states: dict[str, tuple[int, int]] = {}
        outputs = self._outputs()
        changed = []
        for item in items:
            record = None if self.is_new else manifest.records.get(item.name)
            self.rows[item.name] = Row(item.name, outputs[item.name], "waiting")
            try:
                self._states[item.name] = item.state()
                if record is not None and manifest.is_done(item):
                    self.rows[item.name] = Row(item.name, record["output"], "kept", record["summary"])
                elif record is not None and manifest.has_changed(item):
                    changed.append(item.name)
            except InrError as error:
                failure = Failure(error.message, error.hint, error.exit_code)
                self.rows[item.name] = Row(item.name, outputs[item.name], "failed", failure=failure)
        if changed:
            self.notes += (
                f"{_counted(changed, 'input has', 'inputs have')} changed since, done again: {_some(changed)}",
            )
        if not force:
            self._check_outputs()

    @property
    def todo(self) -> list[Item]:
        return [item for item in self.items if self.rows[item.name].state == "waiting"]

    def run(self, executor: Executor, work: Work, on_row: Event | None = None) -> None:
        """Do what is left, and write every output as it comes. What was finished stays, whatever happens."""
        todo = self.todo
        if self.is_new:
            self.manifest.start(self.job, self.settings)
            self.is_new = False
        attempts = executor.run(work, [item.path for item in todo])
        try:
            for attempt in attempts if todo else ():
                row = self._ended(todo[attempt.index], attempt.outcome)
                self.rows[row.name] = row
                if on_row is not None:
                    on_row(row)
        finally:
            attempts.close()

    def _ended(self, item: Item, outcome: Result | Failure) -> Row:
        output = self.rows[item.name].output
        if isinstance(outcome, Failure):
            return Row(item.name, output, "failed", failure=outcome)
        size, changed_ns = self._states[item.name]
        seen: dict[str, Any] = {"bytes": size, "changed_ns": changed_ns, "sha256": ""}
        try:
            if item.state() == (size, changed_ns):  # else it is not known which content was read: the next call looks
                seen = seen_as(item)
            self.manifest.finish(item, seen, output, outcome.data, outcome.summary)
        except OSError as error:
            reason = f"can not write {output!r}: {error.strerror or error}"
            return Row(item.name, output, "failed", failure=Failure(reason, "choose another -o", 2))
        except InrError as error:
            return Row(item.name, output, "failed", failure=Failure(error.message, error.hint, error.exit_code))
        return Row(item.name, output, "done", outcome.summary)

    def _is_other_epoch(self) -> bool:
        """Whether a new epoch is due because the last one, of another job or settings, has nothing done."""
        old, new = (self.manifest.job, self.manifest.settings), (self.job, self.settings)
        if old == new:
            return False
        if not self.manifest.records:
            return True
        said = difference({"job": old[0], **old[1]}, {"job": new[0], **new[1]})
        raise UsageError(
            f"{str(self.manifest.folder)!r} holds {len(self.manifest.records)} results of other settings: {said}",
            "do all of them again with --force, or choose another -o",
        )

    def _outputs(self) -> dict[str, str]:
        """A name for every input's output: as before, else the input's with another suffix, or with one more."""
        suffix = JOBS[self.job].suffix
        before = {name: output for name, output in self.manifest.outputs.items() if output.endswith(suffix)}
        taken = set(before.values())
        names = {}
        for item in self.items:
            if item.name not in before:
                short = PurePosixPath(item.name).with_suffix(suffix).as_posix()
                names[item.name] = item.name + suffix if short in taken else short
                taken.add(names[item.name])
        return before | names

    def _check_outputs(self) -> None:
        folder, owned = self.manifest.folder, self.manifest.owned
        outputs = [self.rows[item.name].output for item in self.todo]
        strangers = [output for output in outputs if output not in owned and (folder / output).exists()]
        if strangers:
            raise UsageError(
                f"{_counted(strangers, 'output exists', 'outputs exist')} in {str(folder)!r} that no batch wrote: "
                f"{_some(strangers)}",
                "use --force to replace what is there, or another -o",
            )


def check_settings(items: Sequence[Item], job: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings that can not be, for any of the sorts of files there are. Raises ConfigError."""
    _refuse_strangers(job, settings)
    for item in {item.path.suffix.lower(): item for item in items}.values():
        try:
            JOBS[job].check(Source(str(item.path), path=item.path), settings)
        except ConfigError:
            raise
        except (InrError, OSError):
            continue  # of this input alone: it will be among the failures


def _refuse_strangers(job: str, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for settings that another kind of job knows, or none."""
    given = dict.fromkeys(settings, "keys") | dict.fromkeys(settings.get("flags", {}), "flags")
    strangers = [name for name, sort in given.items() if name not in getattr(JOBS[job], sort)]
    if strangers:
        known = {name: [kind for kind in JOBS if name in getattr(JOBS[kind], given[name])] for name in strangers}
        raise ConfigError(
            [f"{name} is no setting of job {job!r}" for name in strangers],
            "; ".join(f"{name} is one of job {kinds[0]!r}" for name, kinds in known.items() if kinds) or None,
        )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """`flags.steps is 200, was 100`: what differs between two documents, in one line."""
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
