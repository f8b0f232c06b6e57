"""Which lines are trained on, which are held out, which wait for the test."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

TRAIN, HELD_OUT, TEST = "train", "held-out", "test"
SPLITS = (TRAIN, HELD_OUT, TEST)
HELD_OUT_SHARE, TEST_SHARE = 0.1, 0.1
"""Shares of the lines whose source does not say where they belong."""

_NAMES = {
    TRAIN: ("train", "training"),
    HELD_OUT: ("held-out", "held_out", "heldout", "val", "valid", "validation", "dev"),
    TEST: ("test", "testing"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line comes from: the same group is never cut in two."""

    group: str
    """The page if it is known, else the line itself; with its source."""
    split: str | None
    """What the source says."""


def split_named(word: str) -> str | None:
    """Our name of a split that a source calls `word`; None for a word that is not known."""
    return next((split for split, names in _NAMES.items() if word.strip().lower() in names), None)


def splits_of_files(files: Sequence[PurePath]) -> list[str | None]:
    """The splits that folders or the first words of file names tell, such as `val/x.png` and `train_1.tfrecord`.

    One such name alone tells nothing: a folder `train` without another beside it is a folder like any other.
    """
    told = [_split_of_file(file) for file in files]
    return told if len({split for split in told if split}) > 1 else [None] * len(files)


def _split_of_file(file: PurePath) -> str | None:
    words = (*file.parts[:-1], file.name, re.split(r"[-_.]", file.name)[0], re.split(r"[_.]", file.name)[0])
    return next((split for word in words if (split := split_named(word))), None)


def assign_splits(places: Sequence[Place]) -> list[str]:
    """One split a line: what its source says, else by the hash of its group.

    A group's split depends on its name alone, so adding pages moves no other page. Only where nothing would be left
    to train on or to measure is one group moved: that with the smallest hash.
    """
    said = {place.group: place.split for place in places if place.split is not None}
    groups = {place.group: _by_hash(place.group) for place in places if place.group not in said}
    _fill(groups, set(said.values()), HELD_OUT, (TRAIN, TEST))
    _fill(groups, set(said.values()), TRAIN, (TEST, HELD_OUT))
    return [place.split or said.get(place.group) or groups[place.group] for place in places]


def _fill(groups: dict[str, str], said: set[str], wanted: str, givers: Sequence[str]) -> None:
    """Move a group into the split `wanted` if that is empty, from the first giver that can spare one."""
    if wanted in said or wanted in groups.values():
        return
    for giver in givers:
        found = sorted((group for group, split in groups.items() if split == giver), key=_hash)
        if found and (len(found) > 1 or giver == TEST or giver in said):
            groups[found[0]] = wanted
            return


def _hash(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64


def _by_hash(group: str) -> str:
    share = _hash(group)
    if share < HELD_OUT_SHARE:
        return HELD_OUT
    return TEST if share < HELD_OUT_SHARE + TEST_SHARE else TRAIN
