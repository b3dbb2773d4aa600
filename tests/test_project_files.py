"""The files about the project say what is true of it: workflows, issue forms, CITATION.cff, SECURITY.md, Makefile."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")

PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["project"]["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
]


def name_of(path):
    return str(path.relative_to(ROOT))


def load(name):
    return yaml.safe_load((ROOT / name).read_text())


def steps_of(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def make_targets():
    (phony,) = re.findall(r"^\.PHONY:(.*)$", MAKEFILE, re.M)
    rules = {name for line in re.findall(r"^([\w -]+):(?!=)", MAKEFILE, re.M) for name in line.split()}
    return set(phony.split()) & rules


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_a_workflow_may_only_read_and_gives_way_to_the_next(path):
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    may_write = {job: each["permissions"] for job, each in workflow["jobs"].items() if "permissions" in each}
    publishes = {"publish": {"pages": "write", "id-token": "write"}}
    assert may_write == (publishes if path.stem == "docs" else {})
    assert all("run" not in step for job in may_write for step in workflow["jobs"][job]["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_an_action_is_pinned_by_its_major_version(path):
    used = [step["uses"] for step in steps_of(load(path)) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_workflows_and_pages_call_targets_that_the_makefile_has():
    commands = [step["run"] for path in WORKFLOWS for step in steps_of(load(path)) if "run" in step]
    called = {target for command in commands for target in re.findall(r"\bmake ([\w-]+)", command)}
    assert called == {"test", "test-lowest", "test-newest", "docs", "audit"}
    told = re.findall(r"`make ([\w-]+)", (ROOT / "CONTRIBUTING.md").read_text())
    assert (called | set(told)) - make_targets() == set()


def test_the_pythons_that_are_tested_are_those_that_are_named():
    (matrix,) = [job["strategy"]["matrix"] for job in load(".github/workflows/test.yml")["jobs"].values()]
    assert matrix["python-version"] == PYTHONS
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"
    wheels = [f"cp{version.replace('.', '')}-*" for version in PYTHONS]
    assert PROJECT["tool"]["cibuildwheel"]["build"] == wheels
    steps = steps_of(load(".github/workflows/lowest_and_newest.yml"))
    assert [step["with"]["python-version"] for step in steps if "with" in step] == [PYTHONS[0], PYTHONS[-1]]


def test_wheels_are_built_for_the_machines_that_torch_has_wheels_for():
    jobs = load(".github/workflows/wheels.yml")["jobs"]
    assert jobs["wheels"]["strategy"]["matrix"]["machine"] == ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"]
    assert PROJECT["tool"]["cibuildwheel"]["archs"] == ["auto64"]  # x86-64, arm64, arm64
    (step,) = [each for each in jobs["wheels"]["steps"] if "check_wheel" in each.get("run", "")]
    assert "--op-alone" in step["run"]


def test_the_image_for_docker_is_given_all_that_a_wheel_is_made_of_and_runs_as_no_root():
    dockerfile = (ROOT / "Dockerfile").read_text()
    (python,) = set(re.findall(r"^FROM python:(\S+)-slim", dockerfile, re.M))
    assert python in PYTHONS
    assert re.findall(r"^USER (.*)$", dockerfile, re.M) == ["1000"]
    (extras,) = re.findall(r"\.whl\)\[(.*)\]", dockerfile)
    assert set(extras.split(",")) <= PROJECT["project"]["optional-dependencies"].keys()
    left_out = set((ROOT / ".dockerignore").read_text().splitlines())
    of_wheel = PROJECT["tool"]["scikit-build"]["wheel"]
    needed = {
        *of_wheel["packages"].values(),
        *of_wheel["force-include"],
        "csrc",
        "README.md",
        "LICENSE",
        "NOTICE",
        "LICENSES",
    }
    assert left_out & needed == set()


@pytest.mark.parametrize("path", FORMS, ids=name_of)
def test_a_form_asks_by_names_of_its_own(path):
    form = load(path)
    assert {"name", "description", "body"} <= form.keys()
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    ids = [part["id"] for part in questions]
    assert len(set(ids)) == len(ids) > 2
    assert all(part["attributes"]["label"] for part in questions)
    assert any(part.get("validations", {}).get("required") for part in questions)


def test_the_citation_names_the_version_and_the_licence_of_the_package():
    citation = load("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (PROJECT["project"]["version"], PROJECT["project"]["license"])
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Zafar", "Murali", "Vashist"]
    assert paper["url"].endswith("2603.03437")


def unsafe_calls(text):
    """Calls that run text as code, unpickle, start a shell, or trust a repository's code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            call, options = ast.unparse(node.func), {option.arg: ast.unparse(option.value) for option in node.keywords}
            if (
                call in ("eval", "exec", "os.system", "os.popen", "yaml.unsafe_load")
                or call.partition(".")[0] in ("pickle", "marshal", "shelve")
                or (call == "torch.load" and options.get("weights_only") != "True")
                or (call == "yaml.load" and options.get("Loader") != "_TaskLoader")  # ours, and a safe one
                or options.get("shell", "False") != "False"
                or options.get("trust_remote_code", "False") != "False"
            ):
                yield f"line {node.lineno}: {call}"


@pytest.mark.slow
def test_no_source_runs_text_as_code_as_the_page_on_security_says():
    sources = sorted((ROOT / "vrs_lmeval").rglob("*.py"))
    found = {name_of(path): calls for path in sources if (calls := list(unsafe_calls(path.read_text())))}
    assert (found, len(sources) > 80) == ({}, True)


@pytest.mark.parametrize(
    "text", ["eval(a)", "pickle.load(a)", "run(a, shell=True)", "torch.load(a)", "load(a, trust_remote_code=b)"]
)
def test_a_call_that_the_page_on_security_denies_would_be_found(text):
    assert list(unsafe_calls(f"x = 1\ny = {text}")) == [f"line 2: {text.partition('(')[0]}"]


def test_make_quick_leaves_out_what_is_slow_by_markers_that_exist():
    markers = {marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    (expression,) = re.findall(r"^quick:.*\n\t.*-m \"not \((.*)\)\"", MAKEFILE, re.M)
    assert set(expression.split(" or ")) == markers
