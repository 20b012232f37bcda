"""What a person wants to know first: a verdict in words, and what it rests on. Pure.

Whether the figures are valid at all comes before what they say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reports.load_figures import LATE_SECONDS
from reports.words import count, duration, number, percent, plural, probability

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.figures import Figures
    from reports.replay_figures import ReplayFigures
    from swarm_ext.model import Run

Tone = Literal["good", "plain", "warning", "bad"]


@dataclass(frozen=True)
class Finding:
    """One sentence or two, and how it is meant."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Verdict:
    """The run in one sentence, and its findings in the order in which they matter."""

    tone: Tone
    headline: str
    findings: tuple[Finding, ...]


def verdict(run: Run, figures: Figures) -> Verdict:
    """Return the verdict on a run."""
    findings = (
        *_ending(run, figures),
        *_generator(figures),
        *_arrivals(run, figures),
        *_service_level(figures),
        *_scaling(run, figures),
        *_losses(figures),
        *_measurements(run, figures),
        *_setting(run, figures),
    )
    tone, headline = _headline(figures)
    if tone == "good" and any(finding.tone in ("warning", "bad") for finding in findings):
        tone = "warning"
    return Verdict(tone, headline, findings)


def _headline(figures: Figures) -> tuple[Tone, str]:
    if figures.without_load:
        scaled = f", and scaled {_path(figures)}" if figures.acts else ""
        return "plain", f"The service was watched, without a load of this run's own{scaled}."
    if figures.accounting.offered == 0:
        return "bad", "No load was recorded in this run."
    if figures.late:
        return "bad", "These figures are not valid: the load generator was the bottleneck."
    scaled = f"; it was scaled {_path(figures)}" if figures.acts else ""
    tone, service = _service_in_words(figures)
    return tone, f"The service {service}{scaled}."


def _service_in_words(figures: Figures) -> tuple[Tone, str]:
    counts, slo = figures.accounting, figures.slo
    if slo is None or slo.met_share is None:
        tone: Tone = "good" if counts.completed == counts.offered else "plain" if counts.completed else "bad"
        return (
            tone,
            f"answered {percent(counts.completed / counts.offered)} of {plural(counts.offered, 'arrival')}",
        )
    if slo.violated_seconds == 0:
        return "good", "met its SLO all the time"
    if slo.met_share == 0:
        return "bad", "never met its SLO"
    return (
        "warning" if slo.met_share >= 0.9 else "bad",
        f"met its SLO for {percent(slo.met_share)} of the time",
    )


def _path(figures: Figures) -> str:
    return " → ".join(map(str, figures.path))


def _ending(run: Run, figures: Figures) -> Iterator[Finding]:
    if run.exit_status == "running":
        yield Finding(
            "warning",
            "The run has not ended, or was cut off without a word: these figures are of what had been stored.",
        )
    elif run.exit_status == "interrupted":
        yield Finding("warning", "The run was interrupted before its end.")
    elif run.exit_status == "failed":
        yield Finding("bad", "The run failed: see its troubles below.")
    if figures.accounting.offered and not figures.rate.seconds:
        yield Finding(
            "warning", "The run has no whole second of load beyond its warm-up: there is little to judge."
        )


def _generator(figures: Figures) -> Iterator[Finding]:
    lag = figures.lag
    if figures.accounting.offered == 0:
        return
    if lag.p99 is None:
        yield Finding("plain", "The generator's schedule lag was not measured.")
    elif figures.late:
        yield Finding(
            "bad",
            f"1 % of the arrivals were sent more than {duration(lag.p99)} late (allowed: {duration(LATE_SECONDS)}), the "
            f"latest {duration(lag.longest)}. What was measured is the generator, not the service: use more workers, or "
            "a lower rate.",
        )
    else:
        yield Finding(
            "good",
            f"The generator kept its schedule: 99 % of the arrivals were sent within {duration(lag.p99)} of their instant, "
            f"the latest {duration(lag.longest)} after it.",
        )


def _replay(replay: ReplayFigures) -> Finding:
    recorded = plural(replay.recorded, "recorded arrival")
    if not replay.complete:
        text = f"The replay was cut short: {count(replay.due)} of {recorded} were due, and {count(replay.fired)} were fired."
        return Finding("plain" if replay.accepted else "bad", text)
    if replay.accepted:
        return Finding("good", f"Of {recorded} each was fired once.")
    return Finding(
        "bad", f"Of {recorded} not each was fired once: {plural(replay.fired, 'arrival')} were fired."
    )


def _arrivals(run: Run, figures: Figures) -> Iterator[Finding]:
    if figures.replay is not None:
        yield _replay(figures.replay)
    checked = figures.arrivals
    if checked is None or not checked.applicable:
        return
    law = run.arrival_process.description if run.arrival_process else "the process asked for"
    if checked.rate_accepted and checked.gaps_accepted:
        yield Finding(
            "good",
            f"The arrivals were as asked, {law}: neither their number nor their gaps depart from it.",
        )
        return
    if not checked.rate_accepted and checked.score is not None:
        yield Finding(
            "bad",
            f"Not as many arrivals as asked: {count(checked.observed)} instead of {count(checked.expected)}, "
            f"{abs(checked.score):.1f} standard deviations {'more' if checked.score > 0 else 'fewer'}.",
        )
    if not checked.gaps_accepted and checked.gaps is not None:
        yield Finding(
            "bad",
            f"The gaps between arrivals do not follow {law} (Kolmogorov-Smirnov, p {probability(checked.gaps.p_value)}).",
        )


