"""A picture problem: a task with its files and settings, from a problem file or from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from inr.core.config import parse
from inr.core.errors import UsageError, did_you_mean
from inr.fields import FieldConfig
from inr.signals import Source
from inr.solving.pictures.settings import PictureSettings
from inr.solving.pictures.solver import PictureSolution, solve_picture
from inr.solving.pictures.tasks import TASKS, Inputs, PictureTask

KIND = "picture"
TABLES = ("problem", "task", "solve", "field")


@dataclass(frozen=True)
class PictureProblem:
    """task: what is done. inputs: to what. settings: how. field: of the solution; None: a default."""

    task: PictureTask
    inputs: Inputs
    settings: PictureSettings = field(default_factory=PictureSettings)
    field: FieldConfig | None = None

    @classmethod
    def of(
        cls,
        task: str,
        /,
        *pictures: str | Path | Source,
        mask: str | Path | Source | None = None,
        at: tuple[int, int] | None = None,
        **tables: Mapping[str, Any],
    ) -> Self:
        """A problem from its parts.

        Args:
            task: clone, mixed, inpaint, tone, integrate, gradients or laplacian.
            pictures: files, in the order that the task states.
            mask: white where pixels are to be found.
            at: column and row of the target at which the source's upper left corner lies.
            tables: `task`, `solve` and `field`: their settings.

        Raises:
            UsageError: another number of files, or what the task does not take. UnreadableError: no such file.
            ConfigError: settings.
        """
        unknown = next((key for key in tables if key not in TABLES[1:]), None)
        if unknown is not None:
            raise UsageError(f"unknown table {unknown!r}{did_you_mean(unknown, TABLES)}", f"known: {', '.join(TABLES)}")
        inputs = Inputs(tuple(map(Source.of, pictures)), None if mask is None else Source.of(mask), at)
        TASKS[task].check(inputs)
        given = tables.get("field")
        return cls(
            parse(PictureTask, {"type": task, **tables.get("task", {})}, "task"),
            inputs,
            parse(PictureSettings, tables.get("solve", {}), "solve"),
            None if given is None else parse(FieldConfig, given, "field"),
        )

    @classmethod
    def of_document(cls, document: Mapping[str, Any], folder: Path) -> Self:
        """The problem in a file with kind = "picture". folder: where its pictures are. Raises as `of`."""
        for table, content in document.items():
            if table not in TABLES or not isinstance(content, Mapping):
                raise UsageError(
                    f"a picture problem has no table [{table}]{did_you_mean(table, TABLES)}",
                    f"known: {', '.join(TABLES)}",
                )
        head = dict(document["problem"])
        name = head.get("task")
        if not isinstance(name, str):
            raise UsageError(f"[problem] has task = {name!r}, expected one of {', '.join(TASKS)}", 'task = "clone"')
        wanted = TASKS[name].pictures
        known = {"name", "kind", "task", "mask", "at", *wanted}
        for key in head:
            if key not in known:
                raise UsageError(
                    f"[problem] of task {name} has an unknown entry {key!r}{did_you_mean(key, known)}",
                    f"known: {', '.join(sorted(known))}",
                )
        missing = [key for key in wanted if key not in head]
        if missing:
            raise UsageError(f"[problem] has no {missing[0]}, which {name} needs", f'{missing[0]} = "picture.png"')
        files = [_inside(folder, head[key], key) for key in wanted]
        mask = _inside(folder, head["mask"], "mask") if "mask" in head else None
        at = head.get("at")
        if at is not None and not (isinstance(at, list) and len(at) == 2 and all(type(each) is int for each in at)):
            raise UsageError(f"at is {at!r}, expected two whole numbers", "at = [120, 80]")
        tables = {key: document[key] for key in TABLES[1:] if key in document}
        return cls.of(name, *files, mask=mask, at=None if at is None else (at[0], at[1]), **tables)

    def solve(
        self,
        *,
        wants_fit: bool = False,
        on_progress: Callable[[int, float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> PictureSolution:
        """See `solve_picture`."""
        return solve_picture(
            self.task, self.inputs, self.settings, field=self.field, wants_fit=wants_fit, on_progress=on_progress,
            should_stop=should_stop,
        )  # fmt: skip


def _inside(folder: Path, name: Any, key: str) -> Path:
    if not isinstance(name, str):
        raise UsageError(f"{key} is {name!r}, expected the name of a file")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UsageError(f"file {name!r} is outside the folder of the problem")
    return folder / name
