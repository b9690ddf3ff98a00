"""`Repository`: the frozen handle that every function of the store takes.

Owns finding a repository (by GitPython). Leaves commands to `git`, names in it to
`revisions`, and what the refs mean to `population`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import git

Moment = tuple[float, int]
_MOMENT_S = 0.2


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository. `root` is None for a bare one."""

    root: Path | None
    common_dir: Path
    object_format: str = "sha1"
    # What was read before, kept while the handle lives; may be emptied at any time.
    memory: dict[str, object] = field(default_factory=dict, compare=False, repr=False)
    # How often this handle moved refs, counted up in place.
    moves: list[int] = field(default_factory=lambda: [0], compare=False, repr=False)

    def moment(self) -> Moment:
        """Now, as `is_still` asks of it."""
        return time.monotonic(), self.moves[0]

    def is_still(self, moment: Moment) -> bool:
        """Whether what was read then will do: just now, and this handle moved no ref since."""
        read_s, moves = moment
        return moves == self.moves[0] and time.monotonic() - read_s < _MOMENT_S

    @property
    def cwd(self) -> Path:
        """Where git processes run."""
        return self.root or self.common_dir

    @property
    def state_dir(self) -> Path:
        """Leases, locks and caches: nothing here is truth, all may be deleted when idle."""
        return self.common_dir / "avogit"


def open_repository(path: Path) -> Repository:
    """The repository that holds `path`."""
    git.forget_hook_variables()
    top = _find(path)
    found = git.call(
        top,
        "rev-parse",
        "--is-shallow-repository",
        "--show-object-format",
        "--path-format=absolute",
        "--git-common-dir",
    )
    if found.status != 0:
        raise AvogitError(f"git refuses to work in {top}: {' '.join(found.error.split())}")
    text = found.out.decode("utf-8", "surrogateescape")
    shallow, object_format, common_dir = text.rstrip("\n").split("\n", 2)
    if shallow == "true":
        raise AvogitError(
            f"{top} is a shallow clone, which cuts parents off: run `git fetch --unshallow` first"
        )
    common = Path(common_dir)
    return Repository(None if top == common else top, common, object_format)


def _find(path: Path) -> Path:
    """The top of the working tree that holds `path`, or the folder of a bare repository."""
    git.runner(path)
    from git.exc import InvalidGitRepositoryError, NoSuchPathError
    from git.repo import Repo

    try:
        with Repo(path, search_parent_directories=True) as found:
            top = found.common_dir if found.bare else found.working_dir
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise AvogitError(
            f"{path} is in no git repository: run `git init` there, or name one with -C"
        ) from error
    return Path(top).resolve()
