"""Batch processing: jobs over many inputs, recorded in a manifest, run by local processes or a Ray cluster."""

from inr.batch._executor import EXECUTORS, Attempt, Executor, Work
from inr.batch._inputs import Item, collect, digest_of
from inr.batch._job import JOBS, JobKind, Result
from inr.batch._manifest import MANIFEST_NAME, Manifest
from inr.batch._run import BatchRow, BatchRun, Event, JobWork, check_settings
from inr.core.workers import Failure

__all__ = [
    "EXECUTORS",
    "JOBS",
    "MANIFEST_NAME",
    "Attempt",
    "BatchRow",
    "BatchRun",
    "Event",
    "Executor",
    "Failure",
    "Item",
    "JobKind",
    "JobWork",
    "Manifest",
    "Result",
    "Work",
    "check_settings",
    "collect",
    "digest_of",
]
