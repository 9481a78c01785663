"""Fields: the base class, and one file per family."""

from inr.fields._field import FIELDS, Deviation, Field, FieldConfig
from inr.fields._limits import Limits
from inr.fields._recipe import BestRecipe, RecipeName

__all__ = ["FIELDS", "BestRecipe", "Deviation", "Field", "FieldConfig", "Limits", "RecipeName"]
