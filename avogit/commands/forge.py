"""Where a pull request is opened: GitHub's `gh`, GitLab's push options, agit refs elsewhere.

Owns how each is asked, and which one a remote's address means. Where there is none, it says what
to run. Leaves the branch and the words to `pr`.
"""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from avogit import store
from avogit.errors import AvogitError

GITHUB, GITLAB, GITEA, FORGEJO, NONE = "github", "gitlab", "gitea", "forgejo", "none"
FORGES = (GITHUB, GITLAB, GITEA, FORGEJO, NONE)
_HOSTS = (
    (GITHUB, ("github",)),
    (GITLAB, ("gitlab",)),
    (GITEA, ("gitea",)),
    (FORGEJO, ("forgejo", "codeberg")),
)
_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be opened: a branch, where it should go, and the words."""

    ref: str  # refs/heads/avo-pr/...
    base: str  # the branch that it is for
    title: str
    body: str
    body_file: Path

    @property
    def branch(self) -> str:
        return self.ref.removeprefix("refs/heads/")


@dataclass(frozen=True, slots=True)
class Opened:
    """What was done, and what is left to run by hand."""

    done: str  # empty where nothing was opened
    to_run: tuple[str, ...] = ()


def open_request(
    repo: store.Repository, request: Request, remote: str | None, forge: str | None
) -> Opened:
    """Open it where the remote's forge is known and can be reached from here."""
    if remote is None and not store.remote_names(repo):
        return Opened("", (f"git merge {request.branch}",))
    name = store.choose_remote(repo, remote)
    kind = forge or forge_of(store.remote_url(repo, name))
    request = replace(request, base=request.base.removeprefix(f"{name}/"))
    if kind == GITHUB and shutil.which("gh") is not None:
        return _github(repo, request, name)
    if kind == GITLAB:
        return _gitlab(repo, request, name)
    if kind in (GITEA, FORGEJO):
        return _agit(repo, request, name, kind)
    return Opened("", _by_hand(repo, request, name, kind))


def forge_of(url: str) -> str:
    """The forge that an address names; `none` where it names none that we know."""
    host = url.split("://", 1)[-1].split("/", 1)[0].rpartition("@")[2].lower()
    return next((kind for kind, names in _HOSTS if any(name in host for name in names)), NONE)


def _github(repo: store.Repository, request: Request, remote: str) -> Opened:
    store.push(repo, remote, f"{request.ref}:{request.ref}")
    known = _gh(repo, "pr", "list", "--head", request.branch, "--json", "url", "--jq", ".[].url")
    if known:
        return Opened(f"open already: {known.splitlines()[0]}")
    words = ("--title", request.title, "--body-file", str(request.body_file))
    made = _gh(repo, "pr", "create", "--head", request.branch, "--base", request.base, *words)
    return Opened(f"opened by gh: {made.splitlines()[-1] if made else request.branch}")


def _gh(repo: store.Repository, *arguments: str) -> str:
    environ = {**os.environ, "GH_PROMPT_DISABLED": "1"}
    try:
        done = subprocess.run(
            ["gh", *arguments],
            cwd=repo.cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise AvogitError(f"`gh {arguments[1]}` took more than {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise AvogitError(
            f"the branch is pushed, and `gh pr {arguments[1]}` failed: {said}; "
            "`gh auth status` tells whether you are logged in"
        )
    return done.stdout.strip()


def _gitlab(repo: store.Repository, request: Request, remote: str) -> Opened:
    options = (
        "merge_request.create",
        f"merge_request.target={request.base}",
        f"merge_request.title={request.title}",
        # Git takes no line breaks in a push option; GitLab reads `\\n` as one.
        "merge_request.description=" + request.body.replace("\n", "\\n"),
    )
    store.push(repo, remote, f"{request.ref}:{request.ref}", options)
    return Opened(f"asked {remote} for a merge request of {request.branch} by push options")


def _agit(repo: store.Repository, request: Request, remote: str, kind: str) -> Opened:
    """Forgejo takes a description in one line only, and without one the commit's message."""
    options, done = [f"topic={request.branch}", f"title={request.title}"], ""
    if kind == GITEA:
        body = base64.b64encode(request.body.encode()).decode()
        options.append(f"description={{base64}}{body}")
    else:
        done = "; its description is the commit's message, unless you paste the words below"
    store.push(repo, remote, f"{request.ref}:refs/for/{request.base}", options)
    return Opened(f"asked {remote} for a pull request by refs/for/{request.base}{done}")


def _by_hand(repo: store.Repository, request: Request, remote: str, kind: str) -> tuple[str, ...]:
    push = f"git push {remote} {request.branch}"
    if kind == GITHUB:
        title, file = (shlex.quote(word) for word in (request.title, str(request.body_file)))
        made = f"gh pr create --head {request.branch} --base {request.base}"
        return (push, f"{made} --title {title} --body-file {file}   (gh is not installed here)")
    url = store.remote_url(repo, remote)
    return (push, f"git request-pull {request.base} {shlex.quote(url)} {request.branch}")
