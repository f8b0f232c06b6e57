"""What feeds, screens and dialogs tell the app; small, in the past tense, never carrying a change itself."""

from __future__ import annotations

from textual.message import Message


class StoreChanged(Message):
    """The store is newer than before; ask it what changed. The newest notice replaces those not yet handled."""

    def can_replace(self, message: Message) -> bool:
        """Say that one notice is as good as many."""
        return isinstance(message, StoreChanged)


class FeedFailed(Message):
    """A feed met an error it did not expect; what it shows is stale until it works again."""

    def __init__(self, feed: str, reason: str) -> None:
        super().__init__()
        self.feed = feed
        self.reason = reason


class StudyOpened(Message):
    """The user chose a study."""

    def __init__(self, study: str) -> None:
        super().__init__()
        self.study = study


class TrialOpened(Message):
    """The user chose a trial of a study."""

    def __init__(self, study: str, trial: int) -> None:
        super().__init__()
        self.study = study
        self.trial = trial


class PlaceRequested(Message):
    """The user asked for another screen."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place


class TrialStepped(Message):
    """The user asked for the trial above (-1) or below (1) in the table."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step
