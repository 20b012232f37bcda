"""Options of the load: when arrivals are due, how many, and what they ask for."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

from swarm_ext import option_types as t
from swarm_ext.arrivals import RateProfile, parse_profile
from swarm_ext.options.option import Option
from swarm_ext.recordings import read_rates


def _rate_profile(text: str) -> RateProfile:
    if text.startswith("@"):
        raise ArgumentTypeError(f"{text!r}: files are read when Locust starts, from the command line only")
    try:
        return parse_profile(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _read_rate_profile(text: str) -> str:
    try:
        return read_rates(Path(text[1:])).text if text.startswith("@") else text
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


ARRIVAL_OPTIONS = (
    Option(
        name="lamb", parse=t.rate, default=10.0, metavar="λ", help="Poisson arrivals per second of each user"
    ),
    Option(
        name="rate-profile",
        parse=_rate_profile,
        read=_read_rate_profile,
        metavar="PROFILE",
        help="Poisson arrivals per second of each user that vary in time: 10@60s,50@2m are two steps, 10..50@60s is a ramp, "
        "sine(30,20,120s)@10m a wave (mean, amplitude, period), @rates.csv a file; the run ends with it",
    ),
    Option(
        name="replay",
        parse=str,
        metavar="FILE",
        on_page=False,
        help="fire arrivals at the instants recorded in this CSV file, each once over all users and workers; the run ends "
        "with the last",
    ),
    Option(
        name="replay-speed",
        parse=t.speed,
        default=1.0,
        metavar="X",
        help="replay so many times as fast as recorded",
    ),
    Option(
        name="mu",
        parse=t.positive_seconds,
        default=0.1,
        metavar="μ",
        help="mean of normal gaps [s], each user",
    ),
    Option(
        name="sigma",
        parse=t.seconds,
        metavar="σ",
        help="standard deviation of normal gaps [s], at most μ (default: μ/4)",
    ),
    Option(
        name="iter",
        parse=t.count,
        metavar="N",
        help="end the run after exactly N arrivals in total, over all users and workers (default: no limit)",
    ),
    Option(
        name="seed",
        parse=t.seed,
        metavar="SEED",
        help="make the arrivals reproducible for a constant number of users (default: a new seed for each run)",
    ),
    Option(
        name="path", parse=t.path, default="/primecheck", metavar="PATH", help="the path that is requested"
    ),
    Option(
        name="url",
        parse=t.url,
        metavar="URL",
        on_page=False,
        help="host and path at once, instead of -H and --path",
    ),
    Option(name="closed", help="wait after each response instead (closed loop), to compare with older tools"),
    Option(name="keep-alive", help="reuse connections (default: a new connection for every arrival)"),
    Option(
        name="max-in-flight",
        parse=t.count,
        default=1000,
        metavar="N",
        help="arrivals in flight at once, each process; one over it is dropped and counted, never delayed",
    ),
)
