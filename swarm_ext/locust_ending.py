"""Ends a run on Locust's side, as Locust would itself, where it offers no way to ask for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import gevent

from swarm_ext.settings import options_of

if TYPE_CHECKING:
    from locust.env import Environment


def finish(environment: Environment) -> None:
    """Make Locust end the run: quit when headless, stop where there is a page. May wait for --autoquit."""
    options, runner, web_ui = options_of(environment), environment.runner, environment.web_ui
    if runner is None:
        return
    if web_ui is None:
        runner.quit()
        return
    web_ui._cancel_run_time_timer()  # noqa: SLF001 - else it would stop the next run
    runner.stop()
    if options.autostart and options.autoquit != -1:
        gevent.sleep(options.autoquit)
        runner.quit()
        web_ui.stop()


def leave_before_users(environment: Environment) -> NoReturn:
    """End Locust's start of a run that is over: it would give users to workers of which nobody knows who they are.

    Raise GreenletExit, as Locust's own Stop would.
    """
    if environment.runner is not None:
        environment.runner._users_dispatcher = None  # noqa: SLF001 - Locust's own stop does so; it is of this start
    raise gevent.GreenletExit
