from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.errors import StorageError
from htr_tui.files import dump_line
from htr_tui.triage.engine import classify, classify_attempt, classify_log, exit_signal, has_failed
from htr_tui.triage.finding import CATEGORIES, ExitFacts, Finding, TriageContext
from htr_tui.triage.reading import HEAD_BYTES, TAIL_BYTES, Log, LogLine, read_log
from tests.triage.wordings import FRAMES, PROGRESS, TF_OOM, TORCH_OWN

FILLER = b"I 2026-11-20 a line of no meaning whatsoever that only takes room in the file\n"


def attempt(folder: Path, log: str = "", exit_record: dict[str, Any] | None = None, *events: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "log.txt").write_text(log)
    if exit_record is not None:
        (folder / "exit.json").write_text(json.dumps(exit_record))
    (folder / "events.jsonl").write_bytes(b"".join(dump_line(event) for event in events))
    return folder


# -- exit status ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "signal", "failed"),
    [
        (ExitFacts(), None, None),
        (ExitFacts(exit_code=0), None, False),
        (ExitFacts(exit_code=1), None, True),
        (ExitFacts(exit_code=-9), 9, True),
        (ExitFacts(exit_code=137), 9, True),
        (ExitFacts(signal=11), 11, True),
        (ExitFacts(exit_code=128), None, True),
        (ExitFacts(exit_code=255), None, True),
        (ExitFacts(completed=True), None, False),
        (ExitFacts(completed=False), None, True),
    ],
)
def test_an_exit_is_read_in_all_its_spellings(facts: ExitFacts, signal: int | None, failed: bool | None) -> None:
    assert exit_signal(facts) == signal
    assert has_failed(facts) is failed


def test_kill_with_the_kernels_counter_up_is_host_memory_and_without_names_the_signal(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(PROGRESS)
    killed = classify_log(log, ExitFacts(signal=9, oom_kills=2))
    assert killed.category == "host_oom"
    assert killed.evidence[0].line == 0
    assert "rose by 2" in killed.evidence[0].text
    alone = classify_log(log, ExitFacts(signal=9))
    assert (alone.category, alone.title) == ("crash", "Ended by SIGKILL")


def test_an_earlier_gpu_text_that_was_survived_does_not_hide_the_kernel() -> None:
    lines = [LogLine(i, text) for i, text in enumerate(f"{TORCH_OWN}\n{PROGRESS}".splitlines(), 1)]
    assert classify(Log(lines), ExitFacts(signal=9, oom_kills=1)).category == "host_oom"


# -- evidence ------------------------------------------------------------------------------------------------------


def test_evidence_has_true_line_numbers_and_clean_text(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"\n\none\n\x1b[31mRuntimeError: CUDA out of\x1b[0m memory. Tried\x07 to allocate 1 GiB\n")
    evidence = classify_log(log, ExitFacts(exit_code=1)).evidence
    assert (evidence[0].line, evidence[0].text) == (4, "RuntimeError: CUDA out of memory. Tried to allocate 1 GiB")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_powershells_utf16_is_read(encoding: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(("start\r\n" * 20 + "MemoryError\r\n").encode(encoding))
    finding = classify_log(log, ExitFacts(exit_code=1))
    assert finding.category == "host_oom"
    assert finding.evidence[0].line == 21


def test_quoted_source_lines_are_no_evidence() -> None:
    text = 'Traceback (most recent call last):\n  File "t.py", line 3, in f\n    except MemoryError: raise ValueError("no")\nValueError: no'
    lines = [LogLine(i, line) for i, line in enumerate(text.splitlines(), 1)]
    finding = classify(Log(lines), ExitFacts(exit_code=1))
    assert (finding.category, finding.title) == ("crash", "ValueError at t.py:3")


def test_the_cause_of_a_chain_is_named_not_its_end() -> None:
    text = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nIndexError: list index\n\n'
        "The above exception was the direct cause of the following exception:\n\n"
        'Traceback (most recent call last):\n  File "b.py", line 2, in g\n    y\nRuntimeError: step failed'
    )
    lines = [LogLine(i, line) for i, line in enumerate(text.splitlines(), 1)]
    assert classify(Log(lines), ExitFacts(exit_code=1)).title == "IndexError at a.py:1"


def test_an_optional_import_that_failed_early_is_not_the_cause() -> None:
    text = f"WARN No module named 'apex', going on without\nimport note: No module named 'tensorrt'\n{PROGRESS}\n{FRAMES}ZeroDivisionError: division by zero"
    lines = [LogLine(i, line) for i, line in enumerate(text.splitlines(), 1)]
    assert classify(Log(lines), ExitFacts(exit_code=1)).title.startswith("ZeroDivisionError")


def test_lines_that_a_console_wrapped_are_joined() -> None:
    message = "RuntimeError: " + "x" * 55 + " CUDA out of memory. Tried to allocate 2.00 GiB"
    lines = [LogLine(1, message[:78]), LogLine(2, message[78:])]
    assert classify(Log(lines), ExitFacts(exit_code=1)).category == "gpu_oom"


# -- long logs -----------------------------------------------------------------------------------------------------


def test_a_long_log_is_read_in_parts_and_counts_its_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    before = (HEAD_BYTES + (4 << 20)) // len(FILLER)
    after = (TAIL_BYTES + (2 << 20)) // len(FILLER)
    with open(log, "wb") as file:
        file.write(FILLER * before)
        file.write(b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n")
        file.write(FILLER * after)
        file.write(b"BrokenPipeError: [Errno 32] Broken pipe\n")
    finding = classify_log(log, ExitFacts(exit_code=1))
    assert finding.category == "gpu_oom"
    assert finding.evidence[0].line == before + 1
    assert "only searched" in finding.explanation
    read = read_log(log)
    assert (read.lines[-1].number, read.lines[-1].text) == (
        before + after + 2,
        "BrokenPipeError: [Errno 32] Broken pipe",
    )
    assert read.skipped > 0
    assert len(read.lines) < (HEAD_BYTES + TAIL_BYTES) // len(FILLER) + 10


def test_one_endless_line_is_survived(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"x" * (HEAD_BYTES + TAIL_BYTES + 100) + b"\nMemoryError\n")
    finding = classify_log(log, ExitFacts(exit_code=1))
    assert finding.category == "host_oom"
    assert finding.evidence[0].line == 2


@given(st.binary(max_size=400), st.sampled_from([None, -11, -9, 0, 1, 2, 127, 137]))
def test_any_bytes_get_a_finding_that_survives_json(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, code: int | None
) -> None:
    log = tmp_path_factory.mktemp("log") / "log.txt"
    log.write_bytes(data)
    finding = classify_log(log, None if code is None else ExitFacts(exit_code=code))
    assert finding.category in CATEGORIES
    assert Finding.from_json(json.loads(json.dumps(finding.as_json()))).as_json() == finding.as_json()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["category", "confidence", "evidence", "fixes", "line", "text", "set", "env", "title"]), inner, max_size=4)))  # fmt: skip
