"""`htr-gan read`: texts with confidences that mean what they say, from pictures and from pages."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from htr_gan.__main__ import main
from htr_gan.alphabet import Alphabet
from htr_gan.cli.read import shown
from htr_gan.errors import DataError
from htr_gan.inference.filled_xml import fill_page
from htr_gan.inference.loading import load_reader
from htr_gan.inference.reader import Reader
from htr_gan.inference.reading import Reading, read_line
from htr_gan.inference.trained import find_trained
from tests.htr_gan.source_makers import picture, write_picture
from tests.htr_gan.trained_runs import Runs, trained_runs

__all__ = ["trained_runs"]

AB = Alphabet("ab")

PAGE = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- kept -->
<pc:PcGts xmlns:pc="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15" pcGtsId="x">
  <pc:Metadata><pc:Creator>somebody &amp; others</pc:Creator></pc:Metadata>
  <pc:Page imageFilename="page.png" imageWidth="300" imageHeight="120">
    <pc:TextRegion id="r" custom="mine">
      <pc:Coords points="0,0 300,0 300,120 0,120"/>
      <pc:TextLine id="first"><pc:Coords points="10,20 200,20 200,44 10,44"/><pc:Baseline points="10,40 200,40"/>
        <pc:Word id="w"><pc:Coords points="10,20 90,20 90,44 10,44"/>
          <pc:TextEquiv><pc:Unicode>old word</pc:Unicode></pc:TextEquiv></pc:Word>
        <pc:TextEquiv conf="0.1"><pc:Unicode>old text</pc:Unicode></pc:TextEquiv></pc:TextLine>
      <pc:TextLine id="second"><pc:Coords points="10,70 250,70 250,100 10,100"/><pc:Baseline points="10,90 250,90"/>
      </pc:TextLine>
      <pc:TextLine id="nowhere"/>
      <pc:TextEquiv><pc:Unicode>old text of the region</pc:Unicode></pc:TextEquiv>
    </pc:TextRegion>
  </pc:Page>
</pc:PcGts>
"""

ALTO = """\
<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xlink="http://www.w3.org/1999/xlink">
  <Description><MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation><fileName>page.png</fileName></sourceImageInformation></Description>
  <Layout><Page WIDTH="300" HEIGHT="120"><PrintSpace><TextBlock ID="b">
    <TextLine ID="first" HPOS="10" VPOS="20" WIDTH="190" HEIGHT="24" BASELINE="10 40 200 40">
      <Shape><Polygon POINTS="10 20 200 20 200 44 10 44"/></Shape>
      <String CONTENT="old" WC="0.5"/><SP/><String CONTENT="text"/></TextLine>
    <TextLine ID="second" HPOS="10" VPOS="70" WIDTH="240" HEIGHT="30" BASELINE="10 90 250 90"/>
  </TextBlock></PrintSpace></Page></Layout>
</alto>
"""


