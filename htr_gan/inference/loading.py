"""Trained networks as two small things to work with: a `Restorer` and a `Reader`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from htr_gan.alphabet import Alphabet
from htr_gan.config.places import cache_folder
from htr_gan.config.schema import GanConfig, RecognizerConfig
from htr_gan.data.cache import TRAIN, load_lines
from htr_gan.errors import CheckpointError, MissingFileError
from htr_gan.files import read_json
from htr_gan.inference.networks import generator_of, new_reading_network
from htr_gan.inference.reader import Reader
from htr_gan.inference.restorer import Restorer
from htr_gan.inference.trained import CHECKPOINT_META, RECOGNISER_META, Trained, require_kind
from htr_gan.training.checkpoint_folder import Arrays, load_arrays
from htr_gan.training.shared_recogniser import StoredRecogniser, find_recogniser, read_weights

GENERATOR, RECOGNISER = "generator/", "recogniser/"
"""What the names of a network's variables start with in a checkpoint."""
_SEED = "seed_generator"
"""In the names of the states of dropout, which matters in training only."""
KERAS_RESTORER, KERAS_READER, SAVED_MODEL = "restorer.keras", "recogniser.keras", "saved_model"


def load_restorer(trained: Trained) -> Restorer:
    """The generator of a GAN run or export; CheckpointError or DataError if its bytes are not what was written."""
    require_kind(trained, "gan", "only a run of task gan, or its export, can restore")
    if trained.export is not None:
        shape = trained.export
        return Restorer(_exported_restorer(trained.folder), shape["height"], shape["width"], trained.label)
    config, checkpoint = trained.config, trained.checkpoint
    assert isinstance(config, GanConfig)
    assert checkpoint is not None
    network = generator_of(config, config.data.width)
    assign_weights(network, part_of(load_arrays(checkpoint), GENERATOR), checkpoint)
    return Restorer(compiled(network), config.data.height, config.data.width, trained.label)


def load_reader(trained: Trained) -> Reader:
    """The recogniser of a run, a recogniser's folder or an export."""
    if trained.export is not None:
        return _exported_reader(trained)
    if trained.recogniser is None and isinstance(trained.config, RecognizerConfig):
        return _reader_of_checkpoint(trained, trained.config)
    stored = stored_recogniser(trained)
    arrays, (height, width) = read_weights(stored), line_size(stored)

    def network_for(columns: int) -> Any:
        network = new_reading_network(stored.model, stored.alphabet, height, columns)
        assign_weights(network, arrays, stored.folder)
        return compiled(network, "logits")

    fixed = stored.model.family == "transformer"  # its table of places is as long as the lines it was trained on
    return Reader(
        network_for,
        height,
        width,
        stored.alphabet,
        str(stored.folder),
        stored.sha256,
        is_fixed=fixed,
        flattens=is_flattened(stored),
    )


def _reader_of_checkpoint(trained: Trained, config: RecognizerConfig) -> Reader:
    assert trained.checkpoint is not None
    arrays = part_of(load_arrays(trained.checkpoint), RECOGNISER)
    alphabet, data = _alphabet_of_run(trained, config), config.data

    def network_for(columns: int) -> Any:
        network = new_reading_network(config.model, alphabet, data.height, columns)
        assign_weights(network, arrays, trained.checkpoint)
        return compiled(network, "logits")

    sha256 = str((read_json(trained.checkpoint / CHECKPOINT_META) or {}).get("sha256"))
    fixed = config.model.family == "transformer"
    return Reader(
        network_for,
        data.height,
        data.width,
        alphabet,
        trained.label,
        sha256,
        is_fixed=fixed,
        flattens=bool(data.flatten),
    )


def _alphabet_of_run(trained: Trained, config: RecognizerConfig) -> Alphabet:
    """A checkpoint holds numbers only; its letters are those of the result of the run, else of its training lines."""
    result = find_recogniser(trained.folder / "recognizer")
    if result is not None:
        return result.alphabet
    lines = load_lines(
        config.data,
        TRAIN,
        cache_folder(config),
        lambda: None,
        lambda _message: None,
        degraded=False,
        columns_per_step=config.model.columns_per_step,
    )
    return lines.alphabet


