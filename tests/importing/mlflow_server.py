"""A tracking server of MLflow's REST API that knows one experiment, and counts what it is asked to write."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

EXPERIMENT = {"experiment_id": "7", "name": "served", "lifecycle_stage": "active", "artifact_location": "x"}
BEGIN_MS = 1_709_287_200_000


def run(number: int) -> dict[str, Any]:
    points = [{"key": "val/cer", "value": 0.5 / (number + 1), "timestamp": BEGIN_MS, "step": 2}]
    info = {
        "run_id": f"r{number}", "run_uuid": f"r{number}", "run_name": f"run {number}", "experiment_id": "7",
        "status": "FINISHED", "start_time": BEGIN_MS + number, "end_time": BEGIN_MS + 60_000, "lifecycle_stage": "active",
    }  # fmt: skip
    return {"info": info, "data": {"metrics": points, "params": [{"key": "lr", "value": "1e-3"}], "tags": []}}


class Handler(BaseHTTPRequestHandler):
    """Answers reads in pages of two; everything else is noted."""

    def do_GET(self) -> None:
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        self._answer(urlsplit(self.path).path, query)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self._answer(self.path, body)

    def _answer(self, path: str, query: dict[str, Any]) -> None:
        name = path.rpartition("/mlflow/")[2]
        answers: dict[str, Any] = {
            "experiments/search": {"experiments": [EXPERIMENT]},
            "experiments/get-by-name": {"experiment": EXPERIMENT},
        }
        if name == "runs/search":
            first = int(query.get("page_token") or 0)
            answer: Any = {"runs": [run(n) for n in range(first, first + 2)]}
            answer |= {"next_page_token": str(first + 2)} if first < 2 else {}
        elif name == "metrics/get-history":
            number = int(str(query["run_id"])[1:])
            answer = {
                "metrics": [
                    {"key": query["metric_key"], "value": v / (number + 1), "timestamp": BEGIN_MS, "step": step}
                    for step, v in ((1, 0.9), (2, 0.5))
                ]
            }
        else:
            answer = answers.get(name)
        if answer is None:
            self.server.writes.append(path)  # type: ignore[attr-defined]
        data = json.dumps(answer if answer is not None else {"error_code": "ENDPOINT_NOT_FOUND"}).encode()
        self.send_response(200 if answer is not None else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, list[str]]]:
    """(the server's URL, what it was asked for that is no read)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    writes: list[str] = []
    server.writes = writes  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", writes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
