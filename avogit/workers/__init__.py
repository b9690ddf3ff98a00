"""The workers of a run: several steps at once on one machine, each in a process of its own.

Owns the workers' processes, how many are at work, what is said between them and the run, and
what becomes of a step whose worker died. A worker varies, builds, decides and records; the run's
own process keeps the limits, carries out every order for the device on its one warm oracle, and
alone retires lines. Leaves a step's insides to `step`, and when a run ends to `loop`.
"""

from avogit.workers.pool import run_workers

__all__ = ["run_workers"]
