"""Judge ensembles without time: populations of the states, and nothing else."""

import numpy as np

from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.estimation.kinetics_intervals import population_intervals
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.kinetics.scoring import verdicts
from mdtok.kinetics.scoring.comparison import COARSEST_ALLOWED, LEVEL, divergence
from mdtok.kinetics.scoring.scorecard import SCHEMA, Scorecard


def judge_ensembles(rollouts, states, dt_ps, n_splits=100, seed=0):
    """A scorecard of counted populations against those of the reference.

    Parameters
    ----------
    rollouts : dict of str -> Rollout
        Frames in any order.
    states : States
    dt_ps : float
        Of the reference.
    n_splits : int
        Random halvings of the reference behind the noise floor.
    seed : int

    Returns
    -------
    Scorecard
        Its rows have ``populations_jsd`` and no kinetics.
    """
    macrostates, n_macrostates = states.macrostates, len(states.names)

    def shares(dtrajs):
        counted = np.bincount(macrostates[np.concatenate(dtrajs)], minlength=n_macrostates)
        return counted / counted.sum()

    rng = np.random.default_rng(seed)
    units = independent_units(states.reference)
    visits = np.array([np.bincount(macrostates[unit], minlength=n_macrostates) for unit in units])
    halves = []
    for _ in range(n_splits):
        first = rng.permutation(len(units)) < len(units) // 2
        halves.append(divergence(visits[first].sum(axis=0), visits[~first].sum(axis=0)))
    allowed_of_halves, typical = np.quantile(halves, LEVEL), np.median(halves)
    draws = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), size=200) @ visits
    reference = shares(states.reference)
    of_reference = population_intervals(reference, draws / draws.sum(axis=1, keepdims=True), len(units))
    n_md, rows, unknown = sum(map(len, states.reference)), {}, np.full(n_macrostates, np.nan)
    for name, rollout in rollouts.items():
        populations = shares(rollout.dtrajs)
        off = float(divergence(populations, reference))
        # frames without time may be independent: more of them than MD frames count as no noise
        allowed = allowed_of_halves * (1 / n_md + 1 / max(rollout.n_tokens, n_md)) / (4 / n_md)
        checks = {"populations_jsd": _check(off, allowed)}
        rows[name] = {
            "generated": True,
            "lagtime_frames": 1,
            "n_parameters": None,
            "train_seconds": None,
            "n_sampled_tokens": rollout.n_tokens,
            "nll_nats_per_token": None,
            "nats_above_best": None,
            "populations": populations,
            "populations_interval": Estimate(populations, unknown, unknown).to_dict(),
            "populations_counted": populations,
            "populations_jsd": off,
            "checks": checks,
        }
        row = rows[name]
        row["verdicts"] = {metric: check["verdict"] for metric, check in checks.items()}
        row["passes"] = checks["populations_jsd"]["verdict"] == verdicts.WITHIN
        row["summary"] = _sentence(name, checks["populations_jsd"])
    described = {
        "populations": reference,
        "populations_interval": of_reference.to_dict(),
        "populations_counted": reference,
    }
    n_frames = {"n_train_tokens": 0, "n_test_tokens": n_md, "n_train_trajectories": 0}
    content = {
        "schema": SCHEMA,
        "remarks": [],
        "time": False,
        "dt_ps": dt_ps,
        "n_states": len(macrostates),
        "n_macrostates": n_macrostates,
        "macrostate_names": list(states.names),
        "lagtimes_frames": [],
        "lagtime_frames": 1,
        "reference": {
            **n_frames,
            "n_test_trajectories": len(states.reference),
            "left_out": states.left_out,
            **described,
        },
        "md": described,
        "noise_floor": {"populations_jsd": {"value": typical, "high": allowed_of_halves}},
        "models": rows,
    }
    return Scorecard(content, dict(rollouts))


def _check(off, allowed):
    ratio = off / allowed if allowed > 0 else np.inf
    if off > allowed:
        verdict = f"off by {verdicts.factor(ratio)}"
    else:
        verdict = verdicts.WITHIN if allowed <= COARSEST_ALLOWED["populations_jsd"] else verdicts.UNTESTED
    distance = f"Jensen-Shannon divergence {off:.2g} nats from MD"
    sentence = f"populations: {distance}, {allowed:.2g} allowed by the noise floor"
    return {"verdict": verdict, "sentence": sentence, "ratio": ratio, "allowed": allowed}


def _sentence(name, check):
    if check["verdict"] == verdicts.WITHIN:
        return (
            f"{name} passes as an ensemble: its populations are within the MD noise. Nothing is said of its kinetics."
        )
    if check["verdict"] == verdicts.UNTESTED:
        return f"{name} cannot be told yet: this MD is too short to tell populations within a factor of two."
    return f"{name} fails: {check['sentence']}. Nothing is said of its kinetics."
