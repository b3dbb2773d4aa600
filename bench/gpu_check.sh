#!/usr/bin/env bash
# Checks and times the CUDA backend on a machine with a GPU, from the repository root: OUT=folder bench/gpu_check.sh
#
# Builds into an environment of its own; then runs the parity tests on the device, compute-sanitizer and the benchmark.
# Writes to $OUT (default: gpu_check): gpu_check.log, summary.md with a line for each step, gpu_table.md with the times.
# Exits with 1 if a step failed or could not run.
#
# Needs python3 and nvcc. If python3 has torch and what the build needs, nothing is fetched; otherwise pip installs it.
# CMAKE_ARGS=-DCMAKE_CUDA_ARCHITECTURES=90-real builds for one target alone, which is quicker.
# VRS_GPU_CHECK_STEPS="tests sanitizer benchmark" lists all steps; name fewer on a machine that is lent for minutes.
# VRS_GPU_CHECK_TRIAL=1 tries the script without a GPU.
set -euo pipefail

cd "$(dirname "$0")/.."
repository=$PWD
out=${OUT:-gpu_check}
mkdir -p "$out"
out=$(cd "$out" && pwd)
steps=${VRS_GPU_CHECK_STEPS:-tests sanitizer benchmark}
trial=${VRS_GPU_CHECK_TRIAL:-}
device=cuda:0
[[ -z $trial ]] || device=cpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$work/venv/bin/python
summary=$out/summary.md
failed=0

say() { printf '\n=== %s\n' "$*"; }

record() { # step, result
  printf '| %s | %s |\n' "$1" "$2" >>"$summary"
  say "$1: $2"
}

give_up() { # step, reason
  record "$1" "**FAILED**: $2"
  exit 1
}

# Runs a step's command; goes on after a failure, which the script's own exit status keeps.
step() { # name, command ...
  local name=$1 begin=$SECONDS
  shift
  say "$name: $*"
  if "$@"; then
    record "$name" "passed in $((SECONDS - begin)) s"
  else
    record "$name" "**FAILED** with status $?"
    failed=1
  fi
}

not_run() { # name, reason: as bad as a failure, except in a trial
  record "$1" "**NOT RUN**: $2"
  [[ -n $trial ]] || failed=1
}

describe_machine() {
  local gpu="no nvidia-smi"
  if command -v nvidia-smi >/dev/null; then
    gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1) || gpu="nvidia-smi: $gpu"
  fi
  {
    printf '# GPU check\n\n'
    [[ -z $trial ]] || printf '**A trial without a GPU: nothing here was run on one.**\n\n'
    echo "Device: $gpu. $(python3 --version), $(nvcc --version 2>/dev/null | grep release || echo 'no nvcc')," \
      "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%F)."
    printf '\n| step | result |\n|---|---|\n'
  } >"$summary"
  cat "$summary"
}

has_modules() {
  python3 -c 'import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))' "$@"
}

install() {
  local begin=$SECONDS modules=(torch numpy PIL transformers scipy hypothesis pytest pybind11 scikit_build_core)
  command -v nvcc >/dev/null ||
    give_up install "no nvcc on this machine: without it there is no CUDA backend, and nothing to check"
  export CMAKE_ARGS="-DVRS_CUDA=ON ${CMAKE_ARGS:-}"
  if has_modules "${modules[@]}"; then
    # Not --system-site-packages: if python3 belongs to a virtual environment, that would show other packages.
    python3 -m venv --without-pip "$work/venv"
    python3 -c 'import sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))' \
      >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/parent.pth"
    python3 -m pip --python "$python" install -q --no-deps --no-build-isolation --no-index --ignore-installed . ||
      give_up install "the build failed, see gpu_check.log"
  else
    python3 -m venv "$work/venv" || give_up install "python3 cannot make a virtual environment"
    "$python" -m pip install -q . pytest hypothesis pybind11 ||
      give_up install "python3 lacks one of ${modules[*]}, and pip could not install them"
  fi
  record install "passed in $((SECONDS - begin)) s"
}

find_device() {
  local found program='
from vrs_lmeval.pixels.preprocess import build_info, count_devices
number, reason = count_devices()
print(build_info(), reason or f"{number} device(s)", sep="; ")
raise SystemExit(number == 0)'
  # Not in the repository: the package's folder there has no extension.
  if found=$(cd "$work" && "$python" -c "$program" 2>&1); then
    record "the extension finds a device" "$found"
  elif [[ -n $trial ]]; then
    not_run "the extension finds a device" "$found"
  else
    give_up "the extension finds a device" "$found"
  fi
}

test_on_device() ( # a shell of its own, for its folder and environment
  # -W default: our tests treat warnings as errors, and other versions of torch give other warnings.
  cd "$work"
  [[ -n $trial ]] || export VRS_REQUIRE_GPU=1
  "$python" -m pytest -q -W default -p no:cacheprovider -c "$repository/pyproject.toml" \
    "$repository/tests/pixels/test_cuda_device.py"
)

run_every_kind() {
  "$python" bench/sanitize_cuda.py "$device"
}

sanitize() { # tool
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$1" --error-exitcode 66 --report-api-errors no \
    "$python" bench/sanitize_cuda.py "$device"
}

sanitize_all() {
  local tool
  for tool in memcheck racecheck synccheck initcheck; do
    if [[ -n $trial ]]; then
      not_run "compute-sanitizer $tool" "a trial without a GPU"
    elif command -v compute-sanitizer >/dev/null; then
      step "compute-sanitizer $tool" sanitize "$tool"
    else
      not_run "compute-sanitizer $tool" "no compute-sanitizer on this machine"
    fi
  done
}

main() {
  describe_machine
  install
  find_device
  if [[ $steps == *tests* ]]; then
    if [[ -n $trial ]]; then
      step "parity tests (a trial: they skip)" test_on_device
    else
      step "parity tests on the device" test_on_device
    fi
    step "every kind against the CPU" run_every_kind
  fi
  [[ $steps != *sanitizer* ]] || sanitize_all
  [[ $steps != *benchmark* ]] ||
    step "benchmark" "$python" bench/bench_cuda.py --device "$device" --output "$out/gpu_table.md"
  if [[ $failed != 0 ]]; then
    say "NOT EVERY STEP PASSED"
  elif [[ -n $trial ]]; then
    say "a trial: what runs without a GPU passed, nothing was checked on one"
  else
    say "every step passed"
  fi
  cat "$summary"
  return "$failed"
}

main 2>&1 | tee "$out/gpu_check.log"
