"""Child processes that answer questions one by one: what crashes or hangs there ends a child, never the run."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


class Child:
    """A Python process that serves a module's questions; started when asked first, again after it died."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.command = [sys.executable, "-m", module, *arguments]
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, question: Answer, limit_s: float) -> Answer:
        """The child's answer, or `{"status": "crash" | "timeout", "reason": ...}`."""
        if self.process is None:
            quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], limit_s)
        line = self.process.stdout.readline() if ready else b""
        if line:
            answer: Answer = json.loads(line)
            return answer
        if not ready:
            self.close()
            return {"status": "timeout", "reason": f"no answer in {limit_s} s"}
        status = self.process.wait()
        self.close()
        return {"status": "crash", "reason": f"exit status {status}"}

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def serve(answer: Callable[[Answer], Answer]) -> None:
    """Answers the lines of standard input until it ends; exceptions become `{"status": "error", ...}`."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            found = answer(json.loads(line))
        except Exception as error:
            found = {"status": "error", "kind": type(error).__name__, "reason": " ".join(str(error).split())[:400]}
        out.write(json.dumps(found) + "\n")
