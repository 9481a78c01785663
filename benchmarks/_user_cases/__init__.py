"""Checks of `user_cases.py`, one per case, by topic. Every module here registers its checks."""
