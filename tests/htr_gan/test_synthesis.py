"""Degraded sides of lines: recipes, effects, real paper, flattening, and every pass anew."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import random
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from htr_gan.__main__ import main
from htr_gan.config.data_section import DataConfig
from htr_gan.config.effects_section import EffectsConfig
from htr_gan.config.load import load_config
from htr_gan.data import pairs
from htr_gan.data.augraphy_page import CHOICES
from htr_gan.data.cache import HELD_OUT, TRAIN, load_lines, settings_of
from htr_gan.data.damage import Damage, damage_of
from htr_gan.data.degrade import degrade
from htr_gan.data.flatten import flatten_paper
from htr_gan.data.fonts import load_faces
from htr_gan.data.lines import LineSet
from htr_gan.data.order import line_visits
from htr_gan.data.pairs import DegradedLines, live_degraded, load_pairs
from htr_gan.data.paper import load_strips, place_strip, strips_fingerprint
from htr_gan.data.render import Picture, render_line
from htr_gan.errors import ConfigError, DataError, MissingFileError, StopRequested
from htr_gan.training.checkpoint_folder import find_checkpoint
from htr_gan.training.feeding import step_batches

SMALL = DataConfig(lines=6, held_out=4, height=32, width=128, text_length=8, fonts=("kalam",), workers=0)
HISTORIC = damage_of(SMALL.model_copy(update={"recipe": "historic"}))
EFFECTS = tuple(EffectsConfig.model_fields)


def line(seed: int, width: int = 128) -> Picture:
    return render_line("good sound", load_faces(("kalam",)), 32, width, np.random.default_rng(seed))


def aged(damage: Damage, seed: int = 1) -> Picture:
    return degrade(line(1), line(2), damage, np.random.default_rng(seed), np.random.default_rng(seed + 100))


def only(effect: str, amount: float) -> EffectsConfig:
    return EffectsConfig.model_validate({**dict.fromkeys(EFFECTS, 0.0), effect: amount})


def harmless(recipe: str) -> Damage:
    return damage_of(SMALL.model_copy(update={"recipe": recipe, "effects": only("fade", 0.0)}))


def no_check() -> None:
    return None


def ignore(_message: str) -> None:
    return None


@pytest.fixture
def strips(tmp_path: Path) -> Path:
    folder = tmp_path / "strips"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number, tone in enumerate((120, 180, 210)):
        strip = np.clip(rng.normal(tone, 6, (64, 200)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), strip)
    return folder


def test_the_first_release_s_lines_keep_their_bytes() -> None:
    """Degraded by the first release's code with these generators; new effects draw from another generator."""
    page = degrade(*GRADIENTS, Damage(strength=0.7), np.random.default_rng(5), np.random.default_rng(6))
    again = degrade(*GRADIENTS, Damage(strength=0.7), np.random.default_rng(5), np.random.default_rng(7))
    assert np.array_equal(page, again)
    assert np.abs(page[::8, ::16].astype(int) - FIRST_RELEASE).max() <= 1, "libraries may round otherwise"


GRADIENTS: tuple[Picture, Picture] = (
    np.add.outer(np.arange(32) * 3, np.arange(128)).astype(np.uint8),
    np.add.outer(np.arange(32), 255 - np.arange(128)).clip(0, 255).astype(np.uint8),
)
FIRST_RELEASE = np.array(
    [
        [23, 18, 10, 54, 90, 148, 144, 182],
        [55, 55, 96, 99, 108, 129, 188, 191],
        [119, 130, 124, 136, 147, 149, 203, 203],
        [108, 117, 109, 113, 140, 157, 199, 177],
    ]
)


def test_damage_of_the_first_release_adds_nothing_to_fingerprints(strips: Path) -> None:
    assert damage_of(SMALL).record() == {}
    assert damage_of(SMALL.model_copy(update={"strength": 0.2})).record() == {}
    names = {
        settings_of(SMALL.model_copy(update=change), TRAIN, degraded=True).name()
        for change in (
            {},
            {"recipe": "historic"},
            {"effects": EffectsConfig(fade=0.5)},
            {"effects": EffectsConfig(pale=1)},
            {"paper": strips},
        )
    }
    assert len(names) == 5
    clean = {
        settings_of(SMALL.model_copy(update=change), TRAIN, degraded=False).name()
        for change in ({}, {"recipe": "historic"})
    }
    assert len(clean) == 1, "clean lines do not depend on damage"


@pytest.mark.parametrize("recipe", ["classic", "historic"])
def test_all_effects_at_0_leave_the_line_as_it_is(recipe: str) -> None:
    nothing = harmless(recipe)
    assert np.array_equal(aged(nothing), line(1))


