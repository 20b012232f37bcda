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
import time
import traceback
from typing import TYPE_CHECKING, Any

import gevent
from gevent import GreenletExit
from locust import FastHttpUser, TaskSet, User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

from swarm_ext.arrivals import Normal, Poisson
from swarm_ext.client import SessionPool
from swarm_ext.generator import generator_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from swarm_ext.arrivals import ArrivalProcess
    from swarm_ext.generator import Arrival, Generator, Stream
    from swarm_ext.settings import Settings

logger = logging.getLogger(__name__)

LATE_SPAWNS = 50
"""How many overdue arrivals a stream fires in a row before those in flight get their turn."""

SESSION_SETTINGS = {
    "network_timeout": "network_timeout",
    "connection_timeout": "connection_timeout",
    "max_redirects": "max_redirects",
    "max_retries": "max_retries",
    "insecure": "insecure",
    "ssl_context_factory": "ssl_context_factory",
    "default_headers": "headers",
    "proxy_host": "proxy_host",
    "proxy_port": "proxy_port",
}
"""FastHttpUser's attributes that shape a session, and what FastHttpSession calls them."""


class ArrivalUser(FastHttpUser):
    """A user whose tasks are started by an arrival process. Subclass it and say which in `arrival_process`.

    FastHttpUser's attributes work as they do there: `host`, `network_timeout`, `connection_timeout`, `default_headers`, ….
    """

    abstract = True

    def __init__(self, environment: Environment) -> None:
        self._generator: Generator = generator_of(environment)
        super().__init__(environment)
        self.tasks = [type(self).run_stream]
        self.process = self.arrival_process()

    def arrival_process(self) -> ArrivalProcess | None:
        """Return the process of this user's stream; None for closed-loop load without a pause."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say which arrivals it makes: define arrival_process"
        )

    @property
    def settings(self) -> Settings:
        """This run's options."""
        return self._generator.settings

    @property
    def path(self) -> str:
        """The path that --path asks for."""
        return self.settings.path

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002 - Locust's signature
        """Stop the stream at once. Its requests in flight are not this greenlet's: they go on until the run is drained."""
        return bool(super().stop(force=True))

    def run_stream(self) -> None:
        """Be this user's only task for Locust: fire arrivals until the user is removed."""
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
        due = stream.start
        late = 0
        for gap in self.process.gaps(stream.rng):
            due += gap
            delay = due - time.monotonic()
            late = 0 if delay > 0 else late + 1
            if delay > 0:
                gevent.sleep(delay)
            elif late % LATE_SPAWNS == 0:
                gevent.sleep(0)
            if not (
                generator.scheduling and generator.lease.take(generator.rate or 0.0) and generator.scheduling
            ):
                return
            generator.fire(stream, due, self._run_of(stream, tasks))

    def _loop_closed(self, stream: Stream) -> None:
        generator, tasks = self._generator, type(self).tasks
        gaps = self.process.gaps(stream.rng) if self.process is not None else None
        while generator.scheduling and generator.lease.take(generator.measured_rate) and generator.scheduling:
            arrival = generator.fire(stream, None, self._run_of(stream, tasks))
            if arrival is not None and arrival.greenlet is not None:
                arrival.greenlet.join()
            gevent.sleep(next(gaps) if gaps is not None else 0)

    def _run_of(self, stream: Stream, tasks: list[Any]) -> Callable[[Arrival], None]:
        task = tasks[int(stream.rng.random() * len(tasks))] if len(tasks) > 1 else tasks[0]
        return lambda arrival: self._run(arrival, task)

    def _run(self, arrival: Arrival, task: Callable[[ArrivalUser], None]) -> None:
        """Run one task for one arrival, in a greenlet of its own."""
        arrival.begin()
        pool = self._pool()
        visitor = self._copy()
        visitor.client = session = pool.acquire(visitor, arrival)
        try:
            task(visitor)
        except (RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet):
            pass
        except StopUser:
            gevent.spawn(self.stop)
        except StopTest as stop:
            self._generator.on_stop_test(str(stop))
        except GreenletExit:
            pool.discard(session)
            arrival.end("abandoned")
            return
        except Exception as error:  # noqa: BLE001 - a task may raise anything; Locust counts it and goes on
            arrival.failed = True
            self._report(error)
        pool.release(session)
        arrival.end("failed" if arrival.failed else "completed")

    def _report(self, error: Exception) -> None:
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)
        logger.error("%s\n%s", error, traceback.format_exc())

    def _pool(self) -> SessionPool:
        pools, base_url = self._generator.pools, self.client.base_url or ""
        key = (type(self), base_url)
        if key not in pools:
            shape = {theirs: getattr(self, ours) for ours, theirs in SESSION_SETTINGS.items()}
            pools[key] = SessionPool(base_url, keep_alive=self.settings.keep_alive, settings=shape)
        return pools[key]

    def _copy(self) -> ArrivalUser:
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        return clone


class PoissonUser(ArrivalUser):
    """Arrivals of a Poisson process: `lamb` arrivals/s, else --lamb."""

    abstract = True
    lamb: float | None = None

    def arrival_process(self) -> ArrivalProcess:
        """Return the Poisson process of this stream."""
        return Poisson(self.settings.lamb if self.lamb is None else self.lamb)


class NormalUser(ArrivalUser):
    """Normal gaps with mean `mu` and standard deviation `sigma` [s], else --mu and --sigma; never negative."""

    abstract = True
    mu: float | None = None
    sigma: float | None = None

    def arrival_process(self) -> ArrivalProcess:
        """Return the process of this stream's gaps."""
        mu = self.settings.mu if self.mu is None else self.mu
        return Normal(mu, self.settings.gap_sigma if self.sigma is None else self.sigma)


class ClosedUser(ArrivalUser):
    """Closed-loop load without a pause: each user sends its next request when the last one was answered."""

    abstract = True

    def arrival_process(self) -> None:
        """Return None: nothing but the responses sets the pace."""
        return


def fault(user_class: type[User], *, closed: bool) -> str | None:
    """Return why a user class cannot make arrivals, in one line; None if it can, or is not one of ours."""
    if not issubclass(user_class, ArrivalUser):
        return None
    name = user_class.__name__
    if not user_class.tasks:
        return f"{name} has no task: mark a method with @task, and mind --tags and --exclude-tags"
    sets = [task.__name__ for task in user_class.tasks if inspect.isclass(task) and issubclass(task, TaskSet)]
    if sets:
        return f"{name} has the TaskSet {sets[0]} as a task, which never ends: use @task methods, one arrival runs one of them"
    if not closed and inspect.getattr_static(user_class, "wait_time") is not inspect.getattr_static(
        User, "wait_time"
    ):
        return f"{name} has a wait_time, but arrivals set the pace: remove it, or choose arrivals by --lamb, --mu and --sigma"
    return None
