"""`avogit profile`: a revision's kernels under the GPU's counters; kept where it is a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.records import Profile
from avogit.session import Progress, find_revision, open_session


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profile. `record` names it in the population's records; empty for no candidate."""

    rev: str
    profile: Profile
    record: str


def profile(path: Path, rev: str, workload: str, progress: Progress) -> Profiled:
    """Profile a revision's kernels on one workload."""
    from avogit.evaluation.profiling import profile as profile_files

    with open_session(path, progress) as session:
        oid = find_revision(session, rev)
        files = session.source(oid).files
        found = profile_files(session.task, files, workload, session.repo.state_dir, progress)
        record = ""
        if oid in session.lineage().candidates:
            with store.writer(session.repo, session.population) as writer:
                record = writer.append(store.PROFILE, store.profile_payload(oid, found), {})
        return Profiled(rev, found, record)
