"""Git's trailers, parsed as `git interpret-trailers --parse --no-divider` does.

Owns the rules of git's trailer.c that matter for a stored message (default configuration).
In Python, since one process a message would cost a thousand times as much.
"""

from __future__ import annotations

import re

_KEY = re.compile(r"([A-Za-z0-9-]+)[ \t]*:")
_SPACE = " \t\r\n"  # git's own isspace, whatever Unicode says
_GIT_MADE = ("Signed-off-by: ", "(cherry picked from commit ")
_SCISSORS = "# ------------------------ >8 ------------------------"
_PLAIN = re.compile(r"^([A-Za-z0-9-]+): ([^ \t\r\n][^\n]*)\n", re.M)


def parse(message: str) -> list[tuple[str, str]]:
    """The (key, value) pairs of a message's trailer block, in order, values unfolded."""
    at = message.rfind("\n\n", 0, -1)
    last = message[at + 2 :]
    if at > 0:  # most likely the shape that avogit writes, read at C's speed
        pairs: list[tuple[str, str]] = _PLAIN.findall(last)
        loose = " \n" in last or "\t\n" in last or "\r\n" in last
        if len(pairs) == last.count("\n") and last[-1:] == "\n" and not loose:
            return pairs
    return _parse_block(_block(message.split("\n")))


def _block(lines: list[str]) -> list[str]:
    """The lines of the trailer block; empty where the last paragraph is none."""
    lines = lines[: _end(lines)]
    first = next((n for n, text in enumerate(lines) if _blank(text)), len(lines))
    trailers = others = pending = 0
    git_made = False
    for n in range(len(lines) - 1, first - 1, -1):
        text = lines[n]
        if text.startswith("#"):
            others, pending = others + pending, 0
        elif _blank(text):
            others += pending
            holds = trailers * 3 >= others if git_made else trailers > 0 and others == 0
            return lines[n + 1 :] if holds else []
        elif text.startswith(_GIT_MADE):
            trailers, pending, git_made = trailers + 1, 0, True
        elif text[0] in _SPACE:
            pending += 1
        elif _KEY.match(text):
            trailers, pending = trailers + 1, 0
        else:
            others, pending = others + pending + 1, 0
    return []


def _end(lines: list[str]) -> int:
    """Where the message ends for git: before a verbose diff, trailing blanks and comments."""
    end = next((n for n, text in enumerate(lines) if text == _SCISSORS), len(lines))
    while end and (_blank(lines[end - 1]) or lines[end - 1].startswith("#")):
        end -= 1
    return end


def _parse_block(lines: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, list[str]]] = []
    open_value: list[str] | None = None
    for text in lines:
        match = _KEY.match(text)
        if text.startswith("#"):
            continue
        if text[:1] in tuple(_SPACE) and open_value is not None:
            open_value.append(text.strip(_SPACE))
        elif match:
            open_value = [text[match.end() :].strip(_SPACE)]
            found.append((match[1], open_value))
        else:
            open_value = []  # a prose line takes its own continuations with it
    return [(key, " ".join(part for part in parts if part)) for key, parts in found]


def _blank(text: str) -> bool:
    return not text.strip(_SPACE)
