"""Readers of `.inrz` files for other programs. Each module is imported by who wants it; importing it registers it."""
