"""The one thread that reads files: every study, its running attempts, and the trial that is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from htr_tui.journal.paths import AttemptPaths, StudyPaths, study_folders
from htr_tui.panel.feeds.attempt import AttemptFollower
from htr_tui.panel.feeds.events import LiveFollower
from htr_tui.panel.feeds.study import StudyFollower
from htr_tui.panel.feeds.thread import FeedThread, MessageTarget
from htr_tui.panel.messages import FeedFailed, StoreChanged
from htr_tui.panel.store import Store
from htr_tui.panel.views import TrialFiles

BUSY_S = 0.5
"""Seconds between looks while something runs."""
IDLE_S = 1.0
"""Seconds between looks while nothing does."""
LOADING_S = 0.0
"""Seconds between slices while there is more to read."""
RESCAN_S = 2.0
"""Seconds between listings of the runs folder."""
QUIET_EVERY = 5
"""A study without a living supervisor is looked at once in so many rounds."""
RUNNING_FOLLOWED = 64
"""Running attempts of a study that are followed at most."""
PUBLISH_S = 0.25
"""While reading on: notices at most so often."""


@dataclass(slots=True)
class _Focus:
    """The trial that is looked at."""

    study: str
    trial: int
    attempts: dict[int, AttemptFollower] = field(default_factory=dict)
    is_published: bool = False


class FilesFeed:
    """Reads `runs` into the store; `look_at` says which trial's files are wanted in full."""

    def __init__(self, runs: Path, store: Store, target: MessageTarget, clock: Callable[[], float] = time.time) -> None:
        self._runs = runs
        self._store = store
        self._target = target
        self._clock = clock
        self._studies: dict[str, StudyFollower] = {}
        self._running: dict[str, dict[tuple[int, int], LiveFollower]] = {}
        self._wanted: tuple[str, int] | None = None
        self._focus: _Focus | None = None
        self._scanned_at: float | None = None
        self._published_at = 0.0
        self._has_news = False
        self._round = 0
        self._thread = FeedThread("htr-tui files", self._step, self._tell_failure)

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._thread.stop()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive

    @property
    def steps(self) -> int:
        """Rounds done so far."""
        return self._thread.steps

    def look_at(self, study: str | None, trial: int | None) -> None:
        """Read this trial's files from now on, instead of those of another."""
        wanted = (study, trial) if study is not None and trial is not None else None
        if wanted != self._wanted:
            self._wanted = wanted
            self._thread.wake()

    def look_now(self) -> None:
        """Look again at once, after a command was given."""
        self._scanned_at = None
        self._thread.wake()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _tell_failure(self, reason: str) -> None:
        self._target.post_message(FeedFailed("files", reason))

    def _step(self) -> float:
        self._round += 1
        self._rescan()
        is_more = self._refresh_focus()
        is_busy = False
        for name, study in list(self._studies.items()):
            if self._thread.is_stopping:
                return 0.0
            is_more |= self._refresh_study(name, study)
            is_busy |= study.view.is_busy
        self._publish(force=not is_more)
        if is_more:
            return LOADING_S
        return BUSY_S if is_busy else IDLE_S

    def _publish(self, *, force: bool) -> None:
        now = time.monotonic()
        if self._has_news and (force or now - self._published_at >= PUBLISH_S):
            self._has_news = False
            self._published_at = now
            self._target.post_message(StoreChanged())

    def _rescan(self) -> None:
        now = time.monotonic()
        if self._scanned_at is not None and now - self._scanned_at < RESCAN_S:
            return
        is_first = self._scanned_at is None and not self._studies
        self._scanned_at = now
        folders = {paths.root.name: paths for paths in study_folders(self._runs)}
        before = self._store.version
        for name, paths in folders.items():
            if name not in self._studies:
                self._studies[name] = StudyFollower(paths)
                self._store.put_study(self._studies[name].view, ())
        for name in set(self._studies) - set(folders):
            del self._studies[name]
            self._running.pop(name, None)
        self._store.keep_studies(folders)
        self._has_news |= self._store.version != before
        if is_first:
            self._publish(force=True)

    def _is_due(self, study: StudyFollower) -> bool:
        is_looked_at = self._wanted is not None and self._wanted[0] == study.view.name
        if study.view.is_active or is_looked_at or not study.view.is_loaded:
            return True
        return self._round % QUIET_EVERY == hash(study.view.name) % QUIET_EVERY or self._scanned_at is None

    def _refresh_study(self, name: str, study: StudyFollower) -> bool:
        """Read on in one study; True while there is more."""
        if not self._is_due(study):
            return False
        was_read = False
        if study.refresh(self._clock()):
            was_read = bool(study.changed)
            self._store.put_study(study.view, study.changed, is_reset=study.is_reset)
            self._has_news = True
        return self._refresh_running(name, study) or was_read or not study.view.is_loaded

    def _refresh_running(self, name: str, study: StudyFollower) -> bool:
        followers = self._running.setdefault(name, {})
        wanted: dict[tuple[int, int], AttemptPaths] = {}
        for number in study.view.running[-RUNNING_FOLLOWED:]:
            trial = self._store.trial(name, number)
            if trial is not None and trial.last_attempt is not None:
                attempt = trial.last_attempt.number
                wanted[number, attempt] = study.paths.attempt(number, attempt)
        for key in set(followers) - set(wanted):
            del followers[key]
        for key, paths in wanted.items():
            if key not in followers:
                followers[key] = LiveFollower(paths, *key)
        changed = [follower for follower in followers.values() if follower.refresh()]
        if changed:
            self._store.put_live(name, [follower.live() for follower in changed])
            self._has_news = True
        return any(not follower.is_caught_up for follower in changed)

    def _refresh_focus(self) -> bool:
        """Read on in the files of the trial that is looked at; True while there is more."""
        wanted = self._wanted
        if wanted is None:
            self._focus = None
            return False
        focus = self._focus
        if focus is None or (focus.study, focus.trial) != wanted:
            focus = self._focus = _Focus(*wanted)
        self._add_attempts(focus)
        changed = [follower for follower in focus.attempts.values() if follower.refresh()]
        is_more = any(not follower.is_caught_up for follower in changed)
        if changed or not focus.is_published:
            files = tuple(focus.attempts[number].files() for number in sorted(focus.attempts))
            self._store.put_files(TrialFiles(focus.study, focus.trial, files))
            self._has_news = focus.is_published = True
        return is_more

    def _add_attempts(self, focus: _Focus) -> None:
        trial = self._store.trial(focus.study, focus.trial)
        study = StudyPaths(self._runs / focus.study)
        for attempt in trial.attempts if trial is not None else ():
            if attempt.number not in focus.attempts:
                focus.attempts[attempt.number] = AttemptFollower(
                    study.attempt(focus.trial, attempt.number), attempt.number
                )
                focus.is_published = False
