"""Options of our own that commands without Locust have, and Locust's command has not."""

from __future__ import annotations

from swarm_ext import option_types
from swarm_ext.commands.click_options import option
from swarm_ext.options import Option

CADVISOR_PORT_HELP = "the port on which each node's cAdvisor answers"

DEFAULT_RETAIN_DAYS = 14.0

RETAIN = Option(
    name="retain",
    parse=option_types.positive,
    default=DEFAULT_RETAIN_DAYS,
    metavar="DAYS",
    help="keep records for so many days, and delete older ones of this command's runs without an end, once an hour",
)
DURATION = Option(
    name="duration",
    parse=option_types.positive_seconds,
    metavar="S",
    help="end after so many seconds (default: at Ctrl-C or SIGTERM)",
)
OUT = Option(
    name="out",
    parse=option_types.output_file,
    metavar="FILE",
    help="write the samples to FILE.csv, or as JSON lines to FILE.json, as they come; without --store to nowhere else",
)
SPOOLING = (option("store-required"), option("spool"), option("spool-limit"))
