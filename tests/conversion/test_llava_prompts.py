"""Prompts of converted checkpoints: the original conversation's string and the original's tokens, part by part."""

import json
import re
from pathlib import Path

import pytest
from support.original_llava import (
    KINDS,
    load_processor,
    make_image,
    make_original,
    write_json,
    write_messages,
    write_original_prompt,
)

from vrs_lmeval.conversion.convert_llava import convert_llava

QUESTION = "What is shown?\nAnswer with a word (CT, MRI), über alles."


@pytest.fixture(scope="module", params=KINDS)
def converted(request, tmp_path_factory):
    """The original of a kind and the processor that it becomes."""
    original = make_original(tmp_path_factory.mktemp(request.param) / "original", request.param)
    target = original.folder.parent / "converted"
    convert_llava(str(original.folder), target)
    return original, load_processor(target)


def test_the_prompt_is_the_originals_token_for_token(converted):
    original, processor = converted
    for turns in (
        [(f"<image>\n{QUESTION}", None)],
        [("<image>\n<image>\nWhich is the CT?", None)],
        [("<image>\nWhat is it?", "A liver."), ("Is it enlarged?", None)],
    ):
        expected = write_original_prompt(original.kind, turns)
        rendered = processor.apply_chat_template(write_messages(turns), add_generation_prompt=True)
        assert rendered == expected
        parts = original.read_prompt(expected)
        found = [[]]
        for token in processor.tokenizer(rendered).input_ids:
            if token == processor.image_token_id:
                found.append([])
            else:
                found[-1].append(token)
        assert found == parts


def test_transformers_own_tokenisation_of_the_chat_gives_the_same_tokens(converted):
    original, processor = converted
    turns = [(f"<image>\n{QUESTION}", None)]
    messages = write_messages(turns)
    image = make_image()
    messages[0]["content"][0] = {"type": "image", "image": image}
    whole = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    before, after = original.read_prompt(write_original_prompt(original.kind, turns))
    assert whole["input_ids"][0] == before + [processor.image_token_id] * 16 + after


def test_marks_and_spaces_of_a_question_are_taken_as_the_original_takes_them(converted):
    original, processor = converted
    content = [{"type": "text", "text": "  What is <image> this?\n"}, {"type": "image"}]
    rendered = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    assert rendered == write_original_prompt(original.kind, [("<image>\nWhat is  this?", None)])


def test_a_system_message_goes_where_the_original_puts_it(converted):
    original, processor = converted
    messages = [{"role": "system", "content": "Be brief."}, *write_messages([("<image>\nWhat?", None)])]
    if original.kind == "llava_qwen2":
        with pytest.raises(Exception, match="without system messages"):
            processor.apply_chat_template(messages, add_generation_prompt=True)
    else:
        rendered = processor.apply_chat_template(messages, add_generation_prompt=True)
        assert rendered == write_original_prompt(original.kind, [("<image>\nWhat?", None)], "Be brief.")


def test_another_conversation_can_be_chosen_and_brings_its_special_tokens(tmp_path):
    original = make_original(tmp_path / "original", "llava_llama")
    convert_llava(str(original.folder), tmp_path / "converted", conversation="huatuo")
    processor = load_processor(tmp_path / "converted")
    prompt = processor.apply_chat_template(write_messages([("<image>\nWhat?", None)]), add_generation_prompt=True)
    assert prompt == "<|user|>\n<image>\nWhat?\n<|assistant|>\n"
    parts = [original.tokenizer(part, add_special_tokens=False).input_ids for part in prompt.split("<image>")]
    assert processor.tokenizer(prompt).input_ids == [*parts[0], processor.image_token_id, *parts[1]]


@pytest.mark.parametrize("legacy", [True, False, None])
@pytest.mark.parametrize("prefix", ["normalizer", "first part", "each part"])
@pytest.mark.parametrize("kind", ["llava_mistral", "llava_llama"])
def test_text_after_the_image_begins_with_the_prefix_space_whoever_saved_the_tokenizer(tmp_path, kind, prefix, legacy):
    original = make_original(tmp_path / "original", kind)
    path = original.folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    write_json(path, {key: value for key, value in (settings | {"legacy": legacy}).items() if value is not None})
    if prefix != "normalizer":
        path = original.folder / "tokenizer.json"
        scheme = {"first part": "first", "each part": "always"}[prefix]
        space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
        write_json(path, json.loads(path.read_text()) | {"normalizer": None, "pre_tokenizer": space})
    convert_llava(str(original.folder), tmp_path / "converted")
    tokenizer = load_processor(tmp_path / "converted").tokenizer
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("[INST] <image>\nWho?").input_ids)
    assert tokens == ["<s>", "▁[", "INST", "]", "▁", "<image>", "▁", "<0x0A>", "W", "h", "o", "?"]


@pytest.mark.parametrize("settings", [{}, {"legacy": False}, {"legacy": True, "add_bos_token": True}])
def test_a_tokenizer_model_alone_gives_the_tokens_of_sentencepiece(tmp_path, settings):
    sentencepiece = pytest.importorskip("sentencepiece", reason="pip install sentencepiece protobuf")
    pytest.importorskip("google.protobuf", reason="pip install sentencepiece protobuf")
    original = make_original(tmp_path / "original", "llava_mistral")
    (original.folder / "tokenizer.json").unlink()
    texts = Path(__file__).parents[2] / "docs"
    lines = [line for page in sorted(texts.glob("*.md")) for line in page.read_text().splitlines()]
    corpus = [kept for line in lines if (kept := re.sub("[^a-zA-Z .]", "", line).strip())]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_prefix=str(original.folder / "tokenizer"),
        model_type="bpe",
        vocab_size=original.language.config.vocab_size,
        character_coverage=1.0,
        byte_fallback=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    marks = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(original.folder / "tokenizer_config.json", marks | settings)
    convert_llava(str(original.folder), tmp_path / "converted")
    processor = load_processor(tmp_path / "converted")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(original.folder / "tokenizer.model"))
    for question in corpus[:100]:
        prompt = f"[INST] <image>\n{question}: \u00fc? [/INST]"
        before, after = prompt.split("<image>")
        expected = [1, *pieces.encode(before), processor.image_token_id, *pieces.encode(after)]
        assert processor.tokenizer(prompt).input_ids == expected
    assert processor.tokenizer.pad_token == "<unk>"
