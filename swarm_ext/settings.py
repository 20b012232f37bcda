"""One run's options as one typed, checked value.

The same rules hold wherever a value comes from: command line, environment, locust.conf, the web form (which hands over
texts, whatever the option's type), or the master's message to a worker. So each node calls `settings` anew for each run.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from swarm_ext.arrivals import RateProfile
from swarm_ext.errors import UserError
from swarm_ext.options import OPTIONS, Option
from swarm_ext.slo import Slo
from swarm_ext.web_address import without_credentials

if TYPE_CHECKING:
    from argparse import Namespace

    from configargparse import ArgumentParser
    from locust.env import Environment


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run, parsed and checked. Units are in the options' help texts below."""

    lamb: float
    rate_profile: RateProfile | None
    replay: str | None
    replay_speed: float
    mu: float
    sigma: float | None
    iter: int | None
    seed: int | None
    path: str
    url: str | None
    closed: bool
    keep_alive: bool
    max_in_flight: int
    swarm: Literal["none", "local", "docker"]
    service: str
    initial_replicas: int | None
    warm_up: float
    settle: float
    local_cpu_limit: float
    local_concurrency: int
    local_startup_seconds: float
    cadvisor: list[str] | None
    cadvisor_port: int
    sample_interval: float
    store: str
    store_required: bool
    spool: str
    spool_limit: int
    report: str | None
    slo: Slo | None
    run_tags: dict[str, str] | None
    autoscale: Literal["off", "target-utilisation", "target-rate", "threshold"]
    target: float | None
    target_cores: float | None
    scale_in_below: float | None
    min_replicas: int | None
    max_replicas: int | None
    autoscale_interval: float
    autoscale_window: float
    scale_in_stabilization: float
    replica_warm_up: float | None
    dry_run: bool

    @property
    def gap_sigma(self) -> float:
        """The standard deviation of normal gaps [s]: as given, else a quarter of their mean."""
        return self.mu / 4 if self.sigma is None else self.sigma


def check_after_parsing(parser: ArgumentParser) -> None:
    """Make Locust's parser apply the rules that span options, too: one line and exit code 2, before any fork."""
    plain_parse_args = parser.parse_args

    def parse_args(*args: Any, **kwargs: Any) -> Namespace:
        parsed: Namespace = plain_parse_args(*args, **kwargs)
        try:
            merge_url(parsed)
            settings(parsed)
        except UserError as error:
            parser.error(str(error))
        return parsed

    parser.parse_args = parse_args


def merge_url(parsed: Namespace) -> None:
    """Let --url stand for -H and --path; raise UserError where both are given."""
    if not parsed.url or getattr(parsed, "worker", False):
        return
    scheme, _, rest = parsed.url.partition("://")
    authority, slash, path = rest.partition("/")
    host = f"{scheme}://{authority}"
    if parsed.host and parsed.host.rstrip("/") != host:
        url, other = without_credentials(parsed.url), without_credentials(parsed.host)
        raise UserError(f"--url {url} and --host {other} name the host twice: give one of them")
    parsed.host = host
    if slash and path:
        parsed.path = f"/{path}"


def options_of(environment: Environment) -> Any:
    """Return an environment's parsed options; attributes are as Locust's parser and ours name them."""
    return environment.parsed_options


def settings(parsed: Any) -> Settings:
    """Return the options' values, parsed anew and checked against each other; raise UserError with one line."""
    values = {option.dest: _value(option, getattr(parsed, option.dest, option.default)) for option in OPTIONS}
    result = Settings(**values)
    for broken, message in _rules(result):
        if broken:
            raise UserError(message)
    return result


def _value(option: Option, raw: Any) -> Any:
    if option.parse is None:
        return raw if isinstance(raw, bool) else str(raw).strip().lower() in ("true", "1", "yes", "on")
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        raw = option.default
    if raw is None:
        return None
    text = str(raw).strip()
    if option.choices and text not in option.choices:
        raise UserError(f"--{option.name} {text!r} is not known: give one of {', '.join(option.choices)}")
    try:
        return option.parse(text)
    except ArgumentTypeError as error:
        raise UserError(f"--{option.name}: {error}") from None


def _rules(s: Settings) -> list[tuple[bool, str]]:
    low, high = s.min_replicas or 1, s.max_replicas
    ratio = s.autoscale in ("target-utilisation", "threshold")
    return [
        (
            s.gap_sigma > s.mu,
            (
                f"--sigma {s.gap_sigma:g} is above --mu {s.mu:g}: gaps cannot be negative, and no such law with a larger "
                f"standard deviation than its mean exists; give σ ≤ μ"
            ),
        ),
        (
            s.closed and (s.rate_profile is not None or s.replay is not None),
            "--closed waits for responses, and --rate-profile and --replay do not: leave one of them out",
        ),
        (
            s.rate_profile is not None and s.replay is not None,
            "--rate-profile and --replay both say when arrivals are due: leave one of them out",
        ),
        (
            high is not None and high < low,
            f"--max-replicas {high} is below --min-replicas {low}: give a maximum of at least the minimum",
        ),
        (
            s.autoscale != "off" and s.swarm == "none",
            f"--autoscale {s.autoscale} has no swarm to scale: add --swarm docker or --swarm local",
        ),
        (
            s.initial_replicas is not None and s.swarm == "none",
            f"--initial-replicas {s.initial_replicas} has no swarm to set them in: add --swarm docker or --swarm local",
        ),
        (
            ratio and s.target is not None and s.target > 1,
            (
                f"--target {s.target or 0:g} is above 1: with --autoscale {s.autoscale} it is a share of the CPU limit, "
                "such as 0.6"
            ),
        ),
        (
            s.autoscale == "target-rate" and s.target is None,
            "--autoscale target-rate needs --target: the arrivals per second that each replica should get, such as 8",
        ),
        (
            s.autoscale == "threshold" and (s.scale_in_below or 0.3) >= (s.target or 0.8),
            (
                f"--scale-in-below {s.scale_in_below or 0.3:g} is not below --target {s.target or 0.8:g}: "
                "scaling in must begin below where scaling out does"
            ),
        ),
        (
            s.report is not None and "{" in s.report.replace("{run}", ""),
            f"--report {s.report}: the only placeholder is {{run}}",
        ),
    ]


def shown(s: Settings) -> dict[str, Any]:
    """Return the settings as they are kept with a run: plain values, no store's address, no credentials."""
    values: dict[str, Any] = msgspec.to_builtins(s, enc_hook=str)
    for name in ("store", "store_required", "spool", "spool_limit"):
        del values[name]
    if s.url:
        values["url"] = without_credentials(s.url)
    if s.cadvisor:
        values["cadvisor"] = [without_credentials(url) for url in s.cadvisor]
    return {name: value for name, value in values.items() if value is not None}
