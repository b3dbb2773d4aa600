"""Answers kept on disk by everything they depend on: one SQLite file, written a batch at a time.

A run that was killed goes on where its last batch ended. Each row carries a digest of its key and answer: a row that
does not verify is absent, so its question is asked again. Whatever happens to the file, the run goes on without it,
says once why, and counts what was lost.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

FILE_NAME = "verified_answers.sqlite3"

OLDER_FILE_NAME = "answers.sqlite3"
"""What vrs_lmeval wrote before rows had a digest. It is left as it is, and not read."""

FORMAT = b"vrs_lmeval answers 2\0"
"""Begins what a row's digest is of, so that a row of another format does not verify."""

WAIT_SECONDS = 60
"""How long a process waits while another one (data parallel, another run) writes its batch."""

LATER_WAIT_SECONDS = 1
"""The same once that was in vain: a run of a thousand batches should not wait an hour a time for each of sixty."""

SETTINGS = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0")
"""What SQLite advises for a file that something else may have written (https://www.sqlite.org/security.html)."""

FAULTS = (sqlite3.Error, OSError, MemoryError, UnicodeDecodeError)
"""What opening, reading and writing raise. MemoryError: a damaged length asks for more than there is.
UnicodeDecodeError: SQLite's message quotes damaged text, which Python's sqlite3 cannot read."""

NOTES = (
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID"
)

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

LONGEST_REASON = 200
"""Characters of a reason: SQLite's own are shorter."""

OTHER_FOLDER = "Name a folder that this user may write"

ADVICE = {
    sqlite3.SQLITE_BUSY: "Another process holds it; is a run hanging?",
    sqlite3.SQLITE_LOCKED: "Another process holds it; is a run hanging?",
    sqlite3.SQLITE_FULL: "Make room on that disk",
    sqlite3.SQLITE_IOERR: "Is that disk full, over its quota or failing?",
    sqlite3.SQLITE_READONLY: OTHER_FOLDER,
    sqlite3.SQLITE_CANTOPEN: OTHER_FOLDER,
    sqlite3.SQLITE_PERM: OTHER_FOLDER,
    **dict.fromkeys((*DAMAGED, sqlite3.SQLITE_ERROR), "Move it elsewhere, and the next run begins a new one"),
}
"""By SQLite's primary result code."""


