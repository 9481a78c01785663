"""Kinds of signals: names, and the properties that settings depend on."""

from __future__ import annotations

from typing import ClassVar

from inr.core.registry import Registry

KINDS: Registry[type[Kind]] = Registry("signal kind", "inr.signals")
"""The kinds of signals by name. `inr.signals.SIGNALS` is the same registry."""


class Kind:
    """A kind of signal. Its class in `inr/signals/` overrides these defaults.

    kind: the registered name. noun: the name in messages, singular. is_picture: values are colours of pixels on two
    axes. is_waveform: values oscillate around 0 along one axis, at frequencies far above one period per signal.
    is_distance: values are distances in a cube, in units of length; is_unsigned: without a sign, to a surface that
    need not have an inside. is_surface_only: the samples are points on the surface, without values elsewhere, so the
    loss uses derivatives of the field.
    """

    kind: ClassVar[str]
    noun: ClassVar[str]
    is_picture: ClassVar[bool] = False
    is_waveform: ClassVar[bool] = False
    is_distance: ClassVar[bool] = False
    is_unsigned: ClassVar[bool] = False
    is_surface_only: ClassVar[bool] = False
