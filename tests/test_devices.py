"""GPUs by the names that drivers give them."""

from __future__ import annotations

import pytest

from avogit.devices import ARCHITECTURES, DEVICES, device_called, find_device
from avogit.errors import AvogitError


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("NVIDIA H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A100-PCIE-40GB", "a100"),
        ("A100-SXM4-40GB", "a100"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA B300 SXM6 AC", "b300"),
        ("NVIDIA GeForce RTX 3090", "rtx-3090"),
        ("NVIDIA GeForce RTX 5090", "rtx-5090"),
    ],
)
def test_a_card_is_known_by_its_name(called: str, name: str) -> None:
    assert device_called(called) is DEVICES[name]


@pytest.mark.parametrize(
    "called",
    [
        "NVIDIA H20",
        "NVIDIA H100 PCIe",
        "NVIDIA H100 NVL",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 5090 Laptop GPU",
        "NVIDIA H800",
        "NVIDIA GH200 480GB",
        "NVIDIA GB200",
        "NVIDIA L40",
        "NVIDIA GeForce RTX 4090",
        "Tesla V100-SXM2-32GB",
        "H2000",
        "",
    ],
)
def test_a_card_that_only_sounds_alike_is_another(called: str) -> None:
    with pytest.raises(AvogitError, match="is not known to avogit; it knows: a100, "):
        device_called(called)


def test_every_device_is_found_by_its_own_name_and_called_by_no_other() -> None:
    for name, device in DEVICES.items():
        assert find_device(name) is device
        assert device_called(f"NVIDIA {name.upper()}") is device
        assert ARCHITECTURES[device.architecture.target] is device.architecture


def test_an_architecture_stands_for_its_first_device() -> None:
    assert find_device("sm_90a").name == "h100"
    with pytest.raises(AvogitError, match="no GPU called 'h300' is known here"):
        find_device("h300")
    with pytest.raises(AvogitError, match="no GPU called"):
        find_device("sm_90")
    assert {find_device(target).architecture.target for target in ARCHITECTURES} == {*ARCHITECTURES}


@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda device: device.name)
def test_what_is_said_of_a_device_is_in_its_units(device: object) -> None:
    """A figure in other units would be off by a thousand, and every kernel impossibly fast."""
    assert 1e5 < device.half_gflops < 1e7  # type: ignore[attr-defined]
    assert 500 < device.memory_gbytes_s < 20_000  # type: ignore[attr-defined]
    assert 1 << 20 < device.l2_bytes < 1 << 30  # type: ignore[attr-defined]
    assert 50 < device.sms < 300  # type: ignore[attr-defined]
