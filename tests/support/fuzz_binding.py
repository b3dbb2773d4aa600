"""A program: loads a build of the extension, makes drawn calls of its binding (`binding_calls.py`), prints how many.

Arguments: the extension's path, how many calls, a seed, how many seconds at most. For a build with sanitizers, whose
library has to come first in a process.
"""

import random
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location

path, count, seed, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
spec = spec_from_file_location("vrs_lmeval._native", path)
assert spec is not None
assert spec.loader is not None
native = sys.modules["vrs_lmeval._native"] = module_from_spec(spec)
spec.loader.exec_module(native)

from support.binding_calls import call_once  # noqa: E402 - the extension comes first

calls, number, end = 0, 0, time.monotonic() + seconds
while calls < count and time.monotonic() < end:
    key = f"{seed} {number}"
    try:
        calls += call_once(native, random.Random(key))
    except Exception as error:
        raise AssertionError(f"call_once(native, random.Random({key!r}))") from error
    number += 1
sys.stdout.write(f"{calls} calls of the binding\n")
