"""Where the trials of a warm start come from: another study's folder here, or an Optuna storage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from htr_tui.journal.paths import StudyPaths
from htr_tui.study.command import resolve_uri
from htr_tui.study.search_spec import WarmStart


@dataclass(frozen=True, slots=True)
class WarmSource:
    """A study that was found: exactly one of journal and url is set."""

    name: str
    """The study's name; of a storage with one study it may be empty."""
    journal: Path | None = None
    url: str | None = None


def locate(warm: WarmStart, base: Path, own_name: str = "") -> WarmSource:
    """The source that a study launched in `base` names; ValueError in words for people if it is not there."""
    if "://" in warm.study:
        return _storage(warm, resolve_uri(warm.study, base))
    if warm.name is not None:
        raise ValueError("name goes with the URL of a storage")
    for folder in (base / warm.study, base / "runs" / warm.study):
        paths = StudyPaths(folder)
        if paths.journal.is_file():
            if own_name and folder.resolve() == (base / "runs" / own_name).resolve():
                raise ValueError("that is this study itself")
            return WarmSource(folder.name, journal=paths.journal)
    raise ValueError(f"there is no study {warm.study!r} in {base / 'runs'}, and no study's folder of that path")


def _storage(warm: WarmStart, url: str) -> WarmSource:
    if not re.match(r"(sqlite|postgresql|mysql)(\+\w+)?://", url):
        raise ValueError(f"{url.partition('://')[0]!r} is no database that Optuna keeps studies in")
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", url)
    if url.startswith("sqlite") and (match is None or not Path(match[1]).is_file()):
        raise ValueError(f"there is no file {match[1] if match else url}")
    return WarmSource(warm.name or "", url=url)
