"""The builders for GPUs: cubins and launch plans, made without a GPU."""

from __future__ import annotations

import os
import random
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from avogit.build import BUILDERS, Artefact, BuildFailure, BuildOrder, counting, gpu
from avogit.build.confined import Workshop
from avogit.build.counting import with_instructions
from avogit.build.cubin import NotACubin, parameter_sizes
from avogit.build.cuda import _command, find_compiler
from avogit.build.inspecting import find_tool
from avogit.bundle import Bundle, Kernel, read_bundle
from avogit.devices import ARCHITECTURES, DEVICES, find_device
from avogit.errors import AvogitError

CUDA = b"""
#include <cuda_bf16.h>
struct Numbers { float values[40]; };
extern "C" __global__ void __launch_bounds__(128)
scale(const __nv_bfloat16* x, float* out, int n, const __grid_constant__ Numbers numbers) {
  __shared__ float tile[128];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  tile[threadIdx.x] = i < n ? __bfloat162float(x[i]) : 0;
  __syncthreads();
  if (i < n) out[i] = tile[127 - threadIdx.x] * numbers.values[3];
}
"""
TRITON = b"""
import triton
import triton.language as tl

@triton.jit
def scale(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n) * 2, mask=i < n)

def variants(device, workloads):
    signature = {"x": "*fp32", "out": "*fp32", "n": "i32"}
    return {"twice": {"function": scale, "signature": signature, "constants": {"BLOCK": 256},
                      "aligned": ["x", "out"], "options": {"num_warps": 8}}}
"""
LAUNCH = b"""
def plan(workload, device):
    arguments = [{"buffer": "x"}, {"buffer": "out"}, {"i32": workload["n"]}]
    return {"launches": [{"kernel": "KERNEL", "grid": [device["sms"], 1, 1],
                          "arguments": arguments}]}
"""


def compiler_or_skip(language: str) -> None:
    try:
        if language == "cuda":
            find_compiler("", "/usr/bin:/bin")
        else:
            pytest.importorskip("triton", reason="no triton: pip install 'avogit[triton]'")
    except AvogitError as error:
        pytest.skip(str(error))


def order(language: str, device: str = "h200", **files: bytes) -> BuildOrder:
    source = "kernel.cu" if language == "cuda" else "kernel.py"
    kernel = CUDA if language == "cuda" else TRITON
    name = b"scale" if language == "cuda" else b"twice"
    given = {source: kernel, "launch.py": LAUNCH.replace(b"KERNEL", name)}
    given |= {f"{stem}.py" if stem == "launch" else source: data for stem, data in files.items()}
    return BuildOrder(given, (source,), (), 60, find_device(device), {"small": {"n": 1000}})


def bundle_of(found: Artefact | BuildFailure) -> Bundle:
    assert isinstance(found, Artefact), found
    return read_bundle(found.path)


def failure(found: Artefact | BuildFailure) -> BuildFailure:
    assert isinstance(found, BuildFailure), found
    return found


def test_cuda_gives_a_bundle_that_is_kept_by_what_made_it(tmp_path: Path) -> None:
    compiler_or_skip("cuda")
    first = BUILDERS["cuda"](order("cuda"), tmp_path)
    bundle = bundle_of(first)
    (kernel,) = bundle.kernels
    assert (kernel.name, kernel.parameters) == ("scale", (8, 8, 4, 160))
    assert bundle.target == "sm_90a"
    assert bundle.plans["small"]["launches"][0]["grid"] == [132, 1, 1]
    if kernel.resources is not None:
        assert kernel.resources.shared_bytes == 512
    assert BUILDERS["cuda"](order("cuda"), tmp_path) == first
    changed = BUILDERS["cuda"](order("cuda", launch=LAUNCH + b"# other\n"), tmp_path)
    assert isinstance(changed, Artefact)
    assert changed.path != first.path


def counted(found: Artefact | BuildFailure) -> dict[str, Mapping[str, int]]:
    """By kernel, what it is made of."""
    assert isinstance(found, Artefact), found
    kernels = with_instructions(bundle_of(found).kernels, found)
    return {k.name: k.resources.instructions for k in kernels if k.resources is not None}


