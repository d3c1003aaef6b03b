"""The referee: every model, and held-out MD itself, through the same estimators, against the MD noise floor."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.scoring import likelihood, tidy, verdicts
from mdtok.kinetics.scoring.contestants import gather, largest_alphabet
from mdtok.kinetics.scoring.protocol import make_protocol
from mdtok.kinetics.scoring.referee import Referee
from mdtok.kinetics.scoring.scored_rollouts import roll_out_like
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.rollout import Rollout
from mdtok.progress import tracked
from mdtok.storage import damage_in_one_line, read_json, whole, write_json
from mdtok.tokens.connected import require_connected
from mdtok.tokens.dtrajs import as_dtrajs, count_states
from mdtok.tokens.held_out import check_held_out

log = logging.getLogger(__name__)

SCHEMA = 2
_SHORT = {verdicts.WITHIN: "ok", verdicts.UNTESTED: "?"}


@dataclass(repr=False)
class Scorecard:
    """What `score` found. A notebook shows its first screen.

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

    def numbers(self) -> list[dict]:
        """All numbers with their intervals, a dict each; ``pandas.DataFrame(card.numbers())`` is a table of them.

        Returns
        -------
        list of dict
            ``of`` (a model, ``reference`` or ``all MD``), ``quantity``, ``item``, ``lagtime_ps``, ``value``, ``low``,
            ``high``, ``unit``.
        """
        return tidy.numbers_of(self.content)

    def to_csv(self, path: str | Path) -> Path:
        """Write `numbers` as a table that spreadsheets read, whole or not at all."""
        path = Path(path)
        with whole(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, tidy.COLUMNS)
            writer.writeheader()
            writer.writerows(self.numbers())
        return path

    def __repr__(self):
        said = (f"{name}: {verdicts.status(row)}" for name, row in self.content["models"].items())
        return f"Scorecard({', '.join(said)})"

    def _repr_html_(self):
        from mdtok.report import first_screen  # as in `save`

        return first_screen(self)

    @property
    def sentences(self):
        """One sentence a model: passes, or fails in what and by how much."""
        return [row["summary"] for row in self.content["models"].values()]

    def __str__(self):
        metrics = ("timescales_ps", "mfpt_ps", "populations_jsd", "dwell_ks", "ck_rmse", "transition_calibration")
        titles = ("timescales", "MFPT", "populations", "dwells", "CK", "transitions")
        width = max(12, *(len(name) for name in self.content["models"]))
        with_nats = any(row["nll_nats_per_token"] for row in self.content["models"].values())
        column = "held-out nats/token" if with_nats else "equivalent MD time"
        header = f"{'model':<{width}}  {column:<34}" + "".join(f"{t:>13}" for t in titles)
        lines = [header, "-" * len(header)]
        for name, row in self.content["models"].items():
            nats = row["nll_nats_per_token"]
            shown = [
                _SHORT.get(v, v.removeprefix("off by "))
                for v in (row["verdicts"].get(metric, "-") for metric in metrics)
            ]
            worth = row.get("equivalent_md_ps")
            text = verdicts.equivalent_time(worth["all"]) if worth and not with_nats else "-"
            text = f"{Estimate.of(nats):.4f}" if nats else text
            lines.append(f"{name:<{width}}  {text:<34}" + "".join(f"{s:>13}" for s in shown))
        return "\n".join([*lines, "", *self.sentences, *self.content.get("remarks", [])])


