"""docs/trainers.md: its snippets are right, and its files are there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from htr_tui.study.trainer_spec import TrainerSpec
from htr_tui.study.words import placeholders

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "trainers.md").read_text()


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_trainers_of_the_tour_are_right() -> None:
    trainers = [read["trainer"] for text in snippets("yaml") if "trainer" in (read := yaml.safe_load(text))]
    assert len(trainers) >= 3
    for trainer in trainers:
        TrainerSpec.model_validate(trainer)
    for pattern in re.findall(r"^# overrides: ([^ \n]+|\"[^\"]+\")", TEXT, re.MULTILINE):
        TrainerSpec.model_validate({"command": ["x"], "overrides": yaml.safe_load(pattern)})


def test_the_metrics_of_the_tour_are_right() -> None:
    lines = [line for text in snippets("yaml") for line in text.splitlines() if line.startswith("metrics:")]
    assert len(lines) >= 6
    for line in lines:
        TrainerSpec.model_validate({"command": ["x"], **yaml.safe_load(line)})


def test_the_template_of_the_tour_is_right() -> None:
    (template,) = [text for text in snippets("sh") if "LAYERS" in text]
    assert {p.name for p in placeholders(template)} == {"lr", "layers", "trial"}


def test_links_lead_somewhere() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", TEXT)]
    assert len(links) >= 6
    assert [link for link in links if link and not (ROOT / "docs" / link).exists()] == []
