"""Master equations with memory over macrostates: propagators at long times from those up to a memory time.

They are equations for probabilities, not processes: nothing can be drawn from them token by token, so that they are no
`DynamicsModel`. What they can be held against is what a Chapman-Kolmogorov test holds an MSM against, and here they
stand beside it.
"""

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.estimators import macro_propagators

_STEPS_OF_MEMORY = 10  # into which the memory time is divided, as far as frames allow


def propagator_baselines(
    dtrajs: list[np.ndarray], memory_frames: int, n_steps: int, n_states: int | None = None
) -> dict[str, np.ndarray]:
    """Propagators at multiples of a memory time, from what trajectories show up to that time.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        Macrostates of the training MD.
    memory_frames : int
        Memory time: the lag of the MSM, and the longest time that the others look at.
    n_steps : int
        Multiples of it.
    n_states : int, optional

    Returns
    -------
    dict of str -> ndarray, shape (n_steps, n_states, n_states)
        ``msm``: powers of the propagator at the memory time. ``qmsm``: the memory kernel, as the transfer tensors of
        the discrete-time Nakajima-Zwanzig equation, cut off at the memory time. ``igme``: ``A B^t`` fitted to the
        propagators of the second half of it.

    Raises
    ------
    DataError
        A macrostate is never left for another, or no trajectory is longer than the memory time.

    References
    ----------
    qMSM: S. Cao, A. Montoya-Castillo, W. Wang, T. E. Markland, X. Huang, J. Chem. Phys. 153, 014105 (2020); transfer
    tensors: J. Cerrillo, J. Cao, Phys. Rev. Lett. 112, 110401 (2014); IGME: S. Cao, Y. Qiu, M. L. Kalin, X. Huang,
    J. Chem. Phys. 159, 134106 (2023).

    Examples
    --------
    >>> hops = np.cumsum(np.random.default_rng(0).random(100_000) < 0.02) % 2
    >>> found = propagator_baselines([hops], memory_frames=20, n_steps=3)
    >>> {name: bool(abs(matrices[2, 0, 0] - (1 + 0.96**60) / 2) < 0.02) for name, matrices in found.items()}
    {'msm': True, 'qmsm': True, 'igme': True}
    """
    n_states = n_states or 1 + max(int(dtraj.max()) for dtraj in dtrajs)
    step = next(
        s for s in range(max(1, memory_frames // _STEPS_OF_MEMORY), memory_frames + 1) if memory_frames % s == 0
    )
    n_memory = memory_frames // step
    if max(map(len, dtrajs)) <= memory_frames:
        raise DataError(
            f"No trajectory is longer than the memory time of {memory_frames} frames; choose a shorter one."
        )
    seen = macro_propagators(dtrajs, step, n_memory, n_states)  # (n_memory, n_states, n_states)
    if not np.isfinite(seen).all():
        lost = int(np.flatnonzero(~np.isfinite(seen).all(axis=(0, 2)))[0])
        raise DataError(f"The macrostate {lost} is never seen early enough in the training MD; use fewer macrostates.")
    wanted = n_memory * np.arange(1, n_steps + 1)
    return {
        "msm": np.array([np.linalg.matrix_power(seen[-1], k) for k in range(1, n_steps + 1)]),
        "qmsm": _by_transfer_tensors(seen, wanted[-1])[wanted - 1],
        "igme": _by_long_time_form(seen, wanted),
    }


def _by_transfer_tensors(seen, n_wanted):
    """``P_n = Σ_m P_{n-m} M_m`` over the memory: the tensors M from the propagators seen, and all propagators from
    them."""
    n_memory, n = len(seen), seen.shape[1]
    propagators = [np.eye(n), *seen]
    tensors = []
    for k in range(1, n_memory + 1):
        known = sum((propagators[k - m] @ tensors[m - 1] for m in range(1, k)), np.zeros((n, n)))
        tensors.append(propagators[k] - known)
    for k in range(n_memory + 1, n_wanted + 1):
        propagators.append(sum(propagators[k - m] @ tensors[m - 1] for m in range(1, n_memory + 1)))
    return np.array(propagators[1 : n_wanted + 1])


def _by_long_time_form(seen, wanted):
    """``P_n = A B^n`` for n from the second half of the memory on, by least squares: first B, then A."""
    first = len(seen) // 2
    late = seen[first:] if len(seen) - first > 1 else seen
    if len(late) < 2:
        return np.array([np.linalg.matrix_power(seen[-1], k) for k in range(1, len(wanted) + 1)])
    before, after = np.concatenate(late[:-1]), np.concatenate(late[1:])
    one_step = np.linalg.lstsq(before, after, rcond=None)[0]
    start = len(seen) - len(late) + 1
    powers = [np.linalg.matrix_power(one_step, start + k) for k in range(len(late))]
    scale = np.linalg.lstsq(np.concatenate(powers, axis=1).T, np.concatenate(late, axis=1).T, rcond=None)[0].T
    return np.array([scale @ np.linalg.matrix_power(one_step, k) for k in wanted])


def propagator_errors(propagators: dict[str, np.ndarray], observed: np.ndarray) -> dict[str, float]:
    """Root mean square error of each set of propagators over the pairs and steps that were observed."""
    return {name: float(np.sqrt(np.nanmean((found - observed) ** 2))) for name, found in propagators.items()}
