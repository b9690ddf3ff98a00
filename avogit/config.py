"""avogit.yaml -> `Config`: how this repository evolves its task.

The file lies in the root of the user's repository and is committed there by `avogit init`.
Every field has a default but `task`. Secrets never stand in it: an endpoint's key comes from
the environment.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from avogit.errors import AvogitError

CONFIG_FILE = "avogit.yaml"


@dataclass(frozen=True, slots=True)
class Selection:
    """Who is the parent, and how many lines live."""

    parent: str = "best"  # a name in selection.PARENT_RULES
    max_lines: int = 8


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What enters a line."""

    rule: str = "match-or-improve"  # a name in acceptance.RULES
    confidence: float = 0.99  # two-sided, of the interval that decides
    match_margin: float = 0.005  # a match may be this much slower, as a fraction


@dataclass(frozen=True, slots=True)
class Measure:
    """How long to measure, and how much a confirmation asks for."""

    budget_s: float = 8.0  # timing and correctness of one evaluation, compiling apart
    fresh_s: float = 4.0  # the fresh sample that an accepted child's message states
    confirm_s: float = 12.0  # a champion's confirmation
    confirm: str = "fresh"  # fresh: other processes and inputs; strict: a later time too
    confirm_delay_s: float = 1800.0  # how much later, when strict
    busy_wait_s: float = 60.0  # for a GPU on which others compute; 0: refuse at once


@dataclass(frozen=True, slots=True)
class Bench:
    """Where candidates are measured: on this machine, or on a host that ssh reaches."""

    ssh: str = ""  # the host, as ssh takes it; empty: this machine
    python: str = "python3"  # a Python with torch there
    ssh_options: tuple[str, ...] = ()  # as after ssh's -o; `~/.ssh/config` holds too
    device: str = ""  # a GPU's name in avogit.devices that is not in this machine


@dataclass(frozen=True, slots=True)
class Agent:
    """The built-in agent's endpoint and limits."""

    model: str = ""  # empty: AVOGIT_MODEL from the environment
    base_url: str = ""  # empty: OPENAI_BASE_URL, else the client's default
    max_turns: int = 60
    max_evaluations: int = 8
    timeout_s: float = 120.0  # one request
    retries: int = 4  # of a request that met a rate limit or a broken connection
    step_timeout_s: float = 3600.0
    shell_timeout_s: float = 120.0  # one command of the `shell` tool
    context_tokens: int = 100_000  # a longer conversation is summed up
    carry: bool = True  # go on with what a failed step from the same parent left
    lessons: bool = True  # ask the model to put into words what a measured child taught


@dataclass(frozen=True, slots=True)
class Command:
    """A program that edits a workspace, and what it may use up."""

    command: str = ""  # a preset's name, or words; {prompt} stands for what it is told
    env: str = ""  # variables that it is given, beside the preset's: names and globs
    read: str = ""  # folders that it may read in its sandbox, beside the system's
    sandbox: bool = True  # where the machine has one
    timeout_s: float = 3600.0
    max_evaluations: int = 16  # drafts
    evaluation_s: float = 900.0  # of all drafts together
    max_processes: int = 256  # at a time
    disk_mb: int = 2048


@dataclass(frozen=True, slots=True)
class Signing:
    """Whose signatures on records count. The key is this clone's own: git's avogit.signingKey."""

    allowed_signers: str = ""  # ssh's allowed-signers file, a path in the repository
    required: bool = False  # without a signature of theirs a candidate counts as unmeasured


@dataclass(frozen=True, slots=True)
class Supervisor:
    """When a search that stands still is steered elsewhere, and who says where to."""

    stall_steps: int = 10  # without an acceptance; 0: never
    cycle_repeats: int = 3  # of the same patch or failure; 0: never
    steps_per_direction: int = 2
    model: str = ""  # asked through the agent's endpoint; empty: rules choose


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in USD per million tokens."""

    input: float = 0.0
    cached: float = -1.0  # input that the provider had cached; below 0: as input
    output: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What a step may spend; 0 is no limit of that kind."""

    cost_usd: float = 0.0
    tokens: int = 0
    wall_s: float = 0.0
    device_s: float = 0.0  # checking and timing


