"""The C++ builder: artefacts, errors as values, and what a source must not read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avogit.build import BUILDERS, Artefact, BuildFailure, BuildOrder
from avogit.errors import AvogitError
from avogit.processes import PACKAGE

GOOD = b'extern "C" void f(const float* x, float* out) { out[0] = x[0]; }\n'
build = BUILDERS["cpp"]


def order(source: bytes, *flags: str, timeout_s: float = 30, **more: bytes) -> BuildOrder:
    files = {"kernel.cpp": source, **{f"{n}.h": data for n, data in more.items()}}
    return BuildOrder(files, ("kernel.cpp",), flags, timeout_s)


def failure(found: Artefact | BuildFailure) -> BuildFailure:
    assert isinstance(found, BuildFailure), found
    return found


def test_an_artefact_is_kept_by_what_made_it(tmp_path: Path) -> None:
    first = build(order(GOOD), tmp_path)
    assert isinstance(first, Artefact)
    made = first.path.stat().st_mtime_ns
    assert build(order(GOOD), tmp_path) == first
    assert first.path.stat().st_mtime_ns == made
    for other in (order(GOOD, "-O2"), order(GOOD, extra=b"// another file\n")):
        found = build(other, tmp_path)
        assert isinstance(found, Artefact)
        assert found.path != first.path
    assert not list(tmp_path.glob(".build-*"))


def test_a_damaged_artefact_is_built_again(tmp_path: Path) -> None:
    first = build(order(GOOD), tmp_path)
    assert isinstance(first, Artefact)
    first.path.chmod(0o644)
    first.path.write_bytes(b"not what was built")
    again = build(order(GOOD), tmp_path)
    assert isinstance(again, Artefact)
    assert again.sha256 == first.sha256


def test_two_processes_may_build_the_same(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from avogit.build import *;"
        f"print(BUILDERS['cpp'](BuildOrder({{'k.cpp': {GOOD!r}}}, ('k.cpp',), (), 30),"
        f" Path({str(tmp_path)!r})).sha256)"
    )
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in both)
    assert first == second != ""


@pytest.mark.parametrize("bubblewrap", [True, False])
@pytest.mark.parametrize(
    "reach",
    [
        b'#include "%s"\n',
        b'asm(".incbin \\"%s\\"");\n',
        b'static const char* text = R"(\n#include "%s"\n)";\n#include "%s"\n',
    ],
    ids=["include", "incbin", "quoted"],
)
def test_a_source_cannot_read_the_hosts_files(
    tmp_path: Path, reach: bytes, bubblewrap: bool
) -> None:
    secret = tmp_path / "secret.h"
    secret.write_text("a secret that no compiler may see\n")
    source = reach.replace(b"%s", str(secret).encode()) + GOOD
    found = failure(build(order(source), tmp_path / "store", bubblewrap=bubblewrap))
    assert found.reason == "compile-error"
    assert "a secret that" not in found.output


def test_a_source_cannot_climb_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.h").write_text("int secret = 1;\n")
    for depth in range(1, 6):
        source = b'#include "' + b"../" * depth + b'secret.h"\n' + GOOD
        failure(build(order(source), tmp_path / "store"))


def test_errors_are_told_without_our_paths_and_bounded(tmp_path: Path) -> None:
    found = failure(build(order(b"int f() { return undeclared; }\n"), tmp_path))
    assert "kernel.cpp:1:18: error:" in found.output
    assert str(tmp_path) not in found.output
    flood = b"".join(b"int a%d = undeclared;\n" % i for i in range(3000))
    found = failure(build(order(flood, "-fmax-errors=0"), tmp_path))
    assert len(found.output) <= 6000
    assert "[...]" in found.output


def test_an_undefined_symbol_is_an_error_of_the_build(tmp_path: Path) -> None:
    found = failure(build(order(b'void g(); extern "C" void f() { g(); }\n'), tmp_path))
    assert "g()" in found.output


def test_a_compilation_without_end_is_stopped(tmp_path: Path) -> None:
    source = b"constexpr int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\n"
    source += b"static_assert(f(90) > 0);\n"
    flags = ("-fconstexpr-ops-limit=999999999999",)
    found = failure(build(order(source, *flags, timeout_s=1), tmp_path))
    assert found.reason == "build-timeout"


def test_no_compiler_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AvogitError, match=r"found no compiler .*apt install g\+\+") as caught:
        build(order(GOOD), tmp_path)
    assert "\n" not in str(caught.value)


def test_cxx_names_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(AvogitError, match="CXX=no-such-compiler"):
        build(order(GOOD), tmp_path)
    monkeypatch.setenv("CXX", f"{shutil.which('g++')} -DFROM_CXX")
    source = b"#ifndef FROM_CXX\n#error not asked for\n#endif\n" + GOOD
    assert isinstance(build(order(source), tmp_path), Artefact)
