"""The metrics that papers on generators of MD report, side by side for generators and for MD itself."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from deeptime.decomposition import TICA
from scipy.spatial.distance import jensenshannon

from mdtok.features import encode_periodic
from mdtok.features.streaming import fit_in_chunks
from mdtok.kinetics.estimation.counts import pair_counts
from mdtok.kinetics.judging.correlations import autocorrelation, decorrelation_time, flux_correlation, vamp2_gap
from mdtok.kinetics.judging.distributions import (
    MAP_BINS,
    TORSION_BINS,
    bin_edges,
    histogram,
    jensen_shannon_distance,
    log_population_error,
    state_coverage,
    surface_errors,
)
from mdtok.kinetics.judging.structure_checks import check_structures
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K

REPLICATE, SHORTER = "MD replicate", "MD ten times shorter"
_CIRCLE = (-np.pi, np.pi)
_N_DRAWS = 7  # pieces of MD, of which one stands in the table; odd, so that one is in the middle
_N_POSITIONS = 10
_MOST_LAGS = 20_000
_MOST_FRAMES = 200_000  # of MD, where it is held against each tenth of each generator

#: Of each metric: its name, its unit, and the value of perfect agreement.
TITLES = {
    "js_torsions": ("JS distance of torsions", "", 0.0),
    "js_ramachandran": ("JS distance of Ramachandran maps", "", 0.0),
    "js_columns": ("JS distance of features", "", 0.0),
    "js_tica0": ("JS distance of TICA-0", "", 0.0),
    "js_tica01": ("JS distance of TICA-0,1", "", 0.0),
    "js_macrostates": ("JS distance of macrostates", "", 0.0),
    "surface_mae_kt": ("free-energy surface MAE", "kT", 0.0),
    "surface_rmse_kt": ("free-energy surface RMSE", "kT", 0.0),
    "surface_coverage": ("coverage of the surface", "", 1.0),
    "log_population_mae_kt": ("MAE of macrostates' free energies", "kT", 0.0),
    "log_population_mae_kj_per_mol": ("MAE of macrostates' free energies", "kJ/mol", 0.0),
    "state_coverage": ("coverage of states", "", 1.0),
    "state_precision": ("precision of states", "", 1.0),
    "state_recall": ("recall of states", "", 1.0),
    "state_f1": ("F1 of states", "", 1.0),
    "decorrelation_torsions": ("decorrelation time of torsions, ratio", "", 1.0),
    "decorrelation_tica0": ("decorrelation time of TICA-0, ratio", "", 1.0),
    "autocorrelation_error": ("mean error of TICA-0's autocorrelation", "", 0.0),
    "flux_correlation": ("rank correlation of fluxes", "", 1.0),
    "vamp2_gap": ("VAMP-2 gap", "", 0.0),
    "chirality_wrong": ("Cα atoms of the wrong hand, share", "", 0.0),
    "bonds_off": ("bonds off, share", "", 0.0),
    "frames_clashing": ("frames with clashes, share", "", 0.0),
}


def field_metrics_table(md, samples, states, every, lagtime, time, temperature_kelvin, seed):
    """All metrics of all samples, of halves of the MD, and of MD ten times shorter.

    Returns
    -------
    dict
        ``rows``: name -> key -> value (NaN where it cannot be estimated); ``by_position``: name -> what
        needs no time, in each tenth of the rollouts (`_Reference.by_position`); ``columns``: name -> column -> JS
        distance.
    """
    found = {"rows": {}, "by_position": {}, "columns": {}}
    known = _Reference(md, states, lagtime, temperature_kelvin, seed)
    for name, sample in samples.items():
        columns = found["columns"][name] = _by_column(sample, md)
        found["rows"][name] = known.compare(sample, states.generated[name], columns, every[name][1], time)
        if time:
            found["by_position"][name] = known.by_position(sample, states.generated[name], every[name][1])
    rng = np.random.default_rng(seed)
    for name, share in ((REPLICATE, 1 / 2), (SHORTER, 1 / 10)):
        drawn = [known.of_md(share, rng, time) for _ in range(_N_DRAWS)]
        found["rows"][name] = {key: _in_the_middle(key, [one[key] for one in drawn]) for key in drawn[0]}
    return found


def told_metrics(found: dict) -> tuple[list[str], list[tuple[str, float, list[float]]]]:
    """What tables show of `field_metrics_table`: the metrics that some column can estimate.

    Returns
    -------
    names : list of str
        Of the generators, then of MD against itself.
    rows : list of (str, float, list of float)
        Title with its unit, the value of perfect agreement, and one value a name; NaN where it cannot be estimated.
    """
    names, rows = list(found["rows"]), []
    for key, (title, unit, best) in TITLES.items():
        values = [float(np.asarray(found["rows"][name].get(key), dtype=float)) for name in names]  # null in JSON is NaN
        if not np.isnan(values).all():
            rows.append((f"{title} ({unit})" if unit else title, best, values))
    return names, rows


def _in_the_middle(key, values):
    """Of several pieces of MD, the value that is off by the median; NaN where most cannot tell.

    The median of the values would be near perfect agreement where they lie on both sides of it, and MD of any length
    would look perfect.
    """
    told = [value for value in values if not np.isnan(value)]
    if len(told) < len(values) / 2:
        return np.nan
    return float(sorted(told, key=lambda value: _off(key, value))[len(told) // 2])


def _off(key, value):
    """How far from perfect agreement: by what factor for a ratio."""
    return abs(np.log(value)) if key.startswith("decorrelation") else abs(value - TITLES[key][2])


def _mean(values):
    told = [value for value in values if np.isfinite(value)]
    return float(np.mean(told)) if told else np.nan


class _Reference:
    """What the reference gives once: bins, TICA, tokens."""

    def __init__(self, md, states, lagtime, temperature_kelvin, seed):
        self.md, self.states, self.lagtime, self.seed = md, states, lagtime, seed
        self.drawn = {}
        self.kj_per_kt = GAS_CONSTANT_KJ_MOL_K * temperature_kelvin
        self.tica = _fit_tica(md, lagtime)

    def compare(self, sample, dtrajs, columns, stride, time, md=None, reference=None):
        """All metrics of one sample against the reference (or a part of it, and its tokens).

        `columns` are the JS distances of its features.
        """
        md, reference = md or self.md, reference if reference is not None else self.states.reference
        values = dict.fromkeys(TITLES, np.nan)
        if md.kind == "features":
            values |= self._of_distributions(sample, md, list(columns.values()))
        if sample.trajs is not None and md.trajs is not None:
            values |= vars(check_structures(sample.trajs, md.trajs))
        values |= self._of_states(dtrajs, reference)
        if time:
            if md.kind == "features":
                values |= self._of_correlations(sample, md.every(stride), stride)
            values |= self._of_transitions(dtrajs, reference, stride)
        return values

    def of_md(self, share, rng, time, whole=None, dtrajs=None):
        """The same of a piece of the reference (or of a thinned one) against the rest of it."""
        whole, dtrajs = whole or self.md, dtrajs if dtrajs is not None else self.states.reference
        pieces, rest = _split(whole.arrays, max(1, int(share * whole.n_frames)), rng)
        part, others = (replace(whole, arrays=arrays, trajs=None) for arrays in (pieces, rest))
        tokens, other_tokens = _split(dtrajs, max(1, int(share * sum(map(len, dtrajs)))), rng)
        return self.compare(part, tokens, _by_column(part, others), 1, time, others, other_tokens)

    def by_position(self, sample, dtrajs, stride):
        """What needs no time, in each tenth of the rollouts: whether a generator wanders off.

        Returns
        -------
        dict
            ``values``: key -> one value a tenth; ``md``: the same of pieces of MD as long as a tenth.
        """
        md, reference = self.thinned
        arrays, tokens = _tenths(sample.arrays), _tenths(dtrajs)  # tokens are cut where they lie outside of all states
        rows = [
            self.compare(part, d, _by_column(part, md), stride, False, md, reference)
            for part, d in zip((replace(sample, arrays=a, trajs=None) for a in arrays), tokens)
        ]
        if not rows:
            return {}
        n_frames = sum(map(len, tokens[0])) * stride
        drawn = self.pieces(min(n_frames / self.md.n_frames, 0.5))
        told = [key for key in TITLES if not np.isnan([row[key] for row in rows]).all()]
        return {
            "values": {key: [row[key] for row in rows] for key in told},
            "md": {key: _in_the_middle(key, [one[key] for one in drawn]) for key in told},
        }

    @cached_property
    def thinned(self):
        """Frames of the reference, and its tokens, as many as a histogram needs."""
        every = max(1, self.md.n_frames // _MOST_FRAMES)
        return self.md.every(every), [dtraj[::every] for dtraj in self.states.reference]

    def pieces(self, share):
        """Pieces of so large a share of the thinned reference against its rest; kept, as rollouts are often alike."""
        share = float(f"{share:.2g}")
        if share not in self.drawn:
            rng = np.random.default_rng(self.seed)
            self.drawn[share] = [self.of_md(share, rng, False, *self.thinned) for _ in range(_N_DRAWS)]
        return self.drawn[share]

    def _shares(self, dtrajs):
        counted = np.bincount(self.states.macrostates[np.concatenate(dtrajs)], minlength=len(self.states.names))
        return counted / counted.sum()

    def _of_distributions(self, sample, md, columns):
        ours, theirs = np.concatenate(sample.arrays), np.concatenate(md.arrays)
        angles = [js for js, angle in zip(columns, md.periodic) if angle]
        others = [js for js, angle in zip(columns, md.periodic) if not angle]
        pairs = ramachandran_pairs(md)
        maps = [jensen_shannon_distance(ours[:, pair], theirs[:, pair], MAP_BINS, _CIRCLE) for pair in pairs]
        found = {"js_torsions": _mean(angles), "js_columns": _mean(others), "js_ramachandran": _mean(maps)}
        surface = (ours[:, pairs[0]], theirs[:, pairs[0]], _CIRCLE) if pairs else None
        if self.tica is not None:
            ours, theirs = (self._project(part) for part in (ours, theirs))
            found["js_tica0"] = jensen_shannon_distance(ours[:, 0], theirs[:, 0], TORSION_BINS)
            if ours.shape[1] > 1:
                found["js_tica01"] = jensen_shannon_distance(ours, theirs, MAP_BINS)
                surface = surface or (ours, theirs, None)
        if surface is not None:
            edges = bin_edges(surface[1], MAP_BINS, surface[2])
            errors = surface_errors(histogram(surface[0], edges), histogram(surface[1], edges))
            found |= {
                "surface_mae_kt": errors.mae_kt,
                "surface_rmse_kt": errors.rmse_kt,
                "surface_coverage": errors.coverage,
            }
        return found

    def _project(self, array):
        return self.tica.transform(encode_periodic(array, self.md.periodic)[0])[:, :2]

    def _of_states(self, dtrajs, reference):
        ours, theirs = self._shares(dtrajs), self._shares(reference)
        error, n_states = log_population_error(ours, theirs), len(self.states.macrostates)
        covered = state_coverage(*(np.bincount(np.concatenate(d), minlength=n_states) for d in (dtrajs, reference)))
        return {
            "js_macrostates": _distance(ours, theirs),
            "log_population_mae_kt": error,
            "log_population_mae_kj_per_mol": error * self.kj_per_kt,
            "state_coverage": covered.coverage,
            "state_precision": covered.precision,
            "state_recall": covered.recall,
            "state_f1": covered.f1,
        }

    def _of_correlations(self, sample, md, stride):
        dt_ps = self.md.dt_ps * stride
        max_lag = min(_MOST_LAGS, max(map(len, sample.arrays)) - 1, max(map(len, md.arrays)) - 1)
        ratios = []
        for k in np.flatnonzero(md.periodic):
            ours, theirs = (
                decorrelation_time(autocorrelation([a[:, k] for a in one.arrays], max_lag, periodic=True), dt_ps)
                for one in (sample, md)
            )
            ratios.append(np.log(ours / theirs))
        found = {"decorrelation_torsions": float(np.exp(_mean(ratios)))}
        if self.tica is not None:
            ours, theirs = (
                autocorrelation([self._project(a)[:, 0] for a in one.arrays], max_lag) for one in (sample, md)
            )
            times = [decorrelation_time(curve, dt_ps) for curve in (ours, theirs)]
            reach = int(5 * times[1] / dt_ps) + 1 if np.isfinite(times[1]) else max_lag
            found["decorrelation_tica0"] = times[0] / times[1]
            found["autocorrelation_error"] = _mean(np.abs(ours - theirs)[: reach + 1])
        return found

    def _of_transitions(self, dtrajs, reference, stride):
        macro, n = self.states.macrostates, len(self.states.names)
        counts = []
        for trajectories, thinned in ((dtrajs, 1), (reference, stride)):
            lag = max(1, self.lagtime // stride)
            found = pair_counts([macro[d[::thinned]] for d in trajectories], lag, n).sum(axis=0)
            counts.append(np.asarray(found).reshape(n, n))
        if not all(count.sum() for count in counts):
            return {}
        return {"flux_correlation": flux_correlation(*counts), "vamp2_gap": vamp2_gap(*counts)}


def _tenths(arrays):
    """Of each tenth of trajectories that are long enough, its arrays; nothing where none is."""
    parts = [np.array_split(array, _N_POSITIONS) for array in arrays if len(array) >= _N_POSITIONS]
    return [list(tenth) for tenth in zip(*parts)]


def _by_column(sample, md):
    """JS distance of each feature, by its name."""
    if md.kind != "features":
        return {}
    ours, theirs = np.concatenate(sample.arrays), np.concatenate(md.arrays)
    return {
        name: jensen_shannon_distance(ours[:, k], theirs[:, k], TORSION_BINS, _CIRCLE if angle else None)
        for k, (name, angle) in enumerate(zip(md.names, md.periodic))
    }


def _distance(p, q):
    return float(jensenshannon(p, q))


def _split(arrays, n_frames, rng):
    """A piece of so many frames in a row, and the rest."""
    order = list(rng.permutation(len(arrays)))
    piece, rest, missing = [], [], n_frames
    for k in order:
        array = arrays[k]
        if missing <= 0:
            rest.append(array)
        elif len(array) <= missing:
            piece.append(array)
            missing -= len(array)
        else:
            start = int(rng.integers(len(array) - missing + 1))
            piece.append(array[start : start + missing])
            rest += [part for part in (array[:start], array[start + missing :]) if len(part) > 1]
            missing = 0
    return piece, rest


def ramachandran_pairs(md):
    """Columns of φ and ψ of the same residue, by their names."""
    at = {str(name).lower(): k for k, name in enumerate(md.names) if md.periodic[k]}
    return [[at[name], at["psi" + name[3:]]] for name in at if name.startswith("phi") and "psi" + name[3:] in at]


def _fit_tica(md, lagtime):
    if md.kind != "features":
        return None
    encoded = encode_periodic([array for array in md.arrays if len(array) > lagtime], md.periodic)
    if encoded[0].shape[1] < 2:
        return None
    return fit_in_chunks(TICA(lagtime=lagtime, dim=2), encoded)
