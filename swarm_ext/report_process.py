"""Renders a run's report in a child process, so that heartbeats and the web page go on meanwhile."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from swarm_ext.slo import Slo

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


def render(run_id: str, store_uri: str, file: str, slo: Slo | None) -> Path | None:
    """Write a run's report to `file` and return where it is; log why not and how to, and return None, if it fails."""
    target = file.replace("{run}", run_id)
    logger.info("Writing the report of run %s", run_id)
    # -P: the working directory may have a `reports` package of its own
    command = [sys.executable, "-P", "-m", "reports.command", run_id, "-o", target]
    if slo is not None:
        command += ["--slo", str(slo)]
    environment = {**os.environ, "SWARM_EXT_STORE": store_uri}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=RENDER_SECONDS, check=False
        )
        problem = done.stderr.strip().splitlines()[-1] if done.returncode and done.stderr.strip() else ""
        failed = done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, problem = True, str(error)
    if failed:
        again = f"swarm-report {run_id} -o {target}"
        logger.error("The report of run %s failed: %s; try again with: %s", run_id, problem, again)
        return None
    return Path(target).resolve()
