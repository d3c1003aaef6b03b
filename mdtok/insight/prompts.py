"""Prompts to look into a model with: windows of held-out trajectories and the token that follows each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError, SettingsError

ENDS = ("any", "transition", "stay", "mixed")
_FEWEST = 8  # of fewer prompts no sign test can be significant


@dataclass
class Prompts:
    """Windows of one length, no two of which overlap.

    Attributes
    ----------
    tokens : ndarray of int64, shape (n_prompts, n_frames)
    following : ndarray of int64, shape (n_prompts,)
        The true next token of each.
    is_transition : ndarray of bool, shape (n_prompts,)
        Whether it is in another state (macrostate, where those are given) than the last token.
    trajectory, last_frame : ndarrays of int, shape (n_prompts,)
        Where each was taken.
    """

    tokens: np.ndarray
    following: np.ndarray
    is_transition: np.ndarray
    trajectory: np.ndarray
    last_frame: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


def choose_prompts(
    dtrajs: list[np.ndarray],
    n_frames: int,
    n_prompts: int,
    ends: str = "any",
    macrostates: np.ndarray | None = None,
    seed: int = 0,
) -> Prompts:
    """Draw prompts at random places of trajectories.

    As they come (`ends="any"`) stays and transitions have the weight that they have in held-out nats per token. Before
    a rare transition a good model says that the state will last, and all that it knows speaks against what happens; so
    transitions are better looked at by themselves than in a mixture of halves.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        Checked already, see `mdtok.tokens.dtrajs.as_dtrajs`.
    n_frames : int
        Tokens of a prompt.
    n_prompts : int
        As many as asked for, or as there are without overlap.
    ends : {"any", "transition", "stay", "mixed"}
        What comes next; mixed: a transition after half of the prompts, as far as there are so many.
    macrostates : int array, shape (n_states,), optional
        Transitions are those between macrostates; between single states if not given.
    seed : int

    Returns
    -------
    Prompts

    Raises
    ------
    DataError
        Fewer than 8 such prompts.
    SettingsError
        `ends` is unknown, or the macrostates are not those of the states.

    Examples
    --------
    >>> prompts = choose_prompts([np.repeat(np.arange(100) % 2, 3)], n_frames=5, n_prompts=10, ends="mixed")
    >>> prompts.tokens.shape, int(prompts.is_transition.sum())
    ((10, 5), 5)
    """
    if ends not in ENDS:
        raise SettingsError(f"ends is {ends!r}; one of {', '.join(map(repr, ENDS))} was expected.")
    largest = max(int(dtraj.max()) for dtraj in dtrajs)
    if macrostates is not None and (np.ndim(macrostates) != 1 or len(macrostates) <= largest):
        raise SettingsError(
            f"macrostates has the shape {np.shape(macrostates)}; a macrostate for each of {largest + 1} states was "
            "expected."
        )
    macro = np.arange(largest + 1) if macrostates is None else np.asarray(macrostates)
    rng = np.random.default_rng(seed)
    is_transition = [macro[dtraj[1:]] != macro[dtraj[:-1]] for dtraj in dtrajs]
    places = [(k, end) for k, dtraj in enumerate(dtrajs) for end in range(n_frames - 1, len(dtraj) - 1)]
    places = rng.permutation(np.array(places, dtype=np.int64).reshape(-1, 2))
    leaves = np.array([is_transition[k][end] for k, end in places], dtype=bool)
    taken, occupied = [], [np.zeros(len(dtraj), dtype=bool) for dtraj in dtrajs]

    def take(candidates, most):
        n_before = len(taken)
        for k, end in candidates:
            if len(taken) - n_before >= most:
                break
            span = slice(end - n_frames + 1, end + 2)  # the next token with it
            if not occupied[k][span].any():
                occupied[k][span] = True
                taken.append((k, end))

    if ends in ("transition", "mixed"):
        take(places[leaves], n_prompts if ends == "transition" else n_prompts // 2)
    if ends in ("stay", "mixed"):
        take(places[~leaves], n_prompts - len(taken))
    if ends in ("any", "mixed"):
        take(places, n_prompts - len(taken))
    if len(taken) < _FEWEST:
        what = f"prompts that end in a {ends}" if ends in ("transition", "stay") else "prompts"
        raise DataError(
            f"The trajectories hold {len(taken)} {what}, of {n_frames} tokens and apart from each other; at least "
            f"{_FEWEST} "
            "were expected: give longer trajectories or a smaller n_frames."
        )
    trajectory, last_frame = np.array(taken).T
    return Prompts(
        tokens=np.stack([dtrajs[k][end - n_frames + 1 : end + 1] for k, end in taken]),
        following=np.array([dtrajs[k][end + 1] for k, end in taken]),
        is_transition=np.array([is_transition[k][end] for k, end in taken]),
        trajectory=trajectory,
        last_frame=last_frame,
    )