@pytest.mark.parametrize("effect", EFFECTS)
def test_each_effect_does_something_alone_and_more_of_it_does_more(effect: str) -> None:
    def distance(amount: float) -> float:
        damage = damage_of(
            SMALL.model_copy(update={"recipe": "historic", "strength": 1.0, "effects": only(effect, amount)})
        )
        pages = [aged(damage, seed).astype(float) for seed in range(25)]
        return float(np.mean([np.abs(page - line(1)).mean() for page in pages]))

    assert 0 == distance(0.0) < distance(0.5) < distance(1.5)


def test_historic_lines_are_grey_and_pale_and_quiet() -> None:
    pages = np.stack([aged(HISTORIC, seed) for seed in range(40)])
    papers = np.median(pages.reshape(40, -1), axis=1)
    darkest = np.percentile(pages.reshape(40, -1), 2, axis=1)
    assert 130 < np.median(papers) < 200
    assert 20 < np.median(papers - darkest) < 120
    classic = np.stack([aged(Damage(), seed) for seed in range(40)])
    grain = [float(np.abs(np.diff(some.astype(float), axis=2)).mean()) for some in (pages, classic)]
    assert grain[0] < grain[1] / 2


def test_real_paper_takes_the_place_of_rendered_paper(strips: Path) -> None:
    loaded = load_strips(str(strips))
    assert len(loaded) == 3
    for height, width in ((16, 64), (32, 1000), (200, 300)):
        light = place_strip(loaded, height, width, 1.0, np.random.default_rng(1))
        assert light.shape == (height, width)
        assert 0.4 < light.mean() < 0.9
        assert np.all(place_strip(loaded, height, width, 0.0, np.random.default_rng(1)) == 1.0)
    medians = {
        round(float(np.median(place_strip(loaded, 32, 128, 1.0, np.random.default_rng(seed)))) * 255)
        for seed in range(30)
    }
    assert all(min(abs(found - tone) for tone in (120, 180, 210)) < 6 for found in medians)
    assert len(medians) >= 3
    damage = replace(harmless("historic"), paper=1.0, strips=str(strips))
    page = aged(damage)
    assert page[line(1) < 60].mean() < page[line(1) > 250].mean() - 40, "ink lies on the paper"


def test_paper_that_is_missing_or_no_picture_is_named(tmp_path: Path, strips: Path) -> None:
    with pytest.raises(MissingFileError, match="gone"):
        load_strips(str(tmp_path / "gone"))
    (strips / "bad.png").write_bytes(b"no picture")
    load_strips.cache_clear()
    with pytest.raises(DataError, match=r"bad\.png"):
        load_strips(str(strips))
    dark = tmp_path / "dark"
    dark.mkdir()
    cv2.imwrite(str(dark / "x.png"), np.zeros((64, 64), np.uint8))
    with pytest.raises(DataError, match="no usable strip"):
        load_strips(str(dark))


def test_other_paper_is_another_fingerprint(strips: Path) -> None:
    first = strips_fingerprint(str(strips))
    cv2.imwrite(str(strips / "1.png"), np.full((64, 200), 99, np.uint8))
    strips_fingerprint.cache_clear()
    assert strips_fingerprint(str(strips)) != first


def test_flattening_gives_white_paper_and_dark_ink_with_grey_edges() -> None:
    ink = 1.0 - line(4).astype(np.float64) / 255.0
    x = np.linspace(0.75, 1.0, 128)
    grey = np.clip(205.0 * x * (1.0 - 0.45 * ink) + np.random.default_rng(1).normal(0, 1.5, ink.shape), 0, 255)
    flat = flatten_paper(grey.astype(np.uint8))
    assert np.array_equal(flat, flatten_paper(grey.astype(np.uint8)))
    assert flat[ink < 0.01].mean() > 247
    assert flat[ink > 0.7].mean() < 80
    edge = flat[(ink > 0.3) & (ink < 0.5)]
    assert 60 < edge.mean() < 200
    assert np.abs(flat.astype(float) - line(4)).mean() < 12


def test_flattening_a_line_without_writing_gives_white() -> None:
    for blank in (np.full((32, 128), 130, np.uint8), np.zeros((32, 128), np.uint8)):
        assert np.all(flatten_paper(blank) == 255)
    noisy = np.random.default_rng(1).normal(150, 1.5, (32, 128)).astype(np.uint8)
    assert flatten_paper(noisy).mean() > 250


def degraded(count: int = 5, seed: int = 1, split: str = TRAIN) -> DegradedLines:
    return DegradedLines(np.stack([line(number) for number in range(count)]), HISTORIC, seed, split)


