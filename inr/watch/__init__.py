"""A page on this machine that shows a run while it is going on, and the server behind it."""

from inr.watch.encoding_watch import EncodingWatch
from inr.watch.fit_watch import FitWatch
from inr.watch.folder import FolderWatch
from inr.watch.session import Session

__all__ = ["EncodingWatch", "FitWatch", "FolderWatch", "Session"]
