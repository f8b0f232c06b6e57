"""`htr-gan export`: the same results without this package, and the alphabet inside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from htr_gan.__main__ import main
from htr_gan.alphabet import Alphabet
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.errors import DataError
from htr_gan.inference.exporting import _save_keras, _with_letters
from htr_gan.inference.loading import load_reader, load_restorer
from htr_gan.inference.networks import new_reading_network
from htr_gan.inference.reading import read_line
from htr_gan.inference.serving import Serving
from htr_gan.inference.trained import find_trained
from htr_gan.models.unet import build_generator
from tests.htr_gan.source_makers import picture, write_picture
from tests.htr_gan.trained_runs import Runs, trained_runs

__all__ = ["trained_runs"]

USE = """
import json, sys, zipfile
import keras, numpy as np, tensorflow as tf
folder, lines = sys.argv[1], np.load(sys.argv[2])
module = tf.saved_model.load(folder + "/saved_model")
restored = module.signatures["serving_default"](lines=tf.constant(lines))["restored"].numpy()
read = module.signatures["read"](lines=tf.constant(lines))
restorer = keras.models.load_model(folder + "/restorer.keras")
recogniser = keras.models.load_model(folder + "/recogniser.keras")
unit = lines.astype("float32") / 255
by_keras = recogniser.predict(unit, verbose=0)
with open(module.alphabet_file.asset_path.numpy(), encoding="utf-8") as file:
    letters = json.load(file)["letters"]
