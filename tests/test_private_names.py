"""Names of other packages that they do not promise to keep, and that we use all the same: each listed here with what it
serves, held to exist with the parameters that we pass; and a scan of the package, so that a new one must be listed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL import __version__ as pillow_version

pytestmark = pytest.mark.slow  # imports what the package uses of others, and reads all of its files

PACKAGE = Path(__file__).parent.parent / "vrs_lmeval"
LIBRARIES = {"lm_eval", "transformers", "PIL", "accelerate", "datasets", "torch", "torchvision"}
PUBLIC_MODULES = {"PIL.Image", "transformers.utils"}
"""Submodules that their packages document as places to import from; every other one must be listed by name."""


@dataclass(frozen=True, slots=True)
class Name:
    """`path`: module:qualified name. `serves`: what breaks without it. `parameters`: those we pass; "a|b": either one.

    `is_assigned`: an attribute that the class gives its instances, which the class itself does not show.
    """

    path: str
    ours: str
    serves: str
    parameters: tuple[str, ...] = ()
    is_assigned: bool = False


HARNESS_MODEL = "lm_eval.models.hf_vlms:HFMultimodalLM"
HARNESS_TASK = "lm_eval.api.task:ConfigurableTask"
PIL_BACKEND = "transformers.image_processing_backends:PilBackend"
TORCHVISION_BACKEND = "transformers.image_processing_backends:TorchvisionBackend"
MODELS = "transformers.models"

LAYOUT_RULES = (
    ("anyres", "llava_next", "select_best_resolution", "the canvas of an image", ("original_size",)),
    (
        "anyres",
        "llava_next",
        "get_patch_output_size",
        "the size on it",
        ("image", "target_resolution", "input_data_format"),
    ),
    ("anyres", "llava_onevision", "select_best_resolution", "the canvas of an image", ("original_size",)),
    (
        "anyres",
        "llava_onevision",
        "get_patch_output_size",
        "the size on it",
        ("image", "target_resolution", "input_data_format"),
    ),
    (
        "own_size",
        "pixtral",
        "get_resize_output_image_size",
        "the size of an image",
        ("input_image", "size", "patch_size", "input_data_format"),
    ),
    (
        "pixel_patches",
        "gemma4",
        "get_aspect_ratio_preserving_size",
        "the size of an image",
        ("height", "width", "patch_size", "max_patches", "pooling_kernel_size"),
    ),
    (
        "pixel_patches",
        "siglip2",
        "get_image_size_for_max_num_patches",
        "the size of an image",
        ("image_height", "image_width", "patch_size", "max_num_patches"),
    ),
    (
        "canvases",
        "mllama",
        "get_optimal_tiled_canvas",
        "the canvas of an image",
        ("image_height", "image_width", "max_image_tiles", "tile_size"),
    ),
    (
        "canvases",
        "mllama",
        "get_image_size_fit_to_canvas",
        "the size on it",
        ("image_height", "image_width", "canvas_height", "canvas_width", "tile_size"),
    ),
    *(
        (
            "chains",
            module,
            "get_resize_output_image_size",
            "the first size of a chain",
            ("image", "resolution_max_side"),
        )
        for module in ("idefics3", "smolvlm")
    ),
)
"""Functions of transformers that both backends of a model have: file, module, name, what for, parameters by name."""

TILE_SETTINGS = ("original_image_size", "target_tile_size", "min_image_tiles", "max_image_tiles")

NAMES = (
    # lm_eval: its class is our model's base, which encodes and generates.
    Name(HARNESS_MODEL, "model", "vrs-hf is this class", ("pretrained", "max_images", "image_string", "kwargs")),
    Name(
        f"{HARNESS_MODEL}.tok_batch_multimodal_encode",
        "asking/prompt_encoding",
        "vrs-hf encodes as the stock class",
        ("strings", "images", "left_truncate_len", "truncation"),
    ),
    Name(
        f"{HARNESS_MODEL}._model_multimodal_generate",
        "asking/text_answers",
        "vrs-hf generates as the stock class",
        ("inputs", "stop", "max_length", "generation_kwargs"),
    ),
    Name(f"{HARNESS_MODEL}._rank", "model", "CPU processes share the requests", is_assigned=True),
    Name(f"{HARNESS_MODEL}._world_size", "model", "CPU processes share the requests", is_assigned=True),
    Name(f"{HARNESS_MODEL}.batch_size_per_gpu", "asking/asker", "halving batches out of memory", is_assigned=True),
    Name(f"{HARNESS_MODEL}.chat_applied", "asking/prompt_encoding", "which image mark a prompt has", is_assigned=True),
    Name(f"{HARNESS_MODEL}._create_tokenizer", "model", "a missing package is named", ("pretrained",)),
    Name(f"{HARNESS_MODEL}._create_model", "model", "answers_from loads no weights", ("pretrained",)),
    Name(f"{HARNESS_MODEL}._model", "model", "answers_from loads no weights", is_assigned=True),
    Name(f"{HARNESS_MODEL}.image_token", "asking/prompt_groups", "where a prompt shows its image", is_assigned=True),
    Name(
        "lm_eval.models.hf_vlms:DEFAULT_IMAGE_PLACEHOLDER",
        "asking/prompt_groups",
        "the image mark without chat template",
    ),
    Name(
        "lm_eval.models.utils:handle_stop_sequences",
        "asking/text_answers",
        "answers end as the stock class's",
        ("until", "eos"),
    ),
    Name(
        "lm_eval.models.utils:resize_image",
        "asking/prompt_encoding",
        "image_width and its like are obeyed",
        ("image", "width", "height", "max_dimension"),
    ),
    Name("lm_eval.models.vllm_vlms:VLLM_VLM", "vllm_model", "vrs-vllm is this class"),
    Name("lm_eval.models.vllm_causallms:VLLM.modify_gen_kwargs", "vllm_model", "settings are passed on as there"),
    Name(
        "lm_eval.models.utils:postprocess_generated_text",
        "vllm_model",
        "thoughts are cut as there",
        ("generation", "stop", "think_end_token"),
    ),
    Name(
        "lm_eval.models.utils:replace_placeholders",
        "asking/engine_prompts",
        "which image mark a bare prompt has",
        ("string", "default_placeholder", "image_token", "max_images"),
    ),
    Name("lm_eval.models.openai_completions:LocalChatCompletion", "api_model", "vrs-api is this class"),
    Name("lm_eval.models.openai_completions:OpenAIChatCompletion", "api_model", "vrs-openai is this class"),
    Name(
        "lm_eval.models.openai_completions:LocalChatCompletion._create_payload",
        "api_model",
        "what is sent",
        ("messages", "generate", "gen_kwargs", "seed", "eos"),
    ),
    Name(
        "lm_eval.models.openai_completions:LocalChatCompletion.parse_generations",
        "api_model",
        "how answers are read",
        ("outputs",),
    ),
    *(
        Name(f"lm_eval.models.api_models:TemplateAPI.{name}", "api_model", "its argument is obeyed", is_assigned=True)
        for name in ("_concurrent", "_seed", "_eos_string", "base_url", "timeout", "verify_certificate", "ca_cert_path")
    ),
    Name("lm_eval.models.api_models:TemplateAPI.header", "api_model", "the key is sent"),
    Name(
        "lm_eval.models.api_models:JsonChatStr",
        "chat_servers/chat_messages",
        "how the harness hands on a chat",
        ("prompt",),
    ),
    # lm_eval: our task's base, and what the bridge amends.
    Name(HARNESS_TASK, "task", "every task of ours is this class", ("config",)),
    Name("lm_eval.api.instance:Instance", "task", "requests", ("request_type", "doc", "arguments", "idx", "metadata")),
    Name(f"{HARNESS_TASK}._instances", "task", "images are not encoded again for the log", is_assigned=True),
    Name(f"{HARNESS_TASK}.download", "task", "the harness lets a task load its data itself", ("dataset_kwargs",)),
    Name(f"{HARNESS_TASK}.build_all_requests", "task", "--cache_requests is left out", ("cache_requests",)),
    Name(f"{HARNESS_TASK}.construct_requests", "task", "one request a variant", ("doc", "ctx")),
    Name("lm_eval.api.registry:model_registry", "bridge", "lm_eval knows vrs-hf by name"),
    Name("lm_eval.api.registry:model_registry.register", "bridge", "lm_eval knows vrs-hf by name", ("target",)),
    Name("lm_eval.tasks.manager:TaskIndex.build", "bridge", "lm_eval knows our tasks by name", ("paths",)),
    Name("lm_eval.tasks:TaskManager", "commands/preview", "vrs preview", ("include_defaults", "include_path")),
    Name("lm_eval.tasks:TaskManager.load", "commands/preview", "vrs preview", ("task_list",)),
    Name(
        "lm_eval.tasks._yaml_loader:load_yaml", "benchmark/asked_tasks", "YAMLs are checked", ("path", "resolve_func")
    ),
    Name("lm_eval.config.task:TaskConfig", "benchmark/task_keys", "keys of YAMLs are checked", ("task",)),
    Name("lm_eval.tasks:TaskManager.all_tasks", "commands/study_tasks", "vrs study names what may be meant"),
    Name("lm_eval.tasks:TaskManager.match_tasks", "commands/study_tasks", "vrs study checks tasks", ("task_list",)),
    Name("lm_eval.tasks:TaskManager.task_index", "commands/study_tasks", "vrs study checks tasks"),
    Name(
        "lm_eval.utils:simple_parse_args_string", "commands/study_tasks", "whether answers are drawn", ("args_string",)
    ),
    Name(
        "lm_eval.utils:simple_parse_args_string", "benchmark/results_place", "the folder of results", ("args_string",)
    ),
    Name("lm_eval._cli.run:Run", "commands/study_checks", "vrs study checks options of lm_eval", ("subparsers",)),
    # transformers: caches and positions, for shared prefixes.
    Name("transformers.cache_utils:DynamicLayer", "asking/kept_prefixes", "kept prefixes"),
    Name(
        "transformers.cache_utils:DynamicSlidingWindowLayer",
        "asking/kept_prefixes",
        "kept prefixes",
        ("sliding_window",),
    ),
    Name("transformers.cache_utils:DynamicLayer.keys", "asking/kept_prefixes", "kept prefixes", is_assigned=True),
    Name("transformers.cache_utils:DynamicLayer.values", "asking/kept_prefixes", "kept prefixes", is_assigned=True),
    Name(
        "transformers.cache_utils:DynamicLayer.lazy_initialization",
        "asking/kept_prefixes",
        "room behind kept prefixes",
        ("key_states", "value_states"),
    ),
    Name(
        "transformers.cache_utils:DynamicLayer.update",
        "asking/kept_prefixes",
        "room behind kept prefixes",
        ("key_states", "value_states"),
    ),
    Name("transformers.cache_utils:DynamicCache", "asking/kept_prefixes", "kept prefixes", ("config",)),
    Name("transformers.cache_utils:DynamicCache.layers", "asking/kept_prefixes", "kept prefixes", is_assigned=True),
    Name(
        "transformers:GenerationMixin._prepare_position_ids_for_generation",
        "asking/kept_prefixes",
        "scoring after a kept prefix",
        ("inputs_tensor", "model_kwargs"),
    ),
    Name(
        "transformers:GenerationMixin.prepare_inputs_for_generation",
        "asking/kept_prefixes",
        "scoring after a kept prefix",
        ("input_ids", "next_sequence_length", "past_key_values|cache", "attention_mask"),
    ),
    Name(
        f"{MODELS}.qwen2_vl.modeling_qwen2_vl:Qwen2VLModel.rope_deltas",
        "asking/kept_prefixes",
        "positions after a kept prefix of Qwen's",
        is_assigned=True,
    ),
    Name(
        f"{MODELS}.llava.modeling_llava:LlavaModel.get_image_features",
        "asking/vision_features",
        "image features are computed once",
        ("pixel_values",),
    ),
    Name(
        "transformers:AutoModelForImageTextToText.from_pretrained",
        "asking/weight_report",
        "weights that a checkpoint lacks are named",
    ),
    Name(
        f"{MODELS}.llava.processing_llava:LlavaProcessor._get_num_multimodal_tokens",
        "asking/prompt_encoding",
        "the longest prompts are asked first",
        ("image_sizes",),
    ),
    Name(
        "transformers:PreTrainedConfig._attn_implementation",
        "asking/model_identity",
        "the key of kept answers names it",
    ),
    # transformers: image processors, whose bits the fused op gives.
    *(
        Name(f"{PIL_BACKEND}.{step}", "pixels/geometry", "an overridden step is noticed", parameters)
        for step, parameters in {
            "process_image": ("image", "do_convert_rgb", "input_data_format"),
            "convert_to_rgb": ("image",),
            "resize": ("image", "size", "resample"),
            "center_crop": ("image", "size"),
            "rescale": ("image", "scale"),
            "normalize": ("image", "mean", "std"),
            "_preprocess": ("images",),
        }.items()
    ),
    Name(f"{TORCHVISION_BACKEND}.rescale_and_normalize", "pixels/geometry", "an overridden step is noticed"),
    Name(
        f"{TORCHVISION_BACKEND}._fuse_mean_std_and_rescale_factor", "pixels/geometry", "an overridden step is noticed"
    ),
    Name(f"{PIL_BACKEND}._preprocess_image_like_inputs", "pixels/image_processors", 'backend="vrs" takes its place'),
    Name(
        f"{PIL_BACKEND}._prepare_images_structure",
        "pixels/image_processors",
        'backend="vrs" flattens with it',
        ("images",),
    ),
    Name(
        f"{MODELS}.llava.image_processing_pil_llava:LlavaImageProcessorPil.pad_to_square",
        "pixels/geometry",
        "LLaVA's pad",
    ),
    Name(f"{MODELS}.llava.image_processing_llava:LlavaImageProcessor.pad_to_square", "pixels/geometry", "LLaVA's pad"),
    Name(
        f"{MODELS}.gemma3.image_processing_gemma3:Gemma3ImageProcessor._preprocess",
        "pixels/geometry",
        "Gemma 3's steps",
    ),
    Name(
        f"{MODELS}.clip.image_processing_pil_clip:CLIPImageProcessorPil",
        "pixels/image_processors",
        "a base of ours",
    ),
    Name(
        f"{MODELS}.gemma3.image_processing_pil_gemma3:Gemma3ImageProcessorPil",
        "pixels/image_processors",
        "a base of ours",
    ),
    Name(
        f"{MODELS}.llava.image_processing_pil_llava:LlavaImageProcessorPil",
        "pixels/image_processors",
        "a base of ours",
    ),
    Name(
        f"{MODELS}.siglip.image_processing_pil_siglip:SiglipImageProcessorPil",
        "pixels/image_processors",
        "a base of ours",
    ),
    *(
        Name(
            f"{MODELS}.{module}.image_processing_pil_{module}:{kind}Pil",
            "pixels/image_processors",
            "a base of ours",
        )
        for module, kind in (
            ("qwen2_vl", "Qwen2VLImageProcessor"),
            ("glm4v", "Glm4vImageProcessor"),
            ("got_ocr2", "GotOcr2ImageProcessor"),
            ("llava_next", "LlavaNextImageProcessor"),
            ("llava_onevision", "LlavaOnevisionImageProcessor"),
            ("pixtral", "PixtralImageProcessor"),
            ("gemma4", "Gemma4ImageProcessor"),
            ("siglip2", "Siglip2ImageProcessor"),
            ("mllama", "MllamaImageProcessor"),
            ("idefics3", "Idefics3ImageProcessor"),
            ("smolvlm", "SmolVLMImageProcessor"),
        )
    ),
    *(
        Name(
            f"{MODELS}.{module}.image_processing_{infix}{module}:{name}",
            "pixels/layouts/patches",
            "the size of a Qwen-VL image",
            ("height", "width", "factor", "min_pixels", "max_pixels"),
        )
        for infix in ("", "pil_")
        for module, name in (("qwen2_vl", "smart_resize"), ("glm4v", "smart_resize"), ("glm46v", "smart_resize"))
    ),
    *(
        Name(
            f"{MODELS}.{module}:{rule}",
            "pixels/layouts/tiles",
            "the tiles of an image",
            parameters,
        )
        for infix in ("", "pil_")
        for module, rule, parameters in (
            (f"got_ocr2.image_processing_{infix}got_ocr2", "get_optimal_tiled_canvas", TILE_SETTINGS),
            (f"ovis2.image_processing_{infix}ovis2", "get_optimal_tiled_canvas", TILE_SETTINGS),
            (
                f"ovis2.image_processing_{infix}ovis2",
                "get_min_tile_covering_grid",
                ("target_patch_size", "max_image_tiles", "covering_threshold"),
            ),
        )
    ),
    Name(
        f"{MODELS}.cohere2_vision.image_processing_cohere2_vision:get_optimal_tiled_canvas",
        "pixels/layouts/tiles",
        "the tiles of an image",
        TILE_SETTINGS,
    ),
    *(
        Name(f"{MODELS}.{module}.image_processing_{infix}{module}:{rule}", f"pixels/layouts/{file}", what, parameters)
        for infix in ("", "pil_")
        for file, module, rule, what, parameters in LAYOUT_RULES
    ),
    *(
        Name(
            f"{MODELS}.{module}.image_processing_{infix}{module}:{kind}{suffix}.resize_for_vision_encoder",
            "pixels/layouts/chains",
            "the second size of a chain",
            ("image", "vision_encoder_max_size", "resample"),
        )
        for infix, suffix in (("", ""), ("pil_", "Pil"))
        for module, kind in (("idefics3", "Idefics3ImageProcessor"), ("smolvlm", "SmolVLMImageProcessor"))
    ),
    *(
        Name(
            f"{MODELS}.lfm2_vl.image_processing_lfm2_vl:Lfm2VlImageProcessor.{rule}",
            "pixels/layouts/patched_tiles",
            "the tiles and sizes of an image",
            parameters,
        )
        for rule, parameters in (
            ("_get_grid_layout", ("height", "width", "min_tiles", "max_tiles", "tile_size")),
            (
                "_is_image_too_large",
                (
                    *("height", "width", "max_image_tokens", "encoder_patch_size", "downsample_factor"),
                    "max_pixels_tolerance",
                ),
            ),
            (
                "smart_resize",
                (
                    *("height", "width", "downsample_factor", "min_image_tokens", "max_image_tokens"),
                    "encoder_patch_size",
                ),
            ),
        )
    ),
    *(
        Name("transformers.image_utils:ChannelDimension", f"pixels/layouts/{file}", "what a size rule is told")
        for file in ("anyres", "own_size")
    ),
    *(
        Name(f"{MODELS}.mllama.image_processing_mllama:{rule}", "pixels/layouts/canvases", "the tiles of an image")
        for rule in ("convert_aspect_ratios_to_ids", "build_aspect_ratio_mask")
    ),
    Name(
        "transformers:AutoImageProcessor.register",
        "pixels/image_processors",
        'backend="vrs"',
        ("config_class", "image_processor_classes", "exist_ok"),
    ),
    # Pillow: a lazy image is an image whose pixel memory is asked for, and memory is read where it lies.
    Name("PIL.Image:Image._mode", "variants/variant_image", "lazy images", is_assigned=True),
    Name("PIL.Image:Image._size", "variants/variant_image", "lazy images", is_assigned=True),
    Name("PIL.Image:Image._im", "variants/rules", "lazy images", is_assigned=True),
    Name("PIL.Image:Image.im", "variants/rules", "lazy images"),
    Name("PIL.Image:Image.readonly", "variants/variant_image", "lazy images share their pixels", is_assigned=True),
    Name("PIL.Image:core.set_block_size", "benchmark/decoding", "large images lie in one block"),
    Name("PIL.Image:core.get_block_size", "benchmark/decoding", "a larger setting stays"),
    Name("PIL.Image:Image.__arrow_c_array__", "pixels/rgb_pixels", "images are not copied (from Pillow 11.2 on)"),
    Name("accelerate.utils.memory:should_reduce_batch_size", "asking/asker", "batches are halved", ("exception",)),
    Name(
        "datasets.packaged_modules.parquet.parquet:ParquetConfig",
        "benchmark/training_text",
        "only the columns of questions and answers are fetched",
        ("columns",),
    ),
)
NEEDS = {
    "lm_eval.models.vllm_vlms": "vllm",
    "lm_eval.models.vllm_causallms": "vllm",
    "transformers.models.llava.image_processing_llava": "torchvision",
    "transformers.models.gemma3.image_processing_gemma3": "torchvision",
    "transformers.models.qwen2_vl.image_processing_qwen2_vl": "torchvision",
    "transformers.models.glm4v.image_processing_glm4v": "torchvision",
    "transformers.models.glm46v.image_processing_glm46v": "torchvision",
    "transformers.models.got_ocr2.image_processing_got_ocr2": "torchvision",
    "transformers.models.ovis2.image_processing_ovis2": "torchvision",
    "transformers.models.cohere2_vision.image_processing_cohere2_vision": "torchvision",
}
"""Modules that import what tests may lack; without it their source is read."""
NOT_BEFORE = {"PIL.Image:Image.__arrow_c_array__": (11, 2)}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_it_exists_as_we_use_it(name: Name):
    told = f"{name.path} is gone or changed; vrs_lmeval/{name.ours}.py uses it: {name.serves}"
    module, _, qualified = name.path.partition(":")
    if name.path in NOT_BEFORE and installed_pillow() < NOT_BEFORE[name.path]:
        pytest.skip(f"this Pillow is older than {NOT_BEFORE[name.path]}")
    if module in NEEDS and not can_import(NEEDS[module]):
        assert qualified.split(".")[-1] in read_definitions(module), told
        return
    owner: Any = import_module(module)
    *parents, last = qualified.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    if name.is_assigned:
        assert last in names_of(owner), told
        return
    assert hasattr(owner, last), told
    taken = list(inspect.signature(getattr(owner, last)).parameters) if name.parameters else []
    for parameter in name.parameters:
        assert set(parameter.split("|")) & set(taken), f"{told}, with {parameter}; it takes {taken}"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_it_is_still_used_where_the_list_says(name: Name):
    last = name.path.partition(":")[2].split(".")[-1]
    assert last in (PACKAGE / f"{name.ours}.py").read_text(), f"{name.ours}.py does without it: take it off the list"


def test_pillows_pixel_memory_gives_access_to_pixels():
    """Its class has no name that could be listed; lazy images ask it for what `load` returns."""
    image = Image.new("RGB", (1, 1), (1, 2, 3))
    assert image.im.pixel_access(image.readonly)[0, 0] == (1, 2, 3)


def installed_pillow() -> tuple[int, ...]:
    return tuple(int(part) for part in pillow_version.split(".")[:2])


@cache
def can_import(package: str) -> bool:
    try:
        return import_module(package).__file__ is not None  # a mere folder of that name is no package
    except Exception:  # a torchvision beside another build of torch raises RuntimeError
        return False


def read_definitions(module: str) -> set[str]:
    """Names of all classes and functions in its source."""
    spec = find_spec(module)
    assert spec is not None, module
    assert spec.origin is not None, module
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def names_of(kind: type) -> set[str]:
    """What a class and its bases define or assign to `self`."""
    found: set[str] = set()
    for base in kind.__mro__[:-1]:
        found |= set(vars(base)) | set(getattr(base, "__annotations__", ()))
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):  # a class without source
            continue
        found |= assigned_to_self(ast.parse(inspect.cleandoc("if True:\n" + source) if source[0] == " " else source))
    return found


def assigned_to_self(tree: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def our_files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


LISTED = {name.path.partition(":")[2].split(".")[-1] for name in NAMES}
LISTED_IMPORTS = {tuple(name.path.partition(":")[::2]) for name in NAMES}


def test_every_import_from_inside_another_package_is_listed():
    missing = []
    for file, tree in our_files():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] not in LIBRARIES:
                continue
            is_inside = "." in str(node.module) and node.module not in PUBLIC_MODULES
            for alias in node.names:
                is_whole_module = find_module(f"{node.module}.{alias.name}")
                if (is_inside and not is_whole_module) or is_private(alias.name):
                    missing += [f"{file}: {node.module}:{alias.name}"] * (
                        (node.module, alias.name) not in LISTED_IMPORTS
                    )
    assert not missing, "list them in NAMES"


def find_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def test_every_private_attribute_of_something_not_ours_is_listed():
    defined = {
        name
        for _, tree in our_files()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Name)
        for name in [node.id if isinstance(node, ast.Name) else node.name]
    }.union(*(assigned_to_self(tree) for _, tree in our_files()))
    missing = []
    for file, tree in our_files():
        for node in ast.walk(tree):
            name = read_attribute(node)
            if name and is_private(name) and name not in LISTED | defined:
                missing.append(f"{file}: {name}")
    assert not missing, "list them in NAMES"


def read_attribute(node: ast.AST) -> str | None:
    """The attribute that `x.name`, `getattr(x, "name")` and `hasattr(x, "name")` read."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
        name = node.args[1]
        return str(name.value) if isinstance(name, ast.Constant) else None
    return None