def stored_recogniser(trained: Trained) -> StoredRecogniser:
    """The recogniser's folder: inside the run, else where the run took it from; MissingFileError if it is gone."""
    if trained.recogniser is not None:
        found = find_recogniser(trained.recogniser)
        if found is None:
            raise MissingFileError(trained.recogniser / RECOGNISER_META, "it is damaged, or not a recogniser's")
        return found
    config = trained.config
    assert isinstance(config, GanConfig)
    wanted = _wanted_sha256(trained)
    places = sorted((cache_folder(config) / "recognizers").glob(f"*/{RECOGNISER_META}"))
    folders = [config.recognizer.path] if config.recognizer.path is not None else [path.parent for path in places]
    for folder in folders:
        found = find_recogniser(folder)
        if found is not None and wanted in (None, found.sha256):
            return found
    raise MissingFileError(
        trained.folder / "recognizer",
        f"the recogniser of this run (sha256 {str(wanted)[:16]}) is neither in it nor in {cache_folder(config)}",
        "set HTR_GAN_CACHE to the cache folder it was trained with",
    )


def _wanted_sha256(trained: Trained) -> str | None:
    assert trained.checkpoint is not None
    value = (read_json(trained.checkpoint / CHECKPOINT_META) or {}).get("recognizer_sha256")
    return value if isinstance(value, str) else None


def line_size(stored: StoredRecogniser) -> tuple[int, int]:
    """Height and width of the lines a stored recogniser was trained on."""
    config = (read_json(stored.folder / RECOGNISER_META) or {}).get("config")
    try:
        return int(config["data.height"]), int(config["data.width"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{stored.folder / RECOGNISER_META}: the size of its lines is not in it") from None


def is_flattened(stored: StoredRecogniser) -> bool:
    """Whether it learned on lines that were brought onto white paper."""
    config = (read_json(stored.folder / RECOGNISER_META) or {}).get("config")
    return isinstance(config, dict) and config.get("data.flatten") is True


def part_of(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays of one network of a checkpoint, by the names that the network itself uses."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def assign_weights(network: Any, arrays: Arrays, source: object) -> None:
    """Put arrays into a network; CheckpointError naming the first that does not fit."""
    variables = [variable for variable in network.variables if _SEED not in variable.path]
    for variable in variables:
        array = arrays.get(variable.path)
        if array is None or array.shape != tuple(variable.shape):
            found = "missing" if array is None else str(array.shape)
            raise CheckpointError(
                f"{source}: the weights do not fit the network of its configuration",
                f"first difference: {variable.path} is {tuple(variable.shape)} here and {found} there",
            )
        variable.assign(array)
    unknown = sorted(name for name in arrays.keys() - {v.path for v in variables} if _SEED not in name)
    if unknown:
        raise CheckpointError(f"{source}: the weights do not fit the network", f"not in it: {unknown[0]}")
    network.trainable = False


def compiled(network: Any, output: str | None = None) -> Any:
    """A function from float32 [lines, height, width, 1] to the network's (named) output, as NumPy arrays."""

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def call(lines: Any) -> Any:
        found = network(lines, training=False)
        return found if output is None else found[output]

    def run(lines: Any) -> Any:
        return np.asarray(call(tf.constant(lines, tf.float32)), np.float32)

    return run


def _exported_restorer(folder: Path) -> Any:
    if (folder / KERAS_RESTORER).is_file():
        return compiled(keras.models.load_model(folder / KERAS_RESTORER, compile=False))
    return _signature(folder, "restore_float", "restored")


def _exported_reader(trained: Trained) -> Reader:
    shape, folder = trained.export, trained.folder
    assert shape is not None
    if (folder / KERAS_READER).is_file():
        network = compiled(keras.models.load_model(folder / KERAS_READER, compile=False), "logits")
    else:
        network = _signature(folder, "logits", "logits")
    alphabet = Alphabet(shape["alphabet"])
    return Reader(
        lambda _columns: network,
        shape["height"],
        shape["width"],
        alphabet,
        trained.label,
        str(shape.get("recogniser_sha256")),
        is_fixed=not shape["any_width"],
        flattens=bool(shape["flatten"]),
    )


def _signature(folder: Path, name: str, output: str) -> Any:
    """One function of the SavedModel, which stays alive as long as the function does."""
    if not (folder / SAVED_MODEL).is_dir():
        raise MissingFileError(folder / SAVED_MODEL, "neither a Keras file nor a SavedModel is left of this export")
    module = tf.saved_model.load(str(folder / SAVED_MODEL))
    function = module.signatures[name]

    def run(lines: Any, _keep_alive: Any = module) -> Any:
        return function(tf.constant(lines, tf.float32))[output].numpy()

    return run
