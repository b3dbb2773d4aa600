"""The harness's API model class against a server of ours, which gets every question with the right pictures."""

import base64
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image
from support.oracles import QUESTIONS, gold, recognise, write_benchmark

pytestmark = pytest.mark.models


class ChatServer(ThreadingHTTPServer):
    """An OpenAI-compatible endpoint that looks at the pictures: it knows those of the two-image benchmark by pixels."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1/chat/completions"


class ChatHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = request["messages"][-1]["content"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        (text,) = (part["text"] for part in parts if part["type"] == "text")
        (picture,) = (Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) for url in urls)
        question = next(question for question in QUESTIONS if question in text)
        shown = recognise(picture)
        self.server.asked.append((question, shown, request["model"], request["temperature"]))
        answer = "I cannot see the image." if shown == "blank" else gold(question, shown)
        body = json.dumps({"choices": [{"index": 0, "message": {"content": answer}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Quiet: the test reads what was asked from the server."""


@pytest.fixture
def server():
    server = ChatServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_api_model_is_shown_every_variant_and_scored(server, tmp_path):
    write_benchmark(tmp_path / "data")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-chat-completions", "--apply_chat_template"]
    command += ["--model_args", f"model=seeing,base_url={server.url},num_concurrent=2", "--tasks", "vrs_vqa_rad"]
    command += ["--log_samples", "--output_path", str(tmp_path / "results")]
    environment = {
        **os.environ,
        "VRS_DATA_DIR": str(tmp_path / "data"),
        "HF_HUB_OFFLINE": "1",
        "OPENAI_API_KEY": "none",
    }
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert finished.returncode == 0, finished.stderr[-3000:]
    expected = [(question, shown, "seeing", 0) for question in QUESTIONS for shown in ("a", "b", "blank")]
    # Each of the two pictures is asked about as real and, for the other's question, as shuffled; two are blank.
    assert sorted(server.asked) == sorted(expected * 2)
    (file,) = (tmp_path / "results").rglob("results_*.json")
    measured = json.loads(file.read_text())["results"]["vrs_vqa_rad"]
    assert (measured["acc,none"], measured["acc_shuffled,none"], measured["vrs,none"]) == (1, 0.5, 0.5)
    assert measured["parse_failure_rate,none"] == pytest.approx(1 / 3)
