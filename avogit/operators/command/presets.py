"""Coding agents that are known by name: their words, keys and files, as data.

Owns the table and how a command line becomes words. A preset is what its program needs in order
to work once, without asking, in a folder that it has not seen. Leaves running it to `process`.
"""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from avogit.errors import AvogitError

PROMPT = "Read AVOGIT.md in this folder and do what it says."
_EDITABLE = "{editable}"  # in a preset's words: each editable file, a word of its own

# What any program may know of this machine; no secret is among it.
_PLAIN = (
    "PATH", "LANG", "LANGUAGE", "LC_*", "TERM", "COLORTERM", "NO_COLOR", "TZ", "USER", "LOGNAME",
    "SHELL", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy",
    "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip
_PROVIDERS = (
    "OPENAI_*", "ANTHROPIC_*", "GEMINI_*", "GOOGLE_*", "OPENROUTER_*", "DEEPSEEK_*", "MISTRAL_*",
    "GROQ_*", "XAI_*", "AZURE_*", "OLLAMA_*",
)  # fmt: skip
_LITELLM = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else each start downloads a price list


@dataclass(frozen=True, slots=True)
class Preset:
    """One program. `home`: its files below the user's home, of which it gets a copy."""

    words: tuple[str, ...]
    env: tuple[str, ...] = ()  # names and globs of the variables that it is given
    home: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()  # globs of what it leaves in a folder that it worked in
    settings: Mapping[str, str] = ()  # type: ignore[assignment]  # variables set for it


PRESETS: dict[str, Preset] = {
    "claude": Preset(
        ("claude", "-p", "{prompt}", "--output-format", "json",
         "--permission-mode", "acceptEdits", "--allowedTools", "Bash,Read,Edit,Write,Glob,Grep"),
        env=("ANTHROPIC_*", "CLAUDE_*"),
        home=(".claude.json", ".claude/.credentials.json", ".claude/settings.json"),
        leaves=(".claude/*",),
    ),
    "codex": Preset(  # its own sandbox closes sockets, our door among them
        ("codex", "exec", "--json", "--skip-git-repo-check",
         "--dangerously-bypass-approvals-and-sandbox", "{prompt}"),
        env=("OPENAI_*", "CODEX_*"),
        home=(".codex/auth.json", ".codex/config.toml"),
    ),
    "gemini": Preset(  # in a folder that it was not told to trust it refuses to work
        ("gemini", "--approval-mode", "yolo", "--output-format", "json", "-p", "{prompt}"),
        env=("GEMINI_*", "GOOGLE_*"),
        home=(".gemini/oauth_creds.json", ".gemini/google_accounts.json",
              ".gemini/settings.json", ".gemini/installation_id"),
        leaves=(".gemini/*",),
        settings={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
    "aider": Preset(  # it runs no commands but its test command: that is our door
        ("aider", "--yes-always", "--no-git", "--no-stream", "--no-pretty",
         "--no-check-update", "--no-show-release-notes", "--analytics-disable",
         "--no-show-model-warnings", "--no-suggest-shell-commands",
         "--test-cmd", "avogit evaluate", "--auto-test", "--read", "AVOGIT.md",
         "--message", "{prompt}", _EDITABLE),
        env=("AIDER_*", "LITELLM_*", *_PROVIDERS),
        home=(".aider.conf.yml",),
        leaves=(".aider*",),
        settings=_LITELLM,
    ),
    "mini-swe-agent": Preset(
        ("mini", "--yolo", "--exit-immediately", "--task", "{prompt}"),
        env=("MSWEA_*", "LITELLM_*", *_PROVIDERS),
        home=(".config/mini-swe-agent/.env",),
        settings={**_LITELLM, "MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "1"},
    ),
    "opencode": Preset(  # what it would ask about, it denies itself where nobody can answer
        ("opencode", "run", "--format", "json", "{prompt}"),
        env=("OPENCODE_*", *_PROVIDERS),
        home=(".config/opencode/opencode.json", ".local/share/opencode/auth.json"),
        leaves=(".opencode/*",),
        settings={
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_PERMISSION": '{"external_directory": "allow", "doom_loop": "allow"}',
        },
    ),
}  # fmt: skip
_BY_PROGRAM = {preset.words[0]: preset for preset in PRESETS.values()}


def choose(line: str) -> tuple[tuple[str, ...], Preset]:
    """A command line's words, and the preset of its program: a preset's name gives its own."""
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:
        raise AvogitError(f"cannot split the command {line!r} into words: {error}") from error
    if not words:
        raise AvogitError(
            "the command operator needs a program: give `--command` or set command.command in "
            f"avogit.yaml, to your own or to one of {', '.join(PRESETS)}"
        )
    if len(words) == 1 and words[0] in PRESETS:
        preset = PRESETS[words[0]]
        return preset.words, preset
    return words, _BY_PROGRAM.get(Path(words[0]).name, Preset(words))


def filled(words: Collection[str], editable: Collection[str]) -> list[str]:
    """The words with the prompt and the files in their places."""
    found: list[str] = []
    for word in words:
        found += editable if word == _EDITABLE else [word.replace("{prompt}", PROMPT)]
    return found


def environment(environ: Mapping[str, str], preset: Preset, more: str) -> dict[str, str]:
    """What a program may see of our environment: plain facts, and what was declared for it."""
    globs = (*_PLAIN, *preset.env, *more.split())
    kept = {n: v for n, v in environ.items() if any(fnmatch.fnmatchcase(n, g) for g in globs)}
    return {**kept, **dict(preset.settings)}
