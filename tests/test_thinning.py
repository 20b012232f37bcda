"""Poisson arrivals at a rate that varies: as many as asked, where asked, the same under one seed.

Decisions are made at a level of 1e-3 and at 4 standard deviations, at fixed seeds.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from scipy import stats

from swarm_ext.arrivals import VaryingPoisson, parse_profile, schedule_hash, stream_rng
from swarm_ext.arrivals.rate_profile import Ramp, Sine
from swarm_ext.arrivals.thinning import SLICE_ARRIVALS, thinned

LEVEL = 1e-3
TEXTS = ["20@50s", "5@20s,40@20s,0@20s,10@20s", "0..50@60s", "50..0@60s", "sine(20,20,30s)@90s", "300@2s,0@60s,sine(200,150,3s)@15s"]  # fmt: skip


def arrivals(text: str, *, streams: int = 1, seed: int = 1, begin: float = 0.0) -> list[list[float]]:
    process = VaryingPoisson(parse_profile(text))
    return [list(process.instants(stream_rng(seed, stream), begin)) for stream in range(streams)]


@pytest.mark.parametrize("text", TEXTS)
def test_the_number_of_arrivals_is_poisson_with_the_integral_for_its_mean(text: str) -> None:
    profile = parse_profile(text)
    mean = profile.arrivals_until(profile.seconds)
    counts = [len(stream) for stream in arrivals(text, streams=100)]
    assert abs(sum(counts) - 100 * mean) < 4 * (100 * mean) ** 0.5
    dispersion = sum((count - mean) ** 2 / mean for count in counts)
    assert LEVEL / 2 < stats.chi2.cdf(dispersion, 100) < 1 - LEVEL / 2


@pytest.mark.parametrize("text", TEXTS)
def test_in_rescaled_time_arrivals_are_a_poisson_process_of_rate_one(text: str) -> None:
    profile = parse_profile(text)
    total = profile.arrivals_until(profile.seconds)
    rescaled, laid = [], 0.0
    for stream in arrivals(text, streams=20):
        rescaled += [laid + profile.arrivals_until(t) for t in stream]
        laid += total
    gaps = [b - a for a, b in pairwise([0.0, *rescaled])]
    assert stats.kstest(gaps, "expon").pvalue > LEVEL
    # and no gap tells anything of the next one
    assert abs(stats.spearmanr(gaps[:-1], gaps[1:]).statistic) < 4 / len(gaps) ** 0.5


def test_arrivals_are_where_the_rate_is() -> None:
    (stream,) = arrivals("5@20s,40@20s,0@20s,10@20s", seed=3)
    edges = [0, *(bisect_right(stream, t) for t in (20, 40, 60, 80))]
    counts = [b - a for a, b in pairwise(edges)]
    assert counts[2] == 0
    for count, mean in zip(counts, (100, 800, 0, 200), strict=True):
        assert abs(count - mean) <= 4 * mean**0.5
    assert stream == sorted(stream)
    assert stream[-1] < 80


def test_a_stream_that_begins_late_has_the_later_arrivals_of_the_same_stream() -> None:
    text = "300@2s,0@60s,sine(200,150,3s)@15s"
    (whole,) = arrivals(text)
    for begin in (0.001, 1.7, 2.0, 40.0, 62.0, 70.3, 76.99, 80.0):
        (late,) = arrivals(text, begin=begin)
        assert late == [instant for instant in whole if instant > begin]


def test_streams_and_seeds_have_arrivals_of_their_own() -> None:
    one, other = arrivals("20@50s", streams=2)
    assert not set(one) & set(other)
    assert arrivals("20@50s", seed=2)[0] != one
    assert arrivals("20@50s")[0] == one


class CountingRandom(random.Random):
    draws = 0

    def random(self) -> float:
        self.draws += 1
        return super().random()


def test_a_quiet_hour_costs_nothing_and_steps_waste_nothing() -> None:
    rng = CountingRandom(1)
    assert list(thinned(Ramp(0, 0, 3600), 0, 3600, rng)) == []
    assert rng.draws == 0
    kept = len(list(thinned(Ramp(20, 20, 50), 0, 50, rng)))
    assert rng.draws == kept + 1, "each candidate is an arrival, but for the one beyond the end"


@pytest.mark.parametrize("piece", [Ramp(0, 100, 50), Sine(100, 100, 10, 50)])
def test_at_least_nearly_every_other_candidate_is_kept(piece: Ramp | Sine) -> None:
    rng = CountingRandom(1)
    kept = len(list(thinned(piece, 0, piece.seconds, rng)))
    assert rng.draws / 2 < 2.3 * kept


def test_to_begin_late_in_a_long_profile_takes_few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[CountingRandom] = []

    class Own(CountingRandom):
        def __init__(self, seed: object) -> None:
            super().__init__(seed)  # type: ignore[arg-type]
            drawn.append(self)

    monkeypatch.setattr("swarm_ext.arrivals.thinning.random.Random", Own)
    process = VaryingPoisson(parse_profile("1000@10h"))
    first = next(process.instants(random.SystemRandom(), 35_999.0))
    assert 35_999 < first < 35_999.1
    assert sum(rng.draws for rng in drawn) < 3 * SLICE_ARRIVALS


def test_processes_are_the_same_if_their_profiles_are() -> None:
    one, same, other = (VaryingPoisson(parse_profile(text)) for text in ("10@60s", "10@1m", "10@61s"))
    assert one == same != other
    assert hash(one) == hash(same)
    assert schedule_hash(one, 1) == schedule_hash(same, 1) != schedule_hash(other, 1)
    assert (one.kind, one.ends_at, str(one)) == ("profile", 60.0, "Poisson with λ(t) = 10@60s /s")
