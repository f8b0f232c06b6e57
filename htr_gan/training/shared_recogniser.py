"""The recogniser that all trials of a study share: trained by the first that wants it, under a lock; reused by the rest."""

from __future__ import annotations

import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from htr_gan.alphabet import LOWERCASE, Alphabet
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.places import cache_folder
from htr_gan.config.schema import GanConfig, RecognizerConfig, flatten
from htr_gan.data.cache import HELD_OUT, TRAIN, WaitingNote, lines_identity, load_lines
from htr_gan.data.pairs import on_white_paper
from htr_gan.errors import CheckpointError, DataError, MissingFileError
from htr_gan.events import EventSink, NestedEvents
from htr_gan.files import fingerprint, folder_written_whole, locked, read_json, sweep_leftovers, write_json
from htr_gan.stop import StopFlag
from htr_gan.training.checkpoint_folder import Arrays, Checkpoint, find_checkpoint, state_sha256
from htr_gan.training.loop import Loop
from htr_gan.training.precision import choose_policy, layer_precision
from htr_gan.training.recogniser_task import RecogniserTask, new_recogniser
from htr_gan.training.starting_weights import start_from
from htr_gan.training.stepped import learned_variables

SCHEMA = 1
RECOGNISER_FOLDER = "recognizer"
"""In a run's folder: the result of task `recognizer`, or the recogniser that guided the generator."""
WEIGHTS, META = "weights.npz", "recognizer.json"
_NOT_LEARNED = (
    "cache_dir",
    "data.path",
    "data.sources",
    "data.charset",
    "data.on_bad",
    "data.workers",
    "data.strength",
    "data.degrade",
    "data.recipe",
    "data.effects.",
    "data.paper",
    "data.augraphy",
    "data.texts",
    "model.use_cudnn",
    "init",
    "train.keep.last",
    "train.tensorboard",
    "train.callbacks",
    "train.callbacks_from",
)
"""Keys, or beginnings of keys, that change nothing about what is learned."""


@dataclass(frozen=True)
class StoredRecogniser:
    """A trained recogniser on disk."""

    folder: Path
    sha256: str
    cer: float
    trained_at: str
    model: RecognizerModelConfig
    """The network; recognisers of earlier releases recorded `width` and `lstm` only, the rest are its defaults."""
    alphabet: Alphabet
    """The letters it reads; whoever uses it encodes and decodes with these."""


def recogniser_name(config: RecognizerConfig) -> str:
    """The same for configurations that learn the same."""
    learned = {key: value for key, value in flatten(config).items() if not key.startswith(_NOT_LEARNED)}
    record = {"schema": SCHEMA, "config": learned, "lines": lines_identity(config.data)}
    if config.init is not None:
        record["init"] = find_start(config.init).sha256
    return fingerprint(record)