def test_instructions_are_counted_once_and_kept_beside_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler_or_skip("cuda")
    if find_tool("cuobjdump") is None or find_tool("nvdisasm") is None:
        pytest.skip("no cuobjdump or nvdisasm")
    found = BUILDERS["cuda"](order("cuda"), tmp_path)
    first = counted(found)
    assert first["scale"]["BAR"] == 1
    assert "NOP" not in first["scale"]
    with monkeypatch.context() as without:
        without.setattr(counting, "count_instructions", lambda *_: {"scale": {"FADD": 9}})
        assert counted(found) == first
    assert isinstance(found, Artefact)
    assert {path.name for path in found.path.parent.iterdir()} == {
        "instructions.json",
        "kernel.zip",
        "meta.json",
    }


@pytest.mark.parametrize(
    "text", ["{", "null", "5", "[]", '{"k.cubin": 3}', '{"k.cubin": {"a": 1}}']
)
def test_counts_that_nobody_can_read_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    compiler_or_skip("cuda")
    found = BUILDERS["cuda"](order("cuda"), tmp_path)
    assert isinstance(found, Artefact)
    kept = found.path.parent / "instructions.json"
    kept.write_text(text)
    monkeypatch.setattr(counting, "count_instructions", lambda *_: {"scale": {"FADD": 9}})
    expected = {} if find_tool("cuobjdump") is None else {"scale": {"FADD": 9}}
    assert counted(found) == expected
    assert "FADD" in kept.read_text()


def test_what_cannot_be_counted_is_left_out_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler_or_skip("cuda")
    found = BUILDERS["cuda"](order("cuda"), tmp_path)
    assert isinstance(found, Artefact)
    kernels = bundle_of(found).kernels
    monkeypatch.setattr(counting, "count_instructions", lambda *_: {})  # the tool failed
    assert all(instructions == {} for instructions in counted(found).values())
    assert not (found.path.parent / "instructions.json").exists()
    found.path.unlink()
    assert with_instructions(kernels, found) == kernels


def test_two_kernels_of_one_symbol_are_told_apart(tmp_path: Path) -> None:
    """Triton calls every variant of a function by the function's name."""
    compiler_or_skip("triton")
    slow = b', "slow": {"function": scale, "signature": signature, "constants": {"BLOCK": 256}}}'
    twice = TRITON.replace(b'{"num_warps": 8}}}', b'{"num_warps": 8}}' + slow)
    found = BUILDERS["triton"](order("triton", kernel=twice), tmp_path)
    assert {kernel.entry for kernel in bundle_of(found).kernels} == {"scale"}
    counts = counted(found)
    if not counts or not counts["slow"]:
        pytest.skip("no cuobjdump or nvdisasm")
    assert counts["twice"] != counts["slow"]


def test_cuda_builds_by_nvrtc_where_nvcc_has_no_host_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bwrap := shutil.which("bwrap"):
        (tmp_path / "bwrap").symlink_to(bwrap)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("NVCC", raising=False)
    try:
        compiler = find_compiler("", str(tmp_path))
    except AvogitError:
        pytest.skip("no NVRTC: pip install 'avogit[cuda]'")
    assert compiler.version.startswith("NVRTC")
    kernel = b'extern "C" __global__ void scale(const float* x, float* out, int n) { out[0] = n; }'
    bundle = bundle_of(BUILDERS["cuda"](order("cuda", "b200", kernel=kernel), tmp_path / "store"))
    assert bundle.kernels[0].parameters == (8, 8, 4)
    broken = failure(BUILDERS["cuda"](order("cuda", kernel=b"int f( {"), tmp_path / "store"))
    assert broken.reason == "compile-error"
    assert "kernel.cu(1): error" in broken.output