def score(
    models: Mapping[str, Any],
    train: list[np.ndarray] | None,
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
    n_bootstrap: int = 60,
    equivalent: bool = True,
    left_out: float = 0.0,
    remarks: Sequence[str] = (),
    seed: int = 0,
    progress: bool = True,
) -> Scorecard:
    """Fit what is not fitted, sample, estimate, compare: the scorecard of some models on held-out MD.

    Parameters
    ----------
    models : dict of str -> object
        A DynamicsModel, fitted or not; an MSM that deeptime fitted; trajectories that anything generated, a list of int
        arrays, which are judged by themselves. A fitted TrajectoryModel is judged by its rollout alone, which has to
        be given, in tokens.
    train, test : lists of int arrays, shape (n_frames,) each
        Discrete trajectories; models are judged on `test` only. Where nothing has to be fitted, `train` may be None:
        what was learnt from is not known then.
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
        Trajectories generated before; models without one are rolled out here. A name that is no model's is judged by
        its trajectories alone.
    n_chains, n_steps : int, optional
        Chains and frames of each rollout: by default chains as long as a test trajectory, four times the MD in all.
    n_splits : int
        Random halvings of the MD behind the noise floor.
    n_bootstrap : int
        Resamplings of trajectories behind the intervals of timescales and populations.
    equivalent : bool
        Whether the MD time that each model is worth is measured, which takes some seconds.
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
    test = as_dtrajs(test, min_length=2)
    train, validation = (as_dtrajs(part) if part is not None and len(part) else [] for part in (train, validation))
    if train:
        check_held_out([*train, *validation], test)
    md = [*train, *validation, *test]
    n_states = count_states(md) if macrostates is None else len(macrostates)
    if count_states(md) > n_states:
        raise DataError(
            f"The trajectories hold the token {count_states(md) - 1}; macrostates are given for 0 .. {n_states - 1} "
            "only."
        )
    if macrostates is None:  # what was generated may visit states that MD never does
        n_states = max(n_states, largest_alphabet(models, rollouts or {}))
    macrostates = np.arange(n_states) if macrostates is None else np.asarray(macrostates, dtype=np.int64)
    contestants = gather(models, rollouts or {}, n_states)
    unfitted = [one.name for one in contestants if one.model is not None and not one.model.is_fitted]
    if unfitted and not train:
        raise SettingsError(f"{unfitted[0]} is not fitted, and no training trajectories were given to fit it to.")
    protocol = make_protocol(md, test, macrostates, lagtimes, lagtime, n_timescales)
    left_out = 1 - (1 - left_out) * (1 - require_connected(md, protocol.lagtime, "MD", n_states))
    names = list(macrostate_names or [f"{k}" for k in range(protocol.n_macrostates)])
    if len(names) != protocol.n_macrostates:
        raise SettingsError(f"{len(names)} macrostate names were given for {protocol.n_macrostates} macrostates.")
    referee = Referee(protocol, names, train, md, test, dt_ps, n_splits, n_bootstrap, seed)

    rows, held_out, made = {}, {}, {}
    with tracked(contestants, desc="scoring", unit="model", disable=not progress) as bar:
        for one in bar:
            bar.set_postfix_str(one.name)
            model, said = one.model, None
            if model is not None:
                model.progress = model.progress and progress
            if isinstance(model, DynamicsModel):
                if not model.is_fitted:
                    model.fit(train, validation or None, n_states=n_states)
                said = likelihood.evaluate_held_out(model, test, macrostates)
            made[one.name] = one.rollout or roll_out_like(
                model, train or test, test, md, protocol, n_chains, n_steps, seed
            )
            rows[one.name] = referee.judge(model, made[one.name], said, equivalent)
            if said is not None:
                held_out[one.name] = said.likelihood_only
    _rank(rows, held_out, seed)
    for name, row in rows.items():
        row["verdicts"] = {metric: check["verdict"] for metric, check in row["checks"].items()}
        row["passes"] = verdicts.passes(row["checks"])
        row["same_as"] = next((other for other in rows if other != name and _same(row, rows[other])), None)
        row["summary"] = verdicts.summary_sentence(name, row, left_out, sum(map(len, md)) * dt_ps)
    described = referee.describe(test)[1]
    known = any(row["equivalent_md_ps"] for row in rows.values())
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
            "n_train_tokens": sum(map(len, [*train, *validation])),
            "n_test_tokens": sum(map(len, test)),
            "n_train_trajectories": len(train) + len(validation),
            "n_test_trajectories": len(test),
            "left_out": left_out,
            **described,
        },
        "md": referee.describe(md)[1] if train else described,
        "noise_floor": referee.floor_summary(),
        "mfpt_allowed": referee.allowed_mfpt(),
        "master_equations": referee.master_equations(),
        "error_against_md_length": referee.error_against_length() if known else None,
        "models": rows,
    }
    return Scorecard(content, made)


def _same(row, other):
    """Whether two models said the same of every held-out token, to the digits that are shown."""
    ours, theirs = row["nll_nats_per_token"], other["nll_nats_per_token"]
    return bool(ours and theirs and np.isclose(float(ours["value"]), float(theirs["value"]), rtol=1e-7, atol=0))


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
