"""The key of kept answers: whatever changes an answer changes it, and the same model in another process keeps it."""

import copy
import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.architectures import ARCHITECTURES
from support.harness_models import wrap
from transformers import BitsAndBytesConfig

from vrs_lmeval.asking.model_identity import REMOTE_CODE, hash_code, hash_weights, identify_model
from vrs_lmeval.model import VrsHF

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # asked for by peft
]


@pytest.fixture(scope="module")
def llava():
    return ARCHITECTURES["llava"].make()


def identify(model, processor, **settings):
    return identify_model(model, processor, processor.tokenizer, settings)


def test_weights_are_known_by_their_values(llava):
    model, _ = copy.deepcopy(llava)
    assert hash_weights(model) == hash_weights(llava[0])
    assert hash_weights(model.to(torch.bfloat16)) != hash_weights(llava[0])


def change_role(role):
    def change(model, processor):
        other = next(token for token in processor.tokenizer.get_vocab() if token != getattr(processor.tokenizer, role))
        setattr(processor.tokenizer, role, other)

    return change


def change_padding(model, processor):
    processor.tokenizer.padding_side = {"left": "right", "right": "left"}[processor.tokenizer.padding_side]


def change_attention(model, processor):
    model.config._attn_implementation = "eager" if model.config._attn_implementation != "eager" else "sdpa"


def change_quantisation(model, processor):
    model.config.quantization_config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)


def change_generation(model, processor):
    model.generation_config.repetition_penalty = 1.2


CHANGES = {
    **{role: change_role(role) for role in ("bos_token", "eos_token", "pad_token", "unk_token")},
    "padding side": change_padding,
    "attention": change_attention,
    "quantisation": change_quantisation,
    "generation": change_generation,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_change_makes_another_key(llava, change):
    model, processor = copy.deepcopy(llava)
    before = identify(model, processor)
    assert before == identify(*llava)
    change(model, processor)
    assert identify(model, processor) != before


def test_how_a_quantised_model_computes_is_part_of_the_key(llava):
    keys = set()
    for dtype in (torch.bfloat16, torch.float32):
        model, processor = copy.deepcopy(llava)
        model.config.quantization_config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=dtype)
        keys.add(identify(model, processor))
    assert len(keys) == 2


def add_adapter(llava, **settings):
    """The same adapter weights whatever the settings: the second matrix is drawn, not 0, so that it changes answers."""
    model, processor = copy.deepcopy(llava)
    torch.manual_seed(0)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], **settings))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(parameter)
    return adapted, processor


def test_an_adapter_and_its_strength_are_part_of_the_key(llava):
    weak, strong = add_adapter(llava, lora_alpha=2), add_adapter(llava, lora_alpha=64)
    assert hash_weights(weak[0]) == hash_weights(strong[0])  # the strength is in no weight
    switched_off = add_adapter(llava, lora_alpha=2)
    switched_off[0].disable_adapter_layers()
    keys = [identify(*parts) for parts in (llava, weak, strong, switched_off)]
    assert len(set(keys)) == 4
    assert identify(*add_adapter(llava, lora_alpha=2)) == keys[1]


SETTINGS = [
    {"mixed_precision_dtype": "bfloat16"},
    {"softmax_dtype": "float32"},
    {"add_bos_token": True},
    {"think_end_token": "</think>"},
    {"interleave": False},
    {"double_bos": True},
    {"thought_tokens": 4},
    {"dtype": "bfloat16"},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: next(iter(setting)))
def test_each_argument_that_changes_answers_changes_the_key(llava, tmp_path, setting):
    parts = copy.deepcopy(llava)
    if "dtype" in setting:
        parts = (parts[0].to(torch.bfloat16), parts[1])
        setting = {}
    changed = wrap(VrsHF, *parts, batch_size=1, cache_dir=str(tmp_path), **setting)
    plain = wrap(VrsHF, *copy.deepcopy(llava), batch_size=1, cache_dir=str(tmp_path))
    assert plain._key("prompt") != changed._key("prompt")


REMOTE = "import torch\nfrom .layers import FACTOR\nclass Remote(torch.nn.Linear): pass\n"


def load_remote(folder, name, layers):
    """A layer of a module where transformers puts a repository's code, after `layers` was written beside it."""
    package = folder / REMOTE_CODE / name
    package.mkdir(parents=True)
    for path in (package, package.parent):
        (path / "__init__.py").touch()
    (package / "modeling.py").write_text(REMOTE)
    (package / "layers.py").write_text(layers)
    importlib.invalidate_caches()
    return importlib.import_module(f"{REMOTE_CODE}.{name}.modeling").Remote(2, 2)


def test_the_code_of_a_repository_is_part_of_the_key_wherever_it_lies(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", {name: each for name, each in sys.modules.items() if REMOTE_CODE not in name})
    factors = {"a": 1, "b": 1, "c": 2}
    one, same, other = (load_remote(tmp_path, name, f"FACTOR = {factor}") for name, factor in factors.items())
    assert hash_code(one) == hash_code(same) != hash_code(other)
    assert hash_code(torch.nn.Linear(2, 2)) == []  # known by its version
    assert [name for name, _ in hash_code(one)] == ["modeling"]


IN_ANOTHER_PROCESS = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from asking.test_model_identity import ARCHITECTURES, add_adapter, identify
    print(identify(*add_adapter(ARCHITECTURES["llava"].make(), lora_alpha=2)))
"""


def test_the_same_model_has_the_same_key_in_another_process(llava, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(IN_ANOTHER_PROCESS), str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.stdout.split()[-1:] == [identify(*add_adapter(llava, lora_alpha=2))], done.stderr
