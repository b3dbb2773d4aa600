"""The harness task of a VRS benchmark: K requests a question, one per image variant, and its metrics afterwards."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import datasets
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from PIL import Image, features

from vrs_lmeval.benchmark.baselines import (
    find_majority_answers,
    find_question_only_answers,
    find_stand_ins,
    say_gold,
)
from vrs_lmeval.benchmark.samples import Benchmark, load_benchmark
from vrs_lmeval.benchmark.sources import LOCAL_FOLDER
from vrs_lmeval.benchmark.task_keys import TaskKeyError, check_keys, take_source
from vrs_lmeval.benchmark.training_text import load_training_text
from vrs_lmeval.commands.run_summary import promise_summary
from vrs_lmeval.commands.stopped_run import promise_last_line
from vrs_lmeval.metrics.question import CEILING, CLAIM, LIKELIHOODS, MAJORITY, QUESTION_ONLY, majority_by
from vrs_lmeval.metrics.scored_question import Shown, score_question
from vrs_lmeval.metrics.selection import choose_metrics, columns_of, name_part
from vrs_lmeval.pixels.preprocess import build_info, perturb
from vrs_lmeval.reading.answers import PARSER_VERSION, parse_answer
from vrs_lmeval.reading.image_remarks import REMARKS_VERSION
from vrs_lmeval.reading.prompt_styles import STYLES, PromptStyle
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.reading.visual_claims import CLAIMS_VERSION
from vrs_lmeval.records import SHUFFLED, Sample
from vrs_lmeval.run_record import DOCUMENT_KEY, RunEvidence, write_document
from vrs_lmeval.variants.prompt_variants import leave_out_images
from vrs_lmeval.variants.rules import make_rule, read_variants, shows_no_image
from vrs_lmeval.variants.severities import VERSION as VARIANTS_VERSION
from vrs_lmeval.variants.severities import describe_strength
from vrs_lmeval.variants.two_step_changes import prepare
from vrs_lmeval.variants.variant import Split, VariantError
from vrs_lmeval.variants.variant_image import VariantImage

logger = logging.getLogger(__name__)

ASKED_AS = "asked_as"
"""Key of a document that is rendered for one variant: the variant's name."""

REPORTED_PACKAGES = ("vrs_lmeval", "lm_eval", "transformers", "torch", "pillow", "datasets")


