"""Options of the autoscaler."""

from __future__ import annotations

from swarm_ext import option_types as t
from swarm_ext.options.option import Option

AUTOSCALE = ("off", "target-utilisation", "target-rate", "threshold")

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