class AnswerCache:
    """`identity` names the model; keys made from other identities share nothing with it. No fault is raised."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / FILE_NAME
        self._identity = identity
        self._counts = Counter(hits=0, rows_not_verified=0, answers_kept=0, answers_not_kept=0)
        self._problems: list[str] = []
        self._lost_before = 0
        self._connection: sqlite3.Connection | None = None
        self._is_whole = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / OLDER_FILE_NAME).exists():
                logger.warning(
                    "cache_dir: %s was written by an older vrs_lmeval and its rows cannot be verified: it is left as "
                    "it is and not read",
                    folder / OLDER_FILE_NAME,
                )
            self._connection = _open(self._path)
            self._check()
        except FAULTS as error:
            self._close(error)

    def key(self, *parts: Any) -> str:
        """64 hex digits of the model and `parts` (what JSON can hold; anything else as its repr)."""
        text = json.dumps([self._identity, *parts], sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def find(self, key: str, is_answer: Callable[[Any], bool] = lambda value: True) -> Any | None:
        """The answer kept under `key`; None where there is none that verifies and of which `is_answer` is true."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT answer, digest FROM answers WHERE key = ?", (key,)).fetchone()
        except FAULTS as error:
            if _code_of(error) not in DAMAGED:
                self._close(error)
                return None
            self._is_whole = False
            self._tell(error, "rows that cannot be read are asked again, and nothing more is written to it")
            row = (None, None)
        if row is None:
            return None
        answer = _verify(key, *row)
        is_sound = answer is not None and is_answer(answer)
        self._counts["hits" if is_sound else "rows_not_verified"] += 1
        return answer if is_sound else None

    def keep(self, answers: Mapping[str, Any]) -> None:
        """Write a batch; it is on the disk when this returns, whole or not at all."""
        texts = {key: json.dumps(answer).encode() for key, answer in answers.items()}
        if self._connection is None or not self._is_whole:
            self._counts["answers_not_kept"] += len(texts)
            return
        try:
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
                    [(key, text, _digest(key, text)) for key, text in texts.items()],
                )
        except FAULTS as error:
            self._counts["answers_not_kept"] += len(texts)
            self._is_whole = _code_of(error) not in DAMAGED
            self._tell(error, "answers are not kept" if not self._is_whole else "answers are not kept while that is so")
            self._wait_less()
        else:
            self._counts["answers_kept"] += len(texts)

    def note(self, name: str, value: Any) -> None:
        """Keep a statement about the file as a whole, e.g. which model answered; of one name the last holds."""
        if self._connection is None or not self._is_whole:
            return
        text = json.dumps(value, default=str).encode()
        try:
            with self._connection:
                self._connection.execute(NOTES)
                row = (name, text, _digest(name, text))
                self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", row)
        except FAULTS as error:
            self._tell(error, "what it says of the model is not kept")

    def read_note(self, name: str) -> Any | None:
        """What `note` kept under `name`; None where nothing is, or it does not verify."""
        try:
            if self._connection is None:
                return None
            rows = self._connection.execute("SELECT text, digest FROM notes WHERE name = ?", (name,)).fetchall()
        except FAULTS:  # a file without notes has no such table
            return None
        return _verify(name, *rows[0]) if rows else None

    def take_over(self, other: Path) -> int:
        """Add the answers that another folder keeps, of any model; how many it holds otherwise than this file does.

        What is here stays, rows that do not verify are left where they are. Raises what SQLite raises.
        """
        if self._connection is None:
            raise sqlite3.OperationalError(f"{self._path} cannot be written: {'; '.join(self._problems)}")
        source, otherwise = _open(other / FILE_NAME), 0
        try:
            with self._connection:
                for key, text, digest in source.execute("SELECT key, answer, digest FROM answers"):
                    row = (key.decode(), text, digest)
                    if _verify(*row) is None:
                        continue
                    if not self._connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", row).rowcount:
                        query = "SELECT answer FROM answers WHERE key = ?"
                        otherwise += self._connection.execute(query, row[:1]).fetchone() != (text,)
        finally:
            source.close()
        return otherwise

    def describe(self) -> dict[str, Any]:
        """For the results: what was found, what did not verify, what was kept and not kept, and why; no path."""
        return {**self._counts, "problems": list(self._problems)}

    def tell_losses(self) -> None:
        """Say how many answers were not kept since this was last asked, if any."""
        lost = self._counts["answers_not_kept"] - self._lost_before
        self._lost_before += lost
        if lost:
            logger.warning("cache_dir: %d answers were not kept in %s: the next run asks again", lost, self._path)

    def _check(self) -> None:
        """Read only, if SQLite finds the file's structure damaged."""
        assert self._connection is not None
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != b"ok":
            self._is_whole = False
            error = sqlite3.DatabaseError(" ".join(found.decode(errors="replace").split()))
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            self._tell(error, "rows that verify are read, and nothing is written to it")

    def _close(self, error: BaseException) -> None:
        self._tell(error, "answers are neither read from it nor kept in it")
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        except FAULTS:  # whatever is wrong with it was told
            pass

    def _wait_less(self) -> None:
        try:
            if self._connection is not None:
                self._connection.execute(f"PRAGMA busy_timeout = {1000 * LATER_WAIT_SECONDS}")
        except FAULTS:
            pass

    def _tell(self, error: BaseException, loss: str) -> None:
        """Each reason once."""
        reason = _describe(error)
        if reason not in self._problems:
            self._problems.append(reason)
            advice = ADVICE.get(_code_of(error), OTHER_FOLDER)
            logger.warning("cache_dir: %s: %s. The run goes on; %s. %s", self._path, reason, loss, advice)


def refuse_use_cache(cache_hook: Any, key: str = "the model, its revision") -> None:
    """Raises ValueError where lm_eval's `--use_cache` is on; `key`: what, beside the image, its keys lack."""
    if cache_hook.dbdict is not None:
        raise ValueError(
            f"--use_cache keeps answers without {key} and, before a run's end, the image, so other models and variants "
            f"would get them; use --model_args cache_dir=FOLDER, which keys by all three"
        )


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS)
    connection.text_factory = bytes  # damaged text is no UTF-8
    for setting in SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL, digest BLOB NOT NULL) "
        "WITHOUT ROWID"
    )
    return connection


def _digest(key: str, text: bytes) -> bytes:
    return hashlib.sha256(FORMAT + key.encode() + b"\0" + text).digest()


def _verify(key: str, text: Any, digest: Any) -> Any | None:
    """The answer of a row; None where it is not what was written under `key`."""
    if not isinstance(text, bytes) or digest != _digest(key, text):
        return None
    return json.loads(text)


def _describe(error: BaseException) -> str:
    """Why, without a path; SQLite may quote what it found in the file."""
    if isinstance(error, UnicodeDecodeError):
        return "its structure is damaged"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return "".join(c if c.isprintable() else "\ufffd" for c in reason)[:LONGEST_REASON] or type(error).__name__


def _code_of(error: BaseException) -> int:
    """SQLite's primary result code; 0 where the error is not SQLite's."""
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
