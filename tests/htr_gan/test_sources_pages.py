"""PAGE XML and ALTO: what is read of them, and lines cut along their baselines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from htr_gan.config.data_section import DataConfig
from htr_gan.data.cache import HELD_OUT, TRAIN, load_lines
from htr_gan.data.lines import LineSet
from htr_gan.data.sources.baseline_cut import UncuttableError, cut_line
from htr_gan.data.sources.page_line import PageLine, Point, parse_points
from htr_gan.data.sources.pages import page_lines
from htr_gan.errors import BadLinesError, DataError, UsageError

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{version}">
<Page imageFilename="{image}" imageWidth="{width}" imageHeight="{height}"><TextRegion id="r">{lines}</TextRegion></Page>
</PcGts>"""

PAGE_LINE = """<TextLine id="{id}"><Coords points="{polygon}"/><Baseline points="{baseline}"/>
<TextEquiv index="1"><Unicode>other reading</Unicode></TextEquiv>
<TextEquiv index="0"><Unicode>{text}</Unicode></TextEquiv></TextLine>"""

ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v{version}#"><Description><MeasurementUnit>{unit}</MeasurementUnit>
<sourceImageInformation><fileName>{image}</fileName></sourceImageInformation></Description>
<Layout><Page WIDTH="{width}" HEIGHT="{height}"><PrintSpace><TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout>
</alto>"""

WIDTH, HEIGHT, TALL = 400, 300, 24


def height_of_baseline(x: float, top: float) -> float:
    """Baselines are bent and climb a little."""
    return top + 12 * math.sin(x / 400 * math.pi) - 0.05 * x


def baseline(top: float) -> list[Point]:
    return [(x, height_of_baseline(x, top)) for x in range(40, 361, 20)]


def polygon(line: list[Point]) -> list[Point]:
    return [(x, y - 18) for x, y in line] + [(x, y + 6) for x, y in reversed(line)]


def draw_page(tops: list[float]) -> NDArray[np.uint8]:
    """On each baseline stand bars 16 tall, one every 20 pixels."""
    page = np.full((HEIGHT, WIDTH), 210, np.uint8)
    for top in tops:
        for x in range(50, 350, 20):
            foot = round(height_of_baseline(x, top))
            page[foot - 16 : foot, x : x + 4] = 20
    return page


TOPS = [80.0, 125.0, 170.0]


def words(points: list[Point], joint: str = ",") -> str:
    return " ".join(f"{x:.1f}{joint}{y:.1f}" for x, y in points)


def write_page(folder: Path, name: str, texts: list[str], **more: Any) -> Path:
    """A PAGE file with its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_page(TOPS)).save(folder / f"{name}.png")
    lines = [
        PAGE_LINE.format(id=f"l{n}", polygon=words(polygon(baseline(top))), baseline=words(baseline(top)), text=text)
        for n, (top, text) in enumerate(zip(TOPS, texts, strict=False))
    ]
    values = {"version": "2019-07-15", "image": f"{name}.png", "width": WIDTH, "height": HEIGHT, **more}
    path = folder / f"{name}.xml"
    path.write_text(PAGE.format(lines="".join(lines), **values), encoding="utf-8")
    return path


def write_alto(path: Path, lines: str, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"version": 4, "unit": "pixel", "image": "page.png", "width": WIDTH, "height": HEIGHT, **more}
    path.write_text(ALTO.format(lines=lines, **values), encoding="utf-8")
    return path


def line_of(top: float, **more: Any) -> PageLine:
    values: dict[str, Any] = {"baseline": tuple(baseline(top)), "polygon": tuple(polygon(baseline(top))), "text": None}
    return PageLine(Path("page.xml"), None, "l", **{**values, **more})


