"""The job `compress`: a signal or a model to an .inrz file, as `inr compress` makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from inr._errors import ConfigError, UsageError
from inr.batch._job import JOBS, JobKind, Result
from inr.codec.encode import Request, compress_subject, load
from inr.codec.profile import PROFILES, Aim
from inr.fitting.request import by_section
from inr.signals import Source

AIMS = ("target_psnr_db", "bpp", "size_bytes", "quality")


@JOBS.register("compress")
class CompressJob(JobKind):
    """Compress. Settings, all optional, mean what they mean for `inr compress`.

    kind, field: names. set: list of `field.key=value` and `signal.key=value`. flags: an aim (target_psnr_db, bpp,
    size_bytes or quality), effort, profile, seed, verify.
    """

    suffix: ClassVar[str] = ".inrz"
    keys: ClassVar[frozenset[str]] = frozenset({"kind", "field", "set", "flags"})
    flags: ClassVar[frozenset[str]] = frozenset({*AIMS, "effort", "profile", "seed", "verify"})

    @classmethod
    def check(cls, source: Source, settings: Mapping[str, Any]) -> None:
        try:
            request, _ = _request(settings)
            if request.profile is not None or request.field is not None or request.settings:
                PROFILES[request.profile or "grids"]().with_settings(request.field, request.settings)
        except ConfigError:
            raise
        except UsageError as error:  # as wrong for every other input
            raise ConfigError([error.message], error.hint) from error

    @classmethod
    def run(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Result:
        request, signal_options = _request(settings)
        subject = load(source, settings.get("kind"), signal_options)
        made = compress_subject(subject, None, dataclasses.replace(request, device=str(device)))
        return Result(made.data, made.summary())


def _request(settings: Mapping[str, Any]) -> tuple[Request, dict[str, str]]:
    """The request, and the options of the signal. Raises UsageError."""
    problems: list[str] = []
    sections = by_section(settings.get("set", ()), problems, ("field", "signal"))
    if problems:
        raise ConfigError(problems, "for example --set field.width=64")
    flags = dict(settings.get("flags", {}))
    aim = Aim(**{name: flags.pop(name) for name in AIMS if name in flags})
    request = Request(aim, field=settings.get("field"), settings=tuple(sections["field"]), **flags)
    return request, dict(text.split("=", 1) for text in sections["signal"])
