"""The flow of docs/architecture.md, enforced: a stage imports records and images, never another stage."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vrs_lmeval"
FOUNDATION = {"records", "keyed_draws", "images", "normalisation", "choices", "geometry", "question_types"}
CONDUCTORS = {
    "task",
    "model",
    "missing_packages",
    "vllm_model",
    "asking",
    "option_scores",
    "text_answers",
    "image_processor",
    "torch_op",
    "cli",
    "leaderboard",
    "doctor",
    "preview",
    "study",
}
ALLOWED_BESIDES = {
    "aggregation": {"intervals"},
    "measures": {"likelihoods", "sets"},
    "metric": {"aggregation", "measures", "sets"},
    "registry": {"aggregation", "measures", "metric", "sets"},
    "metrics": {"likelihoods", "measures", "metric", "registry"},
    "baselines": {"partners"},
    "variants": {"graded", "partners", "rendering"},
    "training_text": {"sources"},
    "sets": {"intervals"},
    "significance": {"intervals"},
    "sum_statistics": {"intervals"},
    "group_differences": {"intervals"},
    "chat_prompts": {"thoughts"},
    "answers": {"markup", "statements", "thoughts"},
    "shared_prefill": {"prompt_encoding"},
    "prompt_encoding": {"prefixes"},
    "prompt_groups": {"prefixes", "prompt_encoding", "shared_prefill"},
    "self_check": {"shared_prefill"},
    "joined_prefill": {"prompt_encoding", "self_check", "shared_prefill"},
    "vision_features": {"self_check"},
    "pixels": {"cuda_memory"},
    "image_order": {"prefixes"},
    "samples": {"row_text", "row_shapes", "sources"},
    "llava_weights": {"llava_layouts"},
    "llava_processing": {"llava_layouts", "llava_weights"},
    "llava_plan": {"llava_layouts", "llava_weights"},
    "convert_llava": {"llava_layouts", "llava_plan", "llava_processing", "llava_weights"},
}


def imported_rooms(path):
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vrs_lmeval":
            parts = node.module.split(".")[1:]
            rooms |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {name.name.split(".")[1] for name in node.names if name.name.startswith("vrs_lmeval.")}
    return rooms


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_pixels_imports_the_extension(path):
    if path.name != "pixels.py":
        assert "_native" not in imported_rooms(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_stage_imports_no_other_stage(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in CONDUCTORS | {"__init__"}:
        return
    foreign = imported_rooms(path) - FOUNDATION - {room, "_native"} - ALLOWED_BESIDES.get(room, set())
    assert not foreign, f"{room} imports {sorted(foreign)}: data goes one way, see docs/architecture.md"
