"""The trainer section of the study file: what is run for a trial."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from htr_tui.study import forms
from htr_tui.study.command import DEFAULT_OVERRIDES
from htr_tui.study.metrics_spec import EventsMetrics, MetricsSource
from htr_tui.study.parameters import Line, Number, ParameterName, Section, Switch, Token, Variable

PLACEHOLDERS: Final = (
    "attempt_dir", "overrides", "study", "trial", "attempt", "params_file", "overrides_file", "resume_dir", "launch_dir",
    "python",
)  # fmt: skip
"""Words in braces that a command may use besides the names of parameters; `config` too, where there is one."""

FORM_OF_SUFFIX: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
"""Files into which values are set by key; any other template is a text with words in braces."""

TAKEN_NAMES: Final = (
    "command.json", "params.yaml", "overrides.yaml", "runner.json", "log.txt", "events.jsonl", "system.jsonl",
    "devices.jsonl", "exit.json", "finding.json", "checkpoints", "samples",
)  # fmt: skip
"""What an attempt's folder holds already."""


def _attempt_file(value: str) -> str:
    """A path below the attempt's folder; `{attempt_dir}/` before it may be left out."""
    text = value.removeprefix("{attempt_dir}/")
    path = PurePosixPath(text)
    allowed = "{attempt_dir}/config.yaml: a path in the attempt's folder, so that no two attempts share it"
    if not path.parts or path.is_absolute() or ".." in path.parts or "{" in text or "}" in text or text.endswith("/"):
        raise forms.form_error(f"found {forms.shown(value)}", allowed=allowed)
    if path.parts[0] in TAKEN_NAMES or path.parts[0].startswith("."):
        raise forms.form_error(f"{path.parts[0]!r} is a name of htr-tui's own", allowed=allowed)
    return str(path)


def _config(value: object) -> object:
    """A text alone is the template."""
    return {"template": value} if isinstance(value, str) else value


class ConfigFile(Section):
    """A config file that is written anew for each attempt."""

    template: Line
    """The file it is made from, as it was at the launch."""
    file: Annotated[Line, AfterValidator(_attempt_file)] | None = None
    """Where it is written, in the attempt's folder; `config` with the template's suffix when left out."""
    form: Literal["auto", "yaml", "json", "toml", "text"] = "auto"
    """How parameters get into it: set by key (yaml, json, toml), or words in braces replaced (text); auto: by suffix."""
    add_keys: Switch = False
    """Parameters may make keys that the template does not have."""

    @property
    def kind(self) -> str:
        """yaml, json, toml or text."""
        if self.form != "auto":
            return self.form
        return FORM_OF_SUFFIX.get(PurePosixPath(self.template).suffix.lower(), "text")

    @property
    def name(self) -> str:
        """Path below the attempt's folder."""
        return self.file or f"config{PurePosixPath(self.template).suffix}"


class TrainerSpec(Section):
    """What is run for a trial."""

    command: Annotated[tuple[Token, ...], Field(min_length=1, max_length=1000)]
    """The trainer's command as a list of words; no shell reads it. Words in braces are replaced."""
    overrides: Line = DEFAULT_OVERRIDES
    """What `{overrides}` is for each parameter: words with {name} and {value}, or `options`."""
    env: dict[Variable, Token] = {}
    """Environment variables added to the trainer's. Words in braces are replaced."""
    config: Annotated[ConfigFile | None, BeforeValidator(_config)] = None
    """A config file with the trial's parameters, written for each attempt; `{config}` is its path."""
    cwd: Line | None = None
    """Folder in which the trainer starts, as `{attempt_dir}`; the folder of the launch when left out."""
    metrics: MetricsSource = EventsMetrics()
    """Where metrics come from: `events` (the file that `HTR_TUI_EVENTS` names), `log`, `json`, `csv`, `tensorboard`, `mlflow`."""
    knobs: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")], ParameterName] = {}
    """What a fix may turn, by the name of the trainer's own parameter, as `batch: train.batch`."""
    reports: tuple[Line, ...] | None = None
    """The metrics that the trainer reports; the objective is checked against them when given."""
    grace_s: Annotated[Number, Field(ge=1, le=86_400)] = 120.0
    """Seconds between the request to stop (SIGTERM) and SIGKILL."""

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The words in braces that are no parameters."""
        return (*PLACEHOLDERS, "config") if self.config is not None else PLACEHOLDERS
