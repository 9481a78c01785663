"""What fields that `inr csg` composes share."""

from __future__ import annotations

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields._field import Field, FieldConfig


def check_composed(config: FieldConfig, spec: Spec, *operands: object) -> None:
    """Refuse a composed field for a fit, or for anything but distances in space. Raises UsageError."""
    if None in operands:
        raise UsageError(
            f"field {config.type_name!r} is made from fitted shapes by inr csg, it is not fitted itself",
            'inr csg "a + b - c" -o d.safetensors',
        )
    if (spec.d_in, spec.d_out) != (3, 1):
        raise UsageError(f"field {config.type_name!r} is a distance in space, from 3 coordinates to 1 value")


class ComposedField(Field):
    """A distance in space that is a formula of points and of other fields: parts round coordinates themselves."""

    d_in, d_out = 3, 1

    @property
    def reads_double(self) -> bool:
        return True
