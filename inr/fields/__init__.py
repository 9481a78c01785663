"""Fields: the base class, and one file per family."""

from inr.fields._field import FIELDS, Deviation, Field, FieldConfig

__all__ = ["FIELDS", "Deviation", "Field", "FieldConfig"]