def _service_level(figures: Figures) -> Iterator[Finding]:
    slo = figures.slo
    if slo is None:
        if figures.response.p95 is not None:
            yield Finding(
                "plain",
                f"No SLO was given (--slo 500ms:95%): 95 % of the requests took at most {duration(figures.response.p95)}.",
            )
        return
    if not slo.judged_seconds:
        yield Finding("warning", "No arrival ended in the load: the SLO cannot be judged.")
        return
    asked = f"{slo.slo.share * 100:.12g} % within {slo.slo.limit}"
    good = percent(slo.good_arrivals / slo.judged_arrivals)
    yield Finding(
        "good" if slo.violated_seconds == 0 else "plain",
        f"SLO {asked}: {slo.violated_seconds} of {plural(slo.judged_seconds, 'second')} in violation; over the whole load "
        f"{good} of the arrivals were answered in time.",
    )
    if slo.silent_seconds:
        yield Finding(
            "bad",
            f"For {plural(slo.silent_seconds, 'second')} nothing at all was answered although requests were waiting; these "
            "seconds are in neither count.",
        )


def _scaling(run: Run, figures: Figures) -> Iterator[Finding]:
    if figures.acts:
        answered = [
            r
            for r in figures.steps
            if r.step.direction == "out" and r.ready is not None and r.step.before > 0
        ]
        turns = f"{plural(figures.reversals, 'reversal')} of direction"
        load_turns = f"the load itself reversed {plural(figures.load_reversals, 'time')}"
        text = f"It was scaled {plural(len(figures.acts), 'time')}, {_path(figures)}, with {turns} ({load_turns})."
        if answered:
            slowest = max(answered, key=lambda r: r.ready or 0)
            text += (
                f" After the load rose from {number(slowest.step.before)} to {number(slowest.step.after)}/s it took "
                f"{slowest.decided:.0f} s to decide, and {slowest.ready:.0f} s until the first new replicas were ready."
            )
        yield Finding("warning" if figures.reversals > figures.load_reversals + 1 else "plain", text)
    elif run.options.get("dry_run"):
        yield Finding("plain", "Scaling was a dry run: decisions were recorded, the service was left alone.")
    elif figures.evaluations:
        yield Finding(
            "plain",
            f"The autoscaler was asked {plural(figures.evaluations, 'time')} and changed nothing: its reasons are in the chart.",
        )
    elif figures.path:
        constant = len(figures.path) == 1
        yield Finding(
            "plain",
            f"No autoscaler was at work; the service {'stayed at' if constant else 'went'} "
            f"{_path(figures) if not constant else plural(figures.path[0], 'replica')}.",
        )


def _losses(figures: Figures) -> Iterator[Finding]:
    counts = figures.accounting
    if counts.failed:
        during, _ = figures.failures_scaling_in
        text = f"{plural(counts.failed, 'request')} failed ({percent(counts.failed / max(1, counts.offered))} of the arrivals)"
        text += f", {during} of them while replicas were being stopped." if during else "."
        yield Finding("warning", text)
    if counts.dropped:
        yield Finding(
            "warning",
            f"{plural(counts.dropped, 'arrival')} were dropped, because too many requests were in flight (--max-in-flight): "
            "the service saw less load than was offered.",
        )
    if counts.abandoned:
        yield Finding(
            "plain",
            f"{plural(counts.abandoned, 'request')} were still unanswered when the run ended (abandoned).",
        )
    if counts.final and counts.unaccounted:
        yield Finding("bad", f"{plural(counts.unaccounted, 'arrival')} are not accounted for.")


def _measurements(run: Run, figures: Figures) -> Iterator[Finding]:
    if not figures.replicas:
        yield Finding(
            "warning", "No container was measured: CPU and memory are not known, nor who used them."
        )
    elif figures.sampling_gaps:
        yield Finding(
            "warning",
            f"The containers' measurements pause {plural(figures.sampling_gaps, 'time')} for more than 5 s; the lines in "
            "the charts are broken there.",
        )
    if run.swarm and figures.replica_seconds is None:
        yield Finding("warning", "The service's replicas were never seen: there are no figures of scaling.")
    if run.troubles:
        failures = sum(trouble.count for trouble in run.troubles)
        yield Finding(
            "warning",
            f"Beside the load, {plural(failures, 'thing')} went wrong while it ran: see the troubles below.",
        )


def _setting(run: Run, figures: Figures) -> Iterator[Finding]:
    if run.swarm == "local":
        yield Finding(
            "plain",
            "The service ran in the embedded swarm, not in Docker. Its replicas share one socket, which is one queue "
            "(M/G/c), where a swarm has one a replica: waiting times are optimistic.",
        )
    if figures.warm_up_seconds > 0:
        yield Finding(
            "plain",
            f"The warm-up of {duration(figures.warm_up_seconds)} is in the charts and in the counts of arrivals, and left "
            "out of all other figures.",
        )
