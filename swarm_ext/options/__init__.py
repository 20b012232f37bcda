"""Every command-line option of ours, in one place: a module for each topic, and here all of them under their headings."""

from swarm_ext.options.arrivals import ARRIVAL_OPTIONS
from swarm_ext.options.autoscaling import AUTOSCALE_OPTIONS
from swarm_ext.options.observation import OBSERVE_OPTIONS
from swarm_ext.options.option import Option
from swarm_ext.options.swarm import SWARM_OPTIONS

__all__ = ["GROUPS", "OPTIONS", "Option"]

GROUPS = (
    ("swarm-ext: arrivals", ARRIVAL_OPTIONS),
    ("swarm-ext: the swarm and the phases of a run", SWARM_OPTIONS),
    ("swarm-ext: samples, store and report", OBSERVE_OPTIONS),
    ("swarm-ext: autoscaling", AUTOSCALE_OPTIONS),
)
OPTIONS = tuple(option for _, options in GROUPS for option in options)
