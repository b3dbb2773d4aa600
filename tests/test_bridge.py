"""Plain `lm_eval` knows our tasks and model by name: its decisions alone, with a stand-in lm_eval, and for real.

The stand-in is a package of a few lines in the working folder, where `python -m` finds it before the installed
one; what starts the bridge is the installed start-up line. Real ones that list tasks index all of them: 10 s each.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from vrs_lmeval import bridge

REPOSITORY = Path(__file__).parents[1]
START_UP_LINE = (REPOSITORY / "vrs_lmeval_bridge.pth").read_text()
OUR_YAMLS = sorted(bridge.tasks_folder().rglob("*.yaml"))

STAND_IN = {
    "__init__.py": "",
    "api/__init__.py": "",
    "api/registry.py": """
class Registry(dict):
    def register(self, name, target):
        self[name] = target

model_registry = Registry()
""",
    "models.py": """
from lm_eval.api.registry import model_registry
model_registry.register("hf", target="built-in")
""",
    "tasks/__init__.py": "",
    "tasks/manager.py": """
class TaskIndex:
    @staticmethod
    def build(paths):
        return [str(path) for path in paths]
""",
    "__main__.py": """
import json, os, sys
import lm_eval.models, lm_eval.tasks.manager as manager
from lm_eval.api.registry import model_registry

