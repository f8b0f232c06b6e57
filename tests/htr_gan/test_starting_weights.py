"""`init`: a recogniser that starts from the weights of another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htr_gan.alphabet import Alphabet
from htr_gan.config.schema import RecognizerConfig
from htr_gan.data.lines import LineSet
from htr_gan.errors import DataError, MissingFileError
from htr_gan.events import EventLog
from htr_gan.training.recogniser_task import RecogniserTask
from htr_gan.training.shared_recogniser import RECOGNISER_FOLDER, begin_with, find_start, write_recogniser
from htr_gan.training.starting_weights import carry_over, describe_difference
from htr_gan.training.stepped import learned_variables

OLD, NEW = Alphabet("abc"), Alphabet("cdaé")


def new_task(letters: Alphabet, **model: int) -> RecogniserTask:
    """A task on lines of noise; nothing is trained."""
    config = RecognizerConfig.model_validate(
        {
            "task": "recognizer",
            "seed": len(letters.letters),
            "data": {"height": 16, "width": 64, "text_length": 6},
            "model": {"width": 2, "lstm": 4, **model},
        }
    )
    lines = LineSet(np.zeros((2, 16, 64), np.uint8), None, (letters.letters[:2], letters.letters[:1]), letters)
    return RecogniserTask(config, letters, lines, lines)


@pytest.fixture
def trained(tmp_path: Path) -> tuple[RecogniserTask, Path]:
    """A recogniser of `OLD` in the folder of a run."""
    task = new_task(OLD)
    config = RecognizerConfig.model_validate({"task": "recognizer", "model": {"width": 2, "lstm": 4}})
    write_recogniser(tmp_path / "run" / RECOGNISER_FOLDER, task, config, 0.25)
    return task, tmp_path / "run"


def weights(task: RecogniserTask) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {variable.path: variable.numpy() for variable in learned_variables(task.model.recogniser)}


def test_shared_letters_keep_their_outputs_and_new_ones_start_fresh(
    trained: tuple[RecogniserTask, Path], tmp_path: Path
) -> None:
    task = new_task(NEW)
    fresh, old = weights(task), weights(trained[0])
    begin_with(trained[1], task, EventLog(tmp_path / "events.jsonl"))
    now = weights(task)
    for name, array in now.items():
        if not name.startswith("rec_logits/"):
            assert array.tobytes() == old[name].tobytes()
            continue
        for label, source in ((0, 0), (NEW.encode("a")[0], OLD.encode("a")[0]), (NEW.encode("c")[0], 3)):
            assert array[..., label].tobytes() == old[name][..., source].tobytes()
        for letter in "dé":
            assert array[..., NEW.encode(letter)[0]].tobytes() == fresh[name][..., NEW.encode(letter)[0]].tobytes()
    notes = (tmp_path / "events.jsonl").read_text()
    assert "letters carried over: 2 of 4; start afresh: 'dé'; no longer read: 'b'" in notes
    assert "CER 25.0%" in notes


def test_another_network_is_refused(trained: tuple[RecogniserTask, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"init: the recogniser in .* is another network") as caught:
        begin_with(trained[1], new_task(OLD, width=3), EventLog(tmp_path / "events.jsonl"))
    assert "first difference: " in str(caught.value)
    with pytest.raises(MissingFileError, match="nowhere"):
        find_start(tmp_path / "nowhere")


def test_weights_by_letter() -> None:
    theirs = np.arange(8, dtype=np.float32).reshape(2, 4)
    carried = carry_over(theirs, -np.ones((2, 5), np.float32), OLD, NEW)
    np.testing.assert_array_equal(carried, [[0, 3, -1, 1, -1], [4, 7, -1, 5, -1]])
    assert describe_difference(OLD, Alphabet("ab")) == "letters carried over: 2 of 2; no longer read: 'c'"
