"""Requests of the harness -> what a vLLM engine answers: all in one go, in the order of images, kept as they come."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tqdm import tqdm

from vrs_lmeval.asking.answer_cache import AnswerCache
from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.cold_warm import ColdWarm
from vrs_lmeval.asking.engine_feed import EngineFeed, Job
from vrs_lmeval.asking.engine_prompts import EnginePrompts
from vrs_lmeval.asking.image_order import ASKED_WITHOUT_IMAGES, NONE_WITHOUT_IMAGES, order_by_images
from vrs_lmeval.asking.option_scores import Scored, split_option
from vrs_lmeval.asking.option_tree import Path, Step, grow_tree, score_options
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.records import NOT_ASKED

logger = logging.getLogger(__name__)

MOST_TOKENS = 128
"""For how many tokens vLLM gives log-probabilities at one place (its MAX_LOGPROB_TOKEN_IDS)."""

COLD, WARM = "cold", "warm"

REFUSALS = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError)
"""What a processor or vLLM raises for a prompt that it does not take; an engine that broke raises other classes."""


class EngineWriter(Protocol):
    """What the harness's class knows of its engine: how settings are passed on, and how a text is read."""

    def read_settings(self, settings: Mapping[str, Any]) -> Any:
        """Settings of a request -> vLLM's SamplingParams."""

    def read_text(self, written: str, settings: Mapping[str, Any]) -> str:
        """What the engine wrote -> the answer."""

    def ask_one_token(self, tokens: Sequence[int]) -> Any:
        """SamplingParams for the log-probabilities of `tokens` at the next place, and the most probable of all."""


