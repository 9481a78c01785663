"""The kinds of signals that can be compressed: one file per kind."""
