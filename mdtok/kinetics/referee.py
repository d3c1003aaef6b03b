"""What a scorecard says of one group of trajectories, and the checks of one model against the held-out MD."""

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics import likelihood, verdicts
from mdtok.kinetics.comparison import METRICS, NoiseFloor, UnitCounts, compare, estimate_kinetics
from mdtok.kinetics.estimate import Estimate
from mdtok.kinetics.estimators import equilibrium_populations, implied_timescales
from mdtok.kinetics.passages import independent_units, mfpt_counted
from mdtok.kinetics.rollout_checks import check_rollout


class Referee:
    """Holds what does not depend on the model: the reference, and the noise floor (made once a lag time of models)."""

    def __init__(self, protocol, names, train, md, test, dt_ps, n_splits, n_posterior_samples, seed):
        self.protocol, self.names, self.train, self.md, self.test, self.dt_ps = protocol, names, train, md, test, dt_ps
        self.n_splits, self.n_posterior_samples, self.seed = n_splits, n_posterior_samples, seed
        self._counted, self._floors = {}, {}

    def describe(self, dtrajs, stride=1, generated=False):
        """The facts of a group of trajectories with intervals; times in ps of MD.

        What a model generated may stand still: then it has no relaxation times (NaN), and its populations are counted.
        """
        protocol, frame_ps = self.protocol.every(stride), self.dt_ps * stride
        macro = [protocol.macrostates[d] for d in dtrajs]
        counted = np.bincount(np.concatenate(macro), minlength=protocol.n_macrostates) / sum(map(len, macro))
        unknown = Estimate(*(np.full(protocol.n_timescales, np.nan) for _ in range(3)))

        def timescales_at(lag):
            times = implied_timescales(
                dtrajs, [lag], protocol.n_timescales, frame_ps, self.n_posterior_samples, self.seed, protocol.n_states
            )
            return times.estimates[int(lag)]

        def populations_interval():
            return equilibrium_populations(
                dtrajs, protocol.lagtime, protocol.macrostates, self.n_posterior_samples, self.seed
            )

        timescales = {lag: _or(unknown, lambda lag=lag: timescales_at(lag), generated) for lag in protocol.lagtimes}
        interval = _or(Estimate(counted, counted, counted), populations_interval, generated)
        pooled = estimate_kinetics([UnitCounts.of(d, protocol) for d in dtrajs], protocol)
        return {
            "populations": pooled.populations if pooled.populations.any() else counted,
            "populations_interval": interval.to_dict(),
            "populations_counted": counted,
            "timescales_ps": {str(int(lag) * stride): times.to_dict() for lag, times in timescales.items()},
            "mfpt_ps": mfpt_counted(macro, frame_ps, protocol.n_macrostates, seed=self.seed).to_dict(),
            "passages": pooled.passage_events,
            "propagators": pooled.propagators,
            "dwell_survival": [_survival(dwells * frame_ps) for dwells in pooled.dwells],
        }

    def judge(self, model, rollout, held_out):
        """The row of one model: facts, and a check a metric."""
        stride = rollout.lagtime
        protocol, frame_ps = self.protocol.every(stride), self.dt_ps * stride
        _, test_units = self._units(stride)
        reference = estimate_kinetics(test_units, protocol)
        kinetics = estimate_kinetics([UnitCounts.of(d, protocol) for d in rollout.dtrajs], protocol)
        described = self.describe(rollout.dtrajs, stride, generated=True)
        kinetics.populations = described["populations"]
        floor = self._floor(stride, rollout.n_tokens * stride)
        differences = compare(kinetics, reference)
        checks = {
            metric: verdicts.judge_difference(
                metric, difference, floor, kinetics, reference, protocol, self.names, frame_ps
            )
            for metric, difference in differences.items()
        }
        calibration = pairs = None
        if held_out is not None:
            expected, observed, ratio = likelihood.pair_calibration(held_out, seed=self.seed)
            pairs = {"expected": expected, "observed": observed, **ratio.to_dict()}
            calibration = likelihood.transition_calibration(held_out, seed=self.seed)
            checks["transition_calibration"] = verdicts.judge_calibration(calibration, *self._sizes())
        row = {
            "lagtime_frames": stride,
            "n_parameters": int(model.n_parameters),
            "train_seconds": getattr(model, "train_seconds_", None),
            "n_sampled_tokens": rollout.n_tokens,
            "sample_tokens_per_second": rollout.n_tokens / max(rollout.seconds, 1e-9),
            **described,
            "transition_calibration": calibration and calibration.to_dict(),
            "pair_calibration": pairs,
            "rollout_checks": check_rollout(
                rollout.dtrajs, self.train, protocol.macrostates, stride, self.seed
            ).to_dict(),
            "checks": checks,
        }
        for metric in ("populations_jsd", "dwell_ks", "ck_rmse"):
            row[metric] = np.nanmax(differences[metric]) if np.isfinite(differences[metric]).any() else np.nan
        if stride > 1:  # what such a model is to be compared with: a longer interval misses short visits
            seen = [protocol.macrostates[d[::stride]] for d in self.test]
            row["reference_mfpt_ps"] = mfpt_counted(seen, frame_ps, protocol.n_macrostates, seed=self.seed).to_dict()
        row["history"] = getattr(model, "history_", None)
        return row

    def _sizes(self):
        n_test = sum(map(len, self.test))
        return n_test, sum(map(len, self.md)) - n_test

    def _units(self, stride):
        if stride not in self._counted:
            protocol = self.protocol.every(stride)
            self._counted[stride] = tuple(
                [UnitCounts.of(unit[::stride], protocol) for unit in independent_units(dtrajs)]
                for dtrajs in (self.md, self.test)
            )
        return self._counted[stride]

    def _floor(self, stride, n_model_frames):
        n_test, n_train = self._sizes()
        if stride not in self._floors:
            md_units, _ = self._units(stride)
            self._floors[stride] = NoiseFloor.from_halves(
                md_units, self.protocol.every(stride), n_test + n_train, self.n_splits, self.seed
            )
        return self._floors[stride].scaled(n_train, n_test, n_model_frames)

    def floor_summary(self):
        """The floor of a perfect model with endless rollouts, frame by frame where there is such a model."""
        floor = self._floors[min(self._floors)].scaled(*self._sizes())
        return {metric: floor.summary(metric) for metric in METRICS}


def _or(otherwise, estimate, generated):
    """What `estimate()` gives; `otherwise` where a model that stands still leaves nothing to estimate."""
    try:
        return estimate()
    except DataError:
        if not generated:
            raise
        return otherwise


def _survival(dwells_ps, n_points=60):
    """Survival function of dwell times at logarithmic times: what a figure needs."""
    if not len(dwells_ps):
        return {"time_ps": [], "survival": [], "n_dwells": 0}
    times = np.unique(np.geomspace(dwells_ps.min(), dwells_ps.max(), n_points))
    above = 1 - np.searchsorted(np.sort(dwells_ps), times, side="left") / len(dwells_ps)
    return {"time_ps": times, "survival": above, "n_dwells": len(dwells_ps), "mean_ps": dwells_ps.mean()}