def test_functions_are_optimised_side_by_side_only_by_an_nvcc_that_can(tmp_path: Path) -> None:
    """An option that it does not know would fail every build."""
    compiler_or_skip("cuda")
    real = find_compiler("", os.defpath)
    if not real.splits:
        pytest.skip(f"{real.version} does not know the option")
    old = tmp_path / "nvcc"
    old.write_text(
        "#!/bin/sh\n"
        "case $1 in\n"
        f"--version) exec {real.nvcc} $1 ;;\n"
        f"--help) {real.nvcc} $1 | grep -v split-compile ;;\n"
        "esac\n"
    )
    old.chmod(0o755)
    found = find_compiler(str(old), os.defpath)
    assert (found.version, found.splits) == (real.version, False)
    one, other = (_command(order("cuda"), by, "kernel.cu", "kernel.cubin") for by in (real, found))
    assert [word for word in one[1:] if word not in other] == ["--split-compile=4"]


def test_a_cuda_source_sees_its_own_folder_alone(tmp_path: Path) -> None:
    compiler_or_skip("cuda")
    secret = tmp_path / "secret.h"
    secret.write_text("a secret that no compiler may see\n")
    source = b'#include "%s"\n' % str(secret).encode() + CUDA
    found = failure(BUILDERS["cuda"](order("cuda", kernel=source), tmp_path / "store"))
    assert found.reason == "compile-error"
    assert "a secret that" not in found.output


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("return open({secret!r}).read()", "Error"),
        ("__import__('socket').create_connection(('127.0.0.1', 22), 1)", "Error"),
        ("raise SystemExit(0)", "SystemExit"),
        ("plan(workload, device)", "RecursionError"),
        ("return workload['absent']", "KeyError: 'absent'"),
        ("return float('inf')", "not JSON compliant"),
    ],
)
def test_launch_py_is_confined_and_its_errors_are_told(
    tmp_path: Path, deed: str, says: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("known to nobody")
    launch = f"def plan(workload, device):\n    {deed.format(secret=str(secret))}\n"
    bubblewrap = "secret" in deed  # the other sandbox for the others
    found = failure(planned(tmp_path / "scratch", launch.encode(), bubblewrap=bubblewrap))
    assert found.reason == "launch-error"
    assert says in found.output
    assert "known to nobody" not in found.output


def planned(scratch: Path, launch: bytes, bubblewrap: bool = True) -> BuildFailure | None:
    """What comes of a launch.py alone."""
    (scratch / "work").mkdir(parents=True)
    (scratch / "work" / "launch.py").write_bytes(launch)
    workshop = Workshop(scratch, (), "/usr/bin", 60, bubblewrap)
    return gpu.plan(workshop, order("cuda", launch=launch))


def test_launch_py_cannot_replace_what_was_compiled(tmp_path: Path) -> None:
    compiler_or_skip("cuda")
    deeds = b"""
import os
from pathlib import Path
Path("kernel.cubin").unlink()
Path("kernel.cubin").symlink_to("/etc/hostname")
Path("kernel.zip").mkdir()
"""
    kernel = b'extern "C" __global__ void scale(const float*, float*, int) {}'
    honest = BUILDERS["cuda"](order("cuda", kernel=kernel), tmp_path)
    given = order("cuda", kernel=kernel, launch=deeds + LAUNCH.replace(b"KERNEL", b"scale"))
    found = BUILDERS["cuda"](given, tmp_path)
    assert bundle_of(found).cubins == bundle_of(honest).cubins


@pytest.mark.parametrize("name", ["avogit-plans.json", "avogit-cubins.json", "twice.cubin"])
def test_a_link_where_a_result_should_be_is_not_followed(tmp_path: Path, name: str) -> None:
    compiler_or_skip("triton")
    link = f"""
import os
from pathlib import Path
for result in ("avogit-plans.json", "avogit-cubins.json"):
    Path(result).write_text('["twice.cubin"]')
Path("{name}").unlink(missing_ok=True)
Path("{name}").symlink_to("/etc/hostname")
os._exit(0)
"""
    found = failure(BUILDERS["triton"](order("triton", kernel=link.encode()), tmp_path))
    assert found.reason in ("compile-error", "launch-error")
    assert "hostname" not in found.output


def test_triton_compiles_ahead_of_time_and_completes_the_plan(tmp_path: Path) -> None:
    compiler_or_skip("triton")
    for device in ("h200", "b200"):
        bundle = bundle_of(BUILDERS["triton"](order("triton", device), tmp_path))
        (kernel,) = bundle.kernels
        (launch,) = bundle.plans["small"]["launches"]
        assert launch["kernel"] == kernel.name == "twice"
        assert launch["block"] == [256, 1, 1]
        assert len(launch["arguments"]) == len(kernel.parameters) == 5


def test_triton_errors_are_values(tmp_path: Path) -> None:
    compiler_or_skip("triton")
    broken = TRITON.replace(b"tl.arange(0, BLOCK)", b"tl.arange(0, 3)")
    found = failure(BUILDERS["triton"](order("triton", kernel=broken), tmp_path))
    assert found.reason == "compile-error"
    assert "power of 2" in found.output
    lying = (
        b'import json, os\nopen("avogit-cubins.json", "w").write(json.dumps(["../x"]))\nos._exit(0)'
    )
    found = failure(BUILDERS["triton"](order("triton", kernel=lying), tmp_path))
    assert "did not say which cubins" in found.output


def elf(*attributes: bytes, name: bytes = b".nv.info.f") -> bytes:
    """A cubin of one section of attributes."""
    info, names = b"".join(attributes), b"\0" + name + b"\0"
    sections = [(0, 0, 0), (1, 64, len(info)), (0, 64 + len(info), len(names))]
    table = b"".join(struct.pack("<IIQQQQIIQQ", n, 1, 0, 0, at, size, 0, 0, 1, 0)
                     for n, at, size in sections)  # fmt: skip
    where = 64 + len(info) + len(names)
    ident = b"\x7fELF\x02\x01".ljust(16, b"\0")
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 190, 1, 0, 0, where, 0, 64, 0, 0, 64, 3, 2)
    return head + info + names + table


