"""Locust users that fire arrivals open-loop: the schedule never waits for a response.

Write one as any Locust user, with `@task` methods that use `self.client`; each arrival runs one task, picked by weight:

    import swarm_ext.plugin
    from locust import task
    from swarm_ext.users import PoissonUser

    class Visitor(PoissonUser):
        @task
        def visit(self):
            self.client.get("/primecheck")

Each user is one independent stream, so `-u 10 --lamb 5` offers a Poisson process of 50 arrivals/s. Tasks of one user run at
the same time: `self` in a task is this arrival's own copy, with a client of its own. What `on_start` puts on `self` is seen
by all of them; what a task puts on `self` is seen by nobody else.
"""

from __future__ import annotations

import inspect
import logging
import traceback
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
from gevent import GreenletExit
from locust import FastHttpUser, User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

from swarm_ext.arrivals import (
    ArrivalProcess,
    Normal,
    PointProcess,
    Poisson,
    VaryingPoisson,
    parse_profile,
)
from swarm_ext.client import Session, sessions
from swarm_ext.client.shape import session_settings
from swarm_ext.generator import generator_of
from swarm_ext.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent import Greenlet
    from gevent.pool import Group
    from locust.env import Environment

    from swarm_ext.arrival import Arrival
    from swarm_ext.client import Sessions
    from swarm_ext.generator import Generator
    from swarm_ext.load import Outcome
    from swarm_ext.settings import Settings
    from swarm_ext.stream import Stream

logger = logging.getLogger(__name__)


def _demand(kind: type, name: str, value: object, remedy: str) -> None:
    """Raise ValueError unless what a locustfile set is of a kind."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r}: give {remedy}")  # noqa: TRY004 - as every mistake in a locustfile


def has_wait_time(user_class: type[User]) -> bool:
    """Return whether a user class sets a wait_time of its own."""
    return inspect.getattr_static(user_class, "wait_time") is not inspect.getattr_static(User, "wait_time")


class ArrivalUser(FastHttpUser):
    """A user whose tasks are started by an arrival process, `arrivals`, such as `swarm_ext.arrivals.Constant(5)`.

    FastHttpUser's attributes work as they do there: `host`, `network_timeout`, `connection_timeout`,
    `default_headers` and so on.
    """

    abstract = True
    arrivals: ClassVar[PointProcess | None] = None

    def __init__(self, environment: Environment) -> None:
        self._generator: Generator = generator_of(environment)
        super().__init__(environment)
        self.tasks = [type(self).run_stream]
        try:
            self.client = self._sessions().acquire(self, environment.events.request)
        except ValueError as error:
            raise StopTest(str(error)) from None
        self.process = self.arrival_process(self.settings)

    @classmethod
    def arrival_process(cls, chosen: Settings) -> PointProcess | None:  # noqa: ARG003 - for those who override it
        """Return the process of each user's stream, under the run's options; None: closed loop without a pause.

        Raise ValueError if there is none with such parameters.
        """
        if cls.arrivals is None:
            raise ValueError(
                f"{cls.__name__} does not say which arrivals it makes: set `arrivals = Poisson(20)`, say"
            )
        _demand(PointProcess, "arrivals", cls.arrivals, "an arrival process, such as Poisson(20)")
        return cls.arrivals

    @property
    def settings(self) -> Settings:
        """This run's options."""
        return self._generator.settings

    @property
    def path(self) -> str:
        """The path that --path asks for."""
        return self.settings.path

    def start(self, group: Group) -> Greenlet:
        """Start the user; when it has ended, what `on_stop` opened is closed."""
        greenlet: Greenlet = super().start(group)
        client: Any = self.client
        if isinstance(client, Session):
            greenlet.link(lambda _: client.close())
        return greenlet

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002 - Locust's signature
        """Stop the stream at once. Its requests in flight are not this greenlet's: they go on until the run is drained."""
        return bool(super().stop(force=True))

    def run_stream(self) -> None:
        """Be this user's only task for Locust: fire arrivals until the user is removed."""
        client: Any = self.client
        if isinstance(client, Session):
            client.close()  # on_start is over, and what it opened is not needed until on_stop
        closed_loop = self.settings.closed or self.process is None
        while True:
            stream = self._generator.open_stream(None if closed_loop else self.process)
            try:
                if closed_loop:
                    self._loop_closed(stream)
                else:
                    self._loop_open(stream)
            finally:
                self._generator.close_stream(stream)
            self._generator.wait_until_resumed()

    def _loop_open(self, stream: Stream) -> None:
        assert self.process is not None  # noqa: S101 - for the type checker; the caller looked
        generator, tasks = self._generator, type(self).tasks
        pace = Pace()
        for instant in self.process.instants(stream.rng, stream.begin):
            due = stream.origin + instant
            pace.wait_until(due)
            if not (
                generator.scheduling and generator.lease.take(generator.open_rate) and generator.scheduling
            ):
                return
            generator.fire(stream, due, self._run, self._pick(stream, tasks))
        generator.wait_until_stopped()

    def _loop_closed(self, stream: Stream) -> None:
        generator, tasks = self._generator, type(self).tasks
        pause = self._pause(stream)
        while generator.scheduling and generator.lease.take(generator.measured_rate) and generator.scheduling:
            arrival = generator.fire(stream, None, self._run, self._pick(stream, tasks))
            if arrival is not None:
                arrival.join()
            gevent.sleep(pause())

    def _pause(self, stream: Stream) -> Callable[[], float]:
        """Return what gives the seconds between a response and the next request: wait_time, else the process's gaps."""
        if has_wait_time(type(self)):
            return self.wait_time
        if not isinstance(self.process, ArrivalProcess):
            return lambda: 0.0
        return self.process.gaps(stream.rng).__next__

    def _pick(self, stream: Stream, tasks: list[Any]) -> Any:
        return tasks[int(stream.rng.random() * len(tasks))] if len(tasks) > 1 else tasks[0]

    def _run(self, arrival: Arrival, task: Callable[[ArrivalUser], None]) -> None:
        """Run one task for one arrival, in a greenlet that nothing else uses meanwhile."""
        arrival.begin()
        pool = self._sessions()
        visitor = self._copy()
        visitor.client = session = pool.acquire(visitor, arrival)
        outcome: Outcome = "abandoned"
        try:
            self._execute(task, visitor, arrival)
            outcome = "failed" if arrival.failed else "completed"
        finally:
            if outcome == "abandoned":
                pool.discard(session)  # a GreenletExit: cut off at the end of the run
            else:
                pool.release(session)
            arrival.end(outcome)

    def _execute(self, task: Callable[[ArrivalUser], None], visitor: ArrivalUser, arrival: Arrival) -> None:
        try:
            task(visitor)
        except (RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet):
            pass
        except StopUser:
            gevent.spawn(self.stop)
        except StopTest as stop:
            self._generator.on_stop_test(str(stop))
        except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - Locust counts whatever a task raises, and goes on
            arrival.failed = True
            self._report(error)

    def _report(self, error: BaseException) -> None:
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)
        logger.error("%s\n%s", error, traceback.format_exc())

    def _sessions(self) -> Sessions:
        pools, key = self._generator.pools, (type(self), self.host)
        found = pools.get(key)
        if found is None:
            found = pools[key] = sessions(
                self.host or "", keep_alive=self.settings.keep_alive, settings=session_settings(self)
            )
        return found

    def _copy(self) -> ArrivalUser:
        clone = object.__new__(type(self))
        clone.__dict__ = self.__dict__.copy()
        return clone


