"""Right study files: defaults, short forms, warnings, the machine they meet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htr_tui.errors import ConfigError
from htr_tui.study import checks, parameters, search_spec, spec
from htr_tui.study.grid import grid_point, grid_values, trial_count
from htr_tui.study.loading import check_environment, load_study, load_study_text, read_study_text
from htr_tui.study.safe_yaml import dump_yaml

CONFIGS = Path(__file__).parents[2] / "configs" / "studies"
SMALL = """
study: small
trainer: {command: ["{python}", -c, "pass"]}
search: {space: {lr: {float: [1e-4, 1], log: true}}}
objective: {minimize: loss}
budget: {trials: 3}
"""


def search(text: str) -> search_spec.SearchSpec:
    lines = [line for line in SMALL.splitlines() if not line.startswith("search")]
    return load_study_text("\n".join([*lines, f"search: {text}"]), "s.yaml").search


def test_defaults() -> None:
    study = load_study_text(SMALL, "s.yaml")
    assert study.storage == "sqlite:///runs/optuna.db"
    assert study.tracking is not None
    assert study.tracking.uri == "sqlite:///runs/mlflow.db"
    assert study.experiment == "small"
    assert study.resources.gpus == "auto"
    assert (study.resources.trials_per_gpu, study.resources.parallel) == (1, 1)
    assert study.trainer.metrics.kind == "events"
    assert study.trainer.grace_s == 120
    assert study.retries == {}
    assert study.directions == ("minimize",)
    assert study.objective[0].source == "best"
    assert isinstance(study.search.sampler, search_spec.TpeSampler)
    assert isinstance(study.search.pruner, search_spec.NoPruner)


def test_the_file_of_the_design() -> None:
    study = load_study(CONFIGS / "loss-weights.yaml")
    assert study.study == "loss-weights"
    assert study.search.sampler == search_spec.TpeSampler(seed=42, n_startup_trials=5)
    assert study.search.pruner == search_spec.MedianPruner(n_startup_trials=5, n_warmup_steps=3)
    assert tuple(study.search.space) == ("loss.pixel", "loss.rec_feat", "loss.adv")
    assert study.objective[0].expression.names == ("val/psnr", "val/ssim", "val/cer")
    assert study.budget.trials == 6
    assert study.experiment == "HPO_Loss_Weights"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_studies_are_right_and_explained(path: Path) -> None:
    loaded = read_study_text(path.read_text(), str(path))
    assert loaded.warnings == []
    head = path.read_text().split("study:")[0]
    assert all(word in head for word in ("What:", "Result:")), head
    assert f"htr-tui run configs/studies/{path.name}" in head


def test_forms_of_a_search() -> None:
    assert search("{sampler: random, space: {a: 1}}").sampler == search_spec.RandomSampler()
    assert search("{sampler: {tpe: }, space: {a: 1}}").sampler == search_spec.TpeSampler()
    assert search("{pruner: median, space: {a: 1}}").pruner == search_spec.MedianPruner()
    space = search(
        "{space: {a: 0.5, b: no, c: {fixed: true}, d: {int: [1, 9], step: 2}, e: {categorical: [x, 1, no]}}}"
    ).space
    assert [type(p).__name__ for p in space.values()] == [
        "FixedParameter", "FixedParameter", "FixedParameter", "IntParameter", "CategoricalParameter",
    ]  # fmt: skip
    assert isinstance(space["b"], parameters.FixedParameter)
    assert space["b"].value == "no"
    assert isinstance(space["e"], parameters.CategoricalParameter)
    assert space["e"].choices == ("x", 1, "no")


def test_models_can_be_made_without_a_file() -> None:
    made = search_spec.SearchSpec(
        sampler=search_spec.RandomSampler(seed=1),
        pruner=search_spec.MedianPruner(),
        space={"a": parameters.FixedParameter(value=1)},
    )
    assert made.sampler == search_spec.RandomSampler(seed=1)
    assert made.parameters == ("a",)


def test_tracking_can_be_off() -> None:
    study = load_study_text(SMALL + "tracking: none\n", "s.yaml")
    assert study.tracking is None
    assert study.experiment == "small"


def test_numbers_in_command_and_environment_are_words() -> None:
    text = SMALL.replace('-c, "pass"', "--epochs, 5, --lr, 0.5").replace("]}", "], env: {OMP_NUM_THREADS: 2}}", 1)
    study = load_study_text(text, "s.yaml")
    assert study.trainer.command[1:] == ("--epochs", "5", "--lr", "0.5")
    assert study.trainer.env == {"OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize("gpus", ["auto", "none", 2, [0, 3], ["GPU-1f", 0]])
def test_gpus(gpus: Any) -> None:
    study = load_study_text(SMALL + f"resources: {json.dumps({'gpus': gpus})}\n", "s.yaml")
    assert study.resources.gpus == (tuple(gpus) if isinstance(gpus, list) else gpus)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("search: {sampler: grid, space: {a: {int: [1, 2]}}}", "there are 2 points of the grid"),
        ("search: {experiments: [{name: a, params: {x: 1}}]}", "there are 1 experiments"),
        ("search: {space: {fast: {categorical: [yes, no]}}}", "'yes' is read as text"),
        ("search: {space: {code: 010}}", "'010' is read as text"),
    ],
)
def test_warnings(change: str, words: str) -> None:
    lines = [line for line in SMALL.splitlines() if not line.startswith("search")]
    loaded = read_study_text("\n".join([*lines, change]), "s.yaml")
    assert words in "\n".join(w.message for w in loaded.warnings)
    assert all(w.line for w in loaded.warnings)


def test_knob_warning() -> None:
    loaded = read_study_text(SMALL.replace("]}", "], knobs: {bacth: train.batch}}", 1), "s.yaml")
    assert [(w.key, w.suggestion) for w in loaded.warnings] == [("trainer.knobs.bacth", "batch")]


def test_environment(tmp_path: Path) -> None:
    study = load_study_text(SMALL, "s.yaml")
    assert check_environment(study, tmp_path) == []
    missing = read_study_text(SMALL.replace('"{python}"', "no-such-trainer"), "s.yaml")
    (problem,) = check_environment(missing.spec, tmp_path, missing.document)
    assert (problem.key, problem.line) == ("trainer.command[0]", 3)
    assert "no-such-trainer" in problem.message
    (tmp_path / "runs").write_text("in the way")
    assert [p.key for p in check_environment(study, tmp_path)] == ["storage", "tracking"]


def test_named_files_that_are_missing(tmp_path: Path) -> None:
    study = load_study_text(SMALL.replace('-c, "pass"', 'train.py, "{overrides}"'), "s.yaml")
    assert "train.py" in checks.environment_warnings(study, tmp_path)[0].message
    (tmp_path / "train.py").touch()
    assert checks.environment_warnings(study, tmp_path) == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"study: \xe9\n"])
def test_unreadable_files(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "s.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert caught.value.problems[0].file == str(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_study(path).study == "small"


def test_grid_points() -> None:
    made = search(
        "{sampler: {grid: {points: 3, values: {c: [b]}}}, space: {a: {float: [1, 100], log: true}, b: {int: [1, 2]}, c: {categorical: [a, b]}}}"
    )
    values = grid_values(made)
    assert values["a"] == pytest.approx((1, 10, 100))
    assert (values["b"], values["c"]) == ((1, 2), ("b",))
    assert trial_count(made) == 6
    assert grid_point(values, 1) == {"a": 1.0, "b": 2, "c": "b"}
    assert grid_point(values, 6) is None
    assert len({tuple((grid_point(values, i) or {}).values()) for i in range(6)}) == 6


def test_a_quick_command_does_not_load_the_models() -> None:
    code = "import sys, htr_tui.errors, htr_tui.files, htr_tui.journal.fold; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_junk = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.sampled_from(["tpe", "float", "a", "{x}", ""])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["float", "int", "tpe", "grid", "trials", "command", "name", "x", "kind"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
_KEYS = [*spec.section_keys(spec.StudySpec), "other"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _junk, max_size=9))
def test_any_document_is_a_study_or_a_list_of_mistakes(value: dict[str, Any]) -> None:
    problems = None
    try:
        load_study_text(dump_yaml(value), "s.yaml")
    except ConfigError as error:
        problems = [p.message for p in error.problems]
    assert problems is None or (problems and all(problems))
