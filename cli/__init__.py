"""The command line of inr: one file per command. Everything here is private; the library is the package `inr`."""

import time

STARTED = time.perf_counter()
"""When the program began, without the start of the interpreter."""
