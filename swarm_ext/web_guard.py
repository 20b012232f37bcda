"""The page's Start button: what it asks for is checked before Locust acts on it, and refused with words it shows."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from flask import Response, jsonify, request
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner

from swarm_ext.errors import UserError
from swarm_ext.options import OPTIONS
from swarm_ext.preflight import check_host, check_users
from swarm_ext.settings import options_of, settings
from swarm_ext.swarm import SwarmError

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.web import WebUI

    from swarm_ext.bench import Bench


def install(environment: Environment, web_ui: WebUI, bench: Bench) -> None:
    """Check each POST of the start form."""
    base = (options_of(environment).web_base_path or "").rstrip("/")

    def guard() -> Response | None:
        if request.method != "POST" or request.path != f"{base}/swarm":
            return None
        try:
            _check(environment, bench)
        except (UserError, SwarmError) as error:
            reply: Response = jsonify({"success": False, "message": str(error), "host": environment.host})
            return reply
        return None

    if web_ui.app is not None:
        web_ui.app.before_request(guard)


def _check(environment: Environment, bench: Bench) -> None:
    asked = copy.copy(options_of(environment))
    for option in OPTIONS:
        if option.on_page and option.dest in request.form:
            setattr(asked, option.dest, request.form[option.dest])
    chosen = settings(asked)
    host = request.form.get("host", "").strip() or None
    if bench.swarm is not None:
        own = options_of(environment).host
        if host not in (None, own):
            raise UserError(
                f"host {host!r}: the embedded swarm is the host, {own}; leave the field as it is, or blank"
            )
        _restore_host(environment, own)
    else:
        check_host(environment.user_classes, host or environment.host)
    check_users(environment.user_classes, chosen)
    runner = environment.runner
    if runner is None or runner.state in (STATE_RUNNING, STATE_SPAWNING):
        return  # only the number of users changes
    if isinstance(runner, MasterRunner) and not runner.clients.ready:
        raise UserError(
            f"0 of {len(runner.clients.all)} workers are ready: workers that stop take --stop-timeout to be; try again soon"
        )
    bench.plan(chosen)
    bench.prepare(chosen)


def _restore_host(environment: Environment, own: str) -> None:
    """Let a blank host field mean the embedded swarm: Locust would take the blank."""
    form = request.form.to_dict(flat=False)
    form["host"] = [own]
    request.form = type(request.form)(form)
    environment.host = own