@dataclass(slots=True, eq=False)
class ScoredPrompt:
    """A prompt whose options are scored: `indices` are the requests, one an option; `steps` what came back so far."""

    text: str
    images: Sequence[Any]
    indices: Sequence[int]
    options: list[list[int]]
    tree: Mapping[Path, tuple[int, ...]]
    steps: dict[Path, Step] = field(default_factory=dict)
    encoded: dict[Path, list[int]] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop what came back, when it was scored: a run has tens of thousands of prompts."""
        self.steps.clear()
        self.encoded.clear()


class EngineAsker:
    """Asks through `feed` what `cache` does not hold. `without_images` says how prompts without an image went."""

    def __init__(
        self,
        writer: EngineWriter,
        prompts: EnginePrompts,
        feed: EngineFeed,
        cache: AnswerCache | None,
        cold_warm: ColdWarm,
    ) -> None:
        self._writer = writer
        self._prompts = prompts
        self._feed = feed
        self._cache = cache
        self._cold_warm = cold_warm
        self._note = None if cache is None else cache.key("cold_warm")  # of this engine and model alone
        if cache is not None and self._note is not None:
            cold_warm.add_counts(cache.read_note(self._note) or {})
        self.without_images = NONE_WITHOUT_IMAGES
        self.counts: Counter[str] = Counter(prompts=0, prompt_tokens=0, kept_tokens=0, cache_hits=0)

    def write(self, requests: Sequence[Request], progress: Callable[..., tqdm]) -> list[str]:
        """One text a request, in their order."""
        keys = {index: self._key_text(request) for index, request in enumerate(requests)}
        answers = self._find(keys, lambda value: isinstance(value, str))
        self._note_kept(requests, answers)
        left = [index for index in order_by_images(requests) if index not in answers]
        bare = [index for index in left if not requests[index].args[2]["visual"]]
        if bare:
            shortest = min(bare, key=lambda index: len(requests[index].args[0]))
            if self._refuses_bare(self._text_job(COLD, shortest, requests[shortest]), len(bare)):
                answers |= dict.fromkeys(bare, NOT_ASKED)
                left = [index for index in left if index not in answers]
        again = self._choose_again(requests, left)
        with progress(total=len(requests), initial=len(answers)) as bar:
            for ended in self._feed.run(self._text_job(COLD, index, requests[index]) for index in left):
                written = {}
                for job, output in ended:
                    temperature, index = job.name
                    answer = self._writer.read_text(output.outputs[0].text, requests[index].args[1])
                    self._count(output)
                    if temperature == WARM:
                        self._cold_warm.note_warm(index, answer, output.num_cached_tokens)
                        continue
                    written[index] = answer
                    if index in again:
                        self._cold_warm.note_cold(index, answer, output.num_cached_tokens)
                        self._feed.put_next(self._text_job(WARM, index, requests[index]))
                self._keep(written, keys)
                if len(written) < len(ended):
                    self._keep_counts()
                answers |= written
                bar.update(len(written))
        self._tell_losses()
        return [answers[index] for index in range(len(requests))]

    def score(self, requests: Sequence[Request], progress: Callable[..., tqdm]) -> list[Scored]:
        """Each request's option after its prompt and images: log-probability, and whether greedy decoding writes it."""
        pairs = [split_option(*request.args[:2]) for request in requests]
        keys = {i: self._key("loglikelihood", *pair, requests[i]) for i, pair in enumerate(pairs)}
        answers = self._find(keys, _is_scored)
        self._note_kept(requests, answers)
        same: dict[Hashable, list[int]] = {}
        for index in order_by_images(requests):
            if index not in answers:
                same.setdefault((pairs[index][0], _image_key(requests[index])), []).append(index)
        known: dict[Hashable, list[list[int]]] = {}  # a question's variants most often differ in the image alone
        prompts = [self._plan(requests, pairs, indices, known) for indices in same.values()]
        bare = [prompt for prompt in prompts if not prompt.images]
        if bare:
            shortest = min(bare, key=lambda prompt: len(prompt.text))
            if self._refuses_bare(self._token_job(shortest, ()), len(bare)):
                answers |= {index: (NOT_ASKED, False) for prompt in bare for index in prompt.indices}
                prompts = [prompt for prompt in prompts if prompt.images]
        with progress(total=len(requests), initial=len(answers)) as bar:
            for ended in self._feed.run(self._token_job(prompt, path) for prompt in prompts for path in prompt.tree):
                scored: dict[int, Scored] = {}
                for job, output in ended:
                    self._count(output)
                    prompt, path = job.name
                    prompt.steps[path] = read_step(output)
                    prompt.encoded[path] = list(output.prompt_token_ids)
                    if len(prompt.steps) == len(prompt.tree):
                        check_encoded(prompt)
                        scored |= zip(prompt.indices, score_options(prompt.options, prompt.steps), strict=True)
                        prompt.forget()
                self._keep(scored, keys)
                answers |= scored
                bar.update(len(scored))
        self._tell_losses()
        return [(answers[index][0], answers[index][1]) for index in range(len(requests))]

    def _plan(
        self,
        requests: Sequence[Request],
        pairs: Sequence[tuple[str, str]],
        indices: Sequence[int],
        known: dict[Hashable, list[list[int]]],
    ) -> ScoredPrompt:
        """Raises ValueError for options that vLLM cannot score in one go."""
        text, asked = pairs[indices[0]][0], tuple(pairs[index][1] for index in indices)
        if (text, asked) not in known:
            known[text, asked] = self._prompts.find_option_tokens(text, asked)
        options = known[text, asked]
        tree = grow_tree(options)
        if most := [len(children) for children in tree.values() if len(children) > MOST_TOKENS]:
            raise ValueError(
                f"vLLM scores at most {MOST_TOKENS} different tokens at a place; a question has {max(most)}"
            )
        return ScoredPrompt(text, requests[indices[0]].args[2]["visual"], indices, options, tree)

    def _text_job(self, temperature: str, index: int, request: Request) -> Job:
        text, settings, shown = request.args
        return Job(
            (temperature, index),
            lambda: self._prompts.write(text, shown["visual"]),
            self._writer.read_settings(settings),
        )

    def _token_job(self, prompt: ScoredPrompt, path: Path) -> Job:
        return Job(
            (prompt, path),
            lambda: self._prompts.write(prompt.text, prompt.images, path),
            self._writer.ask_one_token(prompt.tree[path]),
        )

    def _choose_again(self, requests: Sequence[Request], left: Sequence[int]) -> set[int]:
        first: dict[Hashable, int] = {}
        for index in left:
            if requests[index].args[2]["visual"] and not is_drawn(requests[index].args[1]):
                first.setdefault(_image_key(requests[index]), index)
        return self._cold_warm.choose(first)

    def _note_kept(self, requests: Sequence[Request], answers: Iterable[int]) -> None:
        if any(not requests[index].args[2]["visual"] for index in answers):
            self.without_images = ASKED_WITHOUT_IMAGES

    def _refuses_bare(self, shortest: Job, count: int) -> bool:
        """Whether the engine refuses the shortest of `count` prompts without an image, which is tried alone."""
        try:
            for _ in self._feed.run([shortest]):
                pass
        except REFUSALS as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self.without_images = f"this model takes no prompt without an image ({reason})"
            logger.warning(
                "%s, so %d prompts (variants absent, guess) are not asked; the others are", self.without_images, count
            )
            return True
        self.without_images = ASKED_WITHOUT_IMAGES
        return False

    def _keep_counts(self) -> None:
        """Of texts asked again: a run that goes on from kept answers does not ask these again."""
        if self._cache is not None and self._note is not None:
            self._cache.note(self._note, self._cold_warm.describe())

    def _count(self, output: Any) -> None:
        self.counts["prompts"] += 1
        self.counts["prompt_tokens"] += len(output.prompt_token_ids)
        self.counts["kept_tokens"] += output.num_cached_tokens or 0

    def _key(self, kind: str, text: str, asked: Any, request: Request) -> str | None:
        if self._cache is None:
            return None
        return self._cache.key(kind, self._prompts.chat_applied, text, asked, _image_key(request))

    def _key_text(self, request: Request) -> str | None:
        text, settings, _ = request.args
        return None if is_drawn(settings) else self._key("generate", text, settings, request)

    def _find(self, keys: Mapping[int, str | None], is_answer: Callable[[Any], bool]) -> dict[int, Any]:
        if self._cache is None:
            return {}
        found = {index: self._cache.find(key, is_answer) for index, key in keys.items() if key is not None}
        answers = {index: answer for index, answer in found.items() if answer is not None}
        self.counts["cache_hits"] += len(answers)
        return answers

    def _keep(self, answers: Mapping[int, Any], keys: Mapping[int, str | None]) -> None:
        if self._cache is not None:
            kept = {keys[index]: answer for index, answer in answers.items()}
            self._cache.keep({key: answer for key, answer in kept.items() if key is not None})

    def _tell_losses(self) -> None:
        if self._cache is not None:
            self._cache.tell_losses()


def is_drawn(settings: Mapping[str, Any]) -> bool:
    """Whether answers by these settings are drawn by chance, so that the next one may be another."""
    return bool(settings.get("do_sample")) or float(settings.get("temperature") or 0) > 0


def read_step(output: Any) -> Step:
    """One token's RequestOutput -> what it says of the options' next tokens."""
    (said,) = output.outputs
    return Step({token: entry.logprob for token, entry in said.logprobs[0].items()}, said.token_ids[0])


def check_encoded(prompt: ScoredPrompt) -> None:
    """Raises ValueError where the engine did not put an option's first tokens right after the prompt's own."""
    for path, encoded in prompt.encoded.items():
        if encoded != [*prompt.encoded[()], *path]:
            raise ValueError(
                "vLLM writes something between this model's prompt and its answer, so options of several tokens cannot "
                "be scored after it; use --model vrs-hf for _mc tasks"
            )


def _image_key(request: Request) -> tuple[Hashable, ...]:
    return tuple(map(identify_image, request.args[2]["visual"]))


def _is_scored(value: Any) -> bool:
    """A log-likelihood, and whether greedy decoding writes the option: a list, since JSON holds no tuple."""
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and isinstance(value[0], int | float) and isinstance(value[1], bool)
