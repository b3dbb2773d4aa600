"""A cell of the matrix -> what the harness's stock class, or one full pass an option, answers, and what `vrs-hf` does.

A cell is an architecture, a form of prompts (chat template or bare), sizes of images, images a question, a path and a
kind of request. Its questions show real, blank and shuffled images, at least two of them different and of equal size
where sizes are "one".
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.hf_vlms import HFMultimodalLM
from PIL import Image
from support.architectures import ARCHITECTURES
from support.harness_models import wrap
from support.stores import encode, gradient

from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.model import VrsHF
from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

PATHS, KINDS = ("shared", "plain"), ("generate", "loglikelihood")
FORMS, SIZES, COUNTS = ("chat", "bare"), ("one", "mixed"), ("single", "several")

GENERATION = {"until": [], "do_sample": False, "max_gen_toks": 4}
OPTIONS = (" A", "yes", " the left lung")


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is asked of an architecture: `form`, `sizes` of the images, `count` of images in a question."""

    name: str
    form: str
    sizes: str
    count: str


@dataclass(frozen=True, slots=True)
class Cell:
    """Prompts, and how they are asked: by which `path` (shared prefixes or none), for which `kind` of answer."""

    prompts: Prompts
    path: str
    kind: str

    def __str__(self) -> str:
        prompts = self.prompts
        return "-".join((prompts.name, prompts.form, prompts.sizes, prompts.count, self.path, self.kind))


@dataclass(frozen=True, slots=True)
class Outcome:
    """`expected` and `answers`: a text a question, or (log-likelihood, is greedy) an option; `inputs` are distinct."""

    expected: list[Any]
    answers: list[Any]
    inputs: int
    info: dict[str, Any]


def list_cells(name: str) -> list[Cell]:
    """All cells of one architecture."""
    forms = [form for form in FORMS if form == "bare" or ARCHITECTURES[name].has_template]
    return [
        Cell(Prompts(name, form, sizes, count), path, kind)
        for form, sizes, count, path, kind in product(forms, SIZES, COUNTS, PATHS, KINDS)
    ]


def ask(cell: Cell, **options: Any) -> Outcome:
    """Both answers to the cell's questions; `options` go to `VrsHF`."""
    prompts, name = cell.prompts, cell.prompts.name
    questions = make_questions(prompts.sizes, prompts.count)
    batch = 1 if _sees_batch(prompts) else 5
    ours = _wrap(VrsHF, name, batch_size=batch, share_prefixes=cell.path == "shared", **_thinking(name), **options)
    contexts = render(ours, prompts)
    two_bos = bool(options.get("double_bos"))
    if cell.kind == "generate":
        expected, requests = answer_by_stock(prompts, two_bos), _request_texts(contexts, questions)
        answers = ours.generate_until(requests, disable_tqdm=True)
    else:
        expected, requests = score_by_full_passes(prompts, two_bos), _request_scores(contexts, questions)
        answers = ours.loglikelihood(requests, disable_tqdm=True)
    return Outcome(expected, answers, len({_identify(request) for request in requests}), ours.get_model_info())


@functools.lru_cache(maxsize=16)
def answer_by_stock(prompts: Prompts, two_bos: bool = False) -> list[str]:
    """The texts of the reference."""
    stock = make_reference(prompts, two_bos)
    requests = _request_texts(render(stock, prompts), make_questions(prompts.sizes, prompts.count))
    texts: list[str] = stock.generate_until(requests, disable_tqdm=True)
    return texts


@functools.lru_cache(maxsize=16)
def score_by_full_passes(prompts: Prompts, two_bos: bool = False) -> list[tuple[float, bool]]:
    """Of each option (log-likelihood, is greedy), each by one pass of the model over prompt and option."""
    stock = make_reference(prompts, two_bos)
    requests = _request_scores(render(stock, prompts), make_questions(prompts.sizes, prompts.count))
    return [score_naively(stock, *request.args[:2], request.args[2]["visual"]) for request in requests]


def render(lm: Any, prompts: Prompts) -> list[str]:
    """The contexts of the questions, as the harness makes them."""
    texts = [text for text, _ in make_questions(prompts.sizes, prompts.count)]
    if prompts.form == "bare":
        return texts
    return [lm.apply_chat_template([{"role": "user", "content": text}]) for text in texts]


@functools.lru_cache(maxsize=8)
def make_questions(sizes: str, count: str) -> list[tuple[str, tuple[VariantImage, ...]]]:
    """Of each question its text with `<image>` where images stand, and the images.

    The shortest and the longest question are the first image's own, so that a check of these two alone sees one prefix.
    """
    first, second, third = make_images(sizes)
    blanks = [_vary(image, Perturbation.blank()) for image in (first, second, third)]
    if count == "single":
        asked = [(first, "why?"), (first, "is it a liver or a lung, my dear doctor?"), (blanks[0], "what is this?")]
        asked += [(image, text) for image in (second, third, blanks[1]) for text in ("what is this?", "is it a liver?")]
        return [(f"<image>\n{text}", (image,)) for image, text in [*asked, (third, "why?")]]
    pairs = ((first, second), (second, third), (blanks[0], blanks[1]))
    two = [(f"<image> and <image>\n{text}", pair) for text in ("what changed?", "same?") for pair in pairs]
    three = [
        ("<image> <image> <image>\nlargest?", images) for images in ((third, first, second), (third, second, first))
    ]
    behind_text = [
        (f"{text} <image>\nso?", (image,)) for text in ("Day 7:", "After it all:") for image in (first, third)
    ]
    return two + three + behind_text


