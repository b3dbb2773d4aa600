"""The file of kept answers, foreign, locked, full, read-only or killed: never a wrong answer, never an error."""

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from support.kept_answers import ANSWERS, ROWS, fill, find_all

from vrs_lmeval.asking import answer_cache
from vrs_lmeval.asking.answer_cache import FILE_NAME, OLDER_FILE_NAME, AnswerCache


def test_answers_are_found_again_by_the_same_identity_alone(tmp_path):
    cache = AnswerCache(tmp_path, "one model")
    key = cache.key("prompt", {"until": ["\n"]}, ("image", None))
    cache.keep({key: "liver"})
    again = AnswerCache(tmp_path, "one model")
    assert again.find(again.key("prompt", {"until": ["\n"]}, ("image", None))) == "liver"
    assert again.find(again.key("prompt", {"until": []}, ("image", None))) is None
    other = AnswerCache(tmp_path, "another model")
    assert other.find(other.key("prompt", {"until": ["\n"]}, ("image", None))) is None
    counts = {"hits": 1, "rows_not_verified": 0, "answers_kept": 0, "answers_not_kept": 0}
    assert again.describe() == counts | {"problems": []}


@pytest.mark.parametrize("answer", ["", "\ud800 half a pair", [-0.5, True], [float("-inf"), False], "日本 \x00\u2028"])
def test_every_answer_comes_back_as_it_was(tmp_path, answer):
    cache = AnswerCache(tmp_path, "model")
    cache.keep({cache.key("q"): answer})
    assert AnswerCache(tmp_path, "model").find(cache.key("q")) == answer


@pytest.mark.parametrize("value", ["5", "'\"liver\"'", "NULL", "x'00'", "zeroblob(100)"])
def test_a_value_that_another_program_wrote_is_no_answer(tmp_path, value):
    cache = fill(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"UPDATE OR IGNORE answers SET answer = {value} WHERE key = ?", (cache.key("question 3"),))
        connection.execute("UPDATE answers SET digest = 5 WHERE key = ?", (cache.key("question 4"),))
    found = find_all(AnswerCache(tmp_path, "model"))
    assert found["question 4"] is None
    assert found["question 3"] in ([ANSWERS["question 3"]] if value == "NULL" else [None])  # it may not be NULL


