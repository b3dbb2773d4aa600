"""Any arguments of the extension's functions: it answers as the naive twin does, or raises TypeError or ValueError."""

from hypothesis import given
from hypothesis import strategies as st
from support.binding_calls import call_once
from support.fuzzing import for_a_round_or_longer, repeat, search

from vrs_lmeval import _native


@for_a_round_or_longer
def test_any_call_is_answered_or_refused(seconds):
    @search
    @given(st.randoms(use_true_random=False))
    def a_round(draw):
        call_once(_native, draw)

    repeat(a_round, seconds)
