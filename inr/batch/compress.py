"""The job `compress`: from a signal or model to an .inrz file, as `inr compress`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch

from inr.batch._job import JOBS, JobKind, Result
from inr.codec.compression_input import CompressionInput, load_input
from inr.codec.compression_settings import CompressionSettings
from inr.codec.encode import compress_input
from inr.codec.profile import PROFILES
from inr.codec.rate_target import RateTarget
from inr.core.errors import ConfigError, UsageError
from inr.core.sections import by_section
from inr.signals import Source

TARGETS = ("target_psnr_db", "bpp", "size_bytes", "quality")


@JOBS.register("compress")
class CompressJob(JobKind):
    """Compress. All settings are optional and have the same meaning as for `inr compress`.

    kind, field: names. set: list of `field.key=value` and `signal.key=value`. flags: a target (target_psnr_db, bpp,
    size_bytes or quality), effort, profile, seed, verify.
    """

    suffix: ClassVar[str] = ".inrz"
    keys: ClassVar[frozenset[str]] = frozenset({"kind", "field", "set", "flags"})
    flags: ClassVar[frozenset[str]] = frozenset({*TARGETS, "effort", "profile", "seed", "verify"})

    @classmethod
    def check(cls, source: Source, settings: Mapping[str, Any]) -> None:
        try:
            arguments, _ = _arguments(settings)
            if arguments.profile is not None or arguments.field is not None or arguments.settings:
                PROFILES[arguments.profile or "grids"]().with_settings(arguments.field, arguments.settings)
        except ConfigError:
            raise
        except UsageError as error:  # wrong for every input
            raise ConfigError([error.message], error.hint) from error

    @classmethod
    def prepare(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Callable[[], Result]:
        arguments, signal_options = _arguments(settings)
        arguments = dataclasses.replace(arguments, device=str(device))
        loaded = load_input(source, settings.get("kind"), signal_options)
        loaded.check(arguments)
        return functools.partial(_compress, loaded, arguments)


def _compress(loaded: CompressionInput, arguments: CompressionSettings) -> Result:
    made = compress_input(loaded, arguments)
    return Result(made.data, made.summary())


def _arguments(settings: Mapping[str, Any]) -> tuple[CompressionSettings, dict[str, str]]:
    """The arguments of the codec, and the options of the signal. Raises UsageError."""
    problems: list[str] = []
    sections = by_section(settings.get("set", ()), problems, ("field", "signal"))
    if problems:
        raise ConfigError(problems, "for example `field.width=64`")
    flags = dict(settings.get("flags", {}))
    target = RateTarget(**{name: flags.pop(name) for name in TARGETS if name in flags})
    arguments = CompressionSettings(target, field=settings.get("field"), settings=tuple(sections["field"]), **flags)
    return arguments, dict(text.split("=", 1) for text in sections["signal"])
