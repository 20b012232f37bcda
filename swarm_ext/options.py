"""Every command-line option of ours, in one place: its name, its type, its default, and what its help says."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swarm_ext import option_types as t
from swarm_ext.arrivals import RateProfile, parse_profile
from swarm_ext.cadvisor import parse_urls
from swarm_ext.primecheck import DEFAULT_CONCURRENCY
from swarm_ext.recordings import read_rates
from swarm_ext.slo import Slo
from swarm_ext.store import DEFAULT_SPOOL, DEFAULT_SPOOL_LIMIT, DEFAULT_STORE
from swarm_ext.swarm import local_swarm

if TYPE_CHECKING:
    from configargparse import ArgumentParser

AUTOSCALE = ("off", "target-utilisation", "target-rate", "threshold")
SWARMS = ("none", "local", "docker")
ENVIRONMENT = "Each option below is an environment variable, too: SWARM_EXT_LAMB for --lamb, and so on."


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option. `parse` turns a text into its value; None makes it a flag, off by default.

    `read`, which may do I/O, turns what a command line (not a page) gives into the text that `parse` takes.
    """

    name: str
    parse: Callable[[str], Any] | None = None
    read: Callable[[str], str] | None = None
    default: Any = None
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    on_page: bool = True
    help: str

    @property
    def dest(self) -> str:
        """The attribute's name among the parsed options."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"SWARM_EXT_{self.dest.upper()}"


def _urls(text: str) -> list[str]:
    try:
        return parse_urls(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


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


def _slo(text: str) -> Slo:
    try:
        return Slo.parse(text)
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
        parse=t.positive,
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

SWARM_OPTIONS = (
    Option(
        name="swarm",
        parse=str,
        default="none",
        choices=SWARMS,
        on_page=False,
        help="where the service runs: none (not known to us), docker (a swarm whose manager DOCKER_HOST leads to) or "
        "local (start it here, as processes)",
    ),
    Option(
        name="service",
        parse=str,
        default="web",
        metavar="NAME",
        on_page=False,
        help="the service under load; in a Docker swarm its stack's name may be left out where that is unambiguous",
    ),
    Option(
        name="initial-replicas",
        parse=t.count,
        metavar="N",
        help="replicas to set before each run, and to put back after it (default: as found)",
    ),
    Option(
        name="warm-up",
        parse=t.seconds,
        default=0.0,
        metavar="S",
        help="seconds of load to leave out of the figures",
    ),
    Option(
        name="settle",
        parse=t.seconds,
        default=0.0,
        metavar="S",
        help="seconds to go on sampling and scaling after the last arrival, so that scaling in is seen",
    ),
    Option(
        name="local-cpu-limit",
        parse=t.cores,
        default=local_swarm.DEFAULT_CPU_LIMIT_CORES,
        metavar="CORES",
        on_page=False,
        help="--swarm local: CPU limit of each replica, in cores",
    ),
    Option(
        name="local-concurrency",
        parse=t.count,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        on_page=False,
        help="--swarm local: requests that a replica computes at once",
    ),
    Option(
        name="local-startup-seconds",
        parse=t.seconds,
        default=local_swarm.DEFAULT_STARTUP_SECONDS,
        metavar="S",
        on_page=False,
        help="--swarm local: a replica's start-up burst of CPU before it is ready",
    ),
)

OBSERVE_OPTIONS = (
    Option(
        name="cadvisor",
        parse=_urls,
        metavar="URL,…",
        on_page=False,
        help="sample these cAdvisors instead of the swarm's own nodes",
    ),
    Option(
        name="cadvisor-port",
        parse=t.port,
        default=70,
        metavar="PORT",
        on_page=False,
        help="--swarm docker: the port on which each node's cAdvisor answers",
    ),
    Option(
        name="sample-interval",
        parse=t.positive_seconds,
        default=1.0,
        metavar="S",
        help="seconds between two polls",
    ),
    Option(
        name="store",
        parse=str,
        default=DEFAULT_STORE,
        metavar="URI",
        on_page=False,
        help="where samples and runs are kept: sqlite:///file.db or mongodb://user:password@host:port/database",
    ),
    Option(
        name="store-required",
        on_page=False,
        help="refuse to start while the database is down (otherwise what is to be stored waits in the spool)",
    ),
    Option(
        name="spool",
        parse=str,
        default=DEFAULT_SPOOL,
        metavar="FILE",
        on_page=False,
        help="what goes to MongoDB is kept in this file until it is there",
    ),
    Option(
        name="spool-limit",
        parse=t.size,
        default=DEFAULT_SPOOL_LIMIT,
        metavar="SIZE",
        on_page=False,
        help="how large the spool may grow, such as 500MB",
    ),
    Option(
        name="report",
        parse=t.output_file,
        metavar="FILE",
        on_page=False,
        help="write the run's report, one HTML page, at its end ({run} in the name becomes the run's id)",
    ),
    Option(
        name="slo",
        parse=_slo,
        metavar="500ms:95%",
        help="the objective that the report judges by: a time, and the share of arrivals to be answered within it",
    ),
    Option(
        name="run-tags",
        parse=t.tags,
        metavar="NAME=VALUE,…",
        help="words of your own that are kept with the run",
    ),
)

AUTOSCALE_OPTIONS = (
    Option(
        name="autoscale",
        parse=str,
        default="off",
        choices=AUTOSCALE,
        help="scale the service while the load runs",
    ),
    Option(
        name="target",
        parse=t.positive,
        metavar="X",
        help="target-utilisation: used share of the CPU limit (default 0.6); target-rate: arrivals/s of each replica; "
        "threshold: the share above which to scale out (default 0.8)",
    ),
    Option(
        name="target-cores",
        parse=t.positive,
        metavar="CORES",
        help="target-utilisation of a service without limit or reservation: cores that each replica should use",
    ),
    Option(
        name="scale-in-below",
        parse=t.positive,
        metavar="X",
        help="threshold: the share of the CPU limit below which to scale in (default 0.3)",
    ),
    Option(
        name="min-replicas",
        parse=t.count,
        metavar="N",
        help="never scale below (default: the label's, else 1)",
    ),
    Option(
        name="max-replicas",
        parse=t.count,
        metavar="N",
        help="never scale above (default: the label's, else 4)",
    ),
    Option(
        name="autoscale-interval",
        parse=t.positive_seconds,
        default=5.0,
        metavar="S",
        help="seconds between evaluations",
    ),
    Option(
        name="autoscale-window",
        parse=t.positive_seconds,
        default=15.0,
        metavar="S",
        help="seconds that are averaged over",
    ),
    Option(
        name="scale-in-stabilization",
        parse=t.seconds,
        default=60.0,
        metavar="S",
        help="scale in only to the highest count recommended in this many seconds",
    ),
    Option(
        name="replica-warm-up",
        parse=t.seconds,
        metavar="S",
        help="CPU of a replica younger than this is ignored (default: 30; with --swarm local 3 more than its start-up)",
    ),
    Option(name="dry-run", help="decide and record, but leave the swarm alone"),
)

GROUPS = (
    ("swarm-ext: arrivals", ARRIVAL_OPTIONS),
    ("swarm-ext: the swarm and the phases of a run", SWARM_OPTIONS),
    ("swarm-ext: samples, store and report", OBSERVE_OPTIONS),
    ("swarm-ext: autoscaling", AUTOSCALE_OPTIONS),
)
OPTIONS = tuple(option for _, options in GROUPS for option in options)


def _plain(option: Option) -> Callable[[str], Any]:
    """Check a text by the option's `parse` and keep it as text unless its value is a plain one.

    Parsed options travel to workers and into the page's form, which know numbers and texts only.
    """
    parse, read = option.parse or str, option.read or str

    def check(text: str) -> Any:
        text = read(text)
        value = parse(text)
        return value if isinstance(value, (int, float)) else text

    return check


def add_options(parser: ArgumentParser) -> None:
    """Add every option to Locust's parser, under headings of their own. Pure: Locust calls it on every page load."""
    for heading, options in GROUPS:
        group = parser.add_argument_group(heading, ENVIRONMENT if options is ARRIVAL_OPTIONS else None)
        for option in options:
            _add(group, option)


def _add(group: Any, option: Option) -> None:
    # the page shows help texts as they are, so nothing in them is left for argparse to fill in
    text = option.help if option.default is None else f"{option.help} (default: {option.default})"
    common: dict[str, Any] = {"env_var": option.variable, "help": text}
    if option.parse is None:
        action = group.add_argument(f"--{option.name}", action="store_true", **common)
    else:
        action = group.add_argument(
            f"--{option.name}",
            type=_plain(option),
            default=option.default,
            choices=option.choices,
            metavar=None if option.choices else option.metavar,
            **common,
        )
    # a group's add_argument is argparse's own: what Locust's parser would set is set here
    action.include_in_web_ui = option.on_page
    action.is_secret = action.is_required = action.is_multiple = False
