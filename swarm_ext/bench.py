"""What lasts as long as the process, on the master or in the local process: store, swarm, and the run under way.

It is opened at Locust's `init`, where everything that a run needs is checked before any load; each run gets a Conductor.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from locust.stats import console_logger

from swarm_ext import locust_ending, report_process, summary
from swarm_ext.asked import Asked
from swarm_ext.conductor import Conductor
from swarm_ext.errors import UserError
from swarm_ext.observation import Observation
from swarm_ext.preflight import check_host, check_users, lasts_seconds
from swarm_ext.recordings import read_trace
from swarm_ext.replicas import InitialReplicas
from swarm_ext.run_record import new_run
from swarm_ext.sampler import static_nodes
from swarm_ext.scaling import noise_warning
from swarm_ext.scaling_plan import plan
from swarm_ext.settings import options_of, settings
from swarm_ext.store import DEFAULT_STORE, open_run_store
from swarm_ext.swarm_opening import open_swarm, service_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gevent import Greenlet
    from locust.env import Environment

    from swarm_ext.load_source import LoadSource
    from swarm_ext.model import Node, Run
    from swarm_ext.scaling import ScalingPlan
    from swarm_ext.settings import Settings
    from swarm_ext.store import RunStore
    from swarm_ext.swarm import Swarm

logger = logging.getLogger(__name__)

END_SECONDS = 240.0
"""How long the process waits at most, beyond the settle phase, for its last run to be stored and reported."""

PROGRESS_SECONDS = 5.0


class Bench:
    """The test bench. `load` is where the load comes from: the local generator, or the workers."""

    def __init__(self, environment: Environment, load: LoadSource) -> None:
        self.environment = environment
        self._load = load
        self._store_uri: str = options_of(environment).store
        options_of(environment).store = DEFAULT_STORE  # neither workers nor the page need to know it
        self._store: RunStore | None = None
        self.swarm: Swarm | None = None
        self._service = ""
        self._initial: InitialReplicas | None = None
        self._conductor: Conductor | None = None
        self._progress: Greenlet | None = None
        self._autostart_run_time = self._run_time_of_autostart()
        self._words = ""
        self._quitting = False
        self._interrupted = False
        self.is_over = False

    # once a process

    def open(self) -> None:
        """Check everything that a run needs, and start what all runs share; raise UserError."""
        chosen = self.settings()
        if not options_of(self.environment).class_picker:
            self.check_locustfile(chosen)
            self.asked(chosen)
        if chosen.swarm != "local" and self._starts_by_itself:
            check_host(self.environment.user_classes, self.environment.host)
        if chosen.report is not None:
            report_process.check_installed()
        self._store = open_run_store(
            self._store_uri,
            spool=chosen.spool,
            spool_limit_bytes=chosen.spool_limit,
            required=chosen.store_required,
        )
        self.swarm = open_swarm(self.environment, chosen)
        if self.swarm is not None:
            self._service = service_name(self.swarm, chosen)
        self.plan(chosen)
        self._initial = InitialReplicas(self.swarm, self._service)
        if self._starts_by_itself:
            self._initial.prepare(chosen.initial_replicas)  # before -t begins to count

    def settings(self) -> Settings:
        """Return the settings that the options ask for now; raise UserError."""
        return settings(options_of(self.environment))

    def check_locustfile(self, chosen: Settings) -> None:
        """Check that the locustfile's users can make arrivals; raise UserError."""
        self.environment._filter_tasks_by_tags()  # noqa: SLF001 - Locust does so at a run's start, once
        check_users(self.environment.user_classes, chosen)

    def asked(self, chosen: Settings) -> Asked:
        """Return what a run's load is asked to be; raise UserError if it cannot be read."""
        seconds = lasts_seconds(self.environment.user_classes, chosen)
        if chosen.replay is None:
            return Asked(chosen, None, seconds)
        try:
            trace = read_trace(Path(chosen.replay)).scaled(chosen.replay_speed)
        except ValueError as error:
            raise UserError(f"--replay {error}") from None
        return Asked(chosen, trace if chosen.iter is None else trace.first(chosen.iter), seconds)

    def plan(self, chosen: Settings) -> ScalingPlan | None:
        """Return what the autoscaler shall do in a run; raise UserError if it cannot."""
        service = None if self.swarm is None else self.swarm.service(self._service)
        return plan(chosen, service)

    @property
    def _starts_by_itself(self) -> bool:
        options = options_of(self.environment)
        return bool(options.headless or options.autostart)

    def _run_time_of_autostart(self) -> float | None:
        """Return the seconds of -t where Locust counts them for a run that it begins beside the page."""
        options = options_of(self.environment)
        begins = options.autostart and not options.headless and self.environment.shape_class is None
        return (options.run_time or None) if begins else None

    # each run

    def prepare(self, chosen: Settings) -> None:
        """End the run before, if it is settling; set the initial replicas and wait for them. Raise UserError."""
        self._end_last_run()
        if self._initial is not None:
            self._initial.prepare(chosen.initial_replicas)

    def _end_last_run(self) -> None:
        if self._conductor is not None and not self._conductor.ended.is_set():
            self._conductor.hurry()
            self._conductor.stop_load("interrupted")
            self._conductor.ended.wait(END_SECONDS)

    def begin(self) -> None:
        """Begin a run (Locust's test_start): when this returns, users are spawned.

        Raise GreenletExit, as Locust's own Stop would, if the run was ended meanwhile.
        """
        self._end_last_run()
        run_time, self._autostart_run_time = self._autostart_run_time, None
        try:
            chosen = self.settings()
            self.check_locustfile(chosen)
            asked = self.asked(chosen)
            scaling = self.plan(chosen)
            self.prepare(chosen)
        except Exception as error:  # noqa: BLE001 - a UserError, or a swarm that went away: either way there is no run
            self._have_no_run(error)
            return
        assert self._store is not None  # noqa: S101 - for the type checker: `open` has succeeded
        observation = Observation(
            self._store,
            nodes=self._nodes(chosen),
            swarm=self.swarm,
            plan=scaling,
            service=self._service,
            sample_interval_seconds=chosen.sample_interval,
        )
        self._conductor = Conductor(
            new_run(self.environment, asked, self.swarm, self._service),
            asked,
            self._load,
            observation,
            stop_timeout=lambda: float(self.environment.stop_timeout or 0.0),
            finish_locust=lambda: locust_ending.finish(self.environment),
            on_end=lambda run: self._conclude(run, chosen, observation),
        )
        timer = None if run_time is None else gevent.spawn_later(run_time, self.stop_beginning)
        try:
            self._conductor.begin()
        except UserError as error:
            self._conductor = None
            self._have_no_run(error)
            return
        finally:
            if timer is not None:
                timer.kill(block=False)
        if self._conductor.is_ending:
            locust_ending.leave_before_users(self.environment)
        if scaling is not None:
            logger.info("Autoscaling %s by %r within %s", scaling.service, scaling.policy, scaling.bounds)
            self._warn_of_noise(self._conductor.run, scaling)
        if self._starts_by_itself:
            self._progress = gevent.spawn(self._tell_progress, observation)

    def _have_no_run(self, error: Exception) -> None:
        logger.error("No run: %s", error)  # one line for a person
        if self._starts_by_itself:
            self.environment.process_exit_code = 2
        gevent.spawn(locust_ending.finish, self.environment)

    def _nodes(self, chosen: Settings) -> Callable[[], Sequence[Node]] | None:
        if chosen.cadvisor is not None:
            nodes = static_nodes(chosen.cadvisor)
            return lambda: nodes
        return None if self.swarm is None else self.swarm.nodes

    def _warn_of_noise(self, run: Run, scaling: ScalingPlan) -> None:
        rate, users = run.arrival_process and run.arrival_process.rate, options_of(self.environment).num_users
        tolerance = getattr(scaling.policy, "tolerance", None)
        if rate and users and tolerance and self.environment.shape_class is None:
            warning = noise_warning(rate * users, scaling.window_seconds, tolerance)
            if warning is not None:
                logger.warning("%s", warning)

    def _tell_progress(self, observation: Observation) -> None:
        began = time.monotonic()
        while True:
            gevent.sleep(PROGRESS_SECONDS)
            logger.info(
                "%s",
                summary.progress(
                    observation.latest_load, observation.latest_service, time.monotonic() - began
                ),
            )

    @property
    def is_beginning(self) -> bool:
        """Whether a run is waiting for its workers: Locust does not know yet that it has a run that it can stop."""
        return self._conductor is not None and self._conductor.is_beginning

    def stop_beginning(self) -> None:
        """End the run that is beginning, if one is: Locust gives it no users, and its load is over when this returns."""
        if self._conductor is not None and self._conductor.is_beginning:
            self._conductor.stop_load("interrupted")

    def stopping(self) -> None:
        """End the run's load (Locust's test_stopping): when this returns, every arrival is accounted for."""
        if self._conductor is not None:
            self._conductor.stop_load("interrupted" if self._interrupted else "finished")

    def stopped(self) -> None:
        """See a headless run through to its end (Locust's test_stop); with a page, it ends while the page is served."""
        if self._conductor is not None and self.environment.web_ui is None:
            self._conductor.ended.wait(self._conductor.settle_seconds + END_SECONDS)

    def _conclude(self, run: Run, chosen: Settings, observation: Observation) -> None:
        if self._progress is not None:
            self._progress.kill(block=False)
        if self._initial is not None:
            self._initial.restore()
        self._words = summary.summary(run, observation.replica_changes)
        if not (run.totals and run.totals.offered) and not self._interrupted:
            logger.error("The run offered no arrivals: see above for why, or let it last longer")
            self.environment.process_exit_code = self.environment.process_exit_code or 1
        if run.exit_status == "failed":
            self.environment.process_exit_code = self.environment.process_exit_code or 1
        if chosen.report is not None:
            report = report_process.render(run.id, self._store_uri, chosen.report)
            if report is None:
                self.environment.process_exit_code = self.environment.process_exit_code or 1
            self._words += f"\n  report         {report or 'failed, see above'}"
        if self.environment.web_ui is not None:
            self.say_words()

    # the end of the process

    def say_words(self) -> None:
        """Print the last run's summary, once; when headless it comes last, below Locust's own tables."""
        if self._words:
            console_logger.info("\n%s\n", self._words)
        self._words = ""

    def interrupt(self) -> None:
        """Note that a signal came: the run under way is *interrupted*, and its settle phase is cut short."""
        self._interrupted = True
        if self._conductor is not None:
            self._conductor.hurry()

    def quit(self) -> None:
        """See the last run through (Locust's quitting), cut short after Ctrl-C, and let go of everything."""
        if self._quitting:
            Event().wait(END_SECONDS)  # a second shutdown, by a second signal: the first one ends the process
            return
        self._quitting = True
        try:
            if self._conductor is not None:
                self._conductor.stop_load("interrupted")
                self._conductor.ended.wait(self._conductor.settle_seconds + END_SECONDS)
        finally:
            self.close()
            self.is_over = True

    def close(self) -> None:
        """Let go of swarm and store. Idempotent."""
        if self.swarm is not None:
            self.swarm.close()
        if self._store is not None:
            self._store.close()