def test_a_finding_file_of_garbage_is_read(record: Any) -> None:
    if isinstance(record, dict):
        json.dumps(Finding.from_json(record).as_json())


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"missing\.txt"):
        classify_log(tmp_path / "missing.txt")
    with pytest.raises(StorageError):
        classify_log(tmp_path)


# -- attempts ------------------------------------------------------------------------------------------------------


def test_an_attempt_is_judged_by_its_files(tmp_path: Path) -> None:
    start = {"t": 1.0, "kind": "start", "params": {"train.batch": 8, "train.accumulation": 1}}
    folder = attempt(tmp_path / "a", TF_OOM, {"exit_code": 1, "signal": None, "oom_kills": 0}, start)
    finding = classify_attempt(folder)
    assert finding.category == "gpu_oom"
    assert finding.path == str(folder)
    assert finding.fixes[0].set == {"train.batch": 4, "train.accumulation": 2}


def test_a_stop_on_request_is_no_failure(tmp_path: Path) -> None:
    folder = attempt(tmp_path / "a", FRAMES + "KeyboardInterrupt", {"exit_code": 143, "stop_requested": "stop"})
    assert classify_attempt(folder).category == "none"


def test_a_completed_attempt_with_a_nan_loss_is_failed(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [
        {"kind": "metrics", "epoch": 1, "values": {"train/loss": 0.5, "val/psnr": 20.0}},
        {"kind": "metrics", "epoch": 2, "values": {"train/loss": float("nan"), "val/psnr": 9.0}},
        {"kind": "end", "status": "complete"},
    ]
    folder = attempt(tmp_path / "a", "fine", {"exit_code": 0}, *events)
    finding = classify_attempt(folder, context=TriageContext(params={"lr": 0.1}))
    assert finding.category == "nan_loss"
    assert finding.fixes[0].set == {"lr": 0.05}
    good = attempt(
        tmp_path / "b",
        "fine",
        {"exit_code": 0},
        events[0],
        {**events[1], "values": {"train/loss": 0.4, "val/auc": "nan"}},
    )
    assert classify_attempt(good).category == "none"


@pytest.mark.parametrize("name", ["log.txt", "exit.json", "events.jsonl"])
def test_an_attempt_with_a_missing_or_garbled_file_is_judged_by_the_rest(name: str, tmp_path: Path) -> None:
    folder = attempt(
        tmp_path / "a", "MemoryError", {"exit_code": 1, "signal": "x", "oom_kills": None}, {"kind": "start"}
    )
    (folder / name).write_bytes(b"\xff{not json")
    assert classify_attempt(folder).category in CATEGORIES
    (folder / name).unlink()
    assert classify_attempt(folder).category in CATEGORIES


def test_a_gpu_that_was_asked_for_and_not_found_is_a_failure() -> None:
    lines = [LogLine(1, "I tensorflow: Could not find cuda drivers on your machine, GPU will not be used.")]
    failed = ExitFacts(exit_code=1)
    assert classify(Log(lines), failed, TriageContext(gpu_wanted=True)).category == "gpu_missing"
    assert classify(Log(lines), failed, TriageContext(gpu_wanted=False)).category == "crash"