@dataclass(frozen=True, slots=True)
class RunLimit(Limit):
    """What a whole run may spend."""

    steps: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent, by one step and by one run."""

    step: Limit = field(default_factory=Limit)
    run: RunLimit = field(default_factory=RunLimit)


@dataclass(frozen=True, slots=True)
class Config:
    """One repository's settings."""

    task: str  # folder relative to the root
    operator: str = "tune"  # a name in operators.OPERATORS
    knowledge: tuple[str, ...] = ()  # folders of Markdown, beside the task's own
    seed: int = 0  # of parent choice and of `tune`'s order
    selection: Selection = field(default_factory=Selection)
    acceptance: Acceptance = field(default_factory=Acceptance)
    measure: Measure = field(default_factory=Measure)
    bench: Bench = field(default_factory=Bench)
    agent: Agent = field(default_factory=Agent)
    command: Command = field(default_factory=Command)
    signing: Signing = field(default_factory=Signing)
    supervisor: Supervisor = field(default_factory=Supervisor)
    budget: Budget = field(default_factory=Budget)
    prices: Mapping[str, Price] = field(default_factory=dict)  # by model

    @property
    def digest(self) -> str:
        """`sha256:...` of the settings, whatever their order in the file."""
        text = repr(sorted(dataclasses.asdict(self).items()))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def load_config(root: Path) -> Config:
    """The config of the repository whose working tree is `root`."""
    path = root / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise AvogitError(f"no {CONFIG_FILE} in {root}: run `avogit init` first") from error
    except (OSError, UnicodeDecodeError) as error:
        raise AvogitError(f"cannot read {path}: {error}") from error
    return parse_config(text, str(path))


def parse_config(text: str, where: str) -> Config:
    """A config from the text of an avogit.yaml."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AvogitError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise AvogitError(f"{where} must be a mapping with at least `task: FOLDER`")
    if document.pop("format", 1) != 1:
        raise AvogitError(f"{where}: this avogit reads format 1 only")
    if "task" not in document:
        raise AvogitError(f"{where}: `task: FOLDER` is missing")
    config = _read(Config, document, where)
    assert isinstance(config, Config)
    _check(config, where)
    return config


def _check(config: Config, where: str) -> None:
    signers = bool(config.signing.allowed_signers) or not config.signing.required
    limits = (
        ("selection.max_lines", config.selection.max_lines >= 1, "at least 1"),
        ("acceptance.confidence", 0.5 < config.acceptance.confidence < 1, "between 0.5 and 1"),
        ("acceptance.match_margin", 0 <= config.acceptance.match_margin < 0.1, "0 to 0.1"),
        ("measure.budget_s", config.measure.budget_s >= 1, "at least 1"),
        ("measure.confirm", config.measure.confirm in ("fresh", "strict"), "fresh or strict"),
        ("bench.ssh", re.fullmatch(r"(?!-)\S*", config.bench.ssh) is not None, "a host's name"),
        ("bench.python", config.bench.python != "", "a Python of that host"),
        ("signing.allowed_signers", signers, "a file, where signatures are required"),
        (
            "supervisor.steps_per_direction",
            config.supervisor.steps_per_direction >= 1,
            "at least 1",
        ),
        ("budget` and `prices", all(0 <= a < math.inf for a in _amounts(config)), "at least 0"),
    )
    for name, holds, wanted in limits:
        if not holds:
            raise AvogitError(f"{where}: `{name}` must be {wanted}")


def _amounts(config: Config) -> Iterator[float]:
    """Every limit and price."""
    for limit in (config.budget.step, config.budget.run):
        yield from dataclasses.astuple(limit)
    for price in config.prices.values():
        yield from (price.input, price.output)


def _read(kind: type[Any], document: object, where: str) -> Any:
    """A dataclass from a mapping, by its fields' types."""
    if not isinstance(document, dict):
        raise AvogitError(f"{where}: expected a mapping, found {document!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    values = {}
    for name, value in document.items():
        if name not in fields:
            raise AvogitError(f"{where}: unknown field `{name}`; known: {', '.join(fields)}")
        default = _default(fields[name])
        if dataclasses.is_dataclass(default):
            values[name] = _read(type(default), value, f"{where}: {name}")
        elif name == "prices":
            values[name] = _prices(value, f"{where}: {name}")
        else:
            values[name] = _scalar(value, type(default), f"{where}: {name}")
    return kind(**values)


def _prices(document: object, where: str) -> dict[str, Price]:
    if not isinstance(document, dict):
        raise AvogitError(f"{where}: expected `MODEL: {{input: USD, output: USD}}`")
    return {
        str(model): _read(Price, value, f"{where}: {model}") for model, value in document.items()
    }


def _default(entry: dataclasses.Field[Any]) -> Any:
    if entry.default_factory is not dataclasses.MISSING:
        return entry.default_factory()
    return "" if entry.default is dataclasses.MISSING else entry.default


def _scalar(value: object, kind: type, where: str) -> object:
    if kind is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if kind is tuple:
        raise AvogitError(f"{where}: expected a list of words, found {value!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise AvogitError(f"{where}: expected a {kind.__name__}, found {value!r}")
