"""The .inrz container: chunks around a payload, the header that describes the signal, settings of a field as bytes."""
