from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.triage.wordings import TF_OOM


def htr_tui(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "htr_tui", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_findings_as_json_in_the_order_of_the_paths(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(TF_OOM)
    folder = tmp_path / "attempt-1"
    folder.mkdir()
    (folder / "log.txt").write_text("all is well")
    done = htr_tui("triage", str(tmp_path / "a.log"), str(folder), "--json", "--param", "batch=8")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["findings"]
    assert {"path", "category", "confidence", "title", "evidence", "explanation", "fixes"} <= set(first)
    assert first["path"] == str(tmp_path / "a.log")
    assert first["category"] == "gpu_oom"
    assert set(first["evidence"][0]) == {"line", "text"}
    assert {"name", "title", "set", "env", "effect"} <= set(first["fixes"][0])
    assert first["fixes"][0]["set"] == {"batch": 4}
    assert (second["path"], second["category"]) == (str(folder), "none")


def test_the_exit_status_decides_where_the_text_does_not(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("epoch 1")
    assert (
        json.loads(htr_tui("triage", str(log), "--exit", "-11", "--json").stdout)["findings"][0]["category"] == "crash"
    )
    assert json.loads(htr_tui("triage", str(log), "--exit", "0", "--json").stdout)["findings"][0]["category"] == "none"


def test_people_get_the_line_the_reason_and_the_fixes_without_escape_codes(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(f"\x1b[31m{TF_OOM}\x1b[0m \x1b]0;owned\x07")
    done = htr_tui("triage", str(log), "--exit", "1")
    assert done.returncode == 0
    assert "gpu_oom" in done.stdout
    assert "line 1:" in done.stdout
    assert "fix memory_growth" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_path_that_is_not_there_is_bad_use(tmp_path: Path) -> None:
    done = htr_tui("triage", str(tmp_path / "nothing.txt"))
    assert done.returncode == 2
    assert "nothing.txt" in done.stderr
    assert htr_tui("triage", str(tmp_path)).returncode == 2


def test_the_doctor_looks_at_everything_and_names_a_remedy(tmp_path: Path) -> None:
    done = htr_tui("doctor", "--json", "--dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert {
        "python",
        "tensorflow",
        "optuna",
        "mlflow-skinny",
        "disk",
        "runs folder",
        "terminal",
        "colours",
        "encoding",
        "/dev/shm",
    } <= set(rows)
    assert all(row["status"] in ("ok", "warn", "missing") for row in rows.values())
    assert rows["optuna"]["status"] == "ok"
    assert rows["terminal"]["status"] == "warn"
    assert rows["terminal"]["remedy"]
    text = htr_tui("doctor", "--dir", str(tmp_path / "not" / "there")).stdout
    assert "optuna" in text


def test_neither_command_imports_what_is_heavy() -> None:
    code = (
        "import sys; sys.argv = ['htr-tui', 'doctor']\n"
        "from htr_tui.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'mlflow', 'optuna', 'textual', 'numpy'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
