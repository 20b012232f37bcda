"""The composition root: `import swarm_ext.plugin` in a locustfile adds our options to Locust and wires everything up.

It is the only module of this package whose import has an effect.
"""

from __future__ import annotations

import logging
import resource
import sys
from typing import TYPE_CHECKING, Any

import gevent
import psutil
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from swarm_ext import generator, signals, web_guard
from swarm_ext.bench import Bench
from swarm_ext.distributed.departures import hear_others_meanwhile, let_the_resting_quit
from swarm_ext.distributed.fleet import Fleet
from swarm_ext.distributed.worker import Worker
from swarm_ext.errors import UserError
from swarm_ext.generator import RunInfo
from swarm_ext.load_source import LocalLoad
from swarm_ext.options.registration import add_options
from swarm_ext.quota import Lease
from swarm_ext.settings import check_after_parsing, options_of, settings
from swarm_ext.store import StoreError
from swarm_ext.swarm import SwarmError
from swarm_ext.warm_up import warm_up

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.runners import Runner
    from locust.web import WebUI

logger = logging.getLogger(__name__)


def _add_options(parser: LocustArgumentParser, **_: Any) -> None:
    add_options(parser)
    check_after_parsing(parser)


def _wire(environment: Environment, runner: Runner | None, web_ui: WebUI | None = None, **_: Any) -> None:
    own = generator.generator_of(environment)
    if runner is None:
        chosen = settings(environment.parsed_options)
        own.begin(RunInfo(id="debugging", seed=chosen.seed or 0), chosen, Lease())
        return  # one user, run by hand for debugging: it generates, and nothing watches
    if environment.parsed_options is None:
        logger.error(
            "This Environment has no parsed_options, so swarm_ext neither observes nor stores its runs"
        )
        return
    _raise_file_limit()
    warm_up()
    if isinstance(runner, WorkerRunner):
        Worker(environment, runner, own)
        signals.handle_on_worker(environment)
        return
    if isinstance(runner, MasterRunner):
        options_of(environment).enable_rebalancing = True
        hear_others_meanwhile(runner)
        let_the_resting_quit(runner)
        same_machine = options_of(environment).swarm == "local"
        load: Fleet | LocalLoad = Fleet(environment, runner, same_machine=same_machine)
        logger.info("Workers are rebalanced when one joins or is lost")
    else:
        load = LocalLoad(own)
    bench = Bench(environment, load)

    signals.handle_on_main(environment, bench)
    try:
        bench.open()
    except (UserError, StoreError, SwarmError) as error:
        _leave(bench)
        sys.stderr.write(f"locust: error: {error}\n")
        sys.exit(2)
    except BaseException:
        _leave(bench)
        raise
    environment.events.test_start.add_listener(lambda **_: bench.begin())
    environment.events.test_stopping.add_listener(lambda **_: bench.stopping())
    environment.events.test_stop.add_listener(lambda **_: bench.stopped())
    environment.events.quitting.add_listener(lambda **_: bench.quit())
    environment.events.quit.add_listener(lambda **_: bench.say_words())
    if web_ui is not None:
        web_guard.install(environment, web_ui, bench)
    # the loop's clock stands still while nothing waits: --run-time would count from the beginning of all imports
    gevent.get_hub().loop.update_now()


def _raise_file_limit() -> None:
    """Allow as many connections as the system does; Locust itself goes up to 10,000 only."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        logger.debug("The limit of open files stays as it is: %s", error)


def _leave(bench: Bench) -> None:
    """Let go of everything, and end the workers that --processes forked: they would wait for a minute."""
    bench.close()
    for child in psutil.Process().children():
        child.terminate()


signals.say_interrupted_in_one_line()
generator.provide(__name__)
events.init_command_line_parser.add_listener(_add_options)
events.init.add_listener(_wire)
