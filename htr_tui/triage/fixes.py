"""Abstract fixes of the rules made concrete: which parameter gets which value, and what that does to the run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from htr_tui.triage.finding import Fix, TriageContext
from htr_tui.triage.knobs import guess_knobs
from htr_tui.triage.rules import FixTemplate, Rules

ABSURD_BYTES: Final = 1 << 40
"""A request of a terabyte is a wrong shape, not a batch a little too large."""

KNOB_NAMES: Final = {
    "batch": "batch size",
    "accumulation": "gradient accumulation",
    "use_cudnn": "use of cuDNN",
    "learning_rate": "learning rate",
    "workers": "loader workers",
}


class _Unknown(Exception):
    """A knob or its value is not known or cannot be changed; the text says why."""


def concrete_fixes(
    names: Iterable[str], rules: Rules, context: TriageContext, framework: str | None, details: Mapping[str, str]
) -> tuple[Fix, ...]:
    """The named fixes, those that can be applied first; each keeps its place otherwise."""
    fixes = [_concrete(rules.fixes[name], context, framework, details) for name in names]
    present = [fix for fix in fixes if fix is not None]
    return tuple(sorted(present, key=lambda fix: not fix.applicable))


def _concrete(
    template: FixTemplate, context: TriageContext, framework: str | None, details: Mapping[str, str]
) -> Fix | None:
    env = _environment(template, framework)
    if template.env and not env:
        return None
    words = _Words(details)
    try:
        values = _changes(template, context, words)
        applicable, effect = not template.is_manual, _effect(template, values, words)
    except _Unknown as reason:
        values, applicable, effect = {}, False, f"cannot be applied: {reason}"
    return Fix(
        name=template.name,
        title=template.title.format_map(words),
        set=values,
        env=env,
        effect=effect,
        applicable=applicable,
        command=None if template.command is None else template.command.format_map(words),
    )


class _Words(dict[str, str]):
    """The words of a template; one that is not known becomes empty."""

    def __missing__(self, key: str) -> str:
        return ""


def _environment(template: FixTemplate, framework: str | None) -> dict[str, str]:
    """The variables for the framework that the log shows; for TensorFlow and PyTorch where it shows none."""
    if framework in template.env or "any" in template.env:
        return dict(template.env.get(framework or "any", template.env.get("any", {})))
    if framework is None:
        return {**template.env.get("tensorflow", {}), **template.env.get("torch", {})}
    return {}


def _changes(template: FixTemplate, context: TriageContext, words: _Words) -> dict[str, Any]:
    knobs = {**guess_knobs(context.params), **context.knobs}
    values: dict[str, Any] = {}
    for knob, operation in template.change.items():
        key = knobs.get(knob)
        if key is None:
            if knob in template.optional:
                continue
            raise _Unknown(
                f"which parameter is the {KNOB_NAMES.get(knob, knob)} is not known; name it in trainer.knobs"
            )
        if knob == "batch" and _is_absurd(words):
            raise _Unknown(f"a request of {words['request']} is a wrong shape, not a batch a little too large")
        old = context.params.get(key)
        if old is None and knob == "accumulation":
            old = 1
        new = _changed(operation, old, key, knob)
        words |= {f"{knob}_old": _shown(old), f"{knob}_new": _shown(new)}
        values[key] = new
    return values


def _is_absurd(words: _Words) -> bool:
    return int(words["request_bytes"] or 0) >= ABSURD_BYTES


def _changed(operation: Any, old: Any, key: str, knob: str) -> Any:
    if operation not in ("halve", "double"):
        if old == operation:
            raise _Unknown(f"{key} is {_shown(old)} already")
        return operation
    number = _number(old)
    if number is None:
        raise _Unknown(f"the value of {key} is not known")
    if operation == "double":
        return number * 2
    if isinstance(number, float) or knob == "learning_rate":
        return number / 2
    if number <= 1 and not (knob == "workers" and number == 1):
        raise _Unknown(f"{key} is {number} and cannot be halved")
    return number // 2


def _number(value: Any) -> int | float | None:
    """A finite number; also from text, as overrides come from command lines."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                value = kind(value)
                break
            except ValueError:
                continue
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _effect(template: FixTemplate, values: Mapping[str, Any], words: _Words) -> str:
    if "accumulation" in template.change and "accumulation_new" not in words:
        return (
            f"batch {words['batch_old']} → {words['batch_new']}: the effective batch becomes smaller (no parameter for gradient "
            "accumulation is known), so the learning rate may need to follow; batch norm sees smaller batches"
        )
    effect = template.effect.format_map(words)
    odd = "batch" in template.change and (_number(words["batch_old"]) or 0) % 2
    return effect.replace("same effective batch", "nearly the same effective batch") if odd else effect