print(json.dumps({
    "foreign": [name for name in sys.modules if name.startswith("htr_")],
    "restored": restored[..., 0].tolist(),
    "restored_by_keras": restorer.predict(unit, verbose=0)[..., 0].tolist(),
    "text": [text.decode() for text in read["text"].numpy()],
    "confidence": read["confidence"].numpy().tolist(),
    "logits_by_keras": by_keras["logits"].tolist(),
    "letters_by_keras": [[letter.decode() for letter in row] for row in by_keras["letters"]],
    "vocabulary": [str(word) for word in recogniser.get_layer("letters").get_vocabulary()],
    "letters": letters,
    "in_archive": json.loads(zipfile.ZipFile(folder + "/recogniser.keras").read("alphabet.json"))["letters"],
}))
"""


def test_an_export_works_where_only_tensorflow_is(runs: Runs, tmp_path: Path) -> None:
    assert main(["export", str(runs.gan), str(tmp_path / "export")]) == 0
    lines = np.stack([picture(16, 64, seed) for seed in range(3)])
    np.save(tmp_path / "lines.npy", lines[..., None])
    result = subprocess.run(
        [sys.executable, "-I", "-c", USE, str(tmp_path / "export"), str(tmp_path / "lines.npy")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["foreign"] == []
    restorer, reader = load_restorer(find_trained(runs.gan)), load_reader(find_trained(runs.gan))
    restored = np.stack(restorer.restore_lines(list(lines.astype(np.float32) / 255)))
    np.testing.assert_allclose(np.asarray(found["restored"]) / 255, restored, atol=0.003)
    np.testing.assert_allclose(found["restored_by_keras"], restored, atol=1e-4)
    readings = reader.read(list(lines))
    assert found["text"] == [reading.text for reading in readings]
    assert found["confidence"] == pytest.approx([reading.confidence for reading in readings], abs=1e-4)
    for logits, letters, reading in zip(found["logits_by_keras"], found["letters_by_keras"], readings, strict=True):
        assert read_line(np.asarray(logits, np.float32), reader.alphabet).text == reading.text
        best = np.asarray(logits).argmax(axis=1)
        assert letters == [["", *reader.alphabet.letters][label] for label in best]
    assert found["letters"] == found["in_archive"] == list(reader.alphabet.letters)
    assert found["vocabulary"] == ["", *reader.alphabet.letters]


@pytest.mark.parametrize("kind", ["keras", "savedmodel"])
def test_our_own_commands_take_an_export(
    runs: Runs, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export"
    assert main(["export", str(runs.gan), str(export), "--format", kind]) == 0
    write_picture(tmp_path / "a.png", 3, height=18, width=200)
    results = []
    for number, run in enumerate((runs.gan, export)):
        out = tmp_path / f"restored-{number}.png"
        assert main(["restore", str(run), str(tmp_path / "a.png"), str(out)]) == 0
        capsys.readouterr()
        write_picture(tmp_path / "b.png", 3, height=16, width=64)
        assert main(["read", str(run), str(tmp_path / "b.png")]) == 0
        results.append((capsys.readouterr().out, out.read_bytes()))
    assert results[0] == results[1]
    assert main(["export", str(export), str(tmp_path / "again")]) == 2


def test_a_recogniser_is_exported_alone(runs: Runs, tmp_path: Path) -> None:
    assert main(["export", str(runs.recogniser / "recognizer"), str(tmp_path / "export")]) == 0
    names = sorted(path.name for path in (tmp_path / "export").iterdir())
    assert names == ["alphabet.json", "export.json", "recogniser.keras", "saved_model"]
    module = tf.saved_model.load(str(tmp_path / "export" / "saved_model"))
    assert sorted(module.signatures) == ["logits", "read", "read_float", "serving_default"]
    narrow = tf.constant(picture(16, 40)[None, ..., None])
    assert module.signatures["serving_default"](lines=narrow)["labels"].shape[0] == 1
    wide = tf.constant(picture(16, 65)[None, ..., None])
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 64 pixels wide"):
        module.signatures["serving_default"](lines=wide)


def test_nothing_is_overwritten(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "export"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    command = ["export", str(runs.recogniser), str(out), "--format", "keras"]
    assert main([*command, "--force"]) == 2
    assert (out / "mine.txt").read_text() == "mine"
    (out / "mine.txt").unlink()
    out.rmdir()
    assert main(command) == 0
    assert main(command) == 2
    assert "--force replaces" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


def reading_network(alphabet: Alphabet, **shape: Any) -> Any:
    keras.utils.set_random_seed(3)
    config = RecognizerModelConfig(width=2, lstm=4, use_cudnn=False, **shape)
    return new_reading_network(config, alphabet, 16, 64)


def test_the_graph_reads_as_python_does(tmp_path: Path) -> None:
    """Letters of every kind, and confidences, on logits that are far from calm."""
    alphabet = Alphabet(' aé"œ\u00a0\U0001f58b')
    network = reading_network(alphabet)
    network.get_layer("rec_logits").kernel.assign(np.random.default_rng(2).normal(0, 3, (8, alphabet.classes)))
    (tmp_path / "alphabet.json").write_text("{}")
    serving = Serving(None, network, alphabet, 16, 64, tmp_path / "alphabet.json")
    lines = np.random.default_rng(1).random((5, 16, 64, 1), np.float32)
    found = serving.signatures()["read_float"](tf.constant(lines))
    logits = network(lines, training=False)["logits"].numpy()
    readings = [read_line(row, alphabet) for row in logits]
    assert [text.decode() for text in found["text"].numpy()] == [reading.text for reading in readings]
    assert any(reading.text for reading in readings)
    assert found["confidence"].numpy().tolist() == pytest.approx([r.confidence for r in readings], abs=1e-5)
    path = tmp_path / "recogniser.keras"
    _save_keras(_with_letters(network, alphabet), path, alphabet)
    letters = keras.models.load_model(path).get_layer("letters").get_vocabulary()
    assert letters == ["", *alphabet.letters]


def test_generators_of_all_shapes_restore_any_width(tmp_path: Path) -> None:
    (tmp_path / "alphabet.json").write_text("{}")
    alphabet = Alphabet("ab")
    for options in ({"norm": "group", "residual": True}, {"attention": True, "passes": 2}):
        keras.utils.set_random_seed(1)
        generator = build_generator(16, 64, channels=2, levels=2, **options)
        serving = Serving(generator, reading_network(alphabet), alphabet, 16, 64, tmp_path / "alphabet.json")
        restore = serving.signatures()["restore_float"]
        wide = build_generator(16, 112, channels=2, levels=2, **options)
        wide.set_weights(generator.get_weights())
        line = np.random.default_rng(1).random((1, 16, 100, 1), np.float32)
        padded = np.pad(line, ((0, 0), (0, 0), (0, 12), (0, 0)), constant_values=1.0)
        expected = wide(padded, training=False).numpy()[:, :, :100]
        np.testing.assert_allclose(restore(tf.constant(line))["restored"].numpy(), expected, atol=1e-5)


def test_networks_with_layers_of_our_own_are_not_written_for_keras(tmp_path: Path) -> None:
    alphabet = Alphabet("ab")
    network = reading_network(alphabet, family="transformer", encoder_layers=1, heads=2, d_model=4, feed_forward=8)
    with pytest.raises(DataError, match="PositionalEncoding"):
        _save_keras(network, tmp_path / "x.keras", alphabet)
    assert not (tmp_path / "x.keras").exists()
    (tmp_path / "alphabet.json").write_text("{}")
    serving = Serving(None, network, alphabet, 16, 64, tmp_path / "alphabet.json")
    tf.saved_model.save(serving, str(tmp_path / "saved"), signatures=serving.signatures())
    module = tf.saved_model.load(str(tmp_path / "saved"))
    line = picture(16, 64)[None, ..., None]
    logits = module.signatures["logits"](lines=tf.constant(line, tf.float32) / 255.0)["logits"].numpy()
    expected = network(line.astype(np.float32) / 255, training=False)["logits"].numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)
