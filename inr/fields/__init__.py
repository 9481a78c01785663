"""Fields: the base class, and one file per family."""

from inr.fields._field import FIELDS, Field, FieldConfig

__all__ = ["FIELDS", "Field", "FieldConfig"]
