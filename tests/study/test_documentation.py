"""docs/study-file.md names every key of the models, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from htr_tui.study.expression import FUNCTIONS
from htr_tui.study.loading import load_study_text
from htr_tui.study.metrics_spec import SOURCES
from htr_tui.study.search_spec import PRUNERS, SAMPLERS
from htr_tui.study.spec import CATEGORIES, SECTIONS, section_keys
from htr_tui.study.trainer_spec import PLACEHOLDERS

TEXT = (Path(__file__).parents[2] / "docs" / "study-file.md").read_text()


def documented(text: str) -> set[str]:
    """First cells of the tables of keys."""
    tables = re.findall(r"^\| key \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = [row.split("|")[1].strip() for table in tables for row in table.splitlines()]
    return {re.sub("[`]", "", cell) for cell in cells}


def chapter(title: str) -> str:
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match is not None, title
    return match[1]


def test_chapters_hold_exactly_the_keys() -> None:
    assert documented(chapter("Top level")) == set(section_keys(SECTIONS[""]))
    of_config = {f"config: {key}" for key in section_keys(SECTIONS["trainer.config"])}
    for name in ("trainer", "objective", "budget", "resources", "tracking"):
        expected = set(section_keys(SECTIONS[name])) | (of_config if name == "trainer" else set())
        assert documented(chapter(name)) == expected, name


def test_the_sources_of_metrics_hold_exactly_their_keys() -> None:
    expected = {
        f"{path.rpartition('.')[2]}: {key}"
        for path, model in SECTIONS.items()
        if path.startswith("trainer.metrics.")
        for key in section_keys(model)
    }
    assert documented(chapter("metrics")) == expected
    assert all(f"`{name}`" in chapter("metrics") or f"{{{name}:" in chapter("metrics") for name in SOURCES)


def test_the_search_holds_exactly_the_keys() -> None:
    expected = set(section_keys(SECTIONS["search"])) | set(section_keys(SECTIONS["search.experiments"]))
    expected |= set(section_keys(SECTIONS["search.warm_start"]))
    for path, model in SECTIONS.items():
        if path.startswith("search.space."):
            expected |= set(section_keys(model))
        elif path.startswith(("search.sampler.", "search.pruner.")):
            expected |= {f"{path.rpartition('.')[2]}: {key}" for key in section_keys(model)}
    assert documented(chapter("search")) == expected


def test_lists_of_words_are_whole() -> None:
    words = {f"`{word}`" for word in (*CATEGORIES, *SAMPLERS, *PRUNERS)}
    words |= {"`{" + word + "}`" for word in PLACEHOLDERS}
    assert [word for word in sorted(words) if word not in TEXT] == []
    assert all(name in chapter("objective") for name in FUNCTIONS)


def test_every_key_of_the_models_has_a_meaning() -> None:
    for path, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            assert name == "kind" or field.description, f"{path}.{name}"


def test_the_example_is_right() -> None:
    example = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    assert load_study_text(example[1], "example.yaml").study == "loss-weights"