def logits_of(path: list[tuple[int, float]], classes: int = 3) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Logits whose best label and its probability at each step are as given."""
    rows = []
    for label, probability in path:
        rest = (1 - probability) / (classes - 1)
        rows.append([math.log(probability if index == label else rest) for index in range(classes)])
    return np.asarray(rows, np.float32)


def test_confidence_is_the_best_step_of_each_run_and_their_geometric_mean() -> None:
    reading = read_line(logits_of([(0, 0.9), (1, 0.6), (1, 0.8), (0, 0.7), (1, 0.5), (2, 0.9), (2, 0.6)]), AB)
    assert reading.text == "aab"
    assert [letter for letter, _ in reading.characters] == ["a", "a", "b"]
    assert [value for _, value in reading.characters] == pytest.approx([0.8, 0.5, 0.9], abs=1e-5)
    assert reading.confidence == pytest.approx((0.8 * 0.5 * 0.9) ** (1 / 3), abs=1e-5)
    assert reading.record()["characters"][1] == {"character": "a", "confidence": 0.5}
    nothing = read_line(logits_of([(0, 0.9), (0, 0.4)]), AB)
    assert (nothing.text, nothing.characters) == ("", ())
    assert nothing.confidence == pytest.approx(0.6, abs=1e-5)


@given(st.lists(st.lists(st.integers(-30, 30), min_size=3, max_size=3), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_readings_are_the_collapsed_best_labels(rows: list[list[int]]) -> None:
    logits = np.asarray(rows, np.float32)
    reading = read_line(logits, AB)
    labels = logits.argmax(axis=1).tolist()
    kept = [label for index, label in enumerate(labels) if label and (index == 0 or label != labels[index - 1])]
    assert reading.text == AB.decode(kept)
    assert 0 <= reading.confidence <= 1
    assert len(reading.characters) == len(reading.text)


def test_neighbours_in_a_batch_change_nothing(runs: Runs) -> None:
    reader = load_reader(find_trained(runs.recogniser))
    pictures = [picture(20, width, seed) for seed, width in enumerate((80, 60, 300, 80, 31, 700, 5000))]
    alone = [reader.read([one])[0] for one in pictures]
    for batch in (2, 32):
        together = reader.read(pictures, batch=batch)
        assert [reading.text for reading in together] == [reading.text for reading in alone]
        for first, second in zip(together, alone, strict=True):
            assert first.confidence == pytest.approx(second.confidence, abs=1e-4)


def test_wide_lines_get_wider_networks_and_fixed_ones_are_squeezed() -> None:
    asked: list[int] = []

    def network_for(width: int) -> object:
        asked.append(width)
        return lambda lines: np.zeros((len(lines), lines.shape[2] // 4, 3), np.float32)

    sizes = [(16, 40), (32, 128), (16, 70), (16, 10_000)]
    pictures = [np.full(size, 200, np.uint8) for size in sizes]
    Reader(network_for, 16, 64, AB, "x", "y").read(pictures)  # type: ignore[arg-type]
    assert asked[:2] == [64, 80]
    assert asked[2] == max(asked) < 16 * 64
    asked.clear()
    Reader(network_for, 16, 64, AB, "x", "y", is_fixed=True).read(pictures)  # type: ignore[arg-type]
    assert asked == [64]


def test_pictures_and_folders_are_read(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture(tmp_path / "in" / "a.png", 1)
    write_picture(tmp_path / "in" / "b.png", 2)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    capsys.readouterr()
    assert main(["read", str(runs.gan), str(tmp_path / "in"), "--format", "json"]) == 1
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert [Path(line["file"]).name for line in found] == ["a.png", "b.png"]
    assert all("".join(c["character"] for c in line["characters"]) == line["text"] for line in found)
    assert "bad.png" in told.err
    for run in (runs.recogniser, runs.recogniser / "recognizer"):
        assert main(["read", str(run), str(tmp_path / "in" / "b.png"), str(tmp_path / "in" / "a.png")]) == 0
        rows = [row.split("\t") for row in capsys.readouterr().out.splitlines()]
        assert [Path(row[0]).name for row in rows] == ["b.png", "a.png"]
        assert [row[2] for row in rows] == [found[1]["text"], found[0]["text"]]
        assert float(rows[0][1]) == pytest.approx(found[1]["confidence"], abs=0.001)


def test_lines_may_be_restored_first(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as restoring into a file and reading that."""
    write_picture(tmp_path / "a.png", 1, height=16, width=64)
    assert main(["restore", str(runs.gan), str(tmp_path / "a.png"), str(tmp_path / "b.png")]) == 0
    capsys.readouterr()
    assert main(["read", str(runs.gan), str(tmp_path / "b.png")]) == 0
    in_two = capsys.readouterr().out.split("\t")[1:]
    assert main(["read", str(runs.gan), str(tmp_path / "a.png"), "--restore", str(runs.gan)]) == 0
    assert capsys.readouterr().out.split("\t")[1:] == in_two