def parameter(ordinal: int, offset: int, size: int) -> bytes:
    return struct.pack("<BBHIHHI", 4, 0x17, 12, 0, ordinal, offset, size << 18)


def total(size: int) -> bytes:
    return struct.pack("<BBH", 3, 0x19, size)


def test_parameter_sizes_are_read_in_order() -> None:
    assert parameter_sizes(elf(parameter(1, 8, 4), parameter(0, 0, 8), total(12))) == {"f": (8, 4)}
    assert parameter_sizes(elf(total(0))) == {"f": ()}
    assert parameter_sizes(elf(parameter(0, 0, 8))) == {}  # a function, no kernel


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x7fELF", b"MZ" * 100, elf(parameter(0, 0, 8), total(16)),
        elf(parameter(1, 0, 8), total(8)), elf(struct.pack("<BBH", 4, 0x17, 9)),
        elf(total(0))[:100],
    ],
)  # fmt: skip
def test_what_is_no_cubin_is_refused(data: bytes) -> None:
    with pytest.raises(NotACubin):
        parameter_sizes(data)


def test_damaged_cubins_never_raise_anything_else() -> None:
    chance = random.Random(1)
    whole = bytearray(elf(parameter(1, 8, 4), parameter(0, 0, 8), total(12)))
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found = parameter_sizes(bytes(data[: chance.randrange(len(data)) + 1]))
        except NotACubin:
            continue
        assert all(size >= 0 for sizes in found.values() for size in sizes)


def test_devices_are_found_by_name_and_by_architecture() -> None:
    assert find_device("h200").architecture.target == "sm_90a"
    assert find_device("sm_100a").name == "b200"
    assert {device.architecture.target for device in DEVICES.values()} == set(ARCHITECTURES)
    with pytest.raises(AvogitError, match="no GPU called 'h300'"):
        find_device("h300")


def test_no_compiler_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(AvogitError, match="NVCC=no-such-nvcc"):
        find_compiler("no-such-nvcc", shutil.which("sh") or "")
    assert Kernel("f", "f", "f.cubin", ()).resources is None
