"""One small scorecard for all tests of the report: three states, five trajectories, two models."""

import copy

import numpy as np
import pytest

import mdtok

STAY = np.array([[0.90, 0.08, 0.02], [0.08, 0.90, 0.02], [0.05, 0.05, 0.90]])


@pytest.fixture(scope="session")
def chains():
    rng = np.random.default_rng(7)
    dtrajs = np.zeros((10, 1500), dtype=int)
    for t in range(1, dtrajs.shape[1]):
        cumulative = STAY[dtrajs[:, t - 1]].cumsum(axis=1)
        dtrajs[:, t] = (rng.random(10)[:, None] > cumulative).sum(axis=1)
    return list(dtrajs)


@pytest.fixture(scope="session")
def scored(chains):
    models = {"msm": mdtok.MarkovModel(), "every-2": mdtok.MarkovModel(lagtime=2)}
    return mdtok.score(
        models,
        chains[:7],
        chains[7:],
        dt_ps=2.0,
        lagtimes=[2, 4],
        lagtime=4,
        macrostate_names=["A", "B", "C"],
        n_splits=10,
        n_bootstrap=20,
        seed=7,
        progress=False,
    )


@pytest.fixture
def card(scored):
    """The scorecard, to be changed at will."""
    return copy.deepcopy(scored)


@pytest.fixture
def projection(chains):
    """Two angles a frame: each state is a cloud of its own; the third lies across the ends of the axes."""
    from mdtok.report import Projection

    rng = np.random.default_rng(8)
    centres = np.array([[-1.2, 2.6], [-1.2, -0.5], [3.1, -3.1]])
    values = [centres[d] + 0.15 * rng.standard_normal((len(d), 2)) for d in chains]
    return Projection(values, chains, names=("phi", "psi"), periodic=(True, True))


@pytest.fixture
def poor_card(card):
    """What a poor scorecard looks like after JSON: nothing reached here, nothing seen there, null for NaN."""
    content = card.content
    row = content["models"]["msm"]
    for part in ("value", "high"):
        row["mfpt_ps"][part] = np.array(row["mfpt_ps"][part], dtype=object)
        row["mfpt_ps"][part][0, 1] = None  # waited for, never reached: a lower limit is left
        row["mfpt_ps"][part][0, 2] = None
    row["mfpt_ps"]["low"] = np.array(row["mfpt_ps"]["low"], dtype=object)
    row["mfpt_ps"]["low"][0, 2] = None  # never seen at all
    for estimate in row["timescales_ps"].values():
        for part in estimate:
            estimate[part] = [None] * len(estimate[part])
    row["dwell_survival"][0] = {"time_ps": [], "survival": [], "n_dwells": 0}
    row["propagators"] = np.full_like(row["propagators"], np.nan)
    row["populations"] = [None, 0.0, 1.0]
    row["nll_nats_per_token"] = dict.fromkeys(("value", "low", "high"))
    row["transition_calibration"] = dict.fromkeys(("value", "low", "high"))
    row["checks"]["mfpt_ps"] = {"verdict": "off by ×∞", "sentence": "MFPT A → B: never", "ratio": None, "allowed": 1.5}
    row["checks"]["timescales_ps"] = {
        "verdict": "MD too short to tell",
        "sentence": "implied timescales: the MD is too short to tell",
    }
    row["verdicts"].update(mfpt_ps="off by ×∞", timescales_ps="MD too short to tell")
    content["noise_floor"]["timescales_ps"] = {"value": None, "high": None}
    return card
