# vrs_lmeval with torch, and the op's CPU backend. Linted (hadolint), not built yet: no daemon was at hand.
#   docker build -t vrs_lmeval .
#   docker run --rm -v "$PWD:/results" --user "$(id -u)" vrs_lmeval demo
# Torch comes as pip has it, for CUDA (docker run --gpus all). --build-arg TORCH_INDEX=URL takes another build: for CPUs alone, 3 GB less,
# the address that pytorch.org shows under "Start locally".
# Data and models lie outside: -v DIR:/data:ro -e VRS_DATA_DIR=/data -v CACHE:/cache (of the Hugging Face hub)

FROM python:3.13-slim AS build
# hadolint ignore=DL3008 # whichever compiler the image's Debian has
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY . /sources
# CMake and ninja come from pip, by scikit-build-core.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels --config-settings=cmake.define.VRS_CUDA=OFF /sources

FROM python:3.13-slim
ARG TORCH_INDEX
# hadolint ignore=DL3013 # the newest that pyproject.toml allows, as pip gives everyone
RUN pip install --no-cache-dir torch torchvision ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[models,dicom]" \
    && install -d -m 1777 /results /cache
# Any user may run it, with no home of its own.
ENV HOME=/tmp HF_HOME=/cache
USER 1000
WORKDIR /results
ENTRYPOINT ["vrs"]
CMD ["--help"]
