"""`vrs-api` on real VQA-RAD against a server on this machine: peak memory, time to the first request, killed runs.

    VRS_DATA_DIR=... python bench/bench_api.py [memory] [kills]

`memory`: lm_eval's processes with 34 questions (102 requests) and with all 451 (1,353), by `vrs-api` and by the
harness's `local-chat-completions`. `kills`: a run killed by -9 at ten moments drawn by a key, and gone on with; how
often each question was answered. The server looks at nothing and answers "yes" after some milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ANSWER_SECONDS = 0.02
FEW = 34
KILLS = 10

REPLY = json.dumps(
    {
        "choices": [{"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 1},
    }
).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.forget()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def forget(self):
        self.answered, self.first, self.in_flight, self.most, self.kill_at, self.process = (
            Counter(),
            None,
            0,
            0,
            None,
            None,
        )

    def handle_error(self, request, client_address):
        """Quiet: clients are killed."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1/chat/completions"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self):
        body, server = self.rfile.read(int(self.headers["Content-Length"])), self.server
        with server.lock:
            server.first = server.first or time.monotonic()
            server.in_flight += 1
            server.most = max(server.most, server.in_flight)
        time.sleep(ANSWER_SECONDS)
        with server.lock:
            server.in_flight -= 1
            if server.kill_at is not None and sum(server.answered.values()) >= server.kill_at:
                server.process.send_signal(signal.SIGKILL)
                self.close_connection = True
                return
            server.answered[hashlib.sha256(body).hexdigest()] += 1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(REPLY)))
        self.end_headers()
        with suppress(OSError):  # killed
            self.wfile.write(REPLY)

    def log_message(self, *arguments):
        pass


def start(server, model, output, *more, **arguments):
    settings = {"model": "m", "base_url": server.url, "num_concurrent": 8, **arguments}
    command = [
        sys.executable,
        "-m",
        "lm_eval",
        "run",
        "--model",
        model,
        "--tasks",
        "vrs_vqa_rad",
        "--apply_chat_template",
    ]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in settings.items()), *more]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}
    log = (output / "log").open("w")
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def measure_memory(server, output):
    print("| class | requests | peak MiB | CPU s | seconds to the first request | to the end | most in flight |")
    print("|---|---|---|---|---|---|---|")
    for model, more in (("vrs-api", {"canary": False}), ("local-chat-completions", {})):
        for limit in (["--limit", str(FEW)], []):
            server.forget()
            begun = time.monotonic()
            process = start(server, model, output, *limit, **more)
            _, status, used = os.wait4(process.pid, 0)
            assert status == 0, (output / "log").read_text()[-2000:]
            print(
                f"| {model} | {sum(server.answered.values())} | {used.ru_maxrss / 1024:.0f} | "
                f"{used.ru_utime + used.ru_stime:.0f} | {server.first - begun:.1f} | {time.monotonic() - begun:.1f} | "
                f"{server.most} |",
                flush=True,
            )


def measure_kills(server, output):
    draw, kept = random.Random("kills"), {"canary": False, "cache_dir": output / "kept"}
    server.forget()
    for kill in range(KILLS):
        server.kill_at = sum(server.answered.values()) + draw.randint(20, 140)
        server.process = start(server, "vrs-api", output, **kept)
        server.process.wait()
        print(
            f"kill {kill + 1}: {sum(server.answered.values())} answered, {len(server.answered)} of them different",
            flush=True,
        )
    server.kill_at = None
    assert start(server, "vrs-api", output, **kept).wait() == 0, (output / "log").read_text()[-2000:]
    twice = sum(count - 1 for count in server.answered.values())
    print(f"in the end {len(server.answered)} requests, {twice} answered twice, of at most {KILLS * 8} in flight")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["memory", "kills"]
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            {"memory": measure_memory, "kills": measure_kills}[name](Server(), Path(folder))
