#!/usr/bin/env bash
# Checks and times the CUDA backend on a machine with a GPU, from the repository root: OUT=folder bench/gpu_check.sh
#
# Made for a device that is there for fifteen minutes: the steps that tell most come first, each has a time limit, and
# what was measured before a limit is kept. Writes to $OUT (default: gpu_check): gpu_check.log, summary.md with a line for
# each step, gpu_table.md with the times, ncu_table.md with each launch's executed instructions.
# Exits with 1 if a step failed or could not run.
#
# VRS_WHEEL=path installs this wheel, so that nothing is compiled there: `make gpu-wheel PYTHON=python3.12` builds one for
# that Python and for one architecture. Without it, nvcc is needed and compiles; nothing is fetched where python3 has
# torch, what the tests need and new enough build tools.
# VRS_GPU_CHECK_STEPS names the steps; "smoke benchmark tests memcheck racecheck ncu" if unset. More: compile, synccheck,
# initcheck.
# VRS_GPU_CHECK_PATIENCE=3 multiplies the limits, for a slow device or a busy machine.
# VRS_GPU_CHECK_TRIAL=1 tries the script without a GPU.
set -euo pipefail

cd "$(dirname "$0")/.."
repository=$PWD
wheel=${VRS_WHEEL:+$(realpath "$VRS_WHEEL")}
out=${OUT:-gpu_check}
mkdir -p "$out"
out=$(cd "$out" && pwd)
steps=" ${VRS_GPU_CHECK_STEPS:-smoke benchmark tests memcheck racecheck ncu} "
patience=${VRS_GPU_CHECK_PATIENCE:-1}
trial=${VRS_GPU_CHECK_TRIAL:-}
device=cuda:0
[[ -z $trial ]] || device=cpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$work/venv/bin/python
summary=$out/summary.md
failed=0

# The summary alone tells what a run was worth.
if [[ -n $trial ]]; then passed="ran without a GPU"; else passed="passed"; fi

say() { printf '\n=== %s\n' "$*"; }

record() { # step, result
  printf '| %s | %s |\n' "$1" "$2" >>"$summary"
  say "$1: $2"
}

give_up() { # step, reason
  record "$1" "**FAILED**: $2"
  exit 1
}

not_run() { # name, reason: as bad as a failure, except in a trial
  record "$1" "**NOT RUN**: $2"
  [[ -n $trial ]] || failed=1
}

is_asked_for() { [[ $steps == *" $1 "* ]]; }

# Runs a step's command within its limit; goes on after a failure, which the script's own exit status keeps.
step() { # name, seconds, command ...
  local name=$1 limit=$(($2 * patience)) begin=$SECONDS status=0
  shift 2
  say "$name, at most $limit s: $*"
  timeout --kill-after=5 "$limit" "$@" || status=$?
  case $status in
    0) record "$name" "$passed in $((SECONDS - begin)) s" ;;
    124 | 137) record "$name" "**STOPPED** after $limit s, its limit" && failed=1 ;;
    *) record "$name" "**FAILED** with status $status" && failed=1 ;;
  esac
}

describe_machine() {
  local gpu="no nvidia-smi"
  if command -v nvidia-smi >/dev/null; then
    gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1) || gpu="nvidia-smi: $gpu"
  fi
  {
    printf '# GPU check\n\n'
    [[ -z $trial ]] || printf '**A trial without a GPU: nothing here was checked on one.**\n\n'
    echo "Device: $gpu. $(python3 --version), $(nvcc --version 2>/dev/null | grep release || echo 'no nvcc')," \
      "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%F)."
    printf '\n| step | result |\n|---|---|\n'
  } >"$summary"
  cat "$summary"
}

# The modules that python3 lacks.
find_missing() {
  python3 -c 'import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m) is None))' "$@"
}

# The build tools of pyproject.toml that python3 has not or not new enough, as "scikit-build-core 0.11.6 (1.1 is needed)".
find_old_tools() {
  python3 - <<'END'
import re
from importlib.metadata import PackageNotFoundError, version

requires = re.search(r"^requires = \[(.*)\]", open("pyproject.toml", encoding="utf-8").read(), re.MULTILINE)[1]
old = []
for name, wanted in re.findall(r'"([\w-]+)>=([\d.]+)"', requires):
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "missing"
    numbers = re.match(r"[\d.]*\d|", found)[0]
    if not numbers or [*map(int, numbers.split("."))] < [*map(int, wanted.split("."))]:
        old.append(f"{name} {found} ({wanted} is needed)")
print(", ".join(old))
END
}

# An environment that shows python3's packages. Not --system-site-packages: if python3 belongs to a virtual environment,
# that would show other ones.
make_environment() {
  python3 -m venv --without-pip "$work/venv"
  site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  python3 -c 'import sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))' >"$site/parent.pth"
}

install_wheel() {
  local tag
  tag=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  [[ -f $wheel ]] || give_up install "VRS_WHEEL: there is no $wheel"
  [[ $wheel == *"-$tag-$tag-"* ]] || give_up install "the wheel $(basename "$wheel") is not for python3, which is $tag"
  local missing
  missing=$(find_missing "${needed[@]}")
  [[ -z $missing ]] || give_up install "python3 lacks $missing"
  make_environment
  python3 -m zipfile -e "$wheel" "$site" || give_up install "the wheel cannot be unpacked"
}

