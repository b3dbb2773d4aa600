"""Every command that README and the docs show: its options, tasks, targets, modules and extras exist.

Commands that need a model of the hub, data that do not ship, or a server are parsed and not run, as
docs/command_line.md says.
"""

import importlib.util
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from vrs_lmeval.bridge import MODELS
from vrs_lmeval.cli import app

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "tasks/*/README.md", "controls/**/*.md"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
START = re.compile(r"(?:[A-Z_]+=\S+ )*((?:accelerate launch -m )?lm_eval|vrs|make|pip|python) (?=[a-z.\"-])")
OUR_TASK = re.compile(r"vrs_\w+")
VRS = typer.main.get_command(app).commands


def find_commands(text):
    """(command, whether it is written out: a block's line, not a mention in a sentence), comments left out."""
    joined = re.sub(r"\\\n\s*", "", text)
    fenced = re.findall(r"^```\w*\n(.*?)^```", joined, re.M | re.S)
    blocks = "\n".join([*re.findall(r"^ {4}(.*)$", joined, re.M), *fenced])
    for lines, is_whole in ((blocks.splitlines(), True), (re.findall(r"`([^`\n]+)`", text), False)):
        for line in lines:
            if START.match(line.strip()):
                yield re.sub(r"\s+#.*", "", line.strip()), is_whole


SHOWN = sorted(
    {
        (str(path.relative_to(ROOT)), command, is_whole)
        for pattern in PAGES
        for path in ROOT.glob(pattern)
        for command, is_whole in find_commands(path.read_text(encoding="utf-8"))
    }
)


def commands_of(program):
    """(page, words after the program's name, whether written out)."""
    for page, command, is_whole in SHOWN:
        match = START.match(command)
        if match[1].rpartition(" ")[2] == program:
            words = [word for word in shlex.split(command[match.end() :]) if word != "..."]
            yield pytest.param(words, is_whole, id=f"{page}: {command[:70]}")


def options_in(words):
    return [word.partition("=")[0] for word in words if word.startswith("-")]


@pytest.mark.parametrize(("words", "is_whole"), commands_of("vrs"))
def test_vrs_has_the_command_and_takes_its_options(words, is_whole):
    if words[0].endswith(":") or words[0] in ("--version", "--install-completion"):
        return  # what it prints, not what is typed; options of `vrs` itself, which other tests ask
    command = VRS[words[0]]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(options_in(words[1:])) - known - {"--help", "--version"} == set()
    if is_whole:
        command.make_context(words[0], words[1:])  # no option without its value, no argument missing


@pytest.fixture(scope="module")
def harness():
    """lm_eval's parser of `run`, and the names of our tasks and groups."""
    from lm_eval.tasks import TaskManager

    from vrs_lmeval.bridge import tasks_folder
    from vrs_lmeval.commands.study_checks import make_parser

    index = TaskManager(include_defaults=False, include_path=str(tasks_folder())).task_index
    return make_parser(), set(index)


@pytest.mark.parametrize(("words", "is_whole"), commands_of("lm_eval"))
def test_lm_eval_takes_the_options_and_knows_tasks_and_model(words, is_whole, harness):
    parser, known_tasks = harness
    arguments = words[1:] if words[0] == "run" else words
    known = {name for action in parser._actions for name in action.option_strings}
    assert set(options_in(arguments)) - known == set()
    if is_whole:
        asked = parser.parse_args(arguments)
        tasks = asked.tasks.split(",") if isinstance(asked.tasks, str) else asked.tasks
        assert {task for task in tasks if OUR_TASK.fullmatch(task)} - known_tasks == set()
        assert asked.model in {*MODELS, "hf"}


def test_tasks_that_other_commands_name_exist(harness):
    named = {
        task
        for _, command, _ in SHOWN
        for value in re.findall(r"--tasks? (\S+)", command)
        for task in value.split(",")
        if OUR_TASK.fullmatch(task)
    }
    assert len(named) > 10
    assert named - harness[1] == set()


@pytest.mark.parametrize(("words", "is_whole"), commands_of("make"))
def test_make_has_the_target(words, is_whole):
    assert re.search(rf"^[\w -]*(?<![\w-]){re.escape(words[0])}(?![\w-])[\w -]*:(?!=)", MAKEFILE, re.M)


@pytest.mark.parametrize(("words", "is_whole"), commands_of("pip"))
def test_pip_is_given_extras_and_groups_that_exist(words, is_whole):
    asked = [
        name for word in words for each in re.findall(r"^(?:vrs_lmeval|\.)\[(.*)\]$", word) for name in each.split(",")
    ]
    assert set(asked) <= PROJECT["project"]["optional-dependencies"].keys()
    groups = {after for word, after in pairwise(words) if word == "--group"}
    assert groups <= PROJECT["dependency-groups"].keys()


@pytest.mark.parametrize(("words", "is_whole"), commands_of("python"))
def test_python_is_given_a_file_or_module_that_exists(words, is_whole):
    if words[0] == "-m" and words[1].partition(".")[0] in {"tools", "studies"}:
        assert importlib.util.find_spec(words[1]) is not None
    elif words[0].endswith(".py"):
        assert (ROOT / words[0]).is_file()


NEEDS_NOTHING = [
    words.values[0]
    for words in commands_of("vrs")
    if words.values[1] and words.values[0][0] in ("plan", "preview")
    and all(task.startswith("vrs_sample") for task in re.findall(r"vrs_\w+|\S+[.]yaml", " ".join(words.values[0])))
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_NOTHING, ids=" ".join)
def test_what_needs_neither_hub_nor_model_runs(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output


def test_commands_are_found_in_blocks_and_sentences():
    text = "Say `vrs plan --tasks a` or\n\n    A=b vrs run q.csv \\\n        --model m   # hm\n    vrsx\n\n"
    text += "```bash\nmake demo\n```\n"
    assert list(find_commands(text)) == [
        ("A=b vrs run q.csv --model m", True),
        ("make demo", True),
        ("vrs plan --tasks a", False),
    ]
    assert len(NEEDS_NOTHING) > 0
