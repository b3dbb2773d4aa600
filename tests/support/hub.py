"""A stand-in for the Hugging Face hub on this machine: serves folders as data sets, and notes what is asked of it.

Only what `datasets` and `huggingface_hub` need to read a public data set: repository info, trees, paths, files.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef" * 2 + "01234567"

_API = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub(ThreadingHTTPServer):
    """Serves every `<owner>/<name>` below `root`, at one commit whatever the revision.

    `fetched` has the bytes that were read of each file, `revisions` what was asked for of each repository.
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.fetched: Counter[str] = Counter()
        self.revisions: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def address(self) -> str:
        """What HF_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve_hub(root: Path) -> Iterator[Hub]:
    """A running hub with the data sets below `root`."""
    hub = Hub(root)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Nothing on the terminal."""

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = json.loads(asked) if asked.startswith("{") else parse_qs(asked)
        self._answer(has_body=True, paths=form.get("paths", []))

    def _answer(self, has_body: bool, paths: list[str] | None = None) -> None:
        path = unquote(urlsplit(self.path).path)
        if found := _FILE.fullmatch(path):
            self._send_file(found[1], found[2], found[3], has_body)
        elif (found := _API.fullmatch(path)) and (self.server.root / found[1]).is_dir():
            folder = self.server.root / found[1]
            if found[3]:
                self.server.revisions[found[1]].add(found[3])
            if found[2] == "tree":
                self._send_json(_list_tree(folder, found[4] or ""))
            elif found[2] == "paths-info":
                self._send_json([entry for entry in _list_tree(folder, "") if entry["path"] in (paths or [])])
            else:
                siblings = [
                    {"rfilename": entry["path"], "size": entry["size"]}
                    for entry in _list_tree(folder, "")
                    if entry["type"] == "file"
                ]
                self._send_json({"id": found[1], "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, repository: str, revision: str, name: str, has_body: bool) -> None:
        path = self.server.root / repository / name
        self.server.revisions[repository].add(revision)
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        content = path.read_bytes()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_hash(content)}"', "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part:
            first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content = content[first : last + 1]
        if has_body:
            self.server.fetched[f"{repository}/{name}"] += len(content)
        self._send(206 if part else 200, content, headers, has_body)

    def _send_json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], has_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            self.wfile.write(body)


def _list_tree(folder: Path, below: str) -> list[dict[str, Any]]:
    entries = []
    for path in sorted((folder / below).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            entries.append({"type": "directory", "path": name, "oid": _hash(name.encode()), "size": 0})
        else:
            entries.append({"type": "file", "path": name, "oid": _hash(path.read_bytes()), "size": path.stat().st_size})
    return entries


def _hash(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