class PoissonUser(ArrivalUser):
    """Arrivals of a Poisson process: `lamb` arrivals/s, else --lamb."""

    abstract = True
    lamb: ClassVar[float | None] = None

    @classmethod
    def arrival_process(cls, chosen: Settings) -> PointProcess:
        """Return the Poisson process of each stream."""
        return Poisson(chosen.lamb if cls.lamb is None else cls.lamb)


class NormalUser(ArrivalUser):
    """Normal gaps with mean `mu` and standard deviation `sigma` [s], else --mu and --sigma; never negative."""

    abstract = True
    mu: ClassVar[float | None] = None
    sigma: ClassVar[float | None] = None

    @classmethod
    def arrival_process(cls, chosen: Settings) -> PointProcess:
        """Return the process of each stream's gaps."""
        mu = chosen.mu if cls.mu is None else cls.mu
        return Normal(mu, chosen.gap_sigma if cls.sigma is None else cls.sigma)


class ProfileUser(ArrivalUser):
    """Poisson arrivals whose rate varies: `rate_profile`, such as "10@60s,10..50@2m", else --rate-profile."""

    abstract = True
    rate_profile: ClassVar[str | None] = None

    @classmethod
    def arrival_process(cls, chosen: Settings) -> PointProcess:
        """Return the process of each stream, whose time is that of the run; raise ValueError if there is no profile."""
        if cls.rate_profile is not None:
            _demand(str, "rate_profile", cls.rate_profile, 'a text, such as "10@60s,10..50@2m"')
            return VaryingPoisson(parse_profile(cls.rate_profile))
        profile = chosen.rate_profile
        if profile is None:
            raise ValueError("there is no rate profile: give --rate-profile, such as 10@60s,10..50@2m")
        return VaryingPoisson(profile)


class ReplayUser(ArrivalUser):
    """Recorded arrivals, those of --replay: each is fired once, by one of the users, however many they are."""

    abstract = True

    @classmethod
    def arrival_process(cls, chosen: Settings) -> None:
        """Return None: the record sets the pace, for all users together; raise ValueError if there is none."""
        if chosen.replay is None:
            raise ValueError(
                "there is nothing to replay: give --replay arrivals.csv, a file with a time in each row"
            )

    def run_stream(self) -> None:
        """Be this user's only task for Locust: fire recorded arrivals until the user is removed."""
        while True:
            stream = self._generator.open_stream(None)
            try:
                self._replay(stream)
            finally:
                self._generator.close_stream(stream)
            self._generator.wait_until_resumed()

    def _replay(self, stream: Stream) -> None:
        generator, player, tasks = self._generator, self._generator.player, type(self).tasks
        pace = Pace()
        while True:
            recorded = player.take()
            due = stream.origin + recorded.instant
            try:
                pace.wait_until(due)
            except GreenletExit:
                player.put_back(recorded)
                raise
            if not generator.scheduling:
                return
            if player.claim(recorded):
                generator.fire(stream, due, self._run, self._pick(stream, tasks))


class ClosedUser(ArrivalUser):
    """Closed-loop load without a pause: each user sends its next request when the last one was answered."""

    abstract = True

    @classmethod
    def arrival_process(cls, chosen: Settings) -> None:  # noqa: ARG003 - no option sets the pace
        """Return None: nothing but the responses sets the pace."""
        return
