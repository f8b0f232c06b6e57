"""Networks in files that run without this package, with the alphabet inside.

Keras: the networks alone, from [0, 1] to [0, 1] or to logits and letters. SavedModel: functions from pictures of bytes
or floats to restored pictures and to text, so that nothing else has to be known.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from htr_gan import __version__
from htr_gan.alphabet import Alphabet
from htr_gan.config.schema import GanConfig
from htr_gan.errors import DataError, UsageError
from htr_gan.files import folder_written_whole, write_json
from htr_gan.inference.loading import (
    GENERATOR,
    KERAS_READER,
    KERAS_RESTORER,
    SAVED_MODEL,
    assign_weights,
    is_flattened,
    line_size,
    part_of,
    stored_recogniser,
)
from htr_gan.inference.networks import generator_of, new_reading_network
from htr_gan.inference.serving import Serving
from htr_gan.inference.trained import EXPORT, EXPORT_SCHEMA, Trained
from htr_gan.models.norm import as_keras_has_it
from htr_gan.training.checkpoint_folder import load_arrays
from htr_gan.training.shared_recogniser import StoredRecogniser, read_weights

ALPHABET = "alphabet.json"


def export_trained(trained: Trained, out: Path, wanted: str) -> list[str]:
    """Write `out` as a whole: `keras`, `savedmodel` or `both`; returns the names of what is in it."""
    if trained.export is not None:
        raise UsageError(f"{trained.folder}: an export cannot be exported again")
    stored = stored_recogniser(trained)
    height, width = line_size(stored)
    generator = _generator(trained) if trained.kind == "gan" else None
    recogniser = _recogniser(stored, height, width)
    out.parent.mkdir(parents=True, exist_ok=True)
    with folder_written_whole(out) as fresh:
        write_json(fresh / ALPHABET, alphabet_record(stored.alphabet))
        if wanted in ("keras", "both"):
            _write_keras(generator, recogniser, stored.alphabet, fresh)
        if wanted in ("savedmodel", "both"):
            serving = Serving(generator, recogniser, stored.alphabet, height, width, fresh / ALPHABET)
            tf.saved_model.save(serving, str(fresh / SAVED_MODEL), signatures=serving.signatures())
        write_json(fresh / EXPORT, _record(trained, stored, height, width))
        return sorted(path.name for path in fresh.iterdir())


def _record(trained: Trained, stored: StoredRecogniser, height: int, width: int) -> dict[str, Any]:
    return {
        "schema": EXPORT_SCHEMA,
        "kind": trained.kind,
        "height": height,
        "width": width,
        "any_width": False,
        "flatten": is_flattened(stored),
        "alphabet": stored.alphabet.letters,
        "recogniser_sha256": stored.sha256,
        "source": trained.label,
        "htr_gan": __version__,
    }


def alphabet_record(alphabet: Alphabet) -> dict[str, Any]:
    """What a reader of logits has to know."""
    return {"blank": 0, "letters": list(alphabet.letters), "note": "class i + 1 is letter i"}


def _generator(trained: Trained) -> Any:
    config, checkpoint = trained.config, trained.checkpoint
    assert isinstance(config, GanConfig)
    assert checkpoint is not None
    network = generator_of(config, config.data.width)
    assign_weights(network, part_of(load_arrays(checkpoint), GENERATOR), checkpoint)
    return network


def _recogniser(stored: StoredRecogniser, height: int, width: int) -> Any:
    """Never with cuDNN kernels: a graph with them runs on a GPU only."""
    network = new_reading_network(stored.model, stored.alphabet, height, width, use_cudnn=False)
    assign_weights(network, read_weights(stored), stored.folder)
    return network


def _write_keras(generator: Any, recogniser: Any, alphabet: Alphabet, folder: Path) -> None:
    if generator is not None:
        _save_keras(generator, folder / KERAS_RESTORER, alphabet)
    _save_keras(_with_letters(recogniser, alphabet), folder / KERAS_READER, alphabet)


def _with_letters(recogniser: Any, alphabet: Alphabet) -> Any:
    """The recogniser with a third output: the letter of each time step, an empty text for the blank."""
    logits = recogniser.output["logits"]
    letter = layers.StringLookup(vocabulary=list(alphabet.letters), oov_token="", invert=True, name="letters")
    outputs = {"logits": logits, "letters": letter(ops.argmax(logits, axis=-1))}
    return keras.Model(recogniser.input, outputs, name="recogniser")


def _save_keras(network: Any, path: Path, alphabet: Alphabet) -> None:
    """Save, and put the alphabet into the archive as a file of its own; Keras ignores what it does not know."""
    network = _without_ours(network)
    if foreign := _foreign_layers(network):
        raise DataError(
            f"{path.name}: Keras alone cannot load this network",
            f"layers of our own: {', '.join(foreign)}",
            "--format savedmodel has no such limit",
        )
    network.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(ALPHABET, json.dumps(alphabet_record(alphabet), ensure_ascii=False))


def _without_ours(network: Any) -> Any:
    """The same network with Keras's own batch norm in the place of our faster one."""
    plain = keras.models.clone_model(network, clone_function=as_keras_has_it)
    plain.set_weights(network.get_weights())
    return plain


def _foreign_layers(network: Any) -> list[str]:
    """Names of layer classes that are not Keras's own."""
    found = network._flatten_layers()  # the only way to also see layers inside wrappers
    return sorted({type(layer).__name__ for layer in found if not type(layer).__module__.startswith("keras.")})