known = {
    "models": model_registry,
    "folders": list(manager.TaskIndex.build([os.path.dirname(manager.__file__)])),
    "loader": type(manager.__loader__).__name__,
    "ours": sorted(name for name in sys.modules if name.startswith("vrs_lmeval.")),
    "rank": os.environ.get("RANK"),
}
sys.stdout.write("KNOWN " + json.dumps(known) + chr(10))
""",
}


@pytest.fixture
def stand_in(tmp_path):
    """A folder in which `python -m lm_eval` runs the stand-in; tests overwrite its files to change it."""
    for name, source in STAND_IN.items():
        file = tmp_path / "lm_eval" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return tmp_path


@pytest.fixture
def own_meta_path(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delenv(bridge.SWITCH, raising=False)


def run_python(*arguments, cwd, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != bridge.SWITCH}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=inherited | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def read_known(finished):
    """What each process of the stand-in knew, in order of rank."""
    assert finished.returncode == 0, finished.stderr
    lines = [line for line in finished.stdout.splitlines() if "KNOWN " in line]
    return sorted((json.loads(line.partition("KNOWN ")[2]) for line in lines), key=lambda known: known["rank"] or "")


def count_watchers():
    return sum(isinstance(finder, bridge._Watcher) for finder in sys.meta_path)


# --- which command lines are lm_eval's ------------------------------------------------------------------------

LM_EVAL_COMMANDS = [
    "python SCRIPTS/lm_eval ls tasks",
    "python SCRIPTS/lm-eval --model vrs-hf --tasks vrs_sample",
    "python.exe SCRIPTS/lm_eval.exe run",
    "python SCRIPTS/lm_eval",
    "python -m lm_eval run --tasks vrs_sample",
    "python -um lm_eval",
    "python -X importtime -W ignore -m lm_eval",
    "python -u -m lm_eval --model vrs-hf",  # a child of torchrun or accelerate launch
    "python -u SCRIPTS/lm_eval --local_rank=0",
    "python SCRIPTS/accelerate launch --cpu --num_processes 2 -m lm_eval run",
    "python SCRIPTS/deepspeed --module lm_eval run",
    "python -m torch.distributed.run --nproc-per-node 2 -m lm_eval",
    "python -m cProfile -o profile SCRIPTS/lm_eval run",
]
# The start-up line looks at names only, so it lets these through to the decision, which refuses them.
MENTIONS = [
    "python -m pip install lm_eval",
    "python train.py --logger lm-eval",
    "python train.py --output results/lm_eval",
    "python -m pytest lm_eval",
]
UNRELATED = [
    "python",
    "python -c pass",
    "python train.py --model lm_eval_style",
    "python -m lm_eval_tools",
    "python -m json.tool lm_eval.json",
    "python SCRIPTS/accelerate launch train.py",
]


@pytest.fixture
def split(tmp_path):
    """Split a command line as `sys.orig_argv` has it, with the scripts that it names in place."""
    for name in ["lm_eval", "lm-eval", "lm_eval.exe", "accelerate", "deepspeed"]:
        (tmp_path / name).touch()
    return lambda command: command.replace("SCRIPTS", str(tmp_path)).split()


@pytest.mark.parametrize("command", LM_EVAL_COMMANDS)
def test_lm_eval_commands_are_recognised(command, split):
    assert bridge.is_lm_eval_command(split(command))


@pytest.mark.parametrize("command", [*MENTIONS, *UNRELATED])
def test_other_commands_are_not_taken_for_lm_eval(command, split):
    assert not bridge.is_lm_eval_command(split(command))


@pytest.mark.parametrize("command", [*LM_EVAL_COMMANDS, *MENTIONS, *UNRELATED])
def test_start_up_line_calls_the_bridge_only_where_lm_eval_is_named(command, split, monkeypatch):
    calls = []
    monkeypatch.setattr(bridge, "start", lambda: calls.append("start"))
    monkeypatch.setattr(sys, "orig_argv", split(command))
    exec(START_UP_LINE, {})  # as site does it
    assert calls == ([] if command in UNRELATED else ["start"])


def test_start_up_files_hold_one_entry_each():
    assert START_UP_LINE.startswith("import ")
    assert START_UP_LINE.count("\n") == 1
    entry = (REPOSITORY / "vrs_lmeval_bridge.start").read_text()
    assert entry.count("\n") == 1
    assert pkgutil.resolve_name(entry.strip()) is bridge.start


# --- starting ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_meta_path")
def test_starting_twice_watches_once(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "lm_eval"])
    bridge.start()
    bridge.start()
    assert count_watchers() == 1


@pytest.mark.usefixtures("own_meta_path")
def test_other_processes_are_not_watched(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "pip", "install", "lm_eval"])
    bridge.start()
    assert count_watchers() == 0


@pytest.mark.usefixtures("own_meta_path")
def test_switch_keeps_the_bridge_from_starting(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "lm_eval"])
    monkeypatch.setenv(bridge.SWITCH, "0")
    bridge.start()
    assert count_watchers() == 0


def test_unrelated_processes_import_nothing_of_ours(tmp_path):
    names = "import sys; sys.stdout.write(' '.join(n for n in sys.modules if n.partition('.')[0] == 'vrs_lmeval'))"
    finished = run_python("-c", names, cwd=tmp_path)
    assert (finished.stdout, finished.stderr) == ("", "")


def test_bridge_imports_nothing_but_itself(tmp_path):
    added = (
        "import sys, vrs_lmeval; before = set(sys.modules); import vrs_lmeval.bridge\n"
        "sys.stdout.write(' '.join(sorted(set(sys.modules) - before)))"
    )
    assert run_python("-c", added, cwd=tmp_path).stdout == "vrs_lmeval.bridge"


# --- with a stand-in lm_eval, started by the installed start-up line --------------------------------------------


def test_names_are_added_beside_the_built_in_ones(stand_in):
    [known] = read_known(run_python("-m", "lm_eval", cwd=stand_in))
    assert known["models"] == {"hf": "built-in", **bridge.MODELS}
    assert known["folders"] == [str(stand_in / "lm_eval" / "tasks"), str(bridge.tasks_folder())]
    assert known["ours"] == ["vrs_lmeval.bridge"]  # the model is a name until a run asks for it
    assert known["loader"] == "SourceFileLoader"


def test_switch_leaves_lm_eval_as_it_is(stand_in):
    [known] = read_known(run_python("-m", "lm_eval", cwd=stand_in, **{bridge.SWITCH: "0"}))
    assert known["models"] == {"hf": "built-in"}
    assert known["folders"] == [str(stand_in / "lm_eval" / "tasks")]


@pytest.mark.models
@pytest.mark.parametrize(
    "launcher",
    [
        ["-m", "torch.distributed.run", "--nproc-per-node", "2"],
        # `--multi_gpu` because accelerate makes one process of any number with `--cpu`; ours need no GPU.
        ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_children_of_launchers_know_the_names(launcher, stand_in):
    everyone = read_known(run_python(*launcher, "-m", "lm_eval", cwd=stand_in))
    assert [known["rank"] for known in everyone] == ["0", "1"]
    assert all("vrs-hf" in known["models"] for known in everyone)
    assert all(str(bridge.tasks_folder()) in known["folders"] for known in everyone)


def test_lm_eval_that_reads_entry_points_is_left_to_it(stand_in):
    with (stand_in / "lm_eval/api/registry.py").open("a") as registry:
        registry.write("def load_plugins(group, registry): ...\n")
    [known] = read_known(run_python("-m", "lm_eval", cwd=stand_in))
    assert known["models"] == {"hf": "built-in"}


def test_model_is_added_where_its_entry_point_is_out_of_sight(stand_in):
    with (stand_in / "lm_eval/api/registry.py").open("a") as registry:
        registry.write("def load_plugins(group, registry): ...\n")
    with (stand_in / "lm_eval/__init__.py").open("w") as package:
        package.write("import importlib.metadata as m; m.entry_points = lambda group: m.EntryPoints()\n")
    [known] = read_known(run_python("-m", "lm_eval", cwd=stand_in))
    assert "vrs-hf" in known["models"]


@pytest.mark.parametrize(
    ("file", "source"),
    [("tasks/manager.py", ""), ("api/registry.py", "model_registry = {}\n")],
    ids=["no index", "no register"],
)
def test_changed_lm_eval_runs_on_with_one_warning(file, source, stand_in):
    (stand_in / "lm_eval/__main__.py").write_text("import lm_eval.models, lm_eval.tasks.manager\n")
    (stand_in / "lm_eval/models.py").write_text("")
    (stand_in / "lm_eval" / file).write_text(source)
    finished = run_python("-m", "lm_eval", cwd=stand_in)
    assert finished.returncode == 0
    [warning] = finished.stderr.splitlines()
    assert warning.startswith("vrs_lmeval: ")


def test_two_failures_make_one_warning(stand_in):
    (stand_in / "lm_eval/__main__.py").write_text("import lm_eval.models, lm_eval.tasks.manager\n")
    (stand_in / "lm_eval/models.py").write_text("")
    (stand_in / "lm_eval/api/registry.py").write_text("")
    (stand_in / "lm_eval/tasks/manager.py").write_text("")
    finished = run_python("-m", "lm_eval", cwd=stand_in)
    assert finished.returncode == 0
    assert finished.stderr.count("\n") == 1


def test_errors_of_lm_eval_itself_are_passed_on(stand_in):
    (stand_in / "lm_eval/models.py").write_text("raise RuntimeError('its own')\n")
    finished = run_python("-m", "lm_eval", cwd=stand_in)
    assert finished.returncode == 1
    assert finished.stderr.endswith("RuntimeError: its own\n")


INDEX_OF_NAMES = """
import types