def feet(strip: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The lowest row of each bar."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats((strip < 110).astype(np.uint8))
    return np.asarray([top + tall - 1 for _, top, _, tall, area in boxes[1:] if area > 20], np.int64)


def load(tmp_path: Path, source: Path, split: str = TRAIN, **more: Any) -> LineSet:
    keys = {"sources": (source,), "height": 32, "width": 512, "text_length": 40, **more}
    data = DataConfig.model_validate(keys)
    return load_lines(data, split, tmp_path / "cache", lambda: None, lambda _note: None, degraded=False)


@pytest.mark.parametrize("version", ["2013-07-15", "2019-07-15"])
def test_page_xml_is_read(tmp_path: Path, version: str) -> None:
    path = write_page(tmp_path, "page", ["first &amp; only", "zweite"], version=version)
    lines = page_lines(path)
    assert [line.line_id for line in lines] == ["l0", "l1"]
    assert [line.text for line in lines] == ["first & only", "zweite"], "the reading of the lowest index"
    assert lines[0].image == tmp_path / "page.png"
    assert lines[0].page_size == (400, 300)
    assert lines[0].baseline is not None
    assert lines[0].baseline[0] == pytest.approx((40, height_of_baseline(40, 80)), abs=0.1)
    assert lines[0].polygon is not None
    assert len(lines[0].polygon) == 34
    assert lines[0].pitch == pytest.approx(45, abs=0.1)


def test_odd_page_xml_is_read(tmp_path: Path) -> None:
    path = write_page(tmp_path, "page", ["x"])
    text = path.read_text()
    text = text.replace(
        "</TextRegion>",
        '<TextLine><Coords points=""/><Word><TextEquiv><Unicode>two</Unicode>'
        "</TextEquiv></Word><Word><TextEquiv><PlainText>words</PlainText></TextEquiv></Word></TextLine>"
        '<TextLine id="l0"><Coords><Point x="1" y="2"/><Point x="3" y="4"/><Point x="1" y="4"/></Coords></TextLine>'
        "</TextRegion>",
    )
    path.write_text(text.replace('imageFilename="page.png"', 'imageFilename="C:\\scans\\page.png"'))
    _, joined, bare = page_lines(path)
    assert (joined.text, joined.polygon, joined.baseline) == ("two words", None, None)
    assert joined.line_id
    assert (bare.text, bare.polygon) == (None, ((1, 2), (3, 4), (1, 4)))
    assert bare.line_id == "l0~2", "ids are made unique"
    assert bare.image == tmp_path / "page.png", "the last part of a foreign path"


@pytest.mark.parametrize("version", [2, 3, 4])
def test_alto_is_read(tmp_path: Path, version: int) -> None:
    line = words(baseline(80), " ")
    shape = f'<Shape><Polygon POINTS="{words(polygon(baseline(80)))}"/></Shape>'
    box = 'HPOS="10" VPOS="100" WIDTH="200" HEIGHT="30"'
    lines = (
        f'<TextLine ID="a" BASELINE="{line}">{shape}<String CONTENT="two"/><SP/><String CONTENT="words"/></TextLine>'
        f'<TextLine ID="b" BASELINE="125" {box}><String CONTENT="bro"/><HYP CONTENT="-"/></TextLine>'
        f'<TextLine ID="c" {box}/><TextLine ID="d"/>'
    )
    path = write_alto(tmp_path / "page.xml", lines, version=version)
    first, second, third, last = page_lines(path)
    assert first.text == "two words"
    assert first.baseline is not None
    assert first.polygon is not None
    assert len(first.baseline) == 17
    assert second.text == "bro-"
    assert second.baseline == ((10, 125), (210, 125)), "a level line told by its height alone"
    assert second.polygon == ((10, 100), (210, 100), (210, 130), (10, 130))
    assert third.text is None
    assert (last.baseline, last.polygon) == (None, None)
    assert first.image is None, "there is no picture"


def test_a_bent_line_is_cut_straight() -> None:
    strip = cut_line(draw_page(TOPS), line_of(125), 48)
    assert strip.shape[0] == 48
    scale = 48 / (TALL * 1.06)
    assert strip.shape[1] == pytest.approx((320 + 2 * 0.3 * TALL) * scale, rel=0.05), "the aspect is kept"
    found = feet(strip)
    assert len(found) == 15, "no bar is lost"
    assert found.max() - found.min() <= 4, "all bars stand on one level"
    unbent = draw_page(TOPS)[95:145, 40:360]
    assert np.ptp(feet(unbent)) > 8, "on the page they do not"


def test_what_lies_outside_the_polygon_is_replaced_by_paper() -> None:
    line = baseline(125)
    around = [(x, y - (18 if x < 200 else 8)) for x, y in line] + [(x, y + 6) for x, y in reversed(line)]
    strip = cut_line(draw_page(TOPS), line_of(125, polygon=tuple(around)), 48)
    _, _, boxes, _ = cv2.connectedComponentsWithStats((strip < 110).astype(np.uint8))
    tall = [int(box[3]) for box in sorted(boxes[1:], key=lambda box: int(box[0]))]
    assert len(tall) == 15
    assert min(tall[:6]) >= 26, "bars of 16 pixels, at 48 pixels for 25"
    assert max(tall[-6:]) <= 22, "cut off where the polygon ends"
    assert np.abs(strip[:8, 400:].astype(int) - 210).max() <= 6, "paper as inside"


def test_lines_without_polygon_or_baseline_are_cut_too() -> None:
    page = draw_page(TOPS)
    from_pitch = cut_line(page, line_of(125, polygon=None, pitch=45.0), 48)
    assert np.ptp(feet(from_pitch)) <= 4
    guessed = cut_line(page, line_of(125, baseline=None), 48)
    assert np.ptp(feet(guessed)) <= 6
    assert cut_line(page, line_of(125, polygon=None), 48).shape[0] == 48, "no neighbours either: by its length"


def test_a_smaller_picture_of_the_page_is_scaled_to() -> None:
    small = np.asarray(cv2.resize(draw_page(TOPS), (200, 150), interpolation=cv2.INTER_AREA), np.uint8)
    line = line_of(125, page_size=(400.0, 300.0))
    assert np.ptp(feet(cut_line(small, line, 48))) <= 6
    with pytest.raises(UncuttableError, match="the page of 400 x 300"):
        cut_line(np.full((300, 200), 200, np.uint8), line, 48)


@pytest.mark.parametrize(
    "more",
    [
        {"baseline": None, "polygon": None},
        {"baseline": ((5.0, 5.0), (5.0, 5.0)), "polygon": None},
        {"baseline": ((0.0, 0.0), (1e9, 0.0)), "polygon": None},
        {"baseline": None, "polygon": ((0.0, 0.0), (0.0, 10.0), (0.0, 5.0))},
        {"baseline": ((10.0, 10.0), (90.0, 10.0)), "polygon": ((10.0, 10.0), (50.0, 10.0), (90.0, 10.0))},
        {"polygon": ((0.0, 0.0), (1e8, 0.0), (1e8, 10.0))},
    ],
)
def test_senseless_coordinates_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UncuttableError):
        cut_line(draw_page(TOPS), line_of(80, **more), 48)


