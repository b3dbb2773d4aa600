"""Feeds a vLLM engine: takes prompts to make and how to answer them, gives what comes back, as it comes.

The engine always has as many prompts as it computes at once, and some more that wait; as many as end are added, so it
never runs empty before the last. A prompt is made, and its images decoded, when its turn comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WAITING = 256
"""At most so many prompts wait in the engine beside those that it computes, to take the place of what ends."""


GIVEN_UP = ("abort", "error")
"""vLLM's finish_reason of a prompt that it did not answer to the end; "stop" and "length" are answers."""


@dataclass(frozen=True, slots=True)
class Job:
    """`name` tells jobs apart. `make`: the prompt as vLLM takes it, called once. `params`: vLLM's SamplingParams."""

    name: Any
    make: Callable[[], Mapping[str, Any]]
    params: Any


class EngineFeed:
    """Asks `llm` (a `vllm.LLM`) with at most `most` prompts in the engine; `most` is the bound on memory.

    `lora`: a LoRARequest for every prompt. Raises ValueError for a vLLM without `LLM.enqueue`.
    """

    def __init__(self, llm: Any, most: int | None = None, lora: Any = None) -> None:
        if not hasattr(llm, "enqueue"):
            raise ValueError("vrs-vllm: this vLLM has no LLM.enqueue; a newer one is needed (0.32 was tried)")
        running = int(llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)
        self.most = running + min(running, WAITING) if most is None else int(most)
        if self.most < 1:
            raise ValueError(f"in_flight: at least 1 prompt is needed, not {self.most}")
        self._llm = llm
        self._lora = lora
        self._next: deque[Job] = deque()

    def put_next(self, job: Job) -> None:
        """Add a job before all that were not yet given to the engine."""
        self._next.append(job)

    def run(self, jobs: Iterable[Job]) -> Iterator[list[tuple[Job, Any]]]:
        """What ended in each step of the engine: jobs with their RequestOutputs.

        An error, an interrupt, or whoever reads this and stops: what is in the engine is taken out of it.
        """
        source = iter(jobs)
        asked: dict[str, tuple[str, Job]] = {}  # by vLLM's number: its inner name, and the job
        try:
            while True:
                while len(asked) < self.most and (job := self._take(source)) is not None:
                    inner = self._add(job)
                    asked[number_of(inner)] = inner, job
                if not asked:
                    return
                ended = [output for output in self._llm.llm_engine.step() if output.finished]
                for output in ended:
                    check_whole(output)
                if ended:
                    yield [(asked.pop(output.request_id)[1], output) for output in ended]
        finally:
            self._next.clear()
            if asked:
                self._llm.llm_engine.abort_request([inner for inner, _ in asked.values()], internal=True)

    def _take(self, source: Iterator[Job]) -> Job | None:
        return self._next.popleft() if self._next else next(source, None)

    def _add(self, job: Job) -> str:
        (inner,) = self._llm.enqueue([job.make()], job.params, lora_request=self._lora, use_tqdm=False)
        return str(inner)


def check_whole(output: Any) -> None:
    """Raises RuntimeError for a prompt that vLLM gave up: its text so far is no answer."""
    for said in output.outputs:
        if said.finish_reason in GIVEN_UP:
            raise RuntimeError(f"vLLM gave a prompt up (finish_reason {said.finish_reason}); its own log says why")


def number_of(inner: str) -> str:
    """The name by which an output comes back: vLLM numbers requests, and adds random letters to it for itself."""
    return inner.partition("-")[0]
