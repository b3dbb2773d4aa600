"""Vision-language architectures as models of some thousand random weights, each with its own processor and prompts."""

from support.architectures.gemma import GEMMA_FAMILY
from support.architectures.idefics import IDEFICS_FAMILY
from support.architectures.llama import LLAMA_FAMILY
from support.architectures.llava import LLAVA_FAMILY
from support.architectures.others import OTHERS
from support.architectures.parts import Architecture
from support.architectures.qwen import QWEN_FAMILY
from support.architectures.tiled import TILED_FAMILY

ARCHITECTURES: dict[str, Architecture] = {
    **LLAVA_FAMILY,
    **QWEN_FAMILY,
    **GEMMA_FAMILY,
    **IDEFICS_FAMILY,
    **TILED_FAMILY,
    **LLAMA_FAMILY,
    **OTHERS,
}
