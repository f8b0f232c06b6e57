"""Cuts a line out of its page: straightened along its baseline, as tall as its polygon, paper in place of neighbours.

Coordinates are (x, y) with y downwards; `above` and `below` are distances from the baseline in pixels of the picture.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.data.sources.page_line import PageLine, Points
from htr_gan.data.sources.source_line import Picture

Floats = NDArray[np.float64]

HEADROOM = 0.06
"""Share of the polygon's height that is added above and below it, half each."""
PROLONGED = 0.3
"""Both ends are prolonged by this share of the height: polygons often cut off half a letter."""
BASELINE_AT = 0.75
"""Where the baseline is guessed to lie in a polygon without one, from its top."""
ABOVE_OF_PITCH, BELOW_OF_PITCH = 0.75, 0.35
"""Height of a line without a polygon, in distances between baselines."""
PITCH_OF_LENGTH = 1 / 12
"""That distance for a line without neighbours, as a share of its length."""
MOST_CORNERS = 2000
"""Corners of a polygon that are looked at."""
WIDEST = 32_000
"""Pixels; OpenCV cannot map wider pictures."""


class UncuttableError(Exception):
    """A line that cannot be cut; the message says why."""


@dataclass(frozen=True)
class _Course:
    """The baseline with one point and one unit normal (pointing down the page) every pixel of its length."""

    points: Floats
    normals: Floats


def cut_line(picture: Picture, line: PageLine, height: int) -> Picture:
    """The line as uint8 [height, width] with its aspect kept; UncuttableError if its coordinates do not allow it."""
    baseline, polygon = _on_picture(line, picture)
    points = _resampled(baseline)
    if len(points) > 2 * sum(picture.shape):
        raise UncuttableError(f"the baseline is {len(points)} pixels long, on a page of {picture.shape[1]}")
    course = _course(points)
    if polygon is not None:
        above, below = _extent(course, polygon)
    else:
        pitch = (line.pitch or 0.0) * _ratio(line, picture)[1] or len(course.points) * PITCH_OF_LENGTH
        above, below = ABOVE_OF_PITCH * pitch, BELOW_OF_PITCH * pitch
    tall = above + below
    if not 2 <= tall <= sum(picture.shape):
        raise UncuttableError(f"the line is {tall:.1f} pixels tall, on a page of {picture.shape[0]}")
    course = _prolonged(course, round(PROLONGED * tall))
    return _strip(picture, course, above, below, polygon, height)


def _ratio(line: PageLine, picture: Picture) -> tuple[float, float]:
    if line.page_size is None:
        return 1.0, 1.0
    across, down = picture.shape[1] / line.page_size[0], picture.shape[0] / line.page_size[1]
    if abs(across / down - 1) > 0.02:
        sizes = f"{picture.shape[1]} x {picture.shape[0]}, the page of {line.page_size[0]:g} x {line.page_size[1]:g}"
        raise UncuttableError(f"the picture is of {sizes}")
    return across, down


def _on_picture(line: PageLine, picture: Picture) -> tuple[Floats, Floats | None]:
    """Baseline and polygon in pixels of the picture."""
    scale = np.asarray(_ratio(line, picture))
    polygon = None if line.polygon is None or len(line.polygon) < 3 else np.asarray(line.polygon, np.float64) * scale
    if line.baseline is not None:
        return np.asarray(line.baseline, np.float64) * scale, polygon
    if polygon is None:
        raise UncuttableError("neither a baseline nor a polygon")
    return _guessed_baseline(polygon), polygon


def _guessed_baseline(polygon: Floats) -> Floats:
    """Three quarters down the polygon, at a few places along it."""
    left, right = polygon[:, 0].min(), polygon[:, 0].max()
    outline = _resampled(np.concatenate([polygon, polygon[:1]]))
    edges = np.linspace(left, right, 9)
    points = []
    for start, end in itertools.pairwise(edges):
        ys = outline[(outline[:, 0] >= start) & (outline[:, 0] <= end), 1]
        if ys.size:
            points.append(((start + end) / 2, ys.min() + BASELINE_AT * (ys.max() - ys.min())))
    if len(points) < 2:
        raise UncuttableError("the polygon has no width")
    first, last = points[0], points[-1]
    return np.asarray([(left, first[1]), *points, (right, last[1])])


def _resampled(points: Floats | Points) -> Floats:
    """A point every pixel along a polyline."""
    corners = np.asarray(points, np.float64)
    steps = np.hypot(*np.diff(corners, axis=0).T)
    corners = corners[np.concatenate([[True], steps > 0])]
    along = np.concatenate([[0.0], np.cumsum(steps[steps > 0])])
    if not 2 <= along[-1] <= WIDEST:
        raise UncuttableError(f"a length of {along[-1]:.0f} pixels")
    places = np.arange(0.0, along[-1])
    return np.stack([np.interp(places, along, corners[:, axis]) for axis in (0, 1)], axis=1)


