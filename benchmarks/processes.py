"""Worker processes as seen by the benchmark: a crash or a hang of an engine is an error here, and the next request starts afresh."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent


class WorkerError(Exception):
    """The worker's process ended, or did not answer in time; its sessions are gone."""


class WorkerProcess:
    """One process of `benchmarks.worker`, started when it is first asked."""

    def __init__(self, timeout_seconds: float = 120.0) -> None:
        self._timeout = timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """The worker's answer; WorkerError when its process ends instead, or takes too long."""
        process = self._started()
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"ask": request, **arguments}).encode() + b"\n")
            stdin.flush()
            reply: dict[str, Any] = json.loads(self._read_line(stdout))
        except (OSError, WorkerError) as error:
            raise WorkerError(self._end(str(error))) from error
        return reply

    def pause(self) -> None:
        """Stops the process's threads, those that spin too, until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._end("")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": search},
            )
            self._buffer = b""
        return self._process

    def _read_line(self, stream: IO[bytes]) -> bytes:
        end = monotonic() + self._timeout
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, end - monotonic())):
                    raise WorkerError(f"no answer within {self._timeout:.0f} s")
                received = os.read(stream.fileno(), 1 << 16)
                if not received:
                    raise WorkerError("")
                self._buffer += received
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _end(self, reason: str) -> str:
        """Ends the process and says how it ended, in words."""
        process, self._process = self._process, None
        if process is None:
            return reason
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        try:
            code = process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return reason or "no end of the process"
        return f"the process ended with {signal.Signals(-code).name if code < 0 else f'exit status {code}'}"
