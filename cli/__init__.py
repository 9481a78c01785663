"""The command line of inr: one file per command. Everything here is private; the library is the package `inr`."""
