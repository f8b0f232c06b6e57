"""Trials that the user makes: one typed in by hand, and one promoted to a run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from textual.app import App

from htr_tui.files import to_number
from htr_tui.journal.records import StudyFacts, TrialRecord
from htr_tui.journal.status import effective_params
from htr_tui.panel.commands import CommandResult
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.form_dialog import FormDialog, FormField, MakeArguments, form_width
from htr_tui.panel.screens.parameters import show_exact
from htr_tui.panel.screens.requests import tell
from htr_tui.panel.screens.retry_dialog import parse_overrides
from htr_tui.panel.screens.trial_detail import describe_params
from htr_tui.text import clean_text

FIELDS_SHOWN: Final = 40
"""Parameters with a field of their own; the rest is typed as K=V."""
LABEL: Final = " label"
MORE: Final = " more"
"""Keys of fields that are no parameters; a parameter's name has no blank."""


async def promote(app: App[Any], panel: PanelContext, name: str | None, number: int | None) -> None:
    """Show the trial's parameters, ask what shall differ, and run it on its own."""
    trial = panel.store.trial(name, number)
    if name is None or trial is None:
        return
    lines = Lines(form_width(app), panel.is_ascii)
    lines.wrap("One run with these parameters, outside of the search: a study of its own, started at once.", limit=3)
    lines.blank()
    describe_params(lines, effective_params(trial), is_short=False)
    fields = [
        FormField("set", "overrides", "", "K=V, separated by blanks", "such as train.epochs=100"),
        FormField("name", "name", "", "of the new study", f"{name}-promoted-{trial.number}"),
    ]

    def arguments(typed: Mapping[str, str]) -> list[str]:
        chosen = typed["name"].strip()
        return [
            "promote", name, str(trial.number), *_set_arguments(parse_overrides(typed["set"])),
            *([f"--name={chosen}"] if chosen else []),
        ]  # fmt: skip

    title = f"Promote trial {trial.number} of {name}"
    result = await _ask(app, panel, title, lines, fields, arguments, "promote")
    if result is not None and result.is_done:
        made = result.answer.get("study") or f"{name}-promoted-{trial.number}"
        tell(app, f"{made} runs: trial {trial.number} on its own")


async def enqueue(app: App[Any], panel: PanelContext, name: str | None, number: int | None) -> None:
    """Ask for the parameters of a trial, beginning with those of another, and queue it."""
    study = panel.store.study(name)
    if study is None:
        return
    start = panel.store.trial(name, number)
    lines = Lines(form_width(app), panel.is_ascii)
    origin = f"It begins as a copy of trial {start.number}. " if start is not None else ""
    lines.wrap(f"{origin}What is left empty is drawn by the sampler.", limit=3)
    fixed = " ".join(f"{key}={show_exact(value)}" for key, value in fixed_values(study.facts).items())
    if fixed:
        lines.wrap(f"fixed: {fixed}", "dim", limit=3)
    fields = trial_fields(study.facts, start)

    def arguments(typed: Mapping[str, str]) -> list[str]:
        values = {key: text.strip() for key, text in typed.items() if key not in (LABEL, MORE) and text.strip()}
        values |= parse_overrides(typed.get(MORE, ""))
        label = typed[LABEL].strip()
        return ["enqueue", study.name, *_set_arguments(values), *([f"--label={label}"] if label else [])]

    title = f"A trial of {study.name} by hand"
    result = await _ask(app, panel, title, lines, fields, arguments, "enqueue")
    if result is not None and result.is_done:
        made = result.answer.get("trial")
        if made is not None:
            tell(app, f"trial {made} of {study.name} is queued; it starts when a slot is free")
        else:
            tell(app, f"asked for; {study.name} makes the trial when it goes on (l)")


def _set_arguments(values: Mapping[str, str]) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


async def _ask(
    app: App[Any],
    panel: PanelContext,
    title: str,
    lines: Lines,
    fields: Sequence[FormField],
    arguments: MakeArguments,
    verb: str,
) -> CommandResult | None:
    """The dialog's command, once it worked; None if the user left it."""
    asked = FormDialog(title, lines.lines, fields, arguments, panel.commands.run, verb=verb, is_ascii=panel.is_ascii)
    result = await app.push_screen_wait(asked)
    panel.feed.look_now()
    if result is not None and result.exit_status is None:
        tell(app, f"{verb}: no answer yet; it goes on by itself", severity="warning")
    return result


# -- the fields of a trial ---------------------------------------------------------------------------------------------


def trial_fields(facts: StudyFacts, start: TrialRecord | None) -> list[FormField]:
    """A field a parameter, filled with the values of `start`, and one for the trial's label."""
    names = [name for name in dict.fromkeys([*facts.space, *facts.parameters]) if not _is_fixed(facts.space.get(name))]
    values = start.params if start is not None else {}
    fields = [
        FormField(name, name, _editable(values.get(name)), describe_range(facts.space.get(name)))
        for name in names[:FIELDS_SHOWN]
    ]
    if len(names) > FIELDS_SHOWN:
        fields.append(FormField(MORE, "others", "", f"K=V, of {len(names) - FIELDS_SHOWN} more parameters"))
    return [*fields, FormField(LABEL, "label", "", "how tables call it")]


def fixed_values(facts: StudyFacts) -> dict[str, Any]:
    """Parameters of the space that have one value only."""
    return {
        name: definition["fixed"] if isinstance(definition, dict) else definition
        for name, definition in facts.space.items()
        if _is_fixed(definition)
    }


def _is_fixed(definition: Any) -> bool:
    return "fixed" in definition if isinstance(definition, dict) else definition is not None


def _editable(value: Any) -> str:
    """A value as it can be typed again; nothing where a line cannot show it as it is."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    text = show_exact(value)
    return text if text == str(value) or isinstance(value, bool) else ""


def describe_range(definition: Any) -> str:
    """What a parameter may be, in the fewest words: `0.001 to 0.1, log` or `relu | elu`."""
    if not isinstance(definition, dict):
        return ""
    words = [_choices(definition)]
    words += ["log"] if definition.get("log") is True else []
    step = to_number(definition.get("step"))
    words += [f"step {_short(step)}"] if step is not None and step != 1 else []
    words += [f"when {_condition(definition['when'])}"] if definition.get("when") else []
    return ", ".join(word for word in words if word)


def _choices(definition: Mapping[str, Any]) -> str:
    for kind, word in (("float", ""), ("int", "whole")):
        bounds = definition.get(kind)
        if isinstance(bounds, (list, tuple)) and len(bounds) == 2:
            return f"{_short(bounds[0])} to {_short(bounds[1])}" + (f", {word}" if word else "")
    choices = definition.get("categorical")
    if isinstance(choices, (list, tuple)):
        return " | ".join(clean_text(show_exact(choice), 30) for choice in choices[:20])
    return ""


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else show_exact(value)


def _any_of(value: Any) -> str:
    return "|".join(show_exact(one) for one in value[:20]) if isinstance(value, list) else show_exact(value)


def _condition(when: Any) -> str:
    if isinstance(when, dict):
        return " and ".join(f"{key}={_any_of(value)}" for key, value in when.items())
    return clean_text(str(when), 60)
