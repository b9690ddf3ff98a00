"""The lineage cache: one sqlite file a population, under the common dir. Never truth.

Owns the tables. A row is a candidate's finished JSON line; `tips` are the refs' targets that
the rows were read from. Every file here may be deleted at any time; where none can be written
the cache lives in memory for one call.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from avogit.store.repository import Repository
from avogit.store.rows import Grave, Row

VERSION = 4
CheckedRow = tuple[str, str, str, str]  # record's commit, candidate, state, signer
_TABLES = """
CREATE TABLE tips (oid TEXT NOT NULL);
CREATE TABLE rows (time_s INTEGER, generation INTEGER, oid TEXT, line TEXT NOT NULL,
    PRIMARY KEY (time_s, generation, oid)) WITHOUT ROWID;
CREATE TABLE graves (oid TEXT, name TEXT, score TEXT, reason TEXT,
    PRIMARY KEY (oid, name, score, reason)) WITHOUT ROWID;
CREATE TABLE checked_tips (signers TEXT, oid TEXT);
CREATE TABLE checked (signers TEXT, record TEXT, candidate TEXT, state TEXT, signer TEXT,
    PRIMARY KEY (signers, record)) WITHOUT ROWID;
"""


@contextlib.contextmanager
def connect(repo: Repository, population: str) -> Iterator[sqlite3.Connection]:
    """The population's cache, made anew where it is missing, damaged or of another version."""
    path = repo.state_dir / "cache" / f"{population}.sqlite"
    connection = _open(path) or _replace(path)
    with contextlib.closing(connection):
        yield connection


def tips(connection: sqlite3.Connection) -> frozenset[str]:
    """The commits that the rows were read from."""
    return frozenset(oid for (oid,) in connection.execute("SELECT oid FROM tips"))


def lines(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """(id, JSON line) of every candidate, oldest first."""
    query = "SELECT oid, line FROM rows ORDER BY time_s, generation, oid"
    yield from connection.execute(query)


def graves(connection: sqlite3.Connection) -> list[Grave]:
    """Every row of the prune log."""
    query = "SELECT oid, name, score, reason FROM graves"
    return list(map(Grave._make, connection.execute(query)))


def store(
    connection: sqlite3.Connection,
    known: frozenset[str],
    now: frozenset[str],
    found: Sequence[Row],
    buried: Sequence[Grave],
) -> bool:
    """Add what was read on top of `known`; False where another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        if tips(connection) != known:
            return False
        connection.executemany(
            "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)",
            sorted(found),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO graves VALUES (?, ?, ?, ?)",
            sorted(buried),
        )
        connection.execute("DELETE FROM tips")
        connection.executemany("INSERT INTO tips VALUES (?)", ((oid,) for oid in sorted(now)))
    return True


def checked_tips(connection: sqlite3.Connection, signers: str) -> frozenset[str]:
    """The ends of the chains of records whose signatures were checked against these signers."""
    query = "SELECT oid FROM checked_tips WHERE signers = ?"
    return frozenset(oid for (oid,) in connection.execute(query, (signers,)))


def checked(connection: sqlite3.Connection, signers: str) -> list[tuple[str, str, str]]:
    """(candidate, state, signer) of every record that was checked."""
    query = "SELECT candidate, state, signer FROM checked WHERE signers = ?"
    return list(connection.execute(query, (signers,)))


def store_checked(
    connection: sqlite3.Connection,
    signers: str,
    known: frozenset[str],
    now: frozenset[str],
    found: Sequence[CheckedRow],
) -> bool:
    """Add what was checked on top of `known`; False where another process was faster.

    Other sets of signers are forgotten: the file changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        if checked_tips(connection, signers) != known:
            return False
        for table in ("checked", "checked_tips"):
            connection.execute(f"DELETE FROM {table} WHERE signers != ?", (signers,))
        connection.execute("DELETE FROM checked_tips")
        rows = ((signers, *row) for row in found)
        connection.executemany("INSERT OR REPLACE INTO checked VALUES (?, ?, ?, ?, ?)", rows)
        tips = ((signers, oid) for oid in sorted(now))
        connection.executemany("INSERT INTO checked_tips VALUES (?, ?)", tips)
    return True


def clear(connection: sqlite3.Connection) -> None:
    """Forget everything: the refs no longer hold what the rows were read from."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for table in ("tips", "rows", "graves"):
            connection.execute(f"DELETE FROM {table}")


def _open(path: Path) -> sqlite3.Connection | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _connect(":memory:")
    try:
        return _connect(str(path))
    except sqlite3.OperationalError:
        return _connect(":memory:")  # a read-only folder, or a lock that does not go away
    except sqlite3.DatabaseError:
        return None


def _replace(path: Path) -> sqlite3.Connection:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return _connect(str(path))


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=20, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        if _is_ready(connection):
            # Readers and a writer side by side. The first fill is faster without it.
            connection.execute("PRAGMA journal_mode=WAL")
        else:
            _prepare(connection)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _is_ready(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(version == VERSION)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        if _is_ready(connection):  # another process was faster
            return
        for table in ("tips", "rows", "graves", "checked_tips", "checked"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES.strip().split(";\n"):
            connection.execute(statement.rstrip(";"))
        connection.execute(f"PRAGMA user_version={VERSION}")