def write_recogniser(folder: Path, task: RecogniserTask, config: RecognizerConfig, cer: float) -> None:
    """Put a trained recogniser into `folder`, as a whole."""
    arrays = {variable.path: np.asarray(variable.numpy()) for variable in learned_variables(task.model.recogniser)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder_written_whole(folder) as fresh:
        with open(fresh / WEIGHTS, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        record = {
            "schema": SCHEMA,
            "sha256": state_sha256(arrays),
            "cer": cer,
            "trained_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "alphabet": task.alphabet.letters,
            "model": config.model.model_dump(mode="json"),
            "config": flatten(config),
        }
        write_json(fresh / META, record)


def write_best_recogniser(folder: Path, task: RecogniserTask, config: RecognizerConfig, loop: Loop) -> None:
    """The result of a training: the weights of its best epoch, which need not be the last."""
    best = loop.restore_best()
    if best != loop.progress.epochs_done:
        loop.events.note(f"the recogniser is that of epoch {best}, the best; the last was {loop.progress.epochs_done}")
    write_recogniser(folder, task, config, loop.progress.history[best - 1]["values"]["val/cer"])


def copy_recogniser(stored: StoredRecogniser, folder: Path) -> None:
    """Make a run's folder complete: whole or not at all; one that is there already stays."""
    there = _find_intact(folder)
    if folder.resolve() == stored.folder.resolve() or (there is not None and there.sha256 == stored.sha256):
        return
    sweep_leftovers(folder)
    with folder_written_whole(folder) as fresh:
        for name in (WEIGHTS, META):
            shutil.copyfile(stored.folder / name, fresh / name)


def find_recogniser(folder: Path) -> StoredRecogniser | None:
    """What lies in `folder`, or None."""
    meta = read_json(folder / META)
    if meta is None or meta.get("schema") != SCHEMA or not (folder / WEIGHTS).is_file():
        return None
    try:
        return StoredRecogniser(
            folder,
            str(meta["sha256"]),
            float(meta["cer"]),
            str(meta["trained_at"]),
            RecognizerModelConfig.model_validate(meta["model"]),
            Alphabet(meta.get("alphabet", LOWERCASE.letters)),
        )
    except (KeyError, TypeError, ValueError):
        return None


def find_start(folder: Path) -> StoredRecogniser:
    """The recogniser in `folder`, or in the folder of a run; MissingFileError if there is none."""
    for place in (folder, folder / RECOGNISER_FOLDER):
        stored = find_recogniser(place)
        if stored is not None:
            return stored
    raise MissingFileError(folder / META, "init should be a trained recogniser, or the folder of a run of that task")


def read_weights(stored: StoredRecogniser) -> Arrays:
    """The weights by name; DataError if their bytes are not those that were written."""
    path = stored.folder / WEIGHTS
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read", str(error)) from error
    if state_sha256(arrays) != stored.sha256:
        raise DataError(f"{path}: damaged", "its bytes are not those that were written")
    return arrays


def load_recogniser(stored: StoredRecogniser, config: GanConfig) -> Any:
    """The network with its weights, frozen; DataError if the file is damaged or of another size."""
    with layer_precision(choose_policy(config.train.precision)):
        recogniser = new_recogniser(config.data, stored.model, stored.alphabet, use_cudnn=config.model.use_cudnn)
    arrays = read_weights(stored)
    for variable in learned_variables(recogniser):
        if variable.path not in arrays or arrays[variable.path].shape != tuple(variable.shape):
            raise DataError(
                f"the recogniser in {stored.folder} does not fit lines of {config.data.height} x {config.data.width}",
                f"first difference: {variable.path}",
            )
        variable.assign(arrays[variable.path])
    recogniser.trainable = False
    return recogniser


def _find_intact(folder: Path) -> StoredRecogniser | None:
    """A recogniser of the cache; a damaged one counts as none, as it can be trained again."""
    stored = find_recogniser(folder)
    if stored is None:
        return None
    try:
        read_weights(stored)
    except DataError:
        return None
    return stored


def provide_recogniser(
    config: GanConfig, wanted: RecognizerConfig, events: EventSink, stop: StopFlag
) -> StoredRecogniser:
    """The recogniser for a GAN: given by path, found in the cache, or trained now."""
    if config.recognizer.path is not None:
        stored = find_recogniser(config.recognizer.path)
        if stored is None:
            raise MissingFileError(config.recognizer.path / META, "recognizer.path should be a trained recogniser")
        _tell_reused(stored, events)
        return stored
    folder = cache_folder(config) / "recognizers" / recogniser_name(wanted)
    stored = _find_intact(folder)
    if stored is None:
        waiting = WaitingNote(stop.check, events.note, "the shared recogniser")
        with locked(folder.with_name(f"{folder.name}.lock"), waiting):
            stored = _find_intact(folder)  # somebody else trained it while this process waited
            if stored is None:
                return _train_shared(config, wanted, folder, events, stop)
    _tell_reused(stored, events)
    return stored


def _tell_reused(stored: StoredRecogniser, events: EventSink) -> None:
    events.note(
        f"recogniser reused, sha256 {stored.sha256[:16]}, trained at {stored.trained_at}, CER {stored.cer:.1%}, "
        f"from {stored.folder}"
    )


def _train_shared(
    config: GanConfig, wanted: RecognizerConfig, folder: Path, events: EventSink, stop: StopFlag
) -> StoredRecogniser:
    """Train under the lock; what a killed process left of its training is gone on with."""
    sweep_leftovers(folder)
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    events.note(f"training the shared recogniser: {wanted.train.epochs} epochs of {wanted.train.steps} steps")
    nested = NestedEvents(events, "recogniser")
    wanted = wanted.model_copy(update={"cache_dir": cache_folder(config)})
    task = prepare_recogniser(wanted, nested, stop)
    loop = Loop(task, wanted, work, nested, stop, label="recogniser: ")
    checkpoint = find_checkpoint(work)
    if checkpoint is not None:
        _go_on(loop, checkpoint, nested)
    if wanted.init is not None and not loop.progress.global_step:
        begin_with(wanted.init, task, nested)
    loop.run()
    write_best_recogniser(folder, task, wanted, loop)
    shutil.rmtree(work, ignore_errors=True)
    stored = find_recogniser(folder)
    if stored is None:
        raise MissingFileError(folder / META, "the recogniser that was just written is gone")
    events.note(f"recogniser trained, sha256 {stored.sha256[:16]}, CER {stored.cer:.1%}, kept in {folder}")
    return stored


def begin_with(folder: Path, task: RecogniserTask, events: EventSink) -> None:
    """`init`: the weights of a trained recogniser as the first ones."""
    stored = find_start(folder)
    start_from(stored, read_weights(stored), task, events.note)


def _go_on(loop: Loop, checkpoint: Checkpoint, events: EventSink) -> None:
    """From what another process left; nobody can repair it by hand, so a checkpoint that is no good is passed over."""
    try:
        loop.restore(checkpoint)
    except CheckpointError as error:
        events.note(f"{error.title}; starting afresh", "warning")
        return
    events.note(f"going on after epoch {loop.progress.epochs_done}")


def prepare_recogniser(config: RecognizerConfig, events: EventSink, stop: StopFlag) -> RecogniserTask:
    """The task with its lines."""
    cache = cache_folder(config)
    train, held_out = (
        load_lines(
            config.data,
            split,
            cache,
            stop.check,
            events.note,
            degraded=False,
            columns_per_step=config.model.columns_per_step,
        )
        for split in (TRAIN, HELD_OUT)
    )
    if config.data.flatten and train.imported:
        events.note(f"bringing {len(train) + len(held_out)} lines onto white paper")
        train, held_out = on_white_paper(train, stop.check), on_white_paper(held_out, stop.check)
    return RecogniserTask(config, train.alphabet, train, held_out)