def test_a_line_beyond_the_page_is_cut_from_its_edge() -> None:
    beyond = line_of(
        80, baseline=((300.0, 290.0), (600.0, 320.0)), polygon=((300.0, 260.0), (600.0, 290.0), (600.0, 330.0))
    )
    assert cut_line(draw_page(TOPS), beyond, 48).shape[0] == 48


def test_pages_are_trained_on(tmp_path: Path) -> None:
    for page in range(4):
        write_page(tmp_path / "pages", f"p{page}", ["one", "two", "three"])
    train, held_out = (load(tmp_path, tmp_path / "pages", split) for split in (TRAIN, HELD_OUT))
    assert train.names is not None
    assert held_out.names is not None
    pages = [{name.partition("#")[0] for name in names} for names in (train.names, held_out.names)]
    assert not pages[0] & pages[1]
    assert len(train) % 3 == 0
    assert train.names[0].endswith(".xml#l0")
    assert set(train.texts) == {"one", "two", "three"}
    assert (train.clean.min(axis=(1, 2)) < 60).all(), "ink"


def test_alto_in_tenths_of_a_millimetre_is_cut_by_the_size_of_the_page(tmp_path: Path) -> None:
    for page in range(2):
        folder = tmp_path / "pages"
        write_page(folder, f"p{page}", [])
        halves = [(x * 2, y * 2) for x, y in baseline(125)]
        around = [(x * 2, y * 2) for x, y in polygon(baseline(125))]
        line = (
            f'<TextLine ID="a" BASELINE="{words(halves)}"><Shape><Polygon POINTS="{words(around)}"/></Shape>'
            '<String CONTENT="text"/></TextLine>'
        )
        write_alto(folder / f"p{page}.xml", line, unit="mm10", image=f"p{page}.png", width=800, height=600)
    strip = load(tmp_path, tmp_path / "pages").clean[0]
    assert np.ptp(feet(strip)) <= 4


