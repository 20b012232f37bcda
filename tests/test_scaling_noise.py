"""How far chance alone moves a window, and when that is said."""

from __future__ import annotations

import pytest

from swarm_ext.scaling import noise_warning


def test_noise_above_the_tolerance_is_warned_of_with_the_window_that_would_do() -> None:
    warning = noise_warning(rate=4, window_seconds=15, tolerance=0.1)

    assert warning is not None
    assert "at 4 arrivals/s" in warning
    assert "by 13 %" in warning
    assert "a window of at least 25 s" in warning


@pytest.mark.parametrize(("rate", "tolerance"), [(100 / 15, 0.1), (50, 0.1), (0, 0.1), (1, 0)])
def test_noise_within_the_tolerance_is_not_mentioned(rate: float, tolerance: float) -> None:
    assert noise_warning(rate=rate, window_seconds=15, tolerance=tolerance) is None
