"""Settings in bytes: every registered family and variant round-trips, and every name has its own number."""

from __future__ import annotations

import pytest

from inr.assemblies import ASSEMBLIES
from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.settings import read_config, setting_number, variant_number, write_config
from inr.core.config import parse, settings_of
from inr.core.domain import Spec
from inr.core.errors import FormatError
from inr.core.registry import Registry
from inr.encodings import ENCODINGS
from inr.fields import FIELDS, FieldConfig
from inr.layers import ACTIVATIONS, BLOCKS, HEADS, INITIALISERS, LINEARS
from tests.conformance.small import DEFAULT_SMALL, SMALL

SLOTS: list[Registry[object]] = [FIELDS, ENCODINGS, ACTIVATIONS, BLOCKS, HEADS, INITIALISERS, LINEARS, ASSEMBLIES]  # type: ignore[list-item]
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
def test_every_name_has_its_own_number(slot: Registry[object]) -> None:
    names = list(slot)
    assert len({variant_number(slot.stored_what, slot.stored_name(name)) for name in names}) == len(names)
    for name in names:
        settings = [s.name for s in settings_of(slot[name])]  # type: ignore[arg-type]
        assert len({setting_number(s) for s in settings}) == len(settings)


@pytest.mark.parametrize("document", CASES[:6])
def test_settings_cut_off_anywhere_are_refused(document: dict[str, object]) -> None:
    data = written(parse(FieldConfig, document).resolve(SPEC))
    for n in range(len(data)):
        with pytest.raises(FormatError):
            read_config(Reader(data[:n], "settings"), FieldConfig)


def test_a_flipped_bit_is_refused_or_gives_a_valid_config() -> None:
    data = written(parse(FieldConfig, {"type": "siren"}).resolve(SPEC))
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        try:
            config = read_config(Reader(bytes(changed), "settings"), FieldConfig)
        except FormatError:
            continue
        assert read_config(Reader(written(config), "settings"), FieldConfig) == config