class TaskIndex:
    @staticmethod
    def build(paths):
        names = {str(path): None for path in paths} | {"vrs_a": ["vrs_b"], "vrs_b": None, "vrs_c": ["mmlu"]}
        names["theirs"] = None
        if any("lm_eval/tasks" in name for name in names):
            names["mmlu"] = None
        ours = {"dataset_path": "x", "variants": ["real"]}
        def write(name, of):
            return {"group": name, "task": of} if of else {"task": name} | (ours if name == "vrs_b" else {})
        entry = types.SimpleNamespace
        return {name: entry(cfg=write(name, of), tags=set(), yaml_path=None) for name, of in names.items()}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "has_built_in"),
    [
        ("run --model vrs-hf --tasks vrs_a", False),
        ("--tasks vrs_a,vrs_b", False),
        ("run --tasks vrs_b --include_path theirs", False),
        ("run --tasks vrs_b mmlu", True),
        ("run --tasks theirs --include_path vrs_x", True),  # a run without a task of ours stays as it is
        ("run --tasks vrs_c", True),  # a group of ours in name that holds a built-in task
        ("run --tasks vrs_*", True),  # what fits a pattern is not known without all of them
        ("run --tasks vrs_b.yaml", True),
        ("run --model vrs-hf", True),
        ("run --config vrs_run.yaml", True),
        ("ls --tasks vrs_a", True),
    ],
)
def test_built_in_tasks_are_indexed_only_where_one_may_be_asked_for(command, has_built_in, stand_in):
    (stand_in / "lm_eval/tasks/manager.py").write_text(INDEX_OF_NAMES)
    [known] = read_known(run_python("-m", "lm_eval", *command.split(), cwd=stand_in))
    assert str(bridge.tasks_folder()) in known["folders"]
    assert (str(stand_in / "lm_eval" / "tasks") in known["folders"]) is has_built_in