def test_results_go_to_new_files_only(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture(tmp_path / "a.png", 1)
    command = ["read", str(runs.recogniser), str(tmp_path / "a.png"), "--out", str(tmp_path / "out.txt")]
    assert main(command) == 0
    before = (tmp_path / "out.txt").read_text()
    assert main(command) == 2
    assert main([*command, "--force"]) == 0
    assert (tmp_path / "out.txt").read_text() == before
    original = (tmp_path / "a.png").read_bytes()
    assert main([*command[:-1], str(tmp_path / "a.png"), "--force"]) == 2
    assert "IN and OUT are the same" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == original


def write_page(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    page = np.full((120, 300), 210, np.uint8)
    page[24:40, 20:180:9] = 40
    page[74:90, 20:240:7] = 40
    Image.fromarray(page).save(folder / "page.png")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_page_xml_is_filled_in(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_page(tmp_path / "in", "page.xml", PAGE)
    capsys.readouterr()
    assert main(["read", str(runs.recogniser), str(source), "--format", "json"]) == 1
    told = capsys.readouterr()
    assert "page.xml#nowhere" in told.err
    found = {line["line"]: line for line in json.loads(told.out)}
    assert list(found) == ["first", "second"]
    command = ["read", str(runs.recogniser), str(source), "--format", "page", "--out", str(tmp_path / "out.xml")]
    assert main(command) == 1
    assert source.read_text() == PAGE
    text = (tmp_path / "out.xml").read_text()
    assert "<!-- kept -->" in text
    assert 'custom="mine"' in text
    assert "somebody &amp; others" in text
    assert "old" not in text
    ns = {"p": "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"}
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    for name, line in found.items():
        filled = root.findall(f".//p:TextLine[@id='{name}']/p:TextEquiv", ns)
        assert [one.findtext("p:Unicode", "", ns) for one in filled] == [line["text"]]
        assert float(filled[0].get("conf", "nan")) == pytest.approx(line["confidence"], abs=1e-4)
    order = [child.tag.rpartition("}")[2] for child in root.findall(".//p:TextLine", ns)[0]]
    assert order == ["Coords", "Baseline", "Word", "TextEquiv"]
    region = root.findtext(".//p:TextRegion/p:TextEquiv/p:Unicode", "", ns)
    assert region == f"{found['first']['text']}\n{found['second']['text']}\n"


def test_alto_is_filled_in(runs: Runs, tmp_path: Path) -> None:
    source = write_page(tmp_path / "in", "page.xml", ALTO)
    out = tmp_path / "out"
    assert main(["read", str(runs.gan), str(source.parent), "--format", "alto", "--out", str(out)]) == 0
    ns = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
    lines = ElementTree.parse(out / "page.xml").getroot().findall(".//a:TextLine", ns)
    assert [child.tag.rpartition("}")[2] for child in lines[0]] == ["Shape", "String"]
    for line in lines:
        (string,) = line.findall("a:String", ns)
        assert string.get("HPOS") == "10"
        assert 0 <= float(string.get("WC", "nan")) <= 1
    assert sorted(path.name for path in out.iterdir()) == ["page.xml"], "pictures are not copied"


def test_readings_with_signs_of_xml_are_text(tmp_path: Path) -> None:
    source = write_page(tmp_path / "in", "page.xml", ALTO)
    nasty = "<b attr=\"x\">&amp; 'quoted' \x00é\u2028</b>"
    filled = fill_page(source, [Reading(nasty, 0.5, ()), None])
    strings = ElementTree.fromstring(filled).findall(".//{*}TextLine[@ID='first']/{*}String")
    assert [string.get("CONTENT") for string in strings] == [nasty.replace("\x00", "")]
    with pytest.raises(DataError, match="2 lines"):
        fill_page(source, [None])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<PcGts><broken", "not readable as XML"),
        ("<html/>", "neither PAGE XML nor ALTO"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><PcGts>&a;</PcGts>', "document type"),
        (PAGE.replace("page.png", "gone.png"), "picture of the page"),
        (ALTO, "the file is alto"),
    ],
)
def test_pages_that_cannot_be_filled_are_named(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    source = write_page(tmp_path / "in", "other.xml", content)
    if "gone" in content:
        (source.parent / "page.png").unlink()
    command = ["read", str(runs.recogniser), str(source), "--format", "page", "--out", str(tmp_path / "out.xml")]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert "other.xml" in told
    assert said in told
    assert not (tmp_path / "out.xml").exists()


def test_wrong_use_is_told(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_page(tmp_path / "in", "page.xml", PAGE)
    run = str(runs.recogniser)
    assert main(["read", run, str(source), "--format", "page"]) == 2
    assert main(["read", run, str(source), "--format", "page", "--out", str(source), "--force"]) == 2
    assert source.read_text() == PAGE
    assert main(["read", run, str(source), "--restore", run]) == 2
    assert main(["read", run, str(tmp_path / "in"), "--batch", "0"]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["read", run, str(tmp_path / "empty")]) == 2
    assert "nothing to read" in capsys.readouterr().err
    assert shown("a\tb\x1b[0m\udcff") == "a\ufffdb\ufffd[0m\ufffd"
