"""Tables as trainers write them, and as they should not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from htr_tui.metrics.csv_source import CsvSource
from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import Place

Values = list[tuple[int, dict[str, float]]]


def read(
    folder: Path, text: str | bytes, rule: EpochRule | None = None, delimiter: str | None = None
) -> tuple[Values, CsvSource]:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = CsvSource(Place(str(path)), rule or EpochRule(), delimiter)
    return [(o.epoch, o.values) for o in source.read(time.monotonic() + 60, final=True).found], source


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss,acc\n1,0.5,0.9\n2,0.25,1\n",
        "\ufeffEpoch;loss;acc\r\n1;0.5;0.9\r\n2;0.25;1\r\n",
        "epoch\tloss\tacc\n1\t0.5\t0.9\n2\t0.25\t1",
        "# made by a script\n\nepoch | loss | acc\n1 | 0.5 | 0.9\n2 | 0.25 | 1\n",
        '"epoch","loss","acc"\n"1","0.5","0.9"\n"2","0.25","1"\n',
        ",epoch,loss,acc\n0,1,0.5,0.9\n1,2,0.25,1\n",
        "Unnamed: 0,loss,acc\n0,0.5,0.9\n1,0.25,1\n",
        "loss,acc\n0.5,0.9\n0.25,1\n",
        "epoch,loss,acc\n1,0.5,0.9\nepoch,loss,acc\n2,0.25,1\n",
        "epoch,loss,acc\n1,0.5,0.9\nepoch,acc,loss\n2,1,0.25\n",
        "epoch,loss,acc\n1,0.5,\n1,,0.9\n2,0.25,1\n",
    ],
)
def test_forms_of_one_table(tmp_path: Path, text: str) -> None:
    found, source = read(tmp_path, text)
    table: dict[int, dict[str, float]] = {}
    for epoch, values in found:
        table.setdefault(epoch, {}).update(values)
    assert table == {1: {"loss": 0.5, "acc": 0.9}, 2: {"loss": 0.25, "acc": 1.0}}
    assert source.skipped == 0
    assert source.trouble == ""


def test_where_the_epoch_comes_from(tmp_path: Path) -> None:
    text = "step,round,epoch,loss\n10,7,1,0.5\n20,8,1,0.25\n"
    assert [e for e, _ in read(tmp_path, text)[0]] == [1, 1]
    assert [e for e, _ in read(tmp_path, text, EpochRule("round"))[0]] == [7, 8]
    assert [e for e, _ in read(tmp_path, text, EpochRule("step"))[0]] == [10, 20]
    assert [e for e, _ in read(tmp_path, text, EpochRule("count"))[0]] == [1, 2]
    assert [e for e, _ in read(tmp_path, text, EpochRule("round", first=0))[0]] == [8, 9]
    assert read(tmp_path, text, EpochRule("count"))[0][0][1] == {"round": 7.0, "loss": 0.5}


def test_a_column_that_is_not_there_is_said(tmp_path: Path) -> None:
    found, source = read(tmp_path, "epoch,loss\n1,2\n", EpochRule("round"))
    assert found == []
    assert "no column 'round', only epoch, loss" in source.trouble


def test_rows_that_are_none_are_counted(tmp_path: Path) -> None:
    text = 'epoch,loss\n1,0.5\n2\n3,1,4\nx,1\n-1,1\n"4,"\n5,0.25\n'
    found, source = read(tmp_path, text)
    assert found == [(1, {"loss": 0.5}), (5, {"loss": 0.25})]
    assert source.skipped == 5


def test_columns_of_text_are_counted_once(tmp_path: Path) -> None:
    text = "epoch,loss,when\n" + "".join(f"{e},0.5,2026-01-01 10:00\n" for e in range(1, 100))
    found, source = read(tmp_path, text)
    assert len(found) == 99
    assert source.skipped == 1


def test_a_given_delimiter(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "epoch loss\n1 0.5\n", delimiter=" ")
    assert found == [(1, {"loss": 0.5})]


def test_a_torn_last_row_is_left_out(tmp_path: Path) -> None:
    found, source = read(tmp_path, "epoch,loss,acc\n1,0.5,0.9\n2,0.2")
    assert found == [(1, {"loss": 0.5, "acc": 0.9})]
    assert source.skipped == 1
