"""Many signals, one call: jobs over a folder, kept in a manifest, run by local processes or a Ray cluster."""

from inr.batch._executor import EXECUTORS, Attempt, Executor, Failure
from inr.batch._inputs import Item, collect
from inr.batch._job import JOBS, JobKind, Result
from inr.batch._manifest import MANIFEST_NAME, Manifest
from inr.batch._run import Batch, Event, JobWork, Row, check_settings

__all__ = [
    "EXECUTORS",
    "JOBS",
    "MANIFEST_NAME",
    "Attempt",
    "Batch",
    "Event",
    "Executor",
    "Failure",
    "Item",
    "JobKind",
    "JobWork",
    "Manifest",
    "Result",
    "Row",
    "check_settings",
    "collect",
]