SUBCLASSES = {
    "model": ("VrsHF",),
    "api_model": ("VrsAPI", "VrsOpenAI"),
    "task": ("VrsTask",),
    "variants/variant_image": ("VariantImage",),
    "asking/kept_prefixes": ("RoomyLayer",),
    "asking/weight_report": ("ReportingAutoModel",),
    "pixels/image_processors": (
        "CLIPImageProcessor",
        "SiglipImageProcessor",
        "LlavaImageProcessor",
        "Gemma3ImageProcessor",
        "Qwen2VLImageProcessor",
        "Glm4vImageProcessor",
        "GotOcr2ImageProcessor",
        "LlavaNextImageProcessor",
        "LlavaOnevisionImageProcessor",
        "PixtralImageProcessor",
        "Gemma4ImageProcessor",
        "Siglip2ImageProcessor",
        "MllamaImageProcessor",
        "Idefics3ImageProcessor",
        "SmolVLMImageProcessor",
    ),
}


@pytest.mark.parametrize(("module", "name"), [(m, name) for m, names in SUBCLASSES.items() for name in names])
def test_what_a_subclass_of_theirs_overrides_or_assigns_is_listed(module, name):
    """Names alike that are not meant for each other show here too: a clash breaks the class behind."""
    kind = getattr(import_module(f"vrs_lmeval.{module.replace('/', '.')}"), name)
    ours: set[str] = set()
    theirs: set[str] = set()
    for base in kind.__mro__[:-1]:
        if base.__module__.startswith("vrs_lmeval"):
            ours |= set(vars(base)) | assigned_to_self(ast.parse(inspect.getsource(base)))
        elif base.__module__.split(".")[0] in LIBRARIES:
            theirs |= names_of(base)
    assert {name for name in ours & theirs if is_private(name)} - LISTED <= {"_abc_impl"}


def test_every_subclass_of_theirs_is_held_so():
    found = {
        (file.removesuffix(".py"), node.name)
        for file, tree in our_files()
        for imported in [{alias.asname or alias.name for alias in library_imports(tree)}]
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).split(".")[0] in imported for base in node.bases)
    }
    held = {(module, name) for module, names in SUBCLASSES.items() for name in names}
    assert found - {("vllm_model", "VrsVLLM"), ("pixels/torch_op", "Preprocess")} == held  # needs vllm; no privates


def library_imports(tree: ast.AST) -> Iterator[ast.alias]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            yield from node.names
        elif isinstance(node, ast.Import):
            yield from (alias for alias in node.names if alias.name.split(".")[0] in LIBRARIES)
