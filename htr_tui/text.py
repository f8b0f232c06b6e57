"""Text from outside (logs, names, values) as harmless plain text on one line: no control sequence, nothing hidden.

Everything that a terminal would obey or that would reorder or hide what is read is taken out here, once, so that
views and rules only ever see printable characters.
"""

from __future__ import annotations

import re

LINE_LIMIT = 65536
"""Bytes of a log line that are looked at; what follows is counted, not shown."""

TEXT_LIMIT = 1000
"""Characters of a name or value that are shown."""

_PAYLOAD = "[^\x00-\x1f\x7f-\x9f\udc80-\udc9f]*+"
"""Inside an OSC or DCS string; it stops at every introducer, so that a search over a line stays linear."""

_ESCAPES = re.compile(
    f"(?:\x1b\\]|[\x9d\udc9d]){_PAYLOAD}(?:\x07|\x1b\\\\|[\x9c\udc9c])"  # OSC ... BEL or ST: titles, links, clipboard
    f"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f\udc90\udc98\udc9e\udc9f]){_PAYLOAD}(?:\x07|\x1b\\\\|[\x9c\udc9c])"  # DCS SOS PM APC
    "|(?:\x1b\\[|[\x9b\udc9b])[0-?]*+[ -/]*+[@-~]?"  # CSI: colours, cursor
    "|\x1b[ -/]*+[0-~]?"  # all other escapes, and a lone one
)
"""An unended OSC or DCS loses its introducer only: what follows is shown, not swallowed.

Single surrogates are bytes that are no UTF-8 (`surrogateescape`): an 8-bit C1 introducer comes as one.
"""

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+"
)
"""Controls, and format characters that have no width or turn the reading direction."""

_BREAKS = re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BACKSPACES = re.compile("(\x08+)")


def clean_line(raw: bytes, limit: int = LINE_LIMIT) -> str:
    """One log line as a terminal would leave it: overwritten progress gone, escape codes gone, tabs as spaces."""
    raw, suffix = _cut(raw, limit)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "surrogateescape")
    if not text.isprintable():
        text = _clean(text, limit)
    return text + suffix if suffix else text


def clean_segments(raw: bytes, limit: int = LINE_LIMIT) -> list[str]:
    """Every non-blank text that a line showed: a message may stand before or after a carriage return."""
    if b"\r" not in raw:
        return [clean_line(raw, limit)]
    segments = [clean_line(part, limit) for part in raw.split(b"\r")]
    return [segment for segment in segments if segment.strip()] or [""]


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """A name, value or message of any origin on one line, at most `limit` characters."""
    if len(text) <= limit and text.isprintable():
        return text
    text = text[: 4 * limit + LINE_LIMIT]
    text = _SURROGATES.sub("\ufffd", _HIDDEN.sub("", _BREAKS.sub(" ", _ESCAPES.sub("", text))))
    return text if len(text) <= limit else text[: max(0, limit - 3)] + "..."


def _cut(raw: bytes, limit: int) -> tuple[bytes, str]:
    """`raw` up to `limit` bytes, not inside a UTF-8 character, and a note about the rest."""
    if len(raw) <= limit:
        return raw, ""
    end = limit
    while end > max(0, limit - 4) and raw[end] & 0xC0 == 0x80:
        end -= 1
    return raw[:end], f" ... {len(raw) - end} bytes more"


def _clean(text: str, limit: int) -> str:
    text = _ESCAPES.sub("", text)
    if "\r" in text or "\n" in text:
        text = _last_segment(text)
    if "\x08" in text:
        text = _apply_backspaces(text)
    if "\t" in text:
        text = text.expandtabs(8)[:limit]
    if not text.isprintable():
        text = _SURROGATES.sub("\ufffd", _HIDDEN.sub("", _BREAKS.sub(" ", text)))
    return text


def _last_segment(text: str) -> str:
    """What a carriage return leaves visible: the last segment that is not blank."""
    segments = re.split("[\r\n]", text)
    return next((segment for segment in reversed(segments) if segment.strip()), "")


def _apply_backspaces(text: str) -> str:
    shown: list[str] = []
    for part in _BACKSPACES.split(text):
        if part.startswith("\x08"):
            del shown[max(0, len(shown) - len(part)) :]
        else:
            shown.extend(part)
    return "".join(shown)
