"""A tracking server at its worst: it answers nothing useful, hangs, and dies."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable


class BadServer:
    """An address at which a process answers 503, sends half an answer, or keeps the line open; it can be killed."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.pid = -1

    def start(self) -> None:
        """Answer from now on."""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.closerange(3, 4096)
                _serve(self.port)
            finally:
                os._exit(0)

    def kill(self) -> bool:
        """KILL it; False if it was dead."""
        if self.pid < 0:
            return False
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = -1
        return True

    def close(self) -> None:
        """Done with it."""
        self.kill()


def _serve(port: int) -> None:
    signal.alarm(600)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(16)
    kept: list[socket.socket] = []
    manners: list[Callable[[socket.socket], None]] = [_unavailable, _half, _reset, kept.append]
    for turn in range(1_000_000):
        line, _ = listener.accept()
        try:
            manners[turn % len(manners)](line)
        except OSError:
            time.sleep(0.01)


def _unavailable(line: socket.socket) -> None:
    line.recv(65536)
    line.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    line.close()


def _half(line: socket.socket) -> None:
    line.recv(65536)
    line.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"experiment": ')
    line.close()


def _reset(line: socket.socket) -> None:
    line.close()
