"""Options of what is seen and kept of a run: samples, store and report."""

from __future__ import annotations

from argparse import ArgumentTypeError

from swarm_ext import option_types as t
from swarm_ext.options.option import Option
from swarm_ext.sampling.cadvisor_urls import parse_urls
from swarm_ext.slo import Slo
from swarm_ext.store import DEFAULT_SPOOL, DEFAULT_SPOOL_LIMIT, DEFAULT_STORE


def _urls(text: str) -> list[str]:
    try:
        return parse_urls(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _slo(text: str) -> Slo:
    try:
        return Slo.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


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
        help="where samples and runs are kept: sqlite:///file.db or mongodb://host:port/database, whose user and password "
        "belong in SWARM_EXT_MONGO_USERNAME and SWARM_EXT_MONGO_PASSWORD, or SWARM_EXT_MONGO_PASSWORD_FILE: all on the "
        "machine can read a command line",
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
