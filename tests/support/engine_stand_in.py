"""Stands for vLLM's engine where vLLM is not installed: its queue and its ways, with any function for a model.

`install` puts modules of vLLM's names in place, so that the harness's class and ours are imported as they are; `use`
gives them an engine.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

from lm_eval.api.registry import model_registry

VERSION = "0.32.0"
MODULES = ("vllm", "vllm.lora", "vllm.lora.request", "vllm.renderers", "vllm.renderers.hf", "vllm.tokenizers")
READ_AGAIN = ("lm_eval.models.vllm_vlms", "lm_eval.models.vllm_causallms", "vrs_lmeval.vllm_model")


class Params(SimpleNamespace):
    """vLLM's SamplingParams, as far as they are used; an empty stop string is an error there, too."""

    def __init__(self, **settings: Any) -> None:
        settings = {"stop": [], "temperature": 1.0, "logprob_token_ids": None, **settings}
        if any(not text for text in settings["stop"]):
            raise ValueError("stop cannot contain an empty string")
        super().__init__(**settings)


@dataclass
class Engine:
    """Computes `running` prompts at once, of which some end in each step, in no order; `answer` says what of a prompt.

    `answer(prompt, params)` gives an output without its number: see `output`. `most` is how many prompts were in it at
    most, `steps` how many steps it took, and how many of them computed fewer prompts than it could.
    """

    answer: Callable[[Mapping[str, Any], Any], Any]
    running: int = 4
    waiting: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    most: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self.draw = random.Random(0)
        self.llm_engine = self
        self.vllm_config = SimpleNamespace(
            scheduler_config=SimpleNamespace(max_num_seqs=self.running),
            model_config=SimpleNamespace(
                dtype="float32", max_model_len=2048, quantization=None, logprobs_mode="raw_logprobs"
            ),
            cache_config=SimpleNamespace(cache_dtype="auto"),
        )
        self.model_config = self.vllm_config.model_config

    def enqueue(self, prompts: list[Any], params: Any, lora_request: Any = None, use_tqdm: bool = True) -> list[str]:
        """Takes prompts in; refuses what `answer` refuses."""
        assert use_tqdm is False
        names = []
        for prompt in prompts:
            output = self.answer(prompt, params)
            name = f"{self.number}-{self.draw.randrange(16**8):08x}"
            self.number += 1
            self.asked.append((prompt, params))
            self.waiting[name] = (output, lora_request)
            names.append(name)
        self.most = max(self.most, len(self.waiting))
        return names

    def step(self) -> list[Any]:
        """Of the prompts that it computes some end, in any order; an unfinished one is told of, too."""
        computed = list(self.waiting)[: self.running]
        ending = self.draw.sample(computed, self.draw.randint(0, len(computed)))
        outputs = [SimpleNamespace(finished=False, request_id=name.split("-")[0]) for name in computed[:1]]
        for name in ending:
            output, _ = self.waiting.pop(name)
            outputs.append(SimpleNamespace(finished=True, request_id=name.split("-")[0], **vars(output)))
        return outputs

    def abort_request(self, names: list[str], internal: bool = False) -> None:
        """Takes prompts out."""
        assert internal
        for name in names:
            self.aborted.append(name)
            self.waiting.pop(name, None)


def output(
    text: str = "", tokens: tuple[int, ...] = (), logprobs: Any = None, encoded: Any = (), ended: str = "stop"
) -> SimpleNamespace:
    """What vLLM's RequestOutput holds of an answer, as far as it is read."""
    said = SimpleNamespace(text=text, token_ids=list(tokens), logprobs=logprobs, finish_reason=ended)
    return SimpleNamespace(outputs=[said], prompt_token_ids=list(encoded), num_cached_tokens=0)


def install(monkeypatch: Any, get_tokenizer: Callable[..., Any]) -> ModuleType:
    """`vrs_lmeval.vllm_model` beside a `vllm` without an engine: see `use`. `monkeypatch` puts all back."""
    parts = {name: ModuleType(name) for name in MODULES}
    vllm = parts["vllm"]
    vllm.__version__ = VERSION
    vllm.LLM, vllm.SamplingParams, vllm.TokensPrompt, vllm.TextPrompt = None, Params, dict, dict
    vllm.envs = SimpleNamespace(VLLM_BATCH_INVARIANT=False)
    cpu = SimpleNamespace(is_cuda=lambda: False, has_device_capability=lambda least: False, device_type="cpu")
    vllm.platforms = SimpleNamespace(current_platform=cpu)
    parts["vllm.lora.request"].LoRARequest = tuple
    parts["vllm.renderers.hf"].resolve_chat_template = lambda **settings: None
    parts["vllm.tokenizers"].get_tokenizer = get_tokenizer
    for name, module in parts.items():
        module.__spec__ = ModuleSpec(name, None)  # the harness looks whether vllm is there
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    for name in READ_AGAIN:
        monkeypatch.delitem(sys.modules, name, raising=False)
    others = {name: kind for name, kind in model_registry._objs.items() if name not in ("vllm", "vllm-vlm")}
    monkeypatch.setattr(model_registry, "_objs", others)
    installed = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: VERSION if name == "vllm" else installed(name))
    module = importlib.import_module("vrs_lmeval.vllm_model")
    for name in READ_AGAIN:  # put back what was there, or nothing
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    return module


def use(monkeypatch: Any, engine: Callable[..., Any]) -> None:
    """The harness's class makes this engine from now on."""
    monkeypatch.setattr(sys.modules["lm_eval.models.vllm_causallms"], "LLM", engine)