def test_every_kind_of_bad_page_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    for page in range(3):
        write_page(folder, f"p{page}", ["one", "two", "three"])
    write_page(folder, "empty", ["one", " "])
    write_page(folder, "gone", ["one"])
    (folder / "gone.png").unlink()
    broken = write_page(folder, "broken", ["one"])
    broken.write_text(broken.read_text()[:-20])
    nowhere = write_page(folder, "nowhere", ["one"])
    nowhere.write_text(nowhere.read_text().replace("Baseline", "B").replace("Coords", "C"))
    write_page(folder, "wrong", ["one"], width=WIDTH * 2)
    (folder / "notes.xml").write_text("<notes/>")
    with pytest.raises(BadLinesError) as caught:
        load(tmp_path, folder)
    text = str(caught.value)
    assert "lines that cannot be trained on: 5;" in text
    assert "empty text: 1: pages/empty.xml#l1" in text
    assert "unreadable picture: 1: pages/gone.xml#l0 (the picture of the page is not beside its XML)" in text
    assert "unreadable record: 1: pages/broken.xml" in text
    assert "no baseline: 2: pages/nowhere.xml#l0 (neither a baseline nor a polygon)" in text
    assert "pages/wrong.xml#l0 (the picture is of 400 x 300" in text


BOMB = """<?xml version="1.0"?>
<!DOCTYPE PcGts [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY file SYSTEM "file:///etc/passwd">]>
<PcGts><Page><TextLine id="x"><TextEquiv><Unicode>{entity}</Unicode></TextEquiv></TextLine></Page></PcGts>"""


@pytest.mark.parametrize("entity", ["&b;", "&file;", "plain"])
def test_document_types_are_refused(tmp_path: Path, entity: str) -> None:
    path = tmp_path / "page.xml"
    path.write_text(BOMB.format(entity=entity))
    with pytest.raises(DataError, match="declares a document type"):
        page_lines(path)


def test_other_xml_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    path = tmp_path / "pages" / "x.xml"
    path.write_text("<TEI/>")
    with pytest.raises(DataError, match="neither PAGE XML nor ALTO"):
        page_lines(path)
    with pytest.raises(UsageError, match="no source of lines"):
        load(tmp_path, tmp_path / "pages")


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("1,2 3,4", ((1, 2), (3, 4))),
        ("1 2 3.5 -4", ((1, 2), (3.5, -4))),
        ("1,2", None),
        ("1,2 3", None),
        ("", None),
        (None, None),
        ("NaN,NaN x,y", None),
    ],
)
def test_points(text: str | None, points: Any) -> None:
    assert parse_points(text) == points
