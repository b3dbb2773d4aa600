"""`vrs-hf` with a PEFT adapter: its base's rows behind the tokenizer's tokens stay, as they stay without an adapter."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.architectures import ARCHITECTURES
from transformers import AutoModelForImageTextToText, AutoProcessor

from vrs_lmeval.asking.adapters import find_rows, load_adapter
from vrs_lmeval.bridge import register, tasks_folder

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # asked for by peft
]

SPARE = 7


@pytest.fixture(scope="module", params=["llava", "qwen2_5_vl"])
def base(request, tmp_path_factory):
    """A tiny model with more rows than its tokenizer has tokens, drawn like the others."""
    architecture = ARCHITECTURES[request.param]
    if reason := architecture.reason_to_skip():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp(request.param)
    model, processor = architecture.make()
    tokens = len(processor.tokenizer)
    model.resize_token_embeddings(tokens + SPARE)
    with torch.no_grad():
        for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
            embedding.weight[tokens:].normal_(0, 0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_adapter(base, folder, **settings):
    """One that changes nothing yet: the second matrix of each pair is 0."""
    model = AutoModelForImageTextToText.from_pretrained(base)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], **settings)).save_pretrained(folder)
    return folder


def ask(task, **model_args):
    import lm_eval
    from lm_eval.tasks import TaskManager

    register()
    results = lm_eval.simple_evaluate(
        model="vrs-hf",
        model_args=",".join(f"{key}={value}" for key, value in {"dtype": "float32", **model_args}.items()),
        tasks=[task],
        limit=6,
        batch_size=4,
        device="cpu",
        apply_chat_template=True,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False, include_path=str(tasks_folder())),
    )
    return [sample["resps"] for sample in results["samples"][task]]


@pytest.mark.parametrize("task", ["vrs_sample", "vrs_sample_mc"])
def test_an_adapter_that_changes_nothing_changes_no_answer(base, tmp_path, task):
    adapter = save_adapter(base, tmp_path)
    assert ask(task, pretrained=base, peft=adapter) == ask(task, pretrained=base)


def test_rows_are_added_for_a_longer_tokenizer_and_as_an_adapter_holds_them(base, tmp_path):
    rows = len(AutoProcessor.from_pretrained(base).tokenizer) + SPARE

    def load(folder, tokens):
        model = load_adapter(AutoModelForImageTextToText.from_pretrained(base), str(folder), None, tokens)
        return model.get_input_embeddings().weight.shape[0]

    plain = save_adapter(base, tmp_path / "plain")
    assert [load(plain, tokens) for tokens in (rows - SPARE, rows, rows + 3)] == [rows, rows, rows + 3]
    model = AutoModelForImageTextToText.from_pretrained(base)
    model.resize_token_embeddings(rows - SPARE)  # as its trainer did, with whose embedding it is saved
    whole = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens"]))
    whole.save_pretrained(tmp_path / "whole")
    assert load(tmp_path / "whole", rows) == rows - SPARE


def test_rows_are_those_of_a_whole_embedding_alone():
    lora = {"base_model.model.lm_head.lora_A.weight": torch.zeros(2, 8), "a.q_proj.weight": torch.zeros(4, 4)}
    assert find_rows(lora) is None
    assert find_rows({**lora, "base_model.model.model.embed_tokens.weight": torch.zeros(9, 4)}) == 9


def test_an_adapter_and_a_delta_are_refused_together(base, tmp_path):
    with pytest.raises(ValueError, match="Cannot use both 'peft' and 'delta'"):
        ask("vrs_sample", pretrained=base, peft=save_adapter(base, tmp_path), delta=base)