def test_seed_split_pass_and_index_change_a_line_and_nothing_else_does() -> None:
    once = degraded().visit(2, 0)
    assert np.array_equal(once, degraded().visit(2, 0))
    others = [
        degraded().visit(2, 1),
        degraded().visit(3, 0),
        degraded(seed=2).visit(2, 0),
        degraded(split=HELD_OUT).visit(2, 0),
    ]
    assert len({once.tobytes(), *(other.tobytes() for other in others)}) == 5
    assert degraded(count=1).visit(0, 0).shape == (32, 128), "a line alone is its own other side"


SCRIPT = """
import hashlib, numpy as np
from htr_gan.data.damage import Damage
from htr_gan.data.pairs import DegradedLines
clean = np.add.outer(np.arange(3) * 40, np.add.outer(np.arange(32), np.arange(128))).clip(0, 255).astype(np.uint8)
damage = Damage("historic", pale=1, shadow=1, neighbours=1, blocks=1)
lines = DegradedLines(clean, damage, 3, "train")
made = {k: lines.visit(k % 3, k // 3) for k in ORDER}
print(hashlib.sha256(b"".join(made[k].tobytes() for k in sorted(made))).hexdigest())
"""


def test_processes_and_orders_give_the_same_bytes() -> None:
    prints = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT.replace("ORDER", order)], check=True, capture_output=True, timeout=120
        ).stdout
        for order in ("range(12)", "range(11, -1, -1)")
    }
    assert len(prints) == 1


def test_lines_that_are_degraded_once_are_as_before(tmp_path: Path) -> None:
    for split in (TRAIN, HELD_OUT):
        before = load_lines(SMALL, split, tmp_path, no_check, ignore, degraded=True)
        now = load_pairs(SMALL, split, tmp_path, no_check, ignore)
        assert before.degraded is not None
        assert now.degraded is not None
        assert np.array_equal(before.degraded, now.degraded)
        assert live_degraded(now, SMALL) == {}


def test_every_pass_leaves_held_out_lines_alone(tmp_path: Path) -> None:
    data = SMALL.model_copy(update={"degrade": "every_pass"})
    train, held_out = (load_pairs(data, split, tmp_path, no_check, ignore) for split in (TRAIN, HELD_OUT))
    once = load_pairs(SMALL, HELD_OUT, tmp_path, no_check, ignore)
    assert train.degraded is None
    assert held_out.degraded is not None
    assert once.degraded is not None
    assert np.array_equal(held_out.degraded, once.degraded)
    live = live_degraded(train, data)["degraded"]
    visits = line_visits(len(train), 1, 0, 4, 4)
    batches = list(step_batches({"clean": train.clean}, visits, {"degraded": live}))
    for batch, indices, passes in zip(batches, visits.indices, visits.passes, strict=True):
        wanted = np.stack([live.visit(int(i), int(k)) for i, k in zip(indices, passes, strict=True)])
        assert np.array_equal(batch["degraded"].numpy()[..., 0], wanted.astype(np.float32) / np.float32(255.0))
        assert np.array_equal(
            batch["clean"].numpy()[..., 0], train.clean[indices].astype(np.float32) / np.float32(255.0)
        )


def imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, paired: bool = False) -> DataConfig:
    """A configuration whose lines come, grey, from a source."""
    grey = np.stack([(120 + 0.35 * line(number)).astype(np.uint8) for number in range(20)])
    lines = LineSet(grey, grey // 2 if paired else None, tuple("good" for _ in grey), imported=True)
    monkeypatch.setattr(pairs, "load_lines", lambda *_args, **_kwargs: lines)
    return SMALL.model_copy(update={"sources": (tmp_path,)})


def test_imported_clean_lines_get_a_degraded_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = imported(monkeypatch, tmp_path)
    made = load_pairs(data, TRAIN, tmp_path, no_check, ignore)
    again = load_pairs(data, TRAIN, tmp_path, no_check, ignore)
    other = load_pairs(data, HELD_OUT, tmp_path, no_check, ignore)
    assert made.degraded is not None
    assert again.degraded is not None
    assert other.degraded is not None
    assert np.array_equal(made.degraded, again.degraded)
    assert not np.array_equal(made.degraded, other.degraded)
    assert np.median(made.clean) > 250, "on white paper"
    assert np.array_equal(made.degraded[7], DegradedLines(made.clean, Damage(), data.seed, TRAIN).visit(7, 0))
    grey = load_pairs(data.model_copy(update={"flatten": False}), TRAIN, tmp_path, no_check, ignore)
    assert np.median(grey.clean) < 220
    every = load_pairs(data.model_copy(update={"degrade": "every_pass"}), TRAIN, tmp_path, no_check, ignore)
    assert every.degraded is None
    assert np.array_equal(every.clean, made.clean)


def test_imported_pairs_are_left_alone_unless_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = imported(monkeypatch, tmp_path, paired=True)
    kept = load_pairs(data, TRAIN, tmp_path, no_check, ignore)
    assert kept.degraded is not None
    assert np.array_equal(kept.degraded, kept.clean // 2)
    notes: list[str] = []
    asked = load_pairs(data.model_copy(update={"degrade": "every_pass"}), TRAIN, tmp_path, no_check, notes.append)
    assert asked.degraded is None
    assert any("are not used" in note for note in notes)


def test_a_stop_while_degrading_is_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop() -> None:
        raise StopRequested("SIGTERM")

    with pytest.raises(StopRequested):
        load_pairs(imported(monkeypatch, tmp_path), TRAIN, tmp_path, stop, ignore)


def train_gan(path: Path, folder: Path, *, epochs: tuple[int, ...]) -> str:
    """SHA-256 of the last state, after runs that each go on to so many epochs."""
    # A constant rate: a cosine would depend on the number of epochs, which differs between the parts.
    keys = ("degrade=every_pass", "recipe=historic", "lines=7")
    settings = [f"data.{key}" for key in keys] + ["train.samples=0", "train.final_lr=1.0", "train.warmup=0"]
    for count in epochs:
        sets = [word for key in (*settings, f"train.epochs={count}") for word in ("--set", key)]
        assert main(["train", str(path), "--out", str(folder), *sets]) == 0
    found = find_checkpoint(folder)
    assert found is not None
    digest = hashlib.sha256()
    with np.load(found.path / "state.npz") as file:
        for name in sorted(file.files):
            digest.update(name.encode() + file[name].tobytes())
    return digest.hexdigest()


def test_an_interrupted_training_on_live_lines_ends_with_the_same_bytes(micro: Path, tmp_path: Path) -> None:
    whole = train_gan(micro, tmp_path / "whole", epochs=(2,))
    assert train_gan(micro, tmp_path / "parts", epochs=(1, 2)) == whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("effects: {fade: -1}", "greater than or equal to 0"),
        ("effects: {fad: 1}", "unknown key"),
        ("recipe: modern", "classic"),
        ("degrade: always", "every_pass"),
    ],
)
def test_wrong_keys_are_refused(write_config: Callable[[str], Path], text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write_config(f"task: gan\ndata: {{{text}}}\n"))


def test_effects_left_open_are_the_recipe_s(write_config: Callable[[str], Path], strips: Path) -> None:
    def damage(text: str, *overrides: str) -> Any:
        return damage_of(load_config(write_config(f"task: gan\ndata: {{{text}}}\n"), overrides).data)

    assert damage("recipe: historic").pale == 1.0
    assert damage("recipe: classic").pale == 0.0
    assert damage("recipe: historic, effects: {pale: 0.5}").pale == 0.5
    assert damage("recipe: classic", "data.effects.shadow=2").shadow == 2.0
    assert damage(f"paper: {strips.name}").strips == str(strips)


class FakeAugmentation:
    """Draws from all global generators, as augraphy's do, when it is made and when it is used."""

    def __init__(self, p: float) -> None:
        assert p == 1
        self.offset = random.randrange(50)

    def __call__(self, page: Picture) -> Picture:
        grain = np.random.randint(0, 20, page.shape)
        return (page.astype(int) // 2 + grain + self.offset).astype(np.uint8)


@pytest.fixture
def fake_augraphy(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("augraphy")
    module.__spec__ = importlib.machinery.ModuleSpec("augraphy", None)
    for name, _ in CHOICES:
        setattr(module, name, FakeAugmentation)
    monkeypatch.setitem(sys.modules, "augraphy", module)


@pytest.mark.usefixtures("fake_augraphy")
def test_augraphy_depends_on_the_visit_and_leaves_global_generators_alone() -> None:
    lines = replace(degraded(), damage=replace(HISTORIC, augraphy=True))
    random.seed(1)
    np.random.seed(1)
    before = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    first = [lines.visit(index, 0) for index in range(5)]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]
    random.seed(2)
    again = [lines.visit(index, 0) for index in reversed(range(5))][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert not np.array_equal(first[0], degraded().visit(0, 0))


def test_augraphy_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingFileError, match="augraphy") as caught:
        damage_of(SMALL.model_copy(update={"augraphy": True}))
    assert "htr-tui[train,augraphy]" in caught.value.hint


def test_augraphy_itself_gives_the_same_bytes_again() -> None:
    pytest.importorskip("augraphy")
    lines = replace(degraded(), damage=replace(HISTORIC, augraphy=True))
    first = [lines.visit(index, 0) for index in range(4)]
    again = [lines.visit(index, 0) for index in reversed(range(4))][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
