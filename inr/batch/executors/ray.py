"""Jobs on a Ray cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from inr.batch._executor import EXECUTORS, Attempt, Executor, Work
from inr.batch._job import Result
from inr.core.child import module_path
from inr.core.errors import UnavailableError
from inr.core.optional import need
from inr.core.workers import ATTEMPTS, Failure, attempt


@EXECUTORS.register("ray")
class Ray(Executor):
    """Tasks on a Ray cluster: that of RAY_ADDRESS, else one running on this machine, else a new one for the call.

    Runs at most `workers` tasks at a time; by default as many as the cluster has CPUs, or GPUs if each task needs one.
    A task whose worker dies is started again. Inputs are read on the node of the task, under the same path; results are
    returned and written on this machine. Every node needs inr.
    """

    def check(self) -> None:
        _need_ray()

    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        ray = _need_ray()
        is_ours = not ray.is_initialized()
        if is_ours:
            try:
                config = _job_config(ray)
                ray.init(log_to_driver=False, include_dashboard=False, logging_level="error", job_config=config)
            except (ValueError, ConnectionError) as error:
                address = os.environ.get("RAY_ADDRESS", "")
                raise UnavailableError(f"RAY_ADDRESS is {address!r}, and ray cannot connect to it: {error}") from error
        try:
            yield from self._run(ray, work, paths)
        finally:
            if is_ours:
                ray.shutdown()

    def _run(self, ray: Any, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        task = ray.remote(num_cpus=1, num_gpus=int(self.on_gpu), max_retries=ATTEMPTS - 1)(attempt)
        most = self.workers or max(1, int(ray.cluster_resources().get("GPU" if self.on_gpu else "CPU", 1)))
        shared = ray.put(work)
        waiting = list(reversed(range(len(paths))))
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    index = waiting.pop()
                    running[task.remote(shared, paths[index].resolve())] = index
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                yield Attempt(running.pop(done), _outcome(ray, done))
        finally:
            for left in running:
                ray.cancel(left, force=True)


def _need_ray() -> Any:
    return need("ray", "the executor 'ray'", "'inr[ray]'")


def _outcome(ray: Any, done: Any) -> Result | Failure:
    try:
        outcome: Result | Failure = ray.get(done)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Failure(f"its worker died {ATTEMPTS} times ({type(error).__name__}: {reason})", "see the cluster's logs")
    return outcome


def _job_config(ray: Any) -> Any:
    """A job config that gives workers this process's module path outside its environment.

    By default Ray adds the current folder, which may contain a file such as random.py. Claiming that a working folder
    is set prevents that.
    """

    class Config(ray.job_config.JobConfig):  # type: ignore[misc]  # ray is imported on demand, so mypy sees Any
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    ours = (sys.prefix, sys.base_prefix)
    own = [entry for entry in module_path() if not any(Path(entry).is_relative_to(prefix) for prefix in ours)]
    return Config(_py_driver_sys_path=own)
