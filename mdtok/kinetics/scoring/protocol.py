"""What is estimated, at which lag times: the same for MD, for its halves and for every model."""

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.counts import Protocol
from mdtok.kinetics.estimation.estimators import check_lagtime, count_matrix
from mdtok.kinetics.estimation.processes import Processes
from mdtok.kinetics.estimation.reversible import fit_reversible

_CK_STEPS = 5


def make_protocol(md, test, macrostates, lagtimes=None, lagtime=None, n_timescales=None):
    """Choose the lags and check them against the test trajectories."""
    longest = max(map(len, test))
    lagtimes = sorted({int(lag) for lag in lagtimes}) if lagtimes else _default_lagtimes(md, test, len(macrostates))
    lagtime = int(lagtime or min(lagtimes, key=lambda lag: abs(np.log(lag / 10))))
    for lag in [*lagtimes, lagtime]:
        check_lagtime(test, lag)
    n_steps = min(_CK_STEPS, (longest - 1) // lagtime)
    n_macrostates = int(macrostates.max()) + 1
    if n_macrostates < 2:
        raise DataError("There is one macrostate only, so there are no kinetics between states; use more macrostates.")
    return Protocol(macrostates, lagtimes, lagtime, n_steps, n_timescales or min(3, n_macrostates - 1))


def _default_lagtimes(md, test, n_states):
    """1, 2, 5, 10, … as far as the data tell.

    That is up to a tenth of the longest test trajectory, to twice the slowest timescale, and to ten independent
    transitions a state in the test MD: beyond, eigenvalues (and their Bayesian posterior) are those of noise.
    """
    longest, enough = max(map(len, test)), sum(map(len, test)) / (10 * n_states)
    chosen = [1]
    for lag in (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        slowest = slowest_frames(md, chosen[-1], n_states)
        if lag > min(longest // 10, 2 * slowest, enough):
            break
        chosen.append(lag)
    return chosen


def slowest_frames(md, lagtime, n_states):
    """The slowest timescale of the MD at a lag time."""
    fit = fit_reversible(count_matrix([d for d in md if len(d) > lagtime], lagtime, n_states))
    return float(Processes.of(fit, 1).timescales(lagtime)[0])