@functools.lru_cache(maxsize=2)
def make_images(sizes: str) -> list[VariantImage]:
    """Three different images, of one size or of three shapes."""
    if sizes == "one":
        image = gradient(44, 36)
        turns = (Image.Transpose.ROTATE_180, Image.Transpose.FLIP_LEFT_RIGHT)
        images = [image, *(image.transpose(turn) for turn in turns)]
    else:
        images = [gradient(50, 40), gradient(40, 70), gradient(33, 33)]
    store = ImageStore()
    files = [encode(image, "PNG") for image in images]
    ids = [store.add(lambda data=data: data, "row") for data in files]
    return [VariantImage(image_id, Perturbation.identity(), store, perturb) for image_id in ids]


def _vary(image: VariantImage, change: Perturbation) -> VariantImage:
    return VariantImage(image.source_id, change, image.store, perturb)


@functools.lru_cache(maxsize=1)
def make_parts(name: str) -> tuple[Any, Any]:
    """Model and processor, which stay as they are: cells of one architecture follow each other."""
    return ARCHITECTURES[name].make()


def make_reference(prompts: Prompts, two_bos: bool = False) -> Any:
    """The stock class, given what its own defaults miss.

    Bare prompts show the mark that the processor replaces, where the configuration's image token is another one. Of a
    rendered prompt that begins with BOS, the tokenizer writes no second one, unless `two_bos`.
    """
    name, kind = prompts.name, HFMultimodalLM if two_bos else OneBos
    options: dict[str, Any] = {"batch_size": 1 if _sees_batch(prompts) else 16, **_thinking(name)}
    stock = _wrap(kind, name, **options)
    mark = ARCHITECTURES[name].placeholder
    if prompts.form == "bare" and stock.image_token != mark:
        stock = _wrap(kind, name, image_string=mark, **options)
    if ARCHITECTURES[name].opens_thought:  # the stock class does not hand the switch on
        stock.processor.chat_template = "{% set enable_thinking = false %}" + stock.processor.chat_template
    return stock


class OneBos(HFMultimodalLM):
    """The stock class, whose processor is called as `processor.apply_chat_template(tokenize=True)` calls itself."""

    def tok_batch_multimodal_encode(self, strings: Sequence[str], *args: Any, **settings: Any) -> Any:
        """Without special tokens where a rendered prompt begins with BOS."""
        processor, bos = self.processor, self.tokenizer.bos_token
        if bos is not None and all(text.startswith(bos) for text in strings):
            self.processor = functools.partial(processor, add_special_tokens=False)
        try:
            return super().tok_batch_multimodal_encode(strings, *args, **settings)
        finally:
            self.processor = processor


def score_naively(lm: Any, context: str, option: str, images: Sequence[Any]) -> tuple[float, bool]:
    """(sum of log-softmax at the option's tokens, whether each is the argmax), by one pass over the whole.

    As lm_eval cuts: white space at the context's end goes to the option. Where a processor writes something behind
    the prompt (PaliGemma's line feed), the option stands behind that.
    """
    context, option = context.rstrip(), context[len(context.rstrip()) :] + option
    prompt, whole = (lm.tok_batch_multimodal_encode([text], [list(images)]) for text in (context, context + option))
    length = prompt["input_ids"].shape[1]
    if not torch.equal(whole["input_ids"][:, :length], prompt["input_ids"]):
        whole = _append(prompt, lm.tokenizer.encode(option, add_special_tokens=False))
    whole.pop("labels", None)
    with torch.inference_mode():
        logits = lm.model(**whole).logits[0, length - 1 : -1].log_softmax(-1)
    own = whole["input_ids"][0, length:]
    return float(logits.gather(1, own[:, None]).sum()), bool((logits.argmax(-1) == own).all())


def _append(prompt: Any, token_ids: list[int]) -> dict[str, torch.Tensor]:
    own = torch.tensor(token_ids)[None]
    added = {"input_ids": own, "attention_mask": torch.ones_like(own)}
    added["token_type_ids"] = torch.ones_like(own)  # what is written sees what stands before it alone
    return {name: torch.cat([tensor, added[name]], 1) if name in added else tensor for name, tensor in prompt.items()}


def _wrap(kind: type, name: str, **options: Any) -> Any:
    model, processor = make_parts(name)
    return wrap(kind, model, copy.deepcopy(processor), **options)


def _sees_batch(prompts: Prompts) -> bool:
    return prompts.count == "several" and ARCHITECTURES[prompts.name].sees_batch


def _thinking(name: str) -> dict[str, bool]:
    return {"enable_thinking": False} if ARCHITECTURES[name].opens_thought else {}


def _request_texts(contexts: Sequence[str], questions: Sequence[Any]) -> list[Instance]:
    return [
        Instance("generate_until", {}, (context, dict(GENERATION), {"visual": list(images)}), index)
        for index, (context, (_, images)) in enumerate(zip(contexts, questions, strict=True))
    ]


def _request_scores(contexts: Sequence[str], questions: Sequence[Any]) -> list[Instance]:
    return [
        Instance("loglikelihood", {}, (context, option, {"visual": list(images)}), index)
        for context, (_, images) in zip(contexts, questions, strict=True)
        for index, option in enumerate(OPTIONS)
    ]


def _identify(request: Instance) -> tuple[Any, ...]:
    """What an answer may depend on; blank images are one picture, as those of fixed-size processors are."""
    shown = tuple(
        "blank" if image.perturbation != Perturbation.identity() else image.source_id
        for image in request.args[2]["visual"]
    )
    return request.args[0], str(request.args[1]), shown
