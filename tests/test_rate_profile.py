"""Profiles of the rate: what the short form means, what it says of mistakes, and that λ and its integral agree."""

from __future__ import annotations

import doctest
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from swarm_ext.arrivals import RateProfile, parse_profile, rate_profile
from swarm_ext.arrivals.rate_profile import Piece, Ramp, Sine

RATES = st.floats(0, 1e4)
SECONDS = st.floats(1e-3, 1e4)
RAMPS = st.builds(Ramp, RATES, RATES, SECONDS)
SINES = st.builds(
    lambda mean, share, period, seconds: Sine(mean, mean * share, period, seconds),
    st.floats(1e-3, 1e4), st.floats(0, 1), SECONDS, SECONDS,
)  # fmt: skip
PIECES = st.one_of(RAMPS, SINES)


def rates(text: str, *instants: float) -> list[float]:
    profile = parse_profile(text)
    return [pytest.approx(profile.rate_at(t)) for t in instants]


def test_a_step_holds_until_the_next_piece_begins() -> None:
    assert rates("10@60s,50@120s", 0, 59.9, 60, 179.9) == [10, 10, 50, 50]


def test_a_ramp_goes_in_a_straight_line() -> None:
    assert rates("10..50@60s", 0, 15, 30, 59.999) == [10, 20, 30, pytest.approx(50, abs=1e-3)]


def test_a_wave_begins_at_its_mean_and_rises() -> None:
    assert rates("sine(30,20,120s)@240s", 0, 30, 60, 90, 150) == [30, 50, 30, 10, 50]


def test_before_and_after_the_profile_there_is_nothing() -> None:
    assert rates("10@60s", -0.1, 60, 1e9) == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1@90", 90), ("1@90s", 90), ("1@1m30s", 90), ("1@500ms", 0.5), ("1@1.5h", 5400), ("1@2H", 7200), ("1@1e2s", 100)],
)  # fmt: skip
def test_durations_may_have_any_unit(text: str, seconds: float) -> None:
    assert parse_profile(text).seconds == pytest.approx(seconds)


def test_spaces_do_not_matter() -> None:
    assert parse_profile(" 10 @ 60s, sine( 30, 20, 2m ) @ 4m ") == parse_profile(
        "10@60s,sine(30,20,120s)@240s"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "piece 1, '': is not RATE@DURATION"),
        ("10", "piece 1, '10': is not RATE@DURATION"),
        ("10@60s,,5@2s", "piece 2, '': is not RATE@DURATION"),
        ("10@", "'' is not a duration, such as 90s"),
        ("10@60x", "'60x' is not a duration"),
        ("10@60s,-5@60s", "piece 2, '-5@60s': '-5' is not a rate"),
        ("nan@5", "'nan' is not a rate"),
        ("10..@5", "'' is not a rate"),
        ("1e400@5", "must be a finite number"),
        ("5@0s", "duration is 0.0; it must be a finite number above 0"),
        ("sine(1,2,3s)@5s", "amplitude is 2, above the mean, 1"),
        ("sine(30,20)@5s", "a wave is sine(MEAN,AMPLITUDE,PERIOD)@DURATION"),
        ("sine 30@5s", "a wave is sine(MEAN,AMPLITUDE,PERIOD)@DURATION"),
        ("0@60s", "asks for no arrivals"),
    ],
)
def test_a_mistake_is_one_line_with_the_piece_the_rule_and_an_example(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="such as 10@60s") as error:
        parse_profile(text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@given(
    st.lists(PIECES, min_size=1, max_size=6).filter(
        lambda pieces: sum(p.arrivals(p.seconds) for p in pieces) > 0
    )
)
def test_the_short_form_of_a_profile_stands_for_the_same_profile(pieces: list[Piece]) -> None:
    profile = RateProfile(pieces)
    assert parse_profile(profile.text).pieces == profile.pieces


@given(PIECES, st.floats(0, 1), st.floats(0, 1))
def test_no_rate_is_above_the_bound_of_its_stretch(piece: Piece, one: float, other: float) -> None:
    low, high = sorted((one * piece.seconds, other * piece.seconds))
    bound = piece.highest(low, high)
    inside = [piece.rate(low + (high - low) * k / 50) for k in range(51)]
    assert max(inside) <= bound * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("text", ["10..50@60s", "sine(30,20,7s)@33s", "5@10s,5..0@3s,sine(2,2,1s)@9s"])
def test_the_expected_arrivals_are_the_integral_of_the_rate(text: str) -> None:
    profile = parse_profile(text)
    for t in (0.3 * profile.seconds, profile.seconds):
        inner = [start for start in profile.starts if 0 < start < t]
        area, _ = integrate.quad(profile.rate_at, 0, t, points=inner or None, limit=500)
        assert profile.arrivals_until(t) == pytest.approx(area, rel=1e-6)
    assert profile.arrivals_until(profile.seconds + 5) == profile.arrivals_until(profile.seconds)


def test_a_long_profile_is_shown_in_short() -> None:
    profile = RateProfile([Ramp(k, k + 1, 60) for k in range(1440)])
    assert str(profile) == "0..1@60s,1..2@60s,2..3@60s,3..4@60s,…,1439..1440@60s (1440 pieces, 86400 s)"


def test_a_profile_of_very_many_pieces_is_read_in_time_proportional_to_its_length() -> None:
    text = ",".join(f"{k}.123456789..{k + 1}.987654321@60.5s" for k in range(40_000))
    begun = time.process_time()
    assert len(parse_profile(text).pieces) == 40_000
    assert time.process_time() - begun < 20, "it needs half a second of CPU, and were it quadratic, a minute"


def test_the_example_in_the_documentation_runs() -> None:
    result = doctest.testmod(rate_profile)
    assert (result.attempted, result.failed) == (4, 0)
