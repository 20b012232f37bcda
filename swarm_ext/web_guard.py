"""The page's Start button: what it asks for is checked before Locust acts on it, and refused with words it shows.

Locust gives each field of the form the type of the value before, so that a cleared or mistyped number fails inside it. Our own
options never get there: their texts are checked as those of a command line are, and taken over as they are.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

from flask import jsonify, make_response, request
from locust.runners import STATE_RUNNING, STATE_SPAWNING
from werkzeug.datastructures import MultiDict

from swarm_ext.errors import UserError
from swarm_ext.options import OPTIONS
from swarm_ext.preflight import check_host, check_users
from swarm_ext.settings import options_of, settings
from swarm_ext.swarm import SwarmError
from swarm_ext.web_start import StartGate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flask import Flask, Response
    from locust import User
    from locust.env import Environment
    from locust.web import WebUI

    from swarm_ext.bench import Bench
    from swarm_ext.settings import Settings

logger = logging.getLogger(__name__)

ON_PAGE = tuple(option for option in OPTIONS if option.on_page)
OFF_PAGE = tuple(option for option in OPTIONS if not option.on_page)


def install(environment: Environment, web_ui: WebUI, bench: Bench) -> None:
    """Check what is asked for by Start and Edit, let Stop end a start that waits, and show the values in force."""
    if web_ui.app is not None:
        _Guard(environment, web_ui, bench).install(web_ui.app)


class _Guard:
    def __init__(self, environment: Environment, web_ui: WebUI, bench: Bench) -> None:
        self._environment = environment
        self._web_ui = web_ui
        self._bench = bench
        self._gate = StartGate(environment, bench)

    def install(self, app: Flask) -> None:
        """Come before Locust's own views, behind whatever keeps strangers out of them."""
        views = app.view_functions
        start: Callable[[], Any] = views["locust.swarm"]
        stop: Callable[[], Any] = views["locust.stop"]
        views["locust.swarm"] = self._web_ui.auth_required_if_enabled(lambda: self._swarm(start))
        views["locust.stop"] = self._web_ui.auth_required_if_enabled(lambda: self._stop(stop))
        self._end_a_beginning_by_run_time()
        self._show_values_in_force()

    def _end_a_beginning_by_run_time(self) -> None:
        """Let the form's run time end a run that still waits for its workers: Locust's own timer would pass unheard."""
        plain_stop: Callable[[], None] = self._web_ui._stop_runners  # noqa: SLF001 - the timer knows no other way

        def stop() -> None:
            self._gate.end_beginning()
            plain_stop()

        self._web_ui._stop_runners = stop  # type: ignore[method-assign]  # noqa: SLF001

    def _show_values_in_force(self) -> None:
        """Fill the form with our options' present values, as Locust does for its own: a reload shows a run as it is."""
        plain_update: Callable[[], None] = self._web_ui.update_template_args

        def update() -> None:
            plain_update()
            fields = self._web_ui.template_args["extra_options"]
            for option in ON_PAGE:
                fields[option.dest]["default_value"] = getattr(options_of(self._environment), option.dest)

        self._web_ui.update_template_args = update  # type: ignore[method-assign]

    def _stop(self, view: Callable[[], Any]) -> Any:
        self._gate.stop()
        return view()

    def _swarm(self, view: Callable[[], Any]) -> Any:
        try:
            with self._gate.one_at_a_time():
                return self._start_or_edit(view)
        except (UserError, SwarmError) as error:
            if self._is_running:
                logger.warning("Refused: %s", error)  # the page closes its Edit form without a word
            return jsonify({"success": False, "message": str(error), "host": self._environment.host})

    @property
    def _is_running(self) -> bool:
        runner = self._environment.runner
        return runner is not None and runner.state in (STATE_RUNNING, STATE_SPAWNING)

    def _start_or_edit(self, view: Callable[[], Any]) -> Response:
        form: MultiDict[str, str] = MultiDict(request.form)
        chosen = settings(self._asked(form))
        host = self._host(form)
        if self._is_running:
            self._check_edit(form, chosen, host)
            self._take_over(form, chosen)
            return make_response(view())
        users = self._users(form)
        if self._bench.swarm is None:
            check_host(users, host)
        check_users(users, chosen)
        self._bench.plan(chosen)
        self._gate.make_ready(chosen)
        self._take_over(form, chosen)
        return self._gate.begin(view)

    # what the form asks for

    def _asked(self, form: MultiDict[str, str]) -> Any:
        """Return the options as they would be with the form's texts."""
        for option in OFF_PAGE:
            if option.dest in form:
                raise UserError(f"--{option.name} is not the page's to change: give it on the command line")
        asked = copy.copy(options_of(self._environment))
        for option in ON_PAGE:
            if option.dest in form:
                setattr(asked, option.dest, form[option.dest])
        return asked

    def _host(self, form: MultiDict[str, str]) -> str | None:
        """Return the host to be; in `form`, let a blank one mean the embedded swarm: Locust would take the blank."""
        host = form["host"].strip() if "host" in form else self._environment.host
        if self._bench.swarm is None:
            return host
        own: str = options_of(self._environment).host
        if host not in (None, "", own):
            raise UserError(
                f"host {host!r}: the embedded swarm is the host, {own}; leave the field as it is, or blank"
            )
        form["host"] = own
        return own

    def _users(self, form: MultiDict[str, str]) -> Sequence[type[User]]:
        """Return the user classes of the run to be: with --class-picker those that this form names, or all."""
        if not self._web_ui.userclass_picker_is_active:
            return self._environment.user_classes
        self._environment._filter_tasks_by_tags()  # noqa: SLF001 - once, while all classes are there still
        available = self._environment.available_user_classes or {}
        picked = form.getlist("user_classes") or list(available)
        users: list[Any] = [user_class for name, user_class in available.items() if name in picked]
        if not users:
            raise UserError(
                f"user class {', '.join(picked)} is not in the locustfile: pick of {', '.join(available)}"
            )
        return users

    def _check_edit(self, form: MultiDict[str, str], chosen: Settings, host: str | None) -> None:
        """Refuse to change what a running run was started with; raise UserError."""
        present = options_of(self._environment)
        running = settings(present)
        changes = [
            f"--{option.name} {_shown(getattr(present, option.dest))} → {_shown(form[option.dest])}"
            for option in ON_PAGE
            if getattr(running, option.dest) != getattr(chosen, option.dest)
        ]
        if host != self._environment.host:
            changes.append(f"--host {_shown(self._environment.host)} → {_shown(host)}")
        if changes:
            raise UserError(
                f"{', '.join(changes)}: only the users of a running run can change; stop it first, then start anew"
            )

    def _take_over(self, form: MultiDict[str, str], chosen: Settings) -> None:
        """Make our options what the form asks for, and leave Locust the rest of it."""
        options = options_of(self._environment)
        for option in ON_PAGE:
            text = form.pop(option.dest, None)
            if text is None:
                continue
            value = getattr(chosen, option.dest) if option.parse is None else text.strip() or option.default
            setattr(options, option.dest, value)
        request.form = type(request.form)(form)


def _shown(value: object) -> str:
    return "(blank)" if value in (None, "") else str(value)
