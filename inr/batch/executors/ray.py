"""Jobs on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from inr._optional import need
from inr.batch._executor import ATTEMPTS, EXECUTORS, Attempt, Executor, Failure, Work, attempt
from inr.batch._job import Result


@EXECUTORS.register("ray")
class Ray(Executor):
    """Tasks of a Ray cluster: that of RAY_ADDRESS, else one that runs on this machine, else one made for the call.

    At most `workers` at a time; by default as many as the cluster has CPUs, or GPUs where each needs one. A task whose
    worker dies is begun again. Inputs are read where a task runs, so they must be there under the same path; results
    come back and are written here. Every node needs inr.
    """

    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        ray: Any = need("ray", "the executor 'ray'", "'inr[ray]'")
        is_ours = not ray.is_initialized()
        if is_ours:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
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


def _outcome(ray: Any, done: Any) -> Result | Failure:
    try:
        outcome: Result | Failure = ray.get(done)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Failure(f"its worker died {ATTEMPTS} times ({type(error).__name__}: {reason})", "see the cluster's logs")
    return outcome