class VrsTask(ConfigurableTask):  # type: ignore[misc] # lm_eval ships no types
    """A medical VQA benchmark asked under several image variants; chosen by `class: !function` in the YAML.

    Keys beyond the harness's own: `variants` (names, or mappings with parameters), `columns` (which data set column
    holds what) or `row_shape` (a function of `row_shapes`), `closed_rule` (see `samples.decide_answer_type`),
    `accept_golds_of_duplicates`, `image_share` and `regions` (see `sources.DatasetSource`), `draws` (of shuffled),
    `by` (fields to break metrics down by), `question_only` (files of the training split), `prompt_style` (how answers
    are read: "short", "cot" for reasoning before an `<answer>` block, or "mc" for the options' likelihoods). One
    document is one question, so `--limit N` means N questions, and its requests reach `process_results` together:
    paired without bookkeeping. A task whose variants show no image at all asks any model class of the harness, also one
    without eyes.
    """

    MULTIMODAL = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        config = {key: deepcopy(value) for key, value in config.items() if key != "class"}
        try:
            check_keys(config)
            self._variants = read_variants(config.pop("variants"), config.pop("draws", 1))
        except (TaskKeyError, VariantError) as error:
            raise type(error)(f"{config['task']}: {error}") from error
        self._by = tuple(config.pop("by", None) or ())
        self._training_files = config.pop("question_only", None)
        self._source = take_source(config)
        self._style_name = config.pop("prompt_style", "short")
        self._style = STYLES[self._style_name]
        self.MULTIMODAL = not shows_no_image(self._variants)
        self._rendering: dict[str, Any] = {}
        super().__init__(config={**config, "metric_list": []})

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Load the whole split: partners are drawn among all of its images, whatever the limit or the prompt style."""
        promise_last_line()
        whole = load_benchmark(self._source)
        images = whole.images
        self._images_shown = {sample.image_id: sample.images for sample in whole.samples}
        split = Split(whole.samples, {image_id: images.size(image_id) for image_id in images})
        self._benchmark = _keep_questions(whole, self._style)
        samples = self._benchmark.samples
        self._samples = {sample.sample_id: sample for sample in samples}
        self._rules = {variant.name: make_rule(variant, split) for variant in self._variants}
        self._check_kinds(split)
        self._known, self._baselines = self._find_baselines()
        names = [variant.name for variant in self._variants]
        known = {CLAIM if self._style.asks_for_text else LIKELIHOODS, *next(iter(self._known.values()))}
        self._metrics = choose_metrics(names, known, self._by, samples)
        self._columns = columns_of(self._metrics)
        documents = [write_document(sample) for sample in self._benchmark.samples]
        self.dataset = {self._source.split: datasets.Dataset.from_list(documents)}

    def build_all_requests(self, **kwargs: Any) -> None:
        """The harness's own, without few-shot examples, and without its request cache.

        That cache's key holds neither the task's variants nor its data. Raises ValueError for `num_fewshot` above 0.
        """
        if self.config.num_fewshot:
            raise ValueError(f"{self.config.task}: few-shot examples have no images here; use --num_fewshot 0")
        if kwargs.pop("cache_requests", False):
            logger.warning(
                "%s: --cache_requests is ignored, its key does not hold the image variants", self.config.task
            )
        passed_on = ("system_instruction", "fewshot_as_multiturn")
        self._rendering = {name: kwargs[name] for name in passed_on if name in kwargs}
        super().build_all_requests(**kwargs)

    def construct_requests(self, doc: Mapping[str, Any], ctx: str, **kwargs: Any) -> list[Instance]:
        """One request per variant, in the order of `variants`; by likelihood one per variant and option.

        `ctx` is the prompt of the question as it stands in the data; variants of the prompt are rendered as it was.
        """
        sample = self._samples[doc["sample_id"]]
        delimiter = "" if kwargs.get("apply_chat_template") else self.config.target_delimiter
        rendering: dict[str, Any] = {
            name: kwargs[name] for name in ("apply_chat_template", "chat_template") if name in kwargs
        }
        requests = []
        for variant in self._list_variants(sample):
            asked = self._rules[variant].ask(sample)
            prompt = self._write_prompt(variant, asked, doc, ctx, rendering)
            beside = ({"visual": self._show(sample, variant)},) if self.MULTIMODAL else ()
            for what in self._style.ask(asked, self.config.generation_kwargs, delimiter):
                requests.append((prompt, deepcopy(what), *beside))
        return [
            Instance(
                request_type=self._style.request_type,
                doc=doc,
                arguments=arguments,
                idx=index,
                metadata=kwargs["metadata"],
            )
            for index, arguments in enumerate(requests)
        ]

    def doc_to_text(self, doc: Mapping[str, Any], doc_to_text: Any = None) -> Any:
        """As the YAML writes it; without images and their marks for a variant that shows none."""
        text = super().doc_to_text(doc, doc_to_text)
        rule = self._rules.get(doc.get(ASKED_AS, ""))
        return text if rule is None or rule.shows_images else leave_out_images(text, rule.preface)

    def apply_filters(self) -> Any:
        """Runs after all inference. Requests then name their image instead of holding it.

        The harness would otherwise decode and PNG-encode every image of every request once more, to log a hash.
        """
        for instance in self._instances or []:
            prompt, asked, *beside = instance.arguments
            described = [{"visual": [_describe(image) for image in each["visual"]]} for each in beside]
            instance.arguments = (prompt, asked, *described)
        return super().apply_filters()

    def process_results(self, doc: dict[str, Any], results: Sequence[Any]) -> dict[str, Any]:
        """What came back of one question's K variants -> its metric values; None where a metric does not apply.

        Leaves in the logged document what each variant showed and what was understood of the answer.
        """
        promise_summary()
        sample = self._samples[doc["sample_id"]]
        shown = {name: self._describe_shown(sample, name) for name in self._list_variants(sample)}
        scored = score_question(self._style, sample, results, shown, self._known[sample.sample_id], self._columns)
        doc[DOCUMENT_KEY] = {name: record.write() for name, record in scored.records.items()}
        return dict(scored.values)

    def aggregation(self) -> dict[str, Callable[[Sequence[Any]], float]]:
        """Metric name -> function over the values of all questions."""
        return {name: column.aggregate for name, column in self._columns.items()}

    def higher_is_better(self) -> dict[str, bool | None]:
        """Metric name -> whether a higher value is better; None where neither is."""
        return {name: column.higher_is_better for name, column in self._columns.items()}

    def dump_config(self) -> dict[str, Any]:
        """The configuration as it goes into the results, with the evidence of what was run.

        It names no absolute path: folders may be called after a person or a patient.
        """
        written = super().dump_config()
        files = {key: _name_place(value) for key, value in (written.get("dataset_kwargs") or {}).items()}
        written |= {"dataset_path": _name_place(written["dataset_path"]), "dataset_kwargs": files}
        return {**written, "vrs": self.evidence.write()}

    @property
    def evidence(self) -> RunEvidence:
        """What is run, for those who read its results."""
        return RunEvidence(
            dataset=dict(self._benchmark.evidence),
            variants=tuple(asdict(variant) for variant in self._variants),
            variants_version=VARIANTS_VERSION,
            partners={name: dict(rule.evidence) for name, rule in self._rules.items() if rule.evidence},
            baselines=self._baselines,
            claims_version=CLAIMS_VERSION,
            remarks_version=REMARKS_VERSION,
            codec=f"libjpeg {features.version('jpg')}",
            prompt_style=self._style_name,
            parser_version=PARSER_VERSION,
            extension=build_info(),
            packages={name: _find_version(name) for name in REPORTED_PACKAGES},
            metrics={name: metric.describe() for name, metric in self._metrics.items()},
        )

    def list_images(self) -> list[str]:
        """The image (or images, together) of each question, by id, in the order of the questions."""
        return [sample.image_id for sample in self._benchmark.samples]

    def show_variants(self, index: int) -> tuple[Sample, dict[str, VariantImage]]:
        """Question `index` of the split and its image under every variant; several are numbered in the prompt's order.

        Raises IndexError beyond the last question.
        """
        count = len(self._benchmark.samples)
        if index >= count:
            raise IndexError(f"{self.config.task} has no question {index}, they are 0 to {count - 1}")
        sample = self._benchmark.samples[index]
        return sample, {
            name if len(images) == 1 else f"{name} {number}": image
            for name, images in self.show_question(sample.sample_id).items()
            for number, image in enumerate(images, start=1)
        }

    def describe_prompts(self, sample: Sample) -> dict[str, str]:
        """By variant what is asked otherwise: without an image, in other words, with options in another order."""
        told = {}
        for name in self._list_variants(sample):
            rule, asked = self._rules[name], self._rules[name].ask(sample)
            parts = [] if rule.shows_images else ["no image", *([rule.preface] if rule.preface else [])]
            parts += [asked.question] if asked.question != sample.question else []
            parts += [", ".join(asked.options)] if asked.options != sample.options else []
            if parts:
                told[name] = "; ".join(parts)
        return told

    def describe_strengths(self) -> dict[str, tuple[str, str]]:
        """By variant that perturbs its image: its family ("gaussian_blur") and how much ("sigma 2 pixels of 224")."""
        told = {variant.name: describe_strength(variant.kind, variant.parameters) for variant in self._variants}
        return {name: strength for name, strength in told.items() if strength is not None}

    def show_question(self, sample_id: str) -> dict[str, list[VariantImage]]:
        """Its images under every variant that it is asked under. Raises KeyError for one of another split."""
        sample = self._samples[sample_id]
        return {name: self._show(sample, name) for name in self._list_variants(sample)}

    def _check_kinds(self, split: Split) -> None:
        """Every variant once on a small image: a kind that the installed extension lacks is told before inference."""
        small = Image.new("RGB", (16, 16))
        for variant in self._variants:
            rule = self._rules[variant.name]
            asked = next((sample for sample in split.samples if rule.choose(sample) is not None), None)
            if not rule.shows_images or asked is None:
                continue
            try:
                perturb(*prepare(small, rule.change(asked.images[0], asked), perturb))
            except ValueError as error:
                raise VariantError(f"{self.config.task}, variant {variant.name}: {error}") from error

    def _find_baselines(self) -> tuple[dict[str, dict[str, float | None]], dict[str, Any]]:
        """By sample id what baselines score, by the rules that score a model; and what the results say of them.

        None where training text was asked for and cannot be had: on several processes the names must be the same.
        """
        samples = self._benchmark.samples
        scored: dict[str, dict[str, float]] = {MAJORITY: self._score_texts(find_majority_answers(samples))}
        for field in self._by:
            answers = find_majority_answers(samples, partial(name_part, field=field))
            scored[majority_by(field)] = self._score_texts(answers)
        evidence: dict[str, Any] = {}
        if SHUFFLED in self._rules:
            shown = {sample.sample_id: str(self._rules[SHUFFLED].choose(sample)) for sample in samples}
            stand_ins = find_stand_ins(samples, shown)
            right = self._score_texts({sample.sample_id: say_gold(sample) for sample in samples})
            swapped = self._score_texts({key: stand_in.text for key, stand_in in stand_ins.items()})
            scored[CEILING] = {key: right[key] - swapped[key] for key in right}
            bases = (stand_ins[key].basis if key in stand_ins else "nothing alike: other answer" for key in right)
            evidence["ceiling_rests_on"] = dict(Counter(bases))
        if self._training_files is not None:
            training, evidence["question_only"] = load_training_text(self._source, self._training_files)
            answers = find_question_only_answers(samples, training)
            scored[QUESTION_ONLY] = self._score_texts(answers) if training else {}
        known = {
            sample.sample_id: {name: by_id.get(sample.sample_id) for name, by_id in scored.items()}
            for sample in samples
        }
        return known, evidence

    def _score_texts(self, texts: Mapping[str, str]) -> dict[str, float]:
        """Sample id -> whether that text is a right answer; a sample without one is wrong."""
        return {
            key: score_answer(parse_answer(texts.get(key, ""), sample), sample).correct
            for key, sample in self._samples.items()
        }

    def _list_variants(self, sample: Sample) -> list[str]:
        """The variants that this question is asked under: all, but for those that have no image to show for it."""
        return [variant.name for variant in self._variants if self._rules[variant.name].choose(sample) is not None]

    def _write_prompt(
        self, variant: str, asked: Sample, doc: Mapping[str, Any], ctx: str, rendering: Mapping[str, Any]
    ) -> str:
        """`ctx` where the variant puts the question as it is; else rendered as the harness rendered `ctx`."""
        if self._rules[variant].shows_images and asked == self._samples[doc["sample_id"]]:
            return ctx
        document = {**doc, **write_document(asked), ASKED_AS: variant}
        prompt: str = self.fewshot_context(
            document, 0, gen_prefix=self.doc_to_prefix(document), **self._rendering, **rendering
        )
        return prompt

    def _describe_shown(self, sample: Sample, variant: str) -> Shown:
        rule = self._rules[variant]
        return Shown(str(rule.choose(sample)) if rule.shows_images else None, rule.ask(sample))

    def _show(self, sample: Sample, variant: str) -> list[VariantImage]:
        """As many images as the question has, each changed the same way; none for a variant that shows none.

        A variant that shows another question's images begins again with its first where it has too few, since the
        prompt names a number of images.
        """
        rule = self._rules[variant]
        source_id = rule.choose(sample)
        assert source_id is not None  # only asked of the variants in _list_variants
        if not rule.shows_images:
            return []
        others = self._images_shown[source_id]
        if source_id != sample.image_id:
            others = tuple(image for image in others if image not in sample.images)
        shown = islice(cycle(others), len(sample.images))
        return [VariantImage(image, rule.change(image, sample), self._benchmark.images, perturb) for image in shown]


def _keep_questions(benchmark: Benchmark, style: PromptStyle) -> Benchmark:
    """As the style asks them; the others cannot be asked so, and are counted."""
    offered = [style.offer(sample) for sample in benchmark.samples]
    samples = tuple(sample for sample in offered if sample is not None)
    if not samples:
        raise ValueError("prompt_style mc: no question has options, nor yes or no for an answer")
    if style.asks_for_text:
        return benchmark
    evidence = {**benchmark.evidence, "questions_without_options": len(offered) - len(samples)}
    return replace(benchmark, samples=samples, evidence=evidence)


def _find_version(package: str) -> str | None:
    """None for a package that runs from a checkout: provenance must not cost a finished run its results."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _name_place(value: Any) -> Any:
    return LOCAL_FOLDER if isinstance(value, str) and Path(value).is_absolute() else value


def _describe(image: VariantImage | str) -> str:
    return image if isinstance(image, str) else f"image {image.source_id}, {image.perturbation}"