def _course(points: Floats) -> _Course:
    """Normals of the smoothed baseline: those of its bare corners would fold the picture."""
    reach = max(len(points) // 8, 1)
    padded = np.concatenate([_beyond(points, reach, start=True), points, _beyond(points, reach, start=False)])
    kernel = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    smooth = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
    tangents = np.gradient(smooth, axis=0)
    tangents /= np.maximum(np.hypot(*tangents.T), 1e-9)[:, np.newaxis]
    return _Course(points, np.stack([-tangents[:, 1], tangents[:, 0]], axis=1))


def _beyond(points: Floats, count: int, *, start: bool) -> Floats:
    """`count` more points straight on, beyond one end."""
    reach = min(len(points) - 1, 20)
    end, inner = (points[0], points[reach]) if start else (points[-1], points[-1 - reach])
    step = (end - inner) / max(float(np.hypot(*(end - inner))), 1e-9)
    places = np.arange(count, 0, -1) if start else np.arange(1, count + 1)
    return np.asarray(end + places[:, np.newaxis] * step)


def _prolonged(course: _Course, count: int) -> _Course:
    points = np.concatenate([_beyond(course.points, count, start=True), course.points])
    points = np.concatenate([points, _beyond(course.points, count, start=False)])
    normals = np.concatenate(
        [np.repeat(course.normals[:1], count, 0), course.normals, np.repeat(course.normals[-1:], count, 0)]
    )
    return _Course(points, normals)


def _extent(course: _Course, polygon: Floats) -> tuple[float, float]:
    """How far the polygon reaches above and below the baseline, with some headroom."""
    polygon = polygon[:: len(polygon) // MOST_CORNERS + 1]
    nearest = np.argmin(((polygon[:, np.newaxis] - course.points[np.newaxis]) ** 2).sum(axis=2), axis=1)
    offsets = ((polygon - course.points[nearest]) * course.normals[nearest]).sum(axis=1)
    spare = HEADROOM / 2 * float(np.ptp(offsets))
    return max(-float(offsets.min()), 0.0) + spare, max(float(offsets.max()), 0.0) + spare


def _strip(
    picture: Picture, course: _Course, above: float, below: float, polygon: Floats | None, height: int
) -> Picture:
    scale = max(height / (above + below), 1.0)  # at least as fine as the page, then made smaller without moire
    rows, columns = max(round((above + below) * scale), 1), min(round(len(course.points) * scale), WIDEST)
    across = np.clip((np.arange(columns) + 0.5) / scale - 0.5, 0, len(course.points) - 1)
    whole = across.astype(np.int64)
    down = (np.arange(rows) + 0.5) / scale - above
    points, normals = course.points[whole], course.normals[whole]
    places = points[np.newaxis] + down[:, np.newaxis, np.newaxis] * normals[np.newaxis]
    across_map, down_map = places[..., 0].astype(np.float32), places[..., 1].astype(np.float32)
    strip = np.asarray(cv2.remap(picture, across_map, down_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    if polygon is not None:
        inside = _inside(across_map, down_map, polygon, margin=HEADROOM * (above + below))
        strip = _papered(strip, inside)
    width = min(max(round(columns * height / rows), 1), WIDEST)
    method = cv2.INTER_AREA if rows > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(strip, (width, height), interpolation=method), np.uint8)


def _inside(across_map: Floats, down_map: Floats, polygon: Floats, margin: float) -> NDArray[np.uint8]:
    """255 where the strip shows the polygon and a margin around it, 0 elsewhere."""
    corner = np.floor(polygon.min(axis=0) - margin - 2)
    width, height = (np.ceil(polygon.max(axis=0) + margin + 2) - corner).astype(int)
    if max(width, height) > WIDEST:
        raise UncuttableError(f"a polygon of {width} x {height} pixels")
    mask = np.zeros((height, width), np.uint8)
    outline = np.round(polygon - corner).astype(np.int32)
    cv2.fillPoly(mask, [outline], 255)
    cv2.polylines(mask, [outline], True, 255, thickness=max(round(2 * margin), 1))
    moved = (across_map - np.float32(corner[0]), down_map - np.float32(corner[1]))
    return np.asarray(
        cv2.remap(mask, *moved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0), np.uint8
    )


def _papered(strip: Picture, inside: NDArray[np.uint8]) -> Picture:
    """What lies outside the polygon is replaced by the paper as it looks inside it, changing slowly."""
    seen = inside > 127
    if seen.all() or not seen.any():
        return strip
    bright = seen & (strip >= np.median(strip[seen]))
    weight, sigma = bright.astype(np.float32), max(strip.shape[0] / 2, 1.0)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    light = cv2.GaussianBlur(strip.astype(np.float32) * weight, (0, 0), sigma)
    paper = np.where(total > 1e-3, light / np.maximum(total, 1e-3), np.median(strip[bright]))
    share = cv2.GaussianBlur(inside.astype(np.float32) / 255, (0, 0), 1.0)
    return np.asarray(np.clip(strip * share + paper * (1 - share) + 0.5, 0, 255), np.uint8)
