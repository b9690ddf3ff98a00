"""Our trailer parser against git's own, on messages that have gone wrong before."""

from __future__ import annotations

import pytest
from store_helpers import Git

from avogit.store import trailers

NASTY = [
    "subject\n\nbody\n\nAvo-Score: 1.05\nAvo-Tree: abc\n",
    "subject\n\nAvo-Score: 1.05",
    "Avo-Score: 1.05\nAvo-Tree: x\n",
    "subject\n\nAvo-Score: 9\n\nprose\n\nAvo-Score: 1\n",
    "subject\n\nAvo-Score: 9\nprose hides all\nAvo-Tree: y\n",
    "subject\n\nAvo-Score: 9\nprose\nSigned-off-by: A <a@b>\n",
    "subject\n\nAvo-Score: 9\np1\np2\np3\np4\np5\np6\np7\nSigned-off-by: A <a@b>\n",
    "subject\n\nAvo-Score: 9\n(cherry picked from commit abc)\n",
    "subject\n\nAvo_Score: 9\n",
    "subject\n\nAvo-Score : 9\nAvo-X:no-space\nEmpty:\n",
    "subject\n\nAvo-Plan: one\n  two\n\tthree\nAvo-Tree: z\n",
    "subject\n\n  leading\nAvo-Tree: z\n",
    "subject\n\nAvo-Tree: z\n# comment\nAvo-X: 1\n",
    "subject\n\nAvo-Tree: z\n\n# comment\n\n",
    "subject\n\nAvo-Tree: z\n---\nAvo-X: 1\n",
    "subject\n\nbody\n---\n\nAvo-Tree: z\n",
    "subject\n \nAvo-Tree: z\n \n",
    "subject\n\nAvo-Tree: z  spaces  inside \t\nAvo-\u00e9: 1\n",
    "subject\n\nAvo-Tree: z\u2028Avo-Score: 9\n",
    "subject\n\nAvo-Tree: a\x0bb\nAvo-C: \x0cd\n",
    "subject\n\nAvo-Tree: z\r\nAvo-X: 1\r\n",
    "subject\n\nAvo-Tree: z\n\n\n\n",
    "\n\nsubject\n\nAvo-Tree: z\n",
    "subject\nmore of it\nAvo-Tree: z\n",
    "subject\n\nA: 1\nA: 2\na: 3\n",
    "subject\n\nhttp://x\n",
    "subject\n\nx: y: z\n-: dash\n: none\n",
    f"subject\n\nAvo-Tree: z\n# {'-' * 24} >8 {'-' * 24}\ndiff\n",
    "",
    "\n",
]


@pytest.mark.parametrize("message", NASTY)
def test_parses_as_git_does(git: Git, message: str) -> None:
    told = git("interpret-trailers", "--parse", "--no-divider", stdin=message)
    wanted = [tuple(part.strip(" ") for part in line.split(":", 1)) for line in told.split("\n")]
    assert trailers.parse(message) == [pair for pair in wanted if len(pair) == 2]
