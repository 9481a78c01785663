"""The codec: a signal as one small file (.inrz), decoded the same everywhere; see FORMAT.md."""