install_sources() {
  local missing old
  command -v nvcc >/dev/null ||
    give_up install "no nvcc on this machine and no VRS_WHEEL: there is no CUDA backend, and nothing to check"
  export CMAKE_ARGS="-DVRS_CUDA=ON ${CMAKE_ARGS:-}"
  missing=$(find_missing "${needed[@]}")
  old=$(find_old_tools)
  if [[ -n $missing ]]; then
    python3 -m venv "$work/venv" || give_up install "python3 cannot make a virtual environment"
    "$python" -m pip install -q . "${tested_by[@]}" ||
      give_up install "python3 lacks $missing, and pip could not install all; make gpu-wheel elsewhere, and VRS_WHEEL"
    return
  fi
  make_environment
  local ready=(--no-build-isolation --no-index)
  if [[ -n $old ]]; then
    say "python3 has $old: pip is to fetch build tools"
    ready=()
  fi
  python3 -m pip --python "$python" install -q --no-deps --ignore-installed "${ready[@]}" . ||
    give_up install "${old:+python3 has $old; }the build failed, see gpu_check.log; make gpu-wheel elsewhere, and VRS_WHEEL"
}

install() {
  local begin=$SECONDS needed=(torch numpy PIL transformers scipy hypothesis pytest filelock)
  local tested_by=(pytest hypothesis filelock pybind11)
  if [[ -n $wheel ]]; then install_wheel; else install_sources; fi
  record install "$passed in $((SECONDS - begin)) s${wheel:+, from $(basename "$wheel")}"
}

find_device() {
  local found program='
from vrs_lmeval.pixels.preprocess import build_info, count_devices
info = build_info()
number, reason = count_devices()
print(info, reason or f"{number} device(s)", sep="; ")
raise SystemExit(number == 0 if "cuda" in info["backends"] else 2)'
  local status=0
  # Not in the repository: the package's folder there has no extension.
  found=$(cd "$work" && "$python" -c "$program" 2>&1) || status=$?
  if [[ $status == 0 ]]; then
    record "the extension finds a device" "$found"
  elif [[ $status == 1 && -n $trial && $found != *Traceback* ]]; then
    not_run "the extension finds a device" "$found"
  else
    give_up "the extension finds a device" "$found"
  fi
}

# pytest in a folder without the package's sources. -W default: our tests treat warnings as errors, and other versions of
# torch give other warnings.
test_on_device() { # name, seconds, which tests
  local command=("$python" -m pytest -q -W default -p no:cacheprovider -c "$repository/pyproject.toml" -k "$3"
    "$repository/tests/pixels/test_cuda_device.py")
  local required=1
  [[ -z $trial ]] || required=0
  step "$1" "$2" env -C "$work" VRS_REQUIRE_GPU="$required" "${command[@]}"
}

sanitize() { # tool
  if [[ -n $trial ]]; then
    not_run "compute-sanitizer $1" "a trial without a GPU"
  elif command -v compute-sanitizer >/dev/null; then
    step "compute-sanitizer $1" 90 env PYTORCH_NO_CUDA_MEMORY_CACHING=1 \
      compute-sanitizer --tool "$1" --error-exitcode 66 --report-api-errors no \
      "$python" bench/sanitize_cuda.py "$device"
  else
    not_run "compute-sanitizer $1" "no compute-sanitizer on this machine"
  fi
}

# The clocks stay as they are: they are the machine's.
count_instructions() {
  local metrics=gpu__time_duration.sum,smsp__inst_executed.sum,dram__bytes.sum,launch__registers_per_thread
  if [[ -n $trial ]]; then
    not_run "ncu" "a trial without a GPU"
  elif command -v ncu >/dev/null; then
    step "ncu" 60 ncu --clock-control none --metrics "$metrics" --csv --log-file "$out/ncu.csv" \
      --kernel-name 'regex:resample|blur|average_cells|sum_channels|map_contrasts' \
      "$python" bench/bench_cuda.py --once --device "$device"
    "$python" bench/ncu_table.py "$out/ncu.csv" >"$out/ncu_table.md" || not_run "the table of ncu" "see ncu.csv"
  else
    not_run "ncu" "no ncu on this machine"
  fi
}

main() {
  local tests="parity tests on the device" tool
  [[ -z $trial ]] || tests="parity tests (a trial: they skip)"
  describe_machine
  install
  find_device
  ! is_asked_for smoke || step "every kind against the CPU" 60 "$python" bench/sanitize_cuda.py "$device"
  ! is_asked_for benchmark ||
    step "benchmark" 120 "$python" bench/bench_cuda.py --rounds 31 --device "$device" --output "$out/gpu_table.md"
  ! is_asked_for tests || test_on_device "$tests" 120 "not torch_compile"
  for tool in memcheck racecheck; do
    ! is_asked_for $tool || sanitize $tool
  done
  ! is_asked_for ncu || count_instructions
  ! is_asked_for compile || test_on_device "$tests: torch.compile" 120 torch_compile
  for tool in synccheck initcheck; do
    ! is_asked_for $tool || sanitize $tool
  done
  if [[ $failed != 0 ]]; then
    say "NOT EVERY STEP PASSED"
  elif [[ -n $trial ]]; then
    say "a trial: what runs without a GPU ran, NOTHING WAS CHECKED ON A GPU"
  else
    say "every step passed"
  fi
  cat "$summary"
  return "$failed"
}

main 2>&1 | tee "$out/gpu_check.log"
