"""The referee: every model, and held-out MD itself, through the same estimators, against the MD noise floor."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import likelihood, verdicts
from mdtok.kinetics.counts import Protocol
from mdtok.kinetics.estimate import Estimate
from mdtok.kinetics.estimators import check_lagtime, count_matrix, implied_timescales, populations
from mdtok.kinetics.processes import Processes
from mdtok.kinetics.referee import Referee
from mdtok.kinetics.reversible import fit_reversible
from mdtok.models.rollout import roll_out
from mdtok.models.trajectory_model import TrajectoryModel
from mdtok.storage import damage_in_one_line, read_json, write_json
from mdtok.tokens.connected import require_connected
from mdtok.tokens.dtrajs import as_dtrajs, count_states
from mdtok.tokens.held_out import check_held_out

if TYPE_CHECKING:
    from mdtok.models.dynamics import DynamicsModel
    from mdtok.models.rollout import Rollout


log = logging.getLogger(__name__)

SCHEMA = 1
_CK_STEPS = 5
_SHORTEST_CHAIN = 2000  # frames; shorter ones only where test trajectories are
_MOST_SAMPLED = 4_000_000  # frames of a rollout, unless the MD has more
_SHORT = {verdicts.WITHIN: "ok", verdicts.UNTESTED: "?"}


@dataclass
class Scorecard:
    """What `score` found.

    Attributes
    ----------
    content : dict
        The scorecard as it is written to ``scorecard.json``.
    rollouts : dict of str -> Rollout
        The trajectories that each model generated.
    """

    content: dict
    rollouts: dict = field(default_factory=dict)

    def save(self, folder: str | Path, **report: Any) -> Path:
        """Write ``scorecard.json``, ``report.html`` and ``figures/*.png`` to `folder`; see `mdtok.write_report`."""
        from mdtok.report import write_report  # the report stands to the right; it is only called from here

        write_json(Path(folder) / "scorecard.json", self.content)
        return write_report(self, folder, **report)

    @classmethod
    @damage_in_one_line
    def load(cls, folder: str | Path) -> Scorecard:
        """Read ``scorecard.json`` (without the rollouts)."""
        return cls(read_json(Path(folder) / "scorecard.json"))

    @property
    def sentences(self):
        """One sentence a model: passes, or fails in what and by how much."""
        return [row["summary"] for row in self.content["models"].values()]

    def __str__(self):
        metrics = ("timescales_ps", "mfpt_ps", "populations_jsd", "dwell_ks", "ck_rmse", "transition_calibration")
        titles = ("timescales", "MFPT", "populations", "dwells", "CK", "transitions")
        width = max(12, *(len(name) for name in self.content["models"]))
        header = f"{'model':<{width}}  {'held-out nats/token':<24}" + "".join(f"{t:>13}" for t in titles)
        lines = [header, "-" * len(header)]
        for name, row in self.content["models"].items():
            nats = row["nll_nats_per_token"]
            shown = [
                _SHORT.get(v, v.removeprefix("off by "))
                for v in (row["verdicts"].get(metric, "-") for metric in metrics)
            ]
            interval = f"{Estimate.of(nats):.4f}" if nats else "-"
            lines.append(f"{name:<{width}}  {interval:<24}" + "".join(f"{s:>13}" for s in shown))
        return "\n".join([*lines, "", *self.sentences, *self.content.get("remarks", [])])


def score(
    models: Mapping[str, DynamicsModel],
    train: list[np.ndarray],
    test: list[np.ndarray],
    dt_ps: float,
    *,
    validation: list[np.ndarray] | None = None,
    macrostates: np.ndarray | None = None,
    macrostate_names: list[str] | None = None,
    lagtimes: Sequence[int] | None = None,
    lagtime: int | None = None,
    n_timescales: int | None = None,
    rollouts: Mapping[str, Rollout] | None = None,
    n_chains: int | None = None,
    n_steps: int | None = None,
    n_splits: int = 100,
    n_bootstrap: int = 100,
    left_out: float = 0.0,
    remarks: Sequence[str] = (),
    seed: int = 0,
    progress: bool = True,
) -> Scorecard:
    """Fit what is not fitted, sample, estimate, compare: the scorecard of some models on held-out MD.

    Parameters
    ----------
    models : dict of str -> DynamicsModel
        Fitted or not. A fitted TrajectoryModel is judged by its rollout alone, which has to be given, in tokens.
    train, test : lists of int arrays, shape (n_frames,) each
        Discrete trajectories; models are judged on `test` only.
    dt_ps : float
        Time between frames.
    validation : list of int arrays, optional
        For hyper-parameters and early stopping of models that are not fitted yet. It counts as training MD.
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token, for MFPT, dwells, populations and Chapman-Kolmogorov. Tokens themselves if not given.
    macrostate_names : list of str, optional
    lagtimes : list of int, optional
        Frames; timescales are compared at all of them. 1, 2, 5, 10, … if not given, as far as the data tell.
    lagtime : int, optional
        Frames; that of the populations and of the Chapman-Kolmogorov test. The one of `lagtimes` nearest to 10 if not
        given.
    n_timescales : int, optional
        Number of macrostates minus one (at most 3) if not given.
    rollouts : dict of str -> Rollout, optional
        Trajectories generated before; models without one are rolled out here.
    n_chains, n_steps : int, optional
        Chains and frames of each rollout: by default chains as long as a test trajectory, four times the MD in all.
    n_splits : int
        Random halvings of the MD behind the noise floor.
    n_bootstrap : int
        Resamplings of trajectories behind the intervals of timescales and populations.
    left_out : float
        Share of the frames that were given and are in no token. With those in states that are not connected, the card
        says so above 5 %.
    remarks : list of str
        What a reader of the card has to know of the data: that the simulation was biased, say.
    seed : int
    progress : bool

    Returns
    -------
    Scorecard

    Raises
    ------
    DataError, SettingsError
        Nothing to judge, a lag longer than the trajectories, tokens without a macrostate, test tokens no model can
        know, a piece of the test trajectories that is in the training data too.
    """
    train, test, validation = (
        as_dtrajs(train),
        as_dtrajs(test, min_length=2),
        as_dtrajs(validation) if validation else None,
    )
    check_held_out([*train, *(validation or [])], test)
    if not models:
        raise SettingsError("No model was given to score; pass a dict such as {'msm': mdtok.MarkovModel()}.")
    md = [*train, *(validation or []), *test]
    macrostates = np.arange(count_states(md)) if macrostates is None else np.asarray(macrostates, dtype=np.int64)
    if count_states(md) > len(macrostates):
        raise DataError(
            f"The trajectories hold the token {count_states(md) - 1}; macrostates are given for 0 .. "
            f"{len(macrostates) - 1} only."
        )
    protocol = make_protocol(md, test, macrostates, lagtimes, lagtime, n_timescales)
    left_out = 1 - (1 - left_out) * (1 - require_connected(md, protocol.lagtime, "MD", len(macrostates)))
    names = list(macrostate_names or [f"{k}" for k in range(protocol.n_macrostates)])
    if len(names) != protocol.n_macrostates:
        raise SettingsError(f"{len(names)} macrostate names were given for {protocol.n_macrostates} macrostates.")
    referee = Referee(protocol, names, train, md, test, dt_ps, n_splits, n_bootstrap, seed)

    rows, held_out, rollouts = {}, {}, dict(rollouts or {})
    with tqdm(models.items(), desc="scoring", unit="model", disable=not progress) as bar:
        for name, model in bar:
            bar.set_postfix_str(name)
            model.progress = model.progress and progress
            if isinstance(model, TrajectoryModel):
                rows[name] = referee.judge(model, _rollout_given(rollouts, name), None)
                continue
            if not model.is_fitted:
                model.fit(train, validation, n_states=len(macrostates))
            held_out[name] = likelihood.evaluate_held_out(model, test, macrostates)
            if name not in rollouts:
                rollouts[name] = roll_out_like(model, train, test, md, protocol, n_chains, n_steps, seed)
            rows[name] = referee.judge(model, rollouts[name], held_out[name])
    _rank(rows, held_out, seed)
    for name, row in rows.items():
        row["verdicts"] = {metric: check["verdict"] for metric, check in row["checks"].items()}
        row["passes"] = verdicts.passes(row["checks"])
        row["summary"] = verdicts.summary_sentence(name, row, left_out)
    content = {
        "schema": SCHEMA,
        "remarks": list(remarks),
        "dt_ps": dt_ps,
        "n_states": protocol.n_states,
        "n_macrostates": protocol.n_macrostates,
        "macrostate_names": names,
        "lagtimes_frames": protocol.lagtimes,
        "lagtime_frames": protocol.lagtime,
        "ck_steps": protocol.n_steps,
        "reference": {
            "n_train_tokens": sum(map(len, train)) + sum(map(len, validation or [])),
            "n_test_tokens": sum(map(len, test)),
            "n_train_trajectories": len(train) + len(validation or []),
            "n_test_trajectories": len(test),
            "left_out": left_out,
            **referee.describe(test)[1],
        },
        "md": referee.describe(md)[1],
        "noise_floor": referee.floor_summary(),
        "models": rows,
    }
    return Scorecard(content, rollouts)


def _rollout_given(rollouts, name):
    if name not in rollouts:
        raise SettingsError(
            f"{name} models coordinates, not tokens: pass its trajectories, as tokens, in rollouts={{{name!r}: ...}}."
        )
    return rollouts[name]


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
        slowest = implied_timescales(md, chosen[-1:], 1, n_samples=0, n_states=n_states).estimates[chosen[-1]].value[0]
        if lag > min(longest // 10, 2 * slowest, enough):
            break
        chosen.append(lag)
    return chosen


def roll_out_like(
    model, train, test, md, protocol, n_chains=None, n_steps=None, seed=0, pieces_folder=None, weights=None
):
    """A rollout of chains as long as the test trajectories, started from the equilibrium of the training MD.

    `weights` of the states at the ends of prompts, shape (n_states,), replace that equilibrium.
    """
    n_chains, n_frames = chain_counts(test, md, n_chains, n_steps, slowest_frames(md, protocol))
    weights = populations(train, protocol.n_states, protocol.lagtime) if weights is None else weights
    return roll_out(model, train, n_chains, max(2, n_frames // model.lagtime), seed, weights, pieces_folder)


def chain_counts(test, md, n_chains=None, n_steps=None, slowest_frames=np.inf):
    """How many chains, and how many frames of each.

    By default as long as a test trajectory, or ten times the slowest timescale where that is less: many short chains are
    drawn at once, a few long ones token by token. In all four times the MD, up to four million frames, beyond as much
    as the MD: more would not tell more, as the noise is then that of the MD.
    """
    n_md = sum(map(len, md))
    n_frames = n_steps or int(min(np.median([len(dtraj) for dtraj in test]), max(_SHORTEST_CHAIN, 10 * slowest_frames)))
    return n_chains or max(20, -(-max(n_md, min(4 * n_md, _MOST_SAMPLED)) // n_frames)), n_frames


def slowest_frames(md, protocol):
    """The slowest timescale of the MD at the longest lag."""
    lag = max(protocol.lagtimes)
    fit = fit_reversible(count_matrix([d for d in md if len(d) > lag], lag, protocol.n_states))
    return float(Processes.of(fit, 1).timescales(lag)[0])


def _rank(rows, held_out, seed):
    """Held-out nats per token of every model on the same tokens, and the paired difference from the best."""
    for row in rows.values():
        row["nll_nats_per_token"] = row["nats_above_best"] = None
    if not held_out:
        return
    first_token = max(h.first_token for h in held_out.values())
    held_out = {name: h.from_token(first_token) for name, h in held_out.items()}
    nats = {name: likelihood.nats_per_token(h, seed=seed) for name, h in held_out.items()}
    best = min(nats, key=lambda name: float(nats[name].value))
    for name in held_out:
        row = rows[name]
        difference = None if name == best else likelihood.nats_difference(held_out[name], held_out[best], seed=seed)
        row["nll_nats_per_token"] = nats[name].to_dict()
        row["nats_above_best"] = None if difference is None else difference.to_dict()
        row["checks"]["nll_nats_per_token"] = verdicts.judge_nats(difference, best)