# --- where our folder goes --------------------------------------------------------------------------------------

OURS, BUILT_IN, THEIRS = Path("/vrs/tasks"), Path("/lm_eval/tasks"), Path("/theirs")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([BUILT_IN], [BUILT_IN, OURS]),
        ([BUILT_IN, THEIRS], [BUILT_IN, OURS, THEIRS]),  # --include_path overrides ours
        ([BUILT_IN, OURS], [BUILT_IN, OURS]),  # --include_path names ours, or lm_eval reads the entry point
        ([BUILT_IN, THEIRS, Path("/vrs/../vrs/tasks")], [BUILT_IN, THEIRS, Path("/vrs/../vrs/tasks")]),
        ([THEIRS], [THEIRS]),  # include_defaults=False
        ([], []),
    ],
)
def test_our_folder_comes_after_the_built_in_one(given, expected):
    assert bridge.insert_folder(OURS, BUILT_IN, iter(given)) == expected


# --- the real lm_eval -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def our_index():
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(bridge.tasks_folder()), include_defaults=False).task_index


def test_every_yaml_of_ours_is_in_the_index(our_index):
    # Counted, because lm_eval skips a broken file in silence.
    assert sorted(entry.yaml_path for entry in our_index.values() if entry.yaml_path) == OUR_YAMLS
    assert all(name.startswith("vrs_") for name in our_index)


@pytest.mark.models
def test_command_line_lists_our_tasks_and_the_built_in_ones(tmp_path, our_index):
    console_script = Path(sys.executable).with_name("lm_eval")
    finished = run_python(console_script, "ls", "tasks", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    listed = {line.split("|")[1].strip() for line in finished.stdout.splitlines() if line.startswith("|")}
    assert set(our_index) <= listed
    assert {"hellaswag", "mmlu", "mmmu_val"} <= listed
    assert "vrs_lmeval:" not in finished.stderr


@pytest.mark.models
def test_command_line_knows_our_model_and_the_built_in_ones(tmp_path):
    from lm_eval.models import MODEL_MAPPING

    # Its complaint about an unknown name lists those it knows.
    finished = run_python("-m", "lm_eval", "--model", "none", "--tasks", "vrs_sample", cwd=tmp_path)
    [complaint] = [line for line in finished.stderr.splitlines() if "Supported model names:" in line]
    assert set(complaint.partition("Supported model names: ")[2].split(", ")) == {*MODEL_MAPPING, *bridge.MODELS}


@pytest.mark.models
def test_programs_register(tmp_path, our_index):
    program = """
import sys, vrs_lmeval
vrs_lmeval.register()
vrs_lmeval.register()
assert "vrs_lmeval.model" not in sys.modules
from lm_eval.api.registry import get_model, model_registry
from lm_eval.models import MODEL_MAPPING
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import TaskIndex
assert set(model_registry) == {*MODEL_MAPPING, "vrs-hf", "vrs-vllm", "vrs-api", "vrs-openai"}
assert get_model("dummy").__name__ == "DummyLM"
from vrs_lmeval.model import VrsHF
assert get_model("vrs-hf") is VrsHF
TaskIndex._iter_yaml_files = staticmethod(lambda root, every=TaskIndex._iter_yaml_files: (
    file for file in every(root) if file.parent.name == "hellaswag" or "vrs_" in file.name))
sys.stdout.write(" ".join(TaskManager().all_tasks))
"""
    finished = run_python("-c", program, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert {"hellaswag", *our_index} <= set(finished.stdout.split())
