"""How the trials ended: not at all, never well, or often badly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from htr_tui.diagnosis import words
from htr_tui.diagnosis.cases import Cases
from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.journal.records import TrialRecord

FEW_ENDED = 3
"""So many trials have to have ended before it is said that none is complete, or that many failed."""
FAILED_SHARE = 0.1
"""Share of the ended trials that may fail without a word."""

REMEDIES = {
    "gpu_oom": "the largest settings do not fit: bound the batch size, or accumulate gradients over smaller batches; "
    "for trials of ours the finding of each (`htr-tui show STUDY TRIAL`) has a fix to retry with",
    "lost": "the processes vanished: give `retries: {lost: 3}`, and look for the out-of-memory killer in the system's log",
    "nan_loss": "the loss leaves the numbers: lower the highest learning rate, or clip gradients",
    "aborted": "the study's own `abort` rule struck: it is too sharp, or the range holds much that cannot work",
}
UNKNOWN = "look at the logs of one of them: `htr-tui triage LOGFILE` names the cause"


def zombies(cases: Cases) -> Iterator[Diagnosis]:
    """Trials that are RUNNING and that nobody runs."""
    lost = [trial for trial in cases.trials if cases.is_zombie(trial)]
    if lost:
        last = max((_last_sign(t) for t in lost), default=0.0)
        yield Diagnosis(
            "zombie",
            "error" if len(lost) * 2 > len(cases.trials) or not cases.complete else "warning",
            f"{words.count(len(lost), 'trial')} RUNNING for ever",
            f"{words.listed([t.number for t in lost]).capitalize()} {_are(lost)} still called RUNNING there, since "
            f"{_since(lost)}; the last sign of life is {words.duration(cases.now - last)} old. What ran there was most "
            "likely killed (a reboot, a closed session, out of memory), and then nothing will ever end it; here it counts "
            "as failed (lost).",
            tuple(t.number for t in lost),
            f"mend the source in its own tool: {_mend(cases)}; under htr-tui a trial whose process dies is noticed, and "
            "retried with `retries: {lost: 3}`",
        )
    running = cases.in_state("running")
    if running and cases.is_imported:
        yield Diagnosis(
            "running_there", "info", f"{words.count(len(running), 'trial')} may still run there",
            f"{words.listed([t.number for t in running]).capitalize()} {_are(running)} RUNNING there and began or gave a "
            "sign of life not long ago (a day, or three times as long as trials take there).",
            tuple(t.number for t in running), "import again later: the folder is renewed",
        )  # fmt: skip
    elif running and not cases.is_supervised:
        yield Diagnosis(
            "zombie", "warning", f"{words.count(len(running), 'trial')} without a supervisor",
            f"{words.listed([t.number for t in running]).capitalize()} {_are(running)} running since {_since(running)}, "
            "and the study's supervisor is gone.",
            tuple(t.number for t in running),
            f"`htr-tui run {cases.fold.facts.study}` finds them: what still lives is followed, what died is retried",
        )  # fmt: skip


_PRUNED_REMEDY = (
    "do not start it again as it is: first let one trial run to its end without a pruner and see that its objective "
    "arrives, then put the pruner back"
)
_FAILED_REMEDY = "do not start it again as it is: mend what made the trials fail, and let one run to its end first"


def nothing_complete(cases: Cases) -> Iterator[Diagnosis]:
    """The whole study without one result."""
    if cases.complete or len(cases.ended) < FEW_ENDED:
        return
    counts = Counter(trial.state for trial in cases.ended)
    left = len(cases.trials) - len(cases.ended)
    parts = [f"{counts[state]} {state}" for state in ("pruned", "failed") if counts[state]]
    parts += [f"{left} not ended"] if left else []
    spent = sum(t.seconds(cases.now) or 0.0 for t in cases.ended)
    yield Diagnosis(
        "nothing_complete",
        "warning" if cases.is_supervised and len(cases.ended) < 10 else "error",
        f"none of {words.count(len(cases.trials), 'trial')} is complete",
        f"{', '.join(parts).capitalize()}. There is no result, the sampler has learned nothing it can use, and "
        f"it took {words.duration(spent)} of training.",
        tuple(t.number for t in cases.ended),
        _PRUNED_REMEDY if counts["pruned"] else _FAILED_REMEDY,
    )


def without_value(cases: Cases) -> Iterator[Diagnosis]:
    """Complete, but with nothing that a sampler could compare."""
    objectives = len(cases.fold.facts.directions)
    bad = [t for t in cases.complete if len(t.values) != objectives or not all(map(math.isfinite, t.values))]
    if not bad:
        return
    yield Diagnosis(
        "no_value",
        "error" if len(bad) == len(cases.complete) else "warning",
        f"{words.count(len(bad), 'complete trial')} without a usable objective value",
        f"{words.percent(len(bad), len(cases.complete))} complete trials have no value, NaN or infinity as their "
        f"objective: {words.listed([t.number for t in bad])}.",
        tuple(t.number for t in bad),
        "check that the trainer reports every metric of the objective, under that very name, in its last epochs",
    )


def nothing_feasible(cases: Cases) -> Iterator[Diagnosis]:
    """Every result breaks a constraint."""
    if len(cases.complete) < FEW_ENDED or any(t.is_feasible for t in cases.complete):
        return
    width = max(len(t.constraints) for t in cases.complete)
    texts = cases.fold.facts.constraints
    broken = [
        f"{words.name(texts[i]) if i < len(texts) else f'constraint {i + 1}'}: {count} of {len(cases.complete)}"
        for i in range(width)
        if (count := sum(1 for t in cases.complete if i < len(t.constraints) and t.constraints[i] > 0))
    ]
    yield Diagnosis(
        "nothing_feasible", "error", "no complete trial keeps the constraints",
        f"Broken: {'; '.join(broken)}.", tuple(t.number for t in cases.complete),
        "loosen the constraint, or move the ranges to where it can be kept",
    )  # fmt: skip


def failures(cases: Cases) -> Iterator[Diagnosis]:
    """Failures by their cause."""
    failed = [trial for trial in cases.ended if trial.state == "failed"]
    if len(failed) < FEW_ENDED or len(failed) < FAILED_SHARE * len(cases.ended):
        return
    counts = Counter(trial.category or "unknown" for trial in failed)
    parts = [f"{number} {words.name(category)}" for category, number in counts.most_common(6)]
    example = next((a.title for t in failed if (a := t.last_attempt) and a.title), None)
    yield Diagnosis(
        "failures",
        "error" if 2 * len(failed) > len(cases.ended) else "warning",
        f"{words.percent(len(failed), len(cases.ended))} ended trials failed",
        f"By cause: {', '.join(parts)} ({words.listed([t.number for t in failed])})."
        + (f" One says: {words.name(example)}." if example else ""),
        tuple(t.number for t in failed),
        REMEDIES.get(counts.most_common(1)[0][0], UNKNOWN),
    )


def _mend(cases: Cases) -> str:
    source = cases.fold.facts.imported
    if source is not None and source.kind.startswith("mlflow"):
        return 'MlflowClient().set_terminated(RUN_ID, "KILLED")'
    return (
        "study.tell(NUMBER, state=optuna.trial.TrialState.FAIL), and for the next time RDBStorage(URL, "
        "heartbeat_interval=60)"
    )


def _are(trials: list[TrialRecord]) -> str:
    return "is" if len(trials) == 1 else "are"


def _start(trial: TrialRecord) -> float:
    attempt = trial.last_attempt
    return (attempt.started if attempt else None) or trial.created or 0.0


def _last_sign(trial: TrialRecord) -> float:
    attempt = trial.last_attempt
    return (attempt.ended if attempt else None) or _start(trial)


def _since(trials: list[TrialRecord]) -> str:
    first, last = min(map(_start, trials)), max(map(_start, trials))
    return words.moment(first) if last - first < 60 else f"{words.moment(first)} (the newest {words.moment(last)})"
