"""Git as the store of populations: the public names of the parts below.

Owns everything that touches git. A `Repository` is a frozen handle, and everything is a
function on it; only a `Writer`, which holds a lease, has state.
"""

from __future__ import annotations

from avogit.store.archive import add_base, pruner, repair, restore, retire
from avogit.store.attempts import ATTEMPT, attempt_payload, attempts
from avogit.store.blame import blame
from avogit.store.bundles import read_bundle, write_bundle
from avogit.store.champions import confirmed_score, tag_champion
from avogit.store.diffs import diffs
from avogit.store.documents import evaluation_bytes, evaluation_from_json, evaluation_to_json
from avogit.store.entry import Entry, WorkInHand
from avogit.store.fsck import Problem, fsck
from avogit.store.history import Event, events
from avogit.store.hunks import Hunk, hunks, without_hunks
from avogit.store.lease import alone
from avogit.store.lesson_log import lessons
from avogit.store.lineage import lineage_json_lines, read_lineage
from avogit.store.locks import remove_stale_locks, stale_locks
from avogit.store.maintenance import Stock, pack
from avogit.store.merges import Merge, common_ancestor, merge
from avogit.store.objects import NewObjects
from avogit.store.patches import patch_id, patch_ids
from avogit.store.population import population_name, populations
from avogit.store.profiles import PROFILE, newest_profile, profile_payload
from avogit.store.proposals import line_as_mails, line_of, review_branch, squash
from avogit.store.records_log import attachment, read_blob, read_record, records
from avogit.store.remotes import choose_remote, missing_refs_hint, remote_names
from avogit.store.repository import Repository, open_repository
from avogit.store.revisions import branch, head, resolve, timestamp, tree_of
from avogit.store.rows import versus_parent
from avogit.store.runs import RunAtWork, run_lease, runs_at_work
from avogit.store.signing import SIGNED, UNSIGNED, Signature, signatures
from avogit.store.spending import Spending, unrecorded
from avogit.store.sync import Exchange, exchange
from avogit.store.trees import (
    add_files,
    file_at,
    folder_files,
    paths_named,
    tree_violations,
    with_files,
)
from avogit.store.user import (
    changed,
    commit_paths,
    config_value,
    git_version,
    pager,
    push,
    remote_url,
    set_reading_aids,
    staged_files,
    under_way,
)
from avogit.store.verify import line_problems, message_of, message_problem, messages
from avogit.store.work import plan_from_json, usage_from_json, usage_to_json
from avogit.store.writer import Writer, writer

__all__ = [
    "ATTEMPT",
    "PROFILE",
    "SIGNED",
    "UNSIGNED",
    "Entry",
    "Event",
    "Exchange",
    "Hunk",
    "Merge",
    "NewObjects",
    "Problem",
    "Repository",
    "RunAtWork",
    "Signature",
    "Spending",
    "Stock",
    "WorkInHand",
    "Writer",
    "add_base",
    "add_files",
    "alone",
    "attachment",
    "attempt_payload",
    "attempts",
    "blame",
    "branch",
    "changed",
    "choose_remote",
    "commit_paths",
    "common_ancestor",
    "config_value",
    "confirmed_score",
    "diffs",
    "evaluation_bytes",
    "evaluation_from_json",
    "evaluation_to_json",
    "events",
    "exchange",
    "file_at",
    "folder_files",
    "fsck",
    "git_version",
    "head",
    "hunks",
    "lessons",
    "line_as_mails",
    "line_of",
    "line_problems",
    "lineage_json_lines",
    "merge",
    "message_of",
    "message_problem",
    "messages",
    "missing_refs_hint",
    "newest_profile",
    "open_repository",
    "pack",
    "pager",
    "patch_id",
    "patch_ids",
    "paths_named",
    "plan_from_json",
    "population_name",
    "populations",
    "profile_payload",
    "pruner",
    "push",
    "read_blob",
    "read_bundle",
    "read_lineage",
    "read_record",
    "records",
    "remote_names",
    "remote_url",
    "remove_stale_locks",
    "repair",
    "resolve",
    "restore",
    "retire",
    "review_branch",
    "run_lease",
    "runs_at_work",
    "set_reading_aids",
    "signatures",
    "squash",
    "staged_files",
    "stale_locks",
    "tag_champion",
    "timestamp",
    "tree_of",
    "tree_violations",
    "under_way",
    "unrecorded",
    "usage_from_json",
    "usage_to_json",
    "versus_parent",
    "with_files",
    "without_hunks",
    "write_bundle",
    "writer",
]
