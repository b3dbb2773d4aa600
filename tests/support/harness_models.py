"""The harness's model classes around a model and a processor in memory, and requests with lazy images for them."""

from __future__ import annotations

from typing import Any

from lm_eval.api.instance import Instance
from support.stores import make_store

from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

IMAGE_SIZES = ((50, 40), (40, 70), (33, 33))
QUESTIONS = ("what is this?", "is it a liver or a lung, my dear?", "why?")
GENERATION = {"until": ["\n"], "do_sample": False, "max_gen_toks": 6}


def wrap(kind: type, model: Any, processor: Any, **options: Any) -> Any:
    """An instance of the harness's model class `kind`, which would otherwise read the processor from a folder."""

    def use_processor(self: Any, *args: Any, **kwargs: Any) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer

    in_memory = type(kind.__name__, (kind,), {"_create_tokenizer": use_processor})
    return in_memory(pretrained=model, **options)


def show_images() -> list[VariantImage]:
    """Three images of different shapes, real and blank."""
    store, ids = make_store(*IMAGE_SIZES)
    changes = (Perturbation.identity(), Perturbation.blank())
    return [VariantImage(image_id, change, store, perturb) for image_id in ids for change in changes]


def make_requests(placeholder: str = "<image>", **settings: Any) -> list[Instance]:
    """Every question about every image, as a task asks them."""
    return [
        generation(f"{placeholder}\n{question} answer:", image, **settings)
        for question in QUESTIONS
        for image in show_images()
    ]


def generation(prompt: str, *images: Any, **settings: Any) -> Instance:
    """One request to generate."""
    arguments = (prompt, {**GENERATION, **settings}, {"visual": list(images)})
    return Instance("generate_until", {}, arguments, 0)
