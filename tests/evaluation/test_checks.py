"""What is right for 16 bits: as far from the truth as the baseline is, and not much further."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="no torch: install the `oracle` extra")

from avogit.bench.checks import Finding, beyond_yardstick  # noqa: E402

DTYPES = [torch.bfloat16, torch.float16]
ROWS, WIDTH = 64, 128
Spoil = Callable[[torch.Tensor], torch.Tensor]


def truth_of(seed: int, size: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64)


def noisy(truth: torch.Tensor, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """As an honest kernel leaves it: its products were rounded once more than its result."""
    generator = torch.Generator().manual_seed(seed)
    some = torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    return (truth * (1 + torch.finfo(dtype).eps / 4 * some)).to(dtype)


def judge(
    dtype: torch.dtype, spoil: Spoil, size: float = 1.0, baseline: Spoil = lambda t: t
) -> Finding | None:
    """An honest result, spoilt before it is rounded, beside an honest one of the baseline's."""
    truth = truth_of(1, size)
    ours = noisy(spoil(truth), dtype, 2)
    return beyond_yardstick(ours, noisy(baseline(truth), dtype, 3), truth)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_honest_rounding_passes(dtype: torch.dtype, size: float) -> None:
    truth = truth_of(1, size)
    for seed in range(2, 12):
        assert beyond_yardstick(noisy(truth, dtype, seed), noisy(truth, dtype, 99), truth) is None
    assert beyond_yardstick(truth.to(dtype), truth.to(dtype), truth) is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_result_better_than_the_baselines_passes(dtype: torch.dtype) -> None:
    truth = truth_of(1)
    worse = noisy(truth * 1.01, dtype, 3)
    assert beyond_yardstick(truth.to(dtype), worse, truth) is None


def two_percent(truth: torch.Tensor) -> torch.Tensor:
    """Two in a hundred too large, everywhere: within the tasks' own tolerance for bfloat16."""
    return truth * 1.02


def one_row(truth: torch.Tensor) -> torch.Tensor:
    found = truth.clone()
    found[37] *= 1.03
    return found


def one_element(truth: torch.Tensor) -> torch.Tensor:
    """Too little for a row's mean error."""
    found = truth.clone()
    found[5, 7] += 0.06
    return found


def eight_bits(truth: torch.Tensor) -> torch.Tensor:
    return truth.to(torch.float8_e4m3fn).to(torch.float64)


@pytest.mark.parametrize("spoil", [two_percent, one_row, eight_bits])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_that_is_further_off_fails(dtype: torch.dtype, spoil: Spoil) -> None:
    found = judge(dtype, spoil)
    assert found is not None
    assert (found.verdict.value, found.reason) == ("INCORRECT_NUMERICAL", "beyond-yardstick")
    assert "a row's relative error is" in found.detail


def test_one_element_that_is_further_off_fails() -> None:
    found = judge(torch.bfloat16, one_element)
    assert found is not None
    assert found.reason == "beyond-yardstick"
    assert "an element is off by 0.0" in found.detail


def test_who_is_as_wrong_as_the_baseline_is_right_enough() -> None:
    assert judge(torch.bfloat16, two_percent, baseline=two_percent) is None
    assert judge(torch.bfloat16, lambda t: t * 1.038, baseline=two_percent) is None
    assert judge(torch.bfloat16, lambda t: t * 1.07, baseline=two_percent) is not None


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_what_is_no_number_is_no_match(number: float) -> None:
    def spoil(truth: torch.Tensor) -> torch.Tensor:
        found = truth.clone()
        found[3, 3] = number
        return found

    assert judge(torch.bfloat16, spoil) is not None
