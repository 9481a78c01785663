"""Settings in bytes: every registered family and variant there and back, and no two names with one number."""

from __future__ import annotations

import pytest

from inr._config import parse, settings_of
from inr._domain import Spec
from inr._errors import FormatError
from inr._registry import Registry
from inr.assemblies import ASSEMBLIES
from inr.codec._fields import Reader, Writer
from inr.codec.architecture import read_config, setting_number, variant_number, write_config
from inr.encodings import ENCODINGS
from inr.fields import FIELDS, FieldConfig
from inr.layers import ACTIVATIONS, CELLS, HEADS, INITIALISERS, LINEARS
from tests.conformance.small import DEFAULT_SMALL, SMALL

SLOTS: list[Registry[object]] = [FIELDS, ENCODINGS, ACTIVATIONS, CELLS, HEADS, INITIALISERS, LINEARS, ASSEMBLIES]  # type: ignore[list-item]
CASES = [
    pytest.param({"type": name, **document}, id=f"{name}-{i}")
    for name in FIELDS
    for i, document in enumerate(SMALL.get(name, DEFAULT_SMALL))
]
SPEC = Spec("array", 2, 3, (24, 24))


def written(config: FieldConfig) -> bytes:
    writer = Writer()
    write_config(writer, config)
    return writer.bytes()


@pytest.mark.parametrize("document", CASES)
def test_a_family_comes_back_as_it_was(document: dict[str, object]) -> None:
    config = parse(FieldConfig, document).resolve(SPEC)
    reader = Reader(written(config), "settings")
    assert read_config(reader, FieldConfig) == config
    assert reader.left == 0


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.what)
def test_no_two_names_share_a_number(slot: Registry[object]) -> None:
    names = list(slot)
    assert len({variant_number(slot.what, name) for name in names}) == len(names)
    for name in names:
        settings = [s.name for s in settings_of(slot[name])]  # type: ignore[arg-type]
        assert len({setting_number(s) for s in settings}) == len(settings)


@pytest.mark.parametrize("document", CASES[:6])
def test_settings_cut_off_anywhere_are_refused(document: dict[str, object]) -> None:
    data = written(parse(FieldConfig, document).resolve(SPEC))
    for n in range(len(data)):
        with pytest.raises(FormatError):
            read_config(Reader(data[:n], "settings"), FieldConfig)


def test_a_flipped_bit_is_refused_or_is_another_valid_config() -> None:
    data = written(parse(FieldConfig, {"type": "siren"}).resolve(SPEC))
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        try:
            config = read_config(Reader(bytes(changed), "settings"), FieldConfig)
        except FormatError:
            continue
        assert isinstance(config, FieldConfig)
