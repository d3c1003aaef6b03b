"""What a scorecard says of one group of trajectories, and the checks of one model against the held-out MD."""

from functools import cached_property

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.counts import Counts, Protocol, common_length
from mdtok.kinetics.estimation.kinetics_intervals import (
    population_intervals,
    propagator_intervals,
    resample_kinetics,
    survival_functions,
)
from mdtok.kinetics.estimation.master_equations import propagator_baselines, propagator_errors
from mdtok.kinetics.estimation.passages import independent_units, mfpt_of
from mdtok.kinetics.estimation.rates import inverse_of_rate, without_bias
from mdtok.kinetics.scoring import likelihood, verdicts
from mdtok.kinetics.scoring.comparison import METRICS, compare, estimate_kinetics, with_stays_of
from mdtok.kinetics.scoring.equivalent_time import ALL, Yardstick
from mdtok.kinetics.scoring.reference import Reference
from mdtok.kinetics.scoring.rollout_checks import check_rollout


class Referee:
    """Holds what does not depend on the model: the reference, and the noise floor (made once a lag time of models)."""

    def __init__(self, protocol, names, train, md, test, dt_ps, n_splits, n_bootstrap, seed):
        self.protocol, self.names, self.train, self.md, self.test, self.dt_ps = protocol, names, train, md, test, dt_ps
        self.n_splits, self.n_bootstrap, self.seed = n_splits, n_bootstrap, seed
        self.md_name = "held-out MD" if train else "the reference"
        self._references, self._estimates, self._yardsticks = {}, {}, {}

    def describe(self, dtrajs, stride=1, generated=False):
        """The facts of a group of trajectories with intervals; times in ps of MD.

        Processes are those of all MD: one that these trajectories do not resolve is NaN, and so is a population that
        they cannot tell. What a model generated may stand still: then its populations are counted.
        """
        reference, frame_ps = self.reference(stride), self.dt_ps * stride
        protocol = reference.protocol
        if dtrajs is self.test:
            counts, (kinetics, drawn) = reference.counts, self._of_reference(stride)
        else:
            counts = Counts(dtrajs, protocol)
            corrected = not generated or reference.is_long(counts.n_frames * stride)
            kinetics, drawn = self._estimate(dtrajs, counts, reference.ground, corrected)
        counted = counts.visits.sum(axis=0) / counts.n_frames
        if generated and not np.nansum(kinetics.populations) > 0:
            kinetics.populations = counted
        timescales = inverse_of_rate(kinetics.timescales, drawn.rates, drawn.counts.n_units) * frame_ps
        interval = population_intervals(kinetics.populations, drawn.populations, drawn.counts.n_units)
        return kinetics, {
            "populations": kinetics.populations,
            "populations_interval": interval.to_dict(),
            "populations_counted": counted,
            "timescales_ps": {
                str(int(lag) * stride): timescales[row].to_dict() for row, lag in enumerate(protocol.lagtimes)
            },
            "mfpt_ps": self._mfpt_ps(counts, drawn, frame_ps),
            "passages": counts.passages.events,
            "propagators": kinetics.propagators,
            "propagators_interval": propagator_intervals(drawn.counts, kinetics.propagators, self.seed).to_dict(),
            "dwell_survival": survival_functions(counts, drawn.counts, frame_ps, self.seed),
        }

    def _estimate(self, dtrajs, counts, ground, corrected=True):
        """Kinetics, timescales without bias, and what their intervals are made of.

        Of little that was generated the bias stays: the pieces of MD that it is held against have it too.
        """
        units = independent_units(dtrajs)
        of_units = counts if len(units) == len(dtrajs) else Counts(units, counts.protocol)
        kinetics, drawn = (
            estimate_kinetics(counts, ground),
            resample_kinetics(of_units, ground, self.n_bootstrap, self.seed),
        )
        if corrected:
            kinetics.timescales = without_bias(kinetics.timescales, drawn.rates)
        return kinetics, drawn

    def _mfpt_ps(self, counts, drawn, frame_ps):
        return (mfpt_of(counts.passages, drawn.counts.passages, seed=self.seed) * frame_ps).to_dict()

    def judge(self, model, rollout, held_out, equivalent=True):
        """The row of one model: facts, and a check a metric."""
        stride = rollout.lagtime
        reference, frame_ps = self.reference(stride), self.dt_ps * stride
        protocol = reference.protocol
        kinetics, described = self.describe(rollout.dtrajs, stride, generated=True)
        of_md, floor = reference.compared_with(rollout.dtrajs, stride, self._of_reference(stride)[0])
        floor = floor.scaled(*filter(None, self._sizes()), rollout.n_tokens * stride)
        longest, cut = reference.common_length(rollout.dtrajs), ""
        if longest is not None:
            stays = Counts(rollout.dtrajs, protocol).in_pieces(rollout.dtrajs, longest)
            kinetics = with_stays_of(kinetics, stays)
            cut = f", both in pieces of {verdicts.picoseconds(longest * frame_ps)}"
        differences = compare(kinetics, of_md)
        checks = {
            metric: verdicts.judge_difference(
                metric,
                difference,
                floor,
                kinetics,
                of_md,
                protocol,
                self.names,
                frame_ps,
                self.md_name + cut * (metric == "mfpt_ps"),
            )
            for metric, difference in differences.items()
        }
        calibration = pairs = None
        if held_out is not None:
            expected, observed, ratio = likelihood.pair_calibration(held_out, seed=self.seed)
            pairs = {"expected": expected, "observed": observed, **ratio.to_dict()}
            calibration = likelihood.transition_calibration(held_out, seed=self.seed)
            checks["transition_calibration"] = verdicts.judge_calibration(calibration, *self._sizes())
        worth = error = None
        if equivalent:
            worth, error = self.worth(rollout.dtrajs, stride)
        row = {
            "lagtime_frames": stride,
            "generated": model is None,
            "n_parameters": None if model is None else int(model.n_parameters),
            "train_seconds": getattr(model, "train_seconds_", None),
            "n_sampled_tokens": rollout.n_tokens,
            "sample_tokens_per_second": rollout.n_tokens / max(rollout.seconds, 1e-9),
            "equivalent_md_ps": worth,
            "error": error,
            "more_md": verdicts.more_md_needed(floor),
            **described,
            "transition_calibration": calibration and calibration.to_dict(),
            "pair_calibration": pairs,
            "rollout_checks": check_rollout(
                rollout.dtrajs, self.train or self.test, protocol.macrostates, stride, self.seed
            ).to_dict(),
            "checks": checks,
        }
        for metric in ("populations_jsd", "dwell_ks", "ck_rmse"):
            row[metric] = np.nanmax(differences[metric]) if np.isfinite(differences[metric]).any() else np.nan
        if stride > 1:  # what such a model is to be compared with: a longer interval misses short visits
            row["reference_mfpt_ps"] = self._mfpt_ps(reference.counts, self._of_reference(stride)[1], frame_ps)
        row["history"] = getattr(model, "history_", None)
        return row

    def reference(self, stride):
        """The MD at one frame in `stride`, its processes and its noise."""
        if stride not in self._references:
            self._references[stride] = Reference.of(self.md, self.test, self.protocol, stride, self.n_splits, self.seed)
        return self._references[stride]

    def _of_reference(self, stride):
        """Kinetics of the MD that models are held against, and its resamples."""
        if stride not in self._estimates:
            one = self.reference(stride)
            self._estimates[stride] = self._estimate(one.test, one.counts, one.ground)
        return self._estimates[stride]

    def _yardstick_for(self, macro):
        """Errors of MD pieces of growing length, in macrostates one lag time apart: for models of any lag."""
        md, test = self._md_at_lag
        longest, n = common_length(macro, test), self.protocol.n_macrostates
        if longest not in self._yardsticks:
            of_macrostates = Protocol(np.arange(n), [1], 1, self.protocol.n_steps, min(3, n - 1))
            self._yardsticks[longest] = Yardstick.of(md, test, of_macrostates, self.n_splits, self.seed, longest)
        return self._yardsticks[longest]

    @cached_property
    def _md_at_lag(self):
        return tuple(self._macrostates_at_lag(dtrajs, 1) for dtrajs in (self.md, self.test))

    def error_against_length(self):
        """Error against the length of MD, for a figure; None where nothing was measured."""
        sticks = list(self._yardsticks.values())
        return sticks[0].curve(self.dt_ps * self.protocol.lagtime) if sticks else None

    def _macrostates_at_lag(self, dtrajs, stride):
        """Macrostates one lag time apart, of trajectories that have one frame in `stride`."""
        every = self.protocol.lagtime // stride
        return [self.protocol.macrostates[d[::every]] for d in dtrajs if len(d) > every]

    def worth(self, dtrajs, stride=1):
        """The MD time that trajectories are worth, in ps, by each metric; and their error on the yardstick."""
        try:
            macro = self._macrostates_at_lag(dtrajs, stride)
            if not macro:
                return None, None
            stick = self._yardstick_for(macro)
            errors = stick.errors_of(macro)
        except DataError:  # MD too short for halves one lag time apart
            return None, None
        frame_ps = self.dt_ps * self.protocol.lagtime
        lengths = stick.lengths_with(errors)
        return {metric: (length * frame_ps).to_dict() for metric, length in lengths.items()}, errors[ALL]

    def _sizes(self):
        n_test = sum(map(len, self.test))
        return n_test, sum(map(len, self.md)) - n_test

    def master_equations(self):
        """Chapman-Kolmogorov errors of master equations with memory, fitted to training MD; None without any."""
        protocol, macrostates = self.protocol, self.protocol.macrostates
        if not self.train:
            return None
        try:
            found = propagator_baselines(
                [macrostates[d] for d in self.train], protocol.lagtime, protocol.n_steps, protocol.n_macrostates
            )
        except DataError:  # a macrostate that training MD does not know
            return None
        return propagator_errors(found, self._of_reference(1)[0].propagators)

    @property
    def _endless_floor(self):
        """The floor of a perfect model with endless rollouts, frame by frame where there is such a model."""
        return self.reference(min(self._references)).floor.scaled(*filter(None, self._sizes()))

    def allowed_mfpt(self):
        """By what factor each MFPT of such a model may be off; NaN where MD does not tell."""
        return np.exp(self._endless_floor.allowed("mfpt_ps"))

    def floor_summary(self):
        """What such a model may be off by, metric by metric."""
        return {metric: self._endless_floor.summary(metric) for metric in METRICS}
