"""A visitor with a client, for tests: what it requests, and what it reports."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from locust import FastHttpUser

from swarm_ext.client import sessions
from swarm_ext.client.shape import session_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_ext.client import Session


class Reports:
    """Collects what is reported of requests."""

    def __init__(self) -> None:
        self.fired: list[dict[str, Any]] = []

    def fire(self, **request: Any) -> None:
        self.fired.append(request)

    @property
    def last(self) -> dict[str, Any]:
        return self.fired[-1]

    @property
    def failure(self) -> str:
        """What Locust's table of failures says of the last request."""
        assert self.last["exception"] is not None
        return repr(self.last["exception"])


class Visitors:
    """The visitors of one user class."""

    def __init__(self, base_url: str, *, keep_alive: bool = False, **settings: Any) -> None:
        shape = {**session_settings(FastHttpUser), **settings}
        self.sessions = sessions(base_url, keep_alive=keep_alive, settings=shape)

    @contextmanager
    def one(self, user: Any = None) -> Iterator[tuple[Session, Reports]]:
        reports = Reports()
        session = self.sessions.acquire(user, reports)
        yield session, reports
        self.sessions.release(session)


@contextmanager
def visit(base_url: str, **options: Any) -> Iterator[tuple[Session, Reports]]:
    """Be the only visitor of a site."""
    visitors = Visitors(base_url, **options)
    with visitors.one() as visitor:
        yield visitor
    visitors.sessions.close()
