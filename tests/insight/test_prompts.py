"""Prompts: windows that do not overlap, of the kind that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.insight import choose_prompts

MACROSTATES = np.array([0, 0, 1, 1])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=5).filter(lambda lengths: max(lengths) >= 120),
    n_frames=st.integers(1, 9),
    n_prompts=st.integers(8, 60),
    ends=st.sampled_from(["any", "mixed", "transition", "stay"]),
    seed=st.integers(0, 2**31),
)
def test_prompts_are_windows_apart_with_the_token_that_follows(lengths, n_frames, n_prompts, ends, seed):
    rng = np.random.default_rng(seed)
    dtrajs = [rng.integers(0, 4, length) for length in lengths]
    try:
        prompts = choose_prompts(dtrajs, n_frames, n_prompts, ends, MACROSTATES, seed)
    except DataError as error:
        if "at least 8" not in str(error):
            raise
        return
    assert 8 <= len(prompts) <= n_prompts and prompts.tokens.shape == (len(prompts), n_frames)
    used = [np.zeros(length, dtype=int) for length in lengths]
    for tokens, following, moves, k, last in zip(*vars(prompts).values()):
        assert np.array_equal(dtrajs[k][last - n_frames + 1 : last + 1], tokens) and dtrajs[k][last + 1] == following
        assert moves == (MACROSTATES[tokens[-1]] != MACROSTATES[following])
        used[k][last - n_frames + 1 : last + 2] += 1
    assert max(counts.max() for counts in used) == 1
    if ends in ("transition", "stay"):
        assert (prompts.is_transition == (ends == "transition")).all()


def test_a_mixture_has_half_transitions_where_there_are_so_many_and_any_has_as_many_as_there_are():
    rare = np.repeat(np.arange(60) % 2, 50)  # 59 transitions in 3000 frames
    assert choose_prompts([rare], 10, 60, "mixed").is_transition.sum() == 30
    assert choose_prompts([rare], 10, 60).is_transition.sum() <= 6  # 1.2 on average: more than 6 have p = 2e-4
    only = choose_prompts([rare[:500]], 10, 30, "mixed")  # 9 transitions
    assert len(only) == 30 and only.is_transition.sum() <= 9


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(n_frames=100), DataError, "hold 0 prompts, of 100 tokens"),
        (dict(ends="transition"), DataError, "hold 1 prompts that end in a transition"),
        (dict(ends="jump"), SettingsError, "ends is 'jump'"),
        (dict(macrostates=[0]), SettingsError, "a macrostate for each of 2 states"),
    ],
)
def test_bad_input_is_one_line(arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        choose_prompts([np.repeat([0, 1], 40)], **{"n_frames": 4, "n_prompts": 10, **arguments})
    assert "\n" not in str(caught.value)
