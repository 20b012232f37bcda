"""`swarm-ext doctor`: what is in order and what is not."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import msgspec

from swarm_ext.commands.click_options import option, with_options
from swarm_ext.commands.run_options import CADVISOR_PORT_HELP
from swarm_ext.doctor.examination import Patient, examine
from swarm_ext.settings import settings

if TYPE_CHECKING:
    from swarm_ext.doctor.finding import Finding

OPTIONS = (
    option(
        "swarm",
        default="docker",
        choices=("docker", "none"),
        help="docker: ask the manager that DOCKER_HOST leads to; none: leave Docker and the services out",
    ),
    option("service", default=None, help="ask about this service (default: those with autoscaler labels)"),
    option("cadvisor", help="look at these cAdvisors instead of the swarm's own nodes"),
    option("cadvisor-port", help=CADVISOR_PORT_HELP),
    option("store"),
    option("spool"),
)

_COLUMN = 13
_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red", "not checked": "yellow"}


@click.command()
@with_options(*OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
def doctor(*, as_json: bool, **values: Any) -> None:
    """Say what is in order and what is not, and what to do about it.

    It looks at this machine, Docker, each node's cAdvisor and clock, the store, and the services that are to be scaled. It
    changes nothing, and takes some seconds. The exit code is 0 if nothing is wrong, and else 1.

    \b
    Examples:
      swarm-ext doctor
      swarm-ext doctor --service web --store sqlite:///swarm-ext.db
      swarm-ext doctor --swarm none --cadvisor http://localhost:8070
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    chosen = settings(SimpleNamespace(**values))
    patient = Patient(
        swarm=chosen.swarm,
        service=values["service"],
        store=chosen.store,
        spool=chosen.spool,
        spool_limit_bytes=chosen.spool_limit,
        cadvisor=chosen.cadvisor,
        cadvisor_port=chosen.cadvisor_port,
    )
    findings = []
    for finding in examine(patient):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    if any(finding.status in ("wrong", "not checked") for finding in findings):
        sys.exit(1)


def _print(finding: Finding) -> None:
    status = click.style(finding.status.ljust(_COLUMN), fg=_COLOURS[finding.status])
    click.echo(f"{status}{finding.subject}: {finding.text}")
    if finding.remedy:
        click.echo(f"{'':{_COLUMN}}→ {finding.remedy}")
