from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_gan.config.load import load_config
from htr_gan.config.places import cache_folder
from htr_gan.config.schema import GanConfig, RecognizerConfig, flatten
from htr_gan.config.yaml_text import parse_scalar, parse_yaml
from htr_gan.errors import ConfigError, ConfigProblem

Write = Callable[[str], Path]
SHIPPED = sorted((Path(__file__).parents[2] / "configs").glob("*/tiny*.yaml"))


def problems_of(path: Path, *overrides: str) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert caught.value.exit_code == 2
    return caught.value.problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shipped_configs_load_and_say_how_to_run_them(path: Path) -> None:
    config = load_config(path)
    text = path.read_text()
    assert text.startswith("# Trains:")
    assert f"htr-gan train configs/{path.parent.name}/{path.name}" in text
    if isinstance(config, GanConfig):
        assert isinstance(load_config(config.recognizer.config), RecognizerConfig)


def test_there_are_shipped_configs() -> None:
    assert len(SHIPPED) >= 3


def test_all_mistakes_at_once_with_line_key_allowed_and_suggestion(write_config: Write) -> None:
    path = write_config("task: gan\ntrain:\n  batc: 4\n  epochs: many\nlr: 3\ndata: {seed: -1}\n")
    problems = {problem.key: problem for problem in problems_of(path)}
    assert set(problems) == {"train.batc", "train.epochs", "lr", "data.seed"}
    assert (problems["train.batc"].line, problems["train.batc"].column) == (3, 3)
    assert problems["train.batc"].suggestion == "batch"
    assert "accumulation" in problems["train.batc"].allowed
    assert problems["lr"].suggestion == "train.lr"
    assert "'many'" in problems["train.epochs"].message
    assert problems["data.seed"].line == 6


def test_overrides_win_and_their_mistakes_are_named(write_config: Write) -> None:
    path = write_config("task: gan\ntrain: {batch: 8}\n")
    config = load_config(path, ["train.batch=4", "loss.adv=1e-4", "model.use_cudnn=false", "data.fonts=[kalam]"])
    assert isinstance(config, GanConfig)
    assert (config.train.batch, config.loss.adv, config.model.use_cudnn) == (4, 1e-4, False)
    assert config.data.fonts == ("kalam",)
    (problem,) = problems_of(path, "train.batch=zero")
    assert (problem.file, problem.line, problem.key) == ("--set", None, "train.batch")
    for wrong in ("train.batch", "=3", "train..batch=3", "task.name=1", "train.batch={a: b", "train={}x"):
        assert problems_of(path, wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: gan\nseed: 1\nseed: 2\n", "given twice, first on line 2"),
        ("task: gan\nseed: !!python/object:os.system 1\n", "tag"),
        ("task: gan\nseed: !mine 1\n", "tag"),
        ("task: gun\n", "'gun' is not a task"),
        ("train: {}\n", "missing"),
        ("- task\n", "mapping"),
        ("", "mapping"),
        ("task: gan\n  x: [\n", ""),
        ("task: gan\nloss: {pixel: 0, rec_feat: 0, ctc: 0, adv: 0}\n", "nothing to learn"),
        ("task: gan\nloss: {pixel: .nan}\n", "finite"),
        ("task: gan\ndata: {text_length: 40}\n", "does not fit"),
        ("task: gan\ndata: {fonts: [os.path]}\n", "not the name of a font"),
        ("task: gan\ndata: &loop {fonts: *loop}\n", ""),
        ("task: gan\n? [a, b]\n: 1\n", "key"),
        ("task: gan\nseed: 1\0", ""),
        ("a: " + "[" * 3000, ""),
    ],
)
def test_wrong_files_are_refused_by_name(write_config: Write, text: str, message: str) -> None:
    path = write_config(text)
    found = problems_of(path)
    assert any(message in problem.message for problem in found)
    assert all(problem.file == str(path) for problem in found)
    assert all(problem.describe() for problem in found)


def test_missing_folder_and_binary_files_are_named(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "none.yaml")
    assert "No such file" in problem.message
    assert problems_of(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00task")
    assert "UTF-8" in problems_of(tmp_path / "binary.yaml")[0].message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E4", 1e4),
        (".5", 0.5),
        ("010", 10),
        ("-3", -3),
        ("no", "no"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("2020-01-01", "2020-01-01"),
        ("tRUE", "tRUE"),
    ],
)
def test_plain_scalars_mean_what_people_mean(text: str, value: object) -> None:
    assert parse_scalar(text) == value
    assert type(parse_scalar(text)) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert parse_yaml("a: '1'\nb: \"true\"\n", "f").value == {"a": "1", "b": "true"}


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    document = parse_yaml(text, "f")
    assert document.problems or document.value is None or isinstance(document.value, (dict, list, str, int, float))


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    path = folder / "c.yaml"
    path.write_text("task: gan\nrecognizer: {config: r.yaml}\ndata: {path: lines}\ncache_dir: kept\n")
    config = load_config(path)
    assert isinstance(config, GanConfig)
    assert (config.recognizer.config, config.data.path) == (folder / "r.yaml", folder / "lines")
    assert cache_folder(config) == folder / "kept"
    monkeypatch.chdir(tmp_path)
    overridden = load_config(path, ["data.path=elsewhere"])
    assert overridden.data.path == tmp_path / "elsewhere"


def test_cache_folder_comes_from_environment_or_current_folder(
    gan_config: GanConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTR_GAN_CACHE", str(tmp_path / "other"))
    assert cache_folder(gan_config) == tmp_path / "other"
    monkeypatch.delenv("HTR_GAN_CACHE")
    monkeypatch.chdir(tmp_path)
    assert cache_folder(gan_config) == tmp_path / ".cache" / "htr-gan"


def test_flat_parameters_have_dotted_names_and_plain_values(gan_config: GanConfig) -> None:
    flat = flatten(gan_config)
    assert flat["train.batch"] == 4
    assert flat["model.use_cudnn"] is True
    assert {"train.accumulation", "train.lr", "data.workers", "loss.pixel", "loss.adv"} <= set(flat)
    assert all(isinstance(value, (str, int, float, bool, type(None))) for value in flat.values())


def test_models_are_frozen(gan_config: GanConfig) -> None:
    with pytest.raises(ValueError, match="frozen"):
        gan_config.train.batch = 2
