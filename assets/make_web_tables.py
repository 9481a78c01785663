"""Write `web/src/field/tables.js`: what the decoder in JavaScript has to know of fields, from their Python configs.

    python assets/make_web_tables.py

Settings in files are numbers derived from names (`inr/codec/container/settings.py`). The table has, for each variant
that the decoder knows, its settings with their types, bounds and defaults; of other variants the names. It also has
the neighbourhoods and thresholds of the context model of grids.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from inr.assemblies import ASSEMBLIES
from inr.codec.container.settings import setting_number, variant_number, word_number
from inr.codec.entropy import context_model
from inr.core.config import SAME_AS_NOW, Config, Setting, alternatives, settings_of
from inr.core.registry import Registry
from inr.encodings import ENCODINGS
from inr.fields import FIELDS
from inr.layers import ACTIVATIONS, BLOCKS, HEADS, INITIALISERS, LINEARS

TARGET = Path(__file__).parent.parent / "web" / "src" / "field" / "tables.js"
KNOWN: dict[Registry[Any], tuple[str, ...]] = {
    FIELDS: ("mlp", "siren", "finer", "relu_pe", "rff", "hash_grid", "dense_grid", "local_cosine"),
    ENCODINGS: ("identity", "frequency", "random_fourier", "hash_grid", "dense_grid", "latent_grid", "local_cosine"),
    LINEARS: ("dense",),
    ACTIVATIONS: ("relu", "sine", "finer"),
    BLOCKS: ("affine",),
    ASSEMBLIES: ("single",),
    HEADS: ("linear", "tanh", "sigmoid"),
    INITIALISERS: tuple(name for name in INITIALISERS if name != "winner"),
}
"""The variants that the decoder evaluates, by slot."""
LETTERS = {NoneType: "n", bool: "b", int: "i", float: "f"}


def tables() -> str:
    """The text of the file."""
    slots = {slot.what: {number(slot, name): _variant(slot, name) for name in slot} for slot in KNOWN}
    neighbourhoods = {
        kind: {"near": own.near, "far": own.far, "mean": own.mean, "reach": own.reach}
        for kind, own in context_model.NEIGHBOURHOODS.items()
    }
    parts = {
        "SLOTS": ("Slot, number of a variant: its name and settings; a name alone is known to Python only.", slots),
        "NEIGHBOURHOODS": ("Offsets of the context model, by kind of lattice.", neighbourhoods),
        "NEAR_THRESHOLDS": ("", context_model.NEAR_THRESHOLDS),
        "FAR_THRESHOLDS": ("", context_model.FAR_THRESHOLDS),
        "PRIOR": ("Scale indices of the context model, to which a file's are added.", context_model.PRIOR),
    }
    lines = ["/** Made from the Python sources by `python assets/make_web_tables.py`; edit those. */"]
    for name, (about, value) in parts.items():
        lines.append(f"{f'/** {about} ' if about else '/** '}@type {{any}} */")
        lines.append(f"export const {name} = {json.dumps(value, separators=(',', ':'))};")
    return "\n".join(lines) + "\n"


def number(slot: Registry[Any], name: str) -> int:
    """The number of a variant in files."""
    return variant_number(slot.stored_what, slot.stored_name(name))


def _variant(slot: Registry[Any], name: str) -> dict[str, Any] | str:
    if name not in KNOWN[slot]:
        return name
    return {"name": name, "settings": {setting_number(s.stored_name): _setting(s) for s in settings_of(slot[name])}}


def _setting(setting: Setting) -> dict[str, Any]:
    """name, default, forms: letters of the types; of: those of a list's entries; ge, gt, le, lt; slot; words by number;
    usual, distances, sound: whether none is replaced before a file is written."""
    param = setting.param
    default = setting.default if param.absent is SAME_AS_NOW else param.absent
    found: dict[str, Any] = {"name": setting.name, "default": _plain(default), "forms": ""}
    for option in alternatives(setting.annotation):
        if get_origin(option) is tuple:
            found["of"] = LETTERS[get_args(option)[0]]
        elif isinstance(option, type) and issubclass(option, Config):
            assert option.slot is not None
            found["slot"] = option.slot.what
        elif option in LETTERS:
            found["forms"] += LETTERS[option]
        else:
            found["words"] = {word_number(word): word for word in get_args(option)}
    bounds = {key: getattr(param, key) for key in ("ge", "gt", "le", "lt")}
    numbers = {"usual": param.usual, "distances": param.distances, "sound": param.per_sample}
    needs = {key: True for key, number in numbers.items() if number is not None}
    return found | {key: value for key, value in bounds.items() if value is not None} | needs


def _plain(default: Any) -> Any:
    return default.to_json() if isinstance(default, Config) else default


def main() -> None:
    TARGET.write_text(tables(), "utf-8")


if __name__ == "__main__":
    main()