def test_a_row_under_another_key_is_no_answer(tmp_path):
    cache = fill(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        row = connection.execute("SELECT answer, digest FROM answers WHERE key = ?", (cache.key("question 1"),))
        connection.execute(
            "UPDATE answers SET answer = ?, digest = ? WHERE key = ?", (*row.fetchone(), cache.key("question 2"))
        )
    assert AnswerCache(tmp_path, "model").find(cache.key("question 2")) is None


def test_an_answer_of_another_kind_is_asked_again(tmp_path):
    cache = AnswerCache(tmp_path, "model")
    cache.keep({cache.key("q"): 5})
    assert cache.find(cache.key("q"), lambda value: isinstance(value, str)) is None
    assert cache.describe()["rows_not_verified"] == 1


def test_a_cache_of_an_older_version_is_left_alone(tmp_path, caplog):
    older = tmp_path / OLDER_FILE_NAME
    with sqlite3.connect(older) as connection:
        connection.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO answers VALUES ('0', '\"liver\"')")
    before = older.read_bytes()
    cache = fill(tmp_path)
    assert find_all(cache) == ANSWERS
    assert older.read_bytes() == before
    assert f"{older} was written by an older vrs_lmeval" in caplog.text


def goes_on(cache, caplog, folder, *said):
    """A run on `cache`, which can keep nothing, gives no wrong answer, and says once why and how much it lost."""
    found = find_all(cache)
    assert all(answer in (None, ANSWERS[question]) for question, answer in found.items())
    for question in ANSWERS:
        cache.keep({cache.key(question, "new"): "new"})
    cache.tell_losses()
    counts = cache.describe()
    assert (counts["answers_kept"], counts["answers_not_kept"]) == (0, ROWS)
    assert len(counts["problems"]) == 1
    assert str(folder) not in json.dumps(counts)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2, warnings
    assert all(str(folder / FILE_NAME) in warning for warning in warnings)
    assert all(words in warnings[0] for words in said), warnings[0]
    assert f"{ROWS} answers were not kept" in warnings[1]
    assert "delete" not in caplog.text
    return found


def test_a_file_that_is_no_database(tmp_path, caplog):
    (tmp_path / FILE_NAME).write_text("not a database, but long enough to be read as the header of one" * 10)
    goes_on(AnswerCache(tmp_path, "model"), caplog, tmp_path, "file is not a database", "Move it elsewhere")


def test_a_database_of_something_else(tmp_path, caplog):
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE answers (patient TEXT)")
    goes_on(AnswerCache(tmp_path, "model"), caplog, tmp_path, "no such column", "Move it elsewhere")


def test_a_folder_in_place_of_the_file(tmp_path, caplog):
    (tmp_path / FILE_NAME).mkdir()
    goes_on(AnswerCache(tmp_path, "model"), caplog, tmp_path, "unable to open database file")


def test_a_file_in_place_of_the_folder(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    goes_on(AnswerCache(tmp_path / "cache", "model"), caplog, tmp_path / "cache", "File exists")


def test_a_locked_file(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(answer_cache, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(answer_cache, "LATER_WAIT_SECONDS", 0)
    fill(tmp_path)
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("BEGIN EXCLUSIVE")
    found = goes_on(AnswerCache(tmp_path, "model"), caplog, tmp_path, "database is locked", "Another process holds it")
    assert not any(found.values())
    other.close()


def test_a_lock_that_another_process_gives_back(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(answer_cache, "WAIT_SECONDS", 0.05)
    cache = fill(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.keep({cache.key("lost"): "lost"})
        assert find_all(cache) == ANSWERS
    cache.keep({cache.key("new"): "new"})
    assert (cache.find(cache.key("lost")), cache.find(cache.key("new"))) == (None, "new")
    assert "answers are not kept while that is so" in caplog.text


class Connection(sqlite3.Connection):
    """A connection that fails with `error` once `left` statements were run."""

    left = 0
    error = sqlite3.OperationalError("disk I/O error")

    def _count(self):
        type(self).left -= 1
        if type(self).left < 0:
            raise type(self).error

    def execute(self, *arguments):
        self._count()
        return super().execute(*arguments)

    def executemany(self, *arguments):
        self._count()
        return super().executemany(*arguments)


CODES = [getattr(sqlite3, name) for name in ("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CORRUPT")]


@pytest.mark.parametrize("code", [*CODES, sqlite3.SQLITE_IOERR_READ, 0, None])
@pytest.mark.parametrize("left", [0, 1, 3, 5, 20])
def test_an_error_at_any_statement(tmp_path, caplog, monkeypatch, left, code):
    fill(tmp_path)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, **kw, factory=Connection))
    error = MemoryError() if code is None else sqlite3.OperationalError("it went wrong")
    if code:
        error.sqlite_errorcode = code
    monkeypatch.setattr(Connection, "left", left)
    monkeypatch.setattr(Connection, "error", error)
    goes_on(AnswerCache(tmp_path, "model"), caplog, tmp_path, "MemoryError" if code is None else "it went wrong")


@pytest.fixture
def open_folder():
    """A folder that any user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class AsNobody:
    """Within it, root is a user whom permissions bind."""

    def __enter__(self):
        if os.geteuid() == 0:
            os.seteuid(65534)

    def __exit__(self, *error):
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_file_and_a_folder_that_may_not_be_written(open_folder, caplog):
    fill(open_folder)
    (open_folder / FILE_NAME).chmod(0o444)
    open_folder.chmod(0o555)
    with AsNobody():
        cache = AnswerCache(open_folder, "model")
        found = goes_on(cache, caplog, open_folder, "readonly database", "Name a folder that this user may write")
    open_folder.chmod(0o755)
    assert found == ANSWERS


def test_a_folder_that_may_not_be_written(open_folder, caplog):
    open_folder.chmod(0o555)
    with AsNobody():
        goes_on(AnswerCache(open_folder, "model"), caplog, open_folder, "Name a folder that this user may write")
        caplog.clear()
        below = AnswerCache(open_folder / "below", "model")
        goes_on(below, caplog, open_folder / "below", "Permission denied", "Name a folder that this user may write")
    open_folder.chmod(0o755)


def test_a_file_that_may_not_be_read(open_folder, caplog):
    fill(open_folder)
    (open_folder / FILE_NAME).chmod(0)
    with AsNobody():
        goes_on(AnswerCache(open_folder, "model"), caplog, open_folder, "unable to open database file")


def test_a_full_database(tmp_path, caplog, monkeypatch):
    fill(tmp_path)
    settings = (*answer_cache.SETTINGS, "max_page_count = 1")  # as many as there are
    monkeypatch.setattr(answer_cache, "SETTINGS", settings)
    cache = AnswerCache(tmp_path, "model")
    assert find_all(cache) == ANSWERS
    cache.keep({cache.key(question, "new"): answer for question, answer in ANSWERS.items()})
    cache.tell_losses()
    assert cache.describe()["answers_not_kept"] == ROWS
    assert "database or disk is full" in caplog.text
    assert "Make room on that disk" in caplog.text
    assert find_all(AnswerCache(tmp_path, "model")) == ANSWERS


def test_a_full_disk(tmp_path, caplog):
    """A file system of 64 kB, where one can be had; filled by the cache itself, and made room on in the middle."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a small file system")
    try:
        (tmp_path / "ballast").write_bytes(bytes(20_000))
        cache = AnswerCache(tmp_path, "model")
        for question, answer in ANSWERS.items():
            cache.keep({cache.key(question): answer * 3})
        counts = cache.describe()
        assert 0 < counts["answers_kept"] < ROWS
        assert "Make room on that disk" in caplog.text
        assert sum(map(bool, find_all(cache).values())) == counts["answers_kept"]
        (tmp_path / "ballast").unlink()
        cache.keep({cache.key("new"): "new"})
        assert cache.find(cache.key("new")) == "new"
        cache._close(OSError("the run ends"))
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def run_python(text, *arguments, **options):
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


KEEP = """
    import sys
    from pathlib import Path
    from vrs_lmeval.asking.answer_cache import AnswerCache
    cache = AnswerCache(Path(sys.argv[1]), "model")
    name, batches = sys.argv[2], int(sys.argv[3])
    for batch in range(batches):
        cache.keep({cache.key(name, batch, row): f"{name} {batch} {row} " + "word " * 100 for row in range(20)})
        print(batch, cache.describe()["answers_not_kept"], flush=True)
"""


def test_a_limit_on_the_size_of_files(tmp_path):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = run_python(KEEP, tmp_path, "limited", 30, preexec_fn=limit)
    lines = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == 0
    assert len(lines) == 30
    lost = int(lines[-1].split()[1])
    assert 0 < lost < 600
    cache = AnswerCache(tmp_path, "model")
    assert sum(cache.find(cache.key("limited", b, r)) is not None for b in range(30) for r in range(20)) == 600 - lost


def test_two_processes_write_at_the_same_time(tmp_path):
    processes = [run_python(KEEP, tmp_path, name, 40) for name in ("one", "two")]
    for process in processes:
        assert process.communicate(timeout=300)[0].splitlines()[-1] == "39 0"
    cache = AnswerCache(tmp_path, "model")
    for name in ("one", "two"):
        for batch in range(40):
            assert cache.find(cache.key(name, batch, 7)).startswith(f"{name} {batch} 7 word")


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.whole) for part in range(1, 10))])
def test_a_process_killed_while_it_writes_loses_no_batch_that_was_kept(tmp_path, part):
    """What a batch said it kept is there; of the batch in the middle of which it was killed, all or nothing."""
    draw = random.Random(f"kill {part}")
    for number in range(3):
        name = f"run {number}"
        process = run_python(KEEP, tmp_path, name, 100_000)
        said = [process.stdout.readline() for _ in range(draw.randrange(1, 8))]
        time.sleep(draw.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        said += process.communicate(timeout=60)[0].splitlines()
        last = max(int(line.split()[0]) for line in said if line.strip())
        cache = AnswerCache(tmp_path, "model")
        assert cache.describe()["problems"] == []
        for batch in range(last + 2):
            found = [cache.find(cache.key(name, batch, row)) for row in range(20)]
            assert len([answer for answer in found if answer is None]) in ((0,) if batch <= last else (0, 20))
            assert all(a is None or a.startswith(f"{name} {batch} {row} word") for row, a in enumerate(found))
