"""Results folders with one damage each, drawn by a key: in the JSON, in its text, or in the folder itself."""

import json
import os
import random

DEEP = "[" * 400 + "]" * 400
"""Deeper than anything a run writes, and not too deep for Python's JSON."""

HOSTILE_JSON = [
    *("null", "true", "0", "-1", "1e999", "NaN", "-Infinity", "0.5", "5e-324", '""', '"x"', "[]", "{}", "[[]]", '[""]'),
    *("1" + "0" * 400, "-1" + "0" * 400, "9" * 4000, "9" * 6000, "1" * 6000 + ".5"),
    *(DEEP, '{"a":' * 400 + "1" + "}" * 400, "[" * 100_000, '{"a":' * 100_000),
    *(r'"\ud800"', r'"\udfff half a pair"', r'"\u0000"', r'{"\ud800": 1}', r'"\u001b[2J\u001b]0;title\u0007"'),
    *(r'"\u009b31m \u202e gnp"', r'"# heading\n\n<script>alert(1)</script>"', r'"a|b\\|c](http://x)![i](http://y)"'),
    *('"' + "long" * 20_000 + '"', '"' + "a/" * 5_000 + '"', '"../../../escaped"', '"/"', '"."', '".."', '"a b"'),
    *('{"name": "real"}', '[{"name": "real"}]', '{"effective": 3}', '["real", "shuffled"]', "[[1, 2], [3, 4]]"),
]
"""Values that a field may be given, as JSON."""

MARK = "the place where a value was taken out"


def list_places(value, path=()):
    """Paths to every value inside `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from list_places(item, (*path, key))


def change_json(text, draw):
    """A field of a JSON text given a hostile value, taken out, renamed, or added."""
    content = json.loads(text)
    path = draw.choice(list(list_places(content)))
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    kind = draw.choice(("replace", "replace", "replace", "delete", "rename"))
    if kind == "delete" or (kind == "rename" and isinstance(parent, list)):
        del parent[path[-1]]
        return json.dumps(content)
    hostile = draw.choice(HOSTILE_JSON)
    if kind == "replace":
        parent[path[-1]] = MARK
        return json.dumps(content).replace(f'"{MARK}"', hostile)
    parent[MARK] = parent.pop(path[-1])
    return json.dumps(content).replace(f'"{MARK}"', hostile if hostile.startswith('"') else json.dumps(hostile))


def change_text(text, draw):
    """The bytes of a file, damaged."""
    content = bytearray(text.encode())
    place = draw.randrange(len(content))
    kind = draw.choice(("flip", "flip", "flip", "cut", "insert", "zeros", "repeat", "empty", "noise"))
    if kind == "flip":
        for _ in range(draw.choice((1, 1, 5, 100))):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "insert":
        content[place:place] = draw.choice(
            [b"\xff", b"\x00", b"\xef\xbb\xbf", b"\n", b"\r\n", b"\xe2\x80\xa8", b'"', b"{"]
        )
    elif kind == "zeros":
        content[place : place + 512] = bytes(len(content[place : place + 512]))
    elif kind == "repeat":
        content += content[place:]
    else:
        content = bytearray(draw.randbytes(1000) if kind == "noise" else b"")
    return bytes(content)


def damage_file(path, draw):
    """A results or samples file damaged inside; one line of a samples file."""
    text = path.read_text()
    if draw.random() < 0.3:
        path.write_bytes(change_text(text, draw))
        return
    lines = [text] if path.suffix == ".json" else text.splitlines()
    number = draw.choice((0, 0, draw.randrange(len(lines))))
    lines[number] = change_json(lines[number], draw)
    path.write_text("\n".join(lines) + "\n")


def damage_folder(path, draw):
    """What is no file in the place of a file, or beside it."""
    kind = draw.choice(
        ("pipe", "link to nowhere", "link to itself", "folder", "endless", "gone", "long name", "odd name")
    )
    place = draw.choice((path, path.with_name("results_9999.json")))
    if kind == "long name":
        (path.parent / f"results_{'9' * 230}.json").write_text("{}")
        return
    if kind == "odd name":
        (path.parent / "results_\x1b[2J\udcff\n.json").write_text("{")
        return
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind != "gone":
        place.symlink_to({"link to nowhere": "nowhere", "link to itself": place, "endless": "/dev/zero"}[kind])


def damage_run(folder, key):
    """One damage to the run in `folder`, the same for the same key."""
    damage_drawn(folder, random.Random(key))


def damage_drawn(folder, draw):
    """One damage by a `random.Random`; none where the file that it draws is gone or no text any more."""
    path = min(folder.glob(draw.choice(("results_*", "samples_*"))), default=None)
    if path is None or not path.is_file():
        return
    try:
        (damage_folder if draw.random() < 0.15 else damage_file)(path, draw)
    except (ValueError, IndexError, RecursionError):  # damaged before
        path.write_bytes(b"")
