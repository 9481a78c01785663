"""Profiles, one file or folder each: ways to turn a signal into integers and back."""
