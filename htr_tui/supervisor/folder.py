"""A study's folder: made whole or not at all, with the study file as launched and the journal's first line."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from dataclasses import asdict
from pathlib import Path

from htr_tui.errors import StorageError
from htr_tui.files import dump_line, fsync_directory, write_atomic
from htr_tui.journal.fold import SCHEMA
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import Origin
from htr_tui.study.command import resolve_uri
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.launch_files import copy_files


def sha256_of(data: bytes) -> str:
    """Hex digest, to tell whether a study file was edited after its launch."""
    return hashlib.sha256(data).hexdigest()


def create_study_folder(
    runs: Path, spec: StudySpec, text: bytes, source: Path, base: Path, *, promoted_from: Origin | None = None
) -> StudyPaths:
    """Make `runs/<study>` with the study file `text`, read from `source`; StorageError if the place cannot be written.

    An existing folder is never touched.
    """
    paths = StudyPaths(runs / spec.study)
    staging = runs / f".{spec.study}.{uuid.uuid4().hex[:8]}.new"
    created = {
        "t": time.time(),
        "event": "study_created",
        "schema": SCHEMA,
        "study": spec.study,
        "source": str(source.resolve()),
        "source_sha256": sha256_of(text),
        "budget": {"trials": spec.budget.trials, "hours": spec.budget.hours},
        "objectives": [o.text for o in spec.objective],
        "directions": list(spec.directions),
        "parameters": list(spec.search.parameters),
        "space": {n: p.model_dump(by_alias=True, exclude_defaults=True) for n, p in spec.search.space.items()},
        "constraints": list(spec.search.constraints),
        "tracking_uri": resolve_uri(spec.tracking.uri, base) if spec.tracking else None,
        "experiment": spec.experiment if spec.tracking else None,
        "storage": resolve_uri(spec.storage, base),
        "base": str(base.resolve()),
    }
    if promoted_from is not None:
        created["promoted_from"] = asdict(promoted_from)
    try:
        staging.mkdir(parents=True)
        (staging / "commands").mkdir()
        (staging / "trials").mkdir()
        write_atomic(staging / "study.yaml", text)
        parent = None if promoted_from is None else StudyPaths(runs / promoted_from.study)
        copy_files(spec.trainer, base, staging / "files", parent)
        write_atomic(staging / "created.json", dump_line(created))
        write_atomic(staging / "journal.jsonl", dump_line(created))
        os.rename(staging, paths.root)
        fsync_directory(runs)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if paths.root.exists():
            raise StorageError(
                f"{paths.root} exists and is not a study of ours",
                str(error),
                "give the study another name, or move that folder away",
            ) from error
        raise StorageError(
            f"cannot create {paths.root}", str(error), "check the folder's permissions and the free space, or use --dir"
        ) from error
    return paths
