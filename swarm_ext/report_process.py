"""Renders a run's report in a child process, so that heartbeats and the web page go on meanwhile."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

from swarm_ext.errors import UserError
from swarm_ext.store import masked

logger = logging.getLogger(__name__)

RENDER_SECONDS = 150.0


def check_installed() -> None:
    """Check that reports can be rendered, before any load; raise UserError."""
    missing = [
        name
        for name in ("pandas", "altair", "vl_convert", "jinja2")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise UserError(f"--report needs {', '.join(missing)}: pip install 'swarm-ext[reports]'")


def render(run_id: str, store_uri: str, file: str) -> Path | None:
    """Write a run's report to `file` and return where it is; log why not and how to, and return None, if it fails."""
    target = file.replace("{run}", run_id)
    logger.info("Writing the report of run %s", run_id)
    # -P: the working directory may have a `reports` package of its own
    command = [sys.executable, "-P", "-m", "reports.command", run_id, "-o", target]
    environment = {**os.environ, "SWARM_EXT_STORE": store_uri}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=RENDER_SECONDS,
            check=False,
            start_new_session=True,  # Ctrl-C is for the run; its report is still wanted
        )
        problem = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        failed = done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, problem = True, str(error)
    if failed:
        again = f"swarm-report {run_id} --store {masked(store_uri)} -o {target}"
        logger.error("The report of run %s failed: %s; try again with: %s", run_id, problem, again)
        return None
    return Path(target).resolve()
