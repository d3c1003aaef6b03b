"""What trajectory models are worth, against exact physics: forecasts, classes, collective variables, attention,
kinetics.

Each part is one JSON file in ``judgement/``, computed when it is not there, so that a killed run goes on.
"""

import logging

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from mdtok.insight import attention_blocks, count_key_steps, summarise_attention
from mdtok.kinetics import score
from mdtok.kinetics.bayes_limits import BayesClassifier
from mdtok.kinetics.classification import accuracy_by_slice, classification_scores, nearest_at_start
from mdtok.kinetics.collective_variables import compare_cvs, fit_tica, fit_vamp
from mdtok.kinetics.estimators import equilibrium_populations, implied_timescales
from mdtok.kinetics.forecasting import forecast_errors, nats_per_frame
from mdtok.kinetics.oracle import Oracle
from mdtok.kinetics.oracle_models import OracleForecast, OracleTokens
from mdtok.models import MarkovModel
from mdtok.models.rollout import Rollout, roll_out
from mdtok.report import Projection
from mdtok.storage import read_json, write_json
from mdtok.tokens import StateTokenizer, cut_outside
from mdtok.workflows.trajectory_stages import (
    LABELLED,
    LONG,
    TrajectoryData,
    make_berts,
    start_names,
    thin,
    trained_models,
)

log = logging.getLogger(__name__)

ORACLE = "oracle (Bayes-optimal)"
SLICES = (500, 250, 100)
_CV_LAG, _CV_STRIDE, _N_CVS = 100, 5, 2  # frames
_SPACING_NM = 0.04  # at most; the density of one step needs cells of half its spread
_TOKEN_SPACING_NM, _TOKEN_MAX_KT = 0.06, 15.0  # of the oracle that filters tokens; converged to 0.001 nats
_ATTENTION_FRAMES, _N_SHUFFLES = 250, 25
_POPULATION_TOLERANCE, _TIMESCALE_TOLERANCE = 0.03, 0.20  # what a model of the dynamics is asked for


class Judgement:
    """Judges the models of one run; `parts` names what it computes."""

    parts = ("exact", "forecasts", "classes", "cvs", "attention", "kinetics")

    def __init__(self, run, settings):
        self.run, self.settings = run, settings
        self.data, self.tokenizer = TrajectoryData(run / "trajectories"), StateTokenizer.load(run / "tokens")
        self.system = settings.load_system(settings.n_trajectories)
        self.names = start_names(self.system)
        self.minima = np.array([self.system.states[name] for name in self.names])
        step_nm = np.sqrt(2 * self.system.diffusion_nm2_per_ps * settings.frame_interval_ps)
        self.oracle = Oracle.of(self.system, min(_SPACING_NM, 0.45 * step_nm))
        self.classifier = BayesClassifier(self.oracle, self.minima, self.system.start_square_nm)
        self.models = trained_models(run, settings)
        self.berts = {name: self.models[name] for name in make_berts(settings)}

    def results(self):
        """All parts, as a dict; those on disk are read."""
        results = {}
        for part in self.parts:
            path = self.run / "judgement" / f"{part}.json"
            if not path.exists():
                write_json(path, getattr(self, part)())
                log.info("judged: %s", part)
            results[part] = read_json(path)
        return results

    def exact(self):
        """Relaxation times, passage times, populations and crossings: of the oracle, and of the simulated
        trajectories."""
        settings, oracle = self.settings, self.oracle
        regions = [oracle.within(minimum, 0.2) for minimum in self.minima]
        dtrajs = self.tokens_of([thin(x, settings) for x in self.data.long])
        frame_ps = settings.frame_interval_ps * settings.token_interval_frames
        lags = [lag for lag in (1, 2, 5, 10, 20, 50, 100) if 5 * lag <= len(dtrajs[0])]
        timescales = implied_timescales(
            dtrajs, lags, 1, frame_ps, 100, settings.seed, self.tokenizer.n_states_
        ).to_dict()
        crossings = []
        for label, name in enumerate(self.names):
            trajectories = np.stack([x for x, y in zip(self.data.labelled, self.data.labels) if y == label])
            distance = np.linalg.norm(trajectories - self.minima[1 - label], axis=-1)
            crossed = (distance < 0.2).any(axis=1)
            exact = self.classifier.crossing_fraction(
                label, regions[1 - label], settings.n_frames * settings.frame_interval_ps
            )
            deviation = np.sqrt(exact * (1 - exact) / len(crossed))
            crossings.append({"from": name, "exact": exact, "counted": crossed.mean(), "deviation": deviation})
        return {
            "relaxation_times_ps": oracle.relaxation_times(3),
            "populations": self.exact_populations(),
            "mfpt_ps": [oracle.mfpt(regions[0], regions[1]), oracle.mfpt(regions[1], regions[0])],
            "names": self.names,
            "crossings": crossings,
            "lag_ps": [lag * frame_ps for lag in lags],
            "simulated_timescale_ps": [timescales[str(lag)] for lag in lags],
        }

    def exact_populations(self):
        """Equilibrium populations of the two basins of the tokens."""
        shares = self.oracle.shares(lambda points: self.tokenizer.macrostates_[self.nearest_state(points)], 2)
        return self.oracle.stationary_distribution @ shares

    def nearest_state(self, points):
        """Token of each point, that of the nearest connected state."""
        return pairwise_distances_argmin(points, self.tokenizer.cluster_centers_)

    def tokens_of(self, trajectories):
        """Tokens of coordinates; frames outside of all connected states are cut out."""
        return cut_outside(self.tokenizer.transform(trajectories), min_length=self.settings.lagtime + 1)[1]

    def forecasts(self):
        """Squared error of forecasts and nats per frame, against the oracle's."""
        settings = self.settings
        predictor = OracleForecast(self.oracle, settings.frame_interval_ps)
        models = {ORACLE: predictor, **self.models}
        held_out = self.data.part(LABELLED, "test")[: settings.n_forecasts]
        scale = np.concatenate(self.data.part(LABELLED, "train")).std(axis=0)
        errors = forecast_errors(
            models,
            held_out,
            settings.n_prompt,
            settings.n_forecast,
            ORACLE,
            scale,
            seed=settings.seed,
            progress=settings.progress,
        )
        nats = nats_per_frame(models, held_out, ORACLE, seed=settings.seed, progress=settings.progress)
        return {
            name: {
                **errors[name].to_dict(),
                "n_parameters": model.n_parameters,
                "train_seconds": getattr(model, "train_seconds_", None),
                "past_share": model.past_share_ if model.has_density and name in self.berts else None,
                "density": nats[name].to_dict() if name in nats else None,
            }
            for name, model in models.items()
        }

    def classes(self):
        """Accuracy, precision, recall and F1 of whole trajectories, and accuracy by slice."""
        settings, frame_ps = self.settings, self.settings.frame_interval_ps
        held_out, labels = self.data.part(LABELLED, "test"), self.data.labels_of("test")
        answers = {
            ORACLE: self.classifier.predict_proba(np.stack([x[0] for x in held_out]), frame_ps),
            "nearest minimum at start": nearest_at_start(held_out, self.minima),
            **{name: bert.predict_proba(held_out) for name, bert in self.berts.items()},
        }
        scores = classification_scores(answers, labels, ORACLE, seed=settings.seed)
        slices = {}
        for n_frames in (n for n in SLICES if 2 * n <= settings.n_frames):
            starts = range(0, settings.n_frames - n_frames + 1, n_frames)
            of_model = {
                "nearest minimum at start": lambda pieces: nearest_at_start(pieces, self.minima),
                **{name: bert.predict_proba for name, bert in self.berts.items()},
            }
            slices[str(n_frames)] = {
                "exact": [self.classifier.accuracy((start + 1) * frame_ps) for start in starts],
                "models": {
                    name: accuracy_by_slice(predict, held_out, labels, n_frames, seed=settings.seed).to_dict()
                    for name, predict in of_model.items()
                },
            }
        return {
            "scores": {name: score.to_dict() for name, score in scores.items()},
            "slices": slices,
            "exact_accuracy": self.classifier.accuracy(frame_ps),
            "n_test": len(labels),
        }

    def cvs(self):
        """Two collective variables a model, against TICA and VAMP of the coordinates."""
        fitting, judged = self.data.part(LONG, "train"), self.data.part(LONG, "test")
        committor = self.oracle.committor(*(self.oracle.within(minimum, 0.2) for minimum in self.minima))

        def every(trajectories):
            return [x[::_CV_STRIDE] for x in trajectories]

        lag = _CV_LAG // _CV_STRIDE
        sets = {
            "TICA of x, y": fit_tica(every(fitting), lag, _N_CVS),
            "VAMP of x, y": fit_vamp(every(fitting), lag, _N_CVS),
        }
        cvs = {name: [np.asarray(model.transform(x)) for x in every(judged)] for name, model in sets.items()}
        for name, bert in self.berts.items():
            if not bert.is_causal:
                continue
            # one trajectory at a time: the embeddings of all frames are gigabytes
            embedded = [
                [pooled(bert.transform([x]), self.settings.window)[0][::_CV_STRIDE] for x in part]
                for part in (fitting, judged)
            ]
            reduction = fit_tica(embedded[0], lag, _N_CVS)
            cvs[f"{name}: TICA of pooled embeddings"] = [np.asarray(reduction.transform(x)) for x in embedded[1]]
            first = fit_tica(embedded[0], lag, 1)
            logits = [np.diff(bert.class_logits(x), axis=1) for x in embedded[1]]
            cvs[f"{name}: class logit, slowest embedding"] = [
                np.column_stack([logit, first.transform(x)]) for logit, x in zip(logits, embedded[1])
            ]
        q = [self.oracle.interpolate(committor, x) for x in every(judged)]
        quality = compare_cvs(cvs, lag, q, "TICA of x, y", seed=self.settings.seed, progress=self.settings.progress)
        return {
            "lag_ps": _CV_LAG * self.settings.frame_interval_ps,
            "n_cvs": _N_CVS,
            "frame_ps": _CV_STRIDE * self.settings.frame_interval_ps,
            "exact_timescale_ps": self.oracle.relaxation_times(1)[0],
            "sets": {name: one.to_dict() for name, one in quality.items()},
        }

    def attention(self):
        """Mean attention distances, share of attention to the future, and key steps with their control."""
        models = {}
        for name, bert in self.berts.items():
            row = self.attention_summary(bert).to_dict()
            counted = count_key_steps(
                bert, self.looked_at(), _N_SHUFFLES, self.settings.seed, progress=self.settings.progress
            )
            models[name] = {**row, "key_steps": counted.to_dict()}
        return {"models": models, "n_frames": len(self.looked_at()[0]), "n_trajectories": len(self.looked_at())}

    def looked_at(self):
        """Beginnings of held-out trajectories whose attention is analysed."""
        held_out = self.data.part(LABELLED, "test")[: max(2, self.settings.n_attention)]
        return [x[:_ATTENTION_FRAMES] for x in held_out]

    def attention_summary(self, bert):
        """Attention of a model averaged over trajectories, and over the windows of a model that sees no more."""
        windows = (block for x in self.looked_at() for block in attention_blocks(bert.attentions(x)))
        return summarise_attention(windows, progress=False)

    def kinetics(self):
        """Populations and slowest timescale of long rollouts and of MD, against the oracle's."""
        settings = self.settings
        frame_ps = settings.frame_interval_ps * settings.token_interval_frames
        lag, exact = (
            settings.lagtime,
            {"timescale": float(self.oracle.relaxation_times(1)[0]), "populations": self.exact_populations()},
        )
        groups = {
            "held-out MD": [thin(x, settings) for x in self.data.part(LONG, "test")],
            **{name: list(x) for name, x in self.rollouts().items()},
        }
        rows = {}
        for name, trajectories in groups.items():
            dtrajs = self.tokens_of(trajectories)
            timescale = implied_timescales(
                dtrajs, [lag], 1, frame_ps, 100, settings.seed, self.tokenizer.n_states_
            ).to_dict()[str(lag)]
            populations = equilibrium_populations(
                dtrajs, lag, self.tokenizer.macrostates_, 100, settings.seed
            ).to_dict()
            off = float(np.abs(np.asarray(populations["value"]) - exact["populations"]).max())
            ratio = float(timescale["value"][0]) / exact["timescale"]
            rows[name] = {
                "timescale_ps": timescale,
                "populations": populations,
                "population_error": off,
                "timescale_ratio": ratio,
                "populations_hold": off <= _POPULATION_TOLERANCE,
                "timescale_holds": abs(ratio - 1) <= _TIMESCALE_TOLERANCE,
            }
        return {
            "lag_ps": lag * frame_ps,
            "exact_timescale_ps": exact["timescale"],
            "exact_populations": exact["populations"],
            "rows": rows,
        }

    def rollouts(self):
        """Thinned coordinates that every model of coordinates generated, by name."""
        folders = sorted((self.run / "rollouts").glob("*/thinned.npy"))
        generated = {path.parent.name: np.load(path, allow_pickle=False).astype(float) for path in folders}
        return {name: generated[name] for name in self.models if name in generated}

    def scorecard(self):
        """The scorecard on tokens: the oracle and a Markov model of tokens, and the rollouts of models of
        coordinates."""
        settings, stride = self.settings, self.settings.token_interval_frames
        frame_ps = settings.frame_interval_ps * stride
        train, test = (
            self.tokens_of([thin(x, settings) for x in self.data.part(LONG, part)]) for part in ("train", "test")
        )
        coarse = Oracle.of(self.system, _TOKEN_SPACING_NM, max_energy_kt=_TOKEN_MAX_KT)
        tokens = OracleTokens(coarse, self.nearest_state, self.tokenizer.n_states_, frame_ps, settings.progress)
        of_tokens = {"oracle": tokens.fit(train), "msm": MarkovModel().fit(train)}
        # prompts half from each basin, as those of the models of coordinates
        macrostates = self.tokenizer.macrostates_
        populations = self.tokenizer.stationary_distribution_
        stratified = populations / (2 * np.bincount(macrostates, weights=populations)[macrostates])
        n_steps = settings.n_long_frames // stride
        rollouts = {
            name: roll_out(model, train, settings.n_rollouts, n_steps, settings.seed, stratified)
            for name, model in of_tokens.items()
        }
        of_coordinates = self.rollouts()
        for name, trajectories in of_coordinates.items():
            seconds = read_json(self.run / "rollouts" / name / "rollout.json")["seconds"]
            rollouts[name] = Rollout(self.tokens_of(list(trajectories)), 1, seconds)
        lags = [lag for lag in (1, 2, 5, 10, 20, 50, 100) if 5 * lag <= n_steps]
        return score(
            {**of_tokens, **{name: self.models[name] for name in of_coordinates}},
            train,
            test,
            frame_ps,
            macrostates=macrostates,
            macrostate_names=self.basin_names(),
            lagtimes=lags,
            lagtime=settings.lagtime,
            rollouts=rollouts,
            seed=settings.seed,
            progress=settings.progress,
        )

    def basin_names(self):
        """The macrostates by the minima that lie in them."""
        at = self.tokenizer.macrostates_[pairwise_distances_argmin(self.minima, self.tokenizer.cluster_centers_)]
        if len(set(at.tolist())) < 2:
            return ["basin 1", "basin 2"]
        return [self.names[int(np.flatnonzero(at == k)[0])] for k in range(2)]

    def report(self, title):
        """Judge what is not judged, and write ``report/``."""
        from mdtok.report.chapters.trajectory_page import chapters  # draws; not needed to judge

        results, card = self.results(), self.scorecard()
        long = [thin(x, self.settings) for x in self.data.long]
        _, dtrajs, long = cut_outside(self.tokenizer.transform(long), long)
        shown = Projection(long, dtrajs, ("x (nm)", "y (nm)"), (False, False), self.tokenizer.macrostates_)
        write_json(self.run / "report" / "trajectories.json", results)
        card.save(
            self.run / "report", title=title, projection=shown, run=self.run.manifest, chapters=chapters(self, results)
        )
        log.info("\n%s\n\n%s", card, "\n".join(self.verdicts(results)))

    def verdicts(self, results):
        """What was asked for, a sentence each."""
        exact = results["kinetics"]["exact_timescale_ps"]
        for name in self.berts:
            ratio, scored = results["forecasts"][name]["ratio"], results["classes"]["scores"][name]["accuracy"]
            yield (
                f"{name}: MSE {ratio['value']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}] times the Bayes-optimal predictor's; "
                f"accuracy {scored['value']:.4f}, Bayes limit {results['classes']['exact_accuracy']:.4f}."
            )
            if name in results["kinetics"]["rows"]:
                row = results["kinetics"]["rows"][name]
                yield (
                    f"{name}: populations {100 * row['population_error']:.1f} points off ({'holds' if row['populations_hold'] else 'fails'}), "
                    f"slowest timescale ×{row['timescale_ratio']:.2f} {interval(row['timescale_ps'], exact)} of the exact {exact:,.0f} ps "
                    f"({'holds' if row['timescale_holds'] else 'fails'}), chains {self.settings.n_long_frames // self.settings.window} windows long."
                )


def interval(estimate, unit):
    """The interval of the first value of an estimate, in units of `unit`."""
    return f"[{np.ravel(estimate['low'])[0] / unit:.2f}, {np.ravel(estimate['high'])[0] / unit:.2f}]"


def pooled(embeddings, window):
    """Mean embedding over the last `window` frames at every frame, fewer at the start."""
    means = []
    for x in embeddings:
        sums = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0, dtype=float)])
        ends = np.arange(1, len(x) + 1)
        starts = np.maximum(ends - window, 0)
        means.append((sums[ends] - sums[starts]) / (ends - starts)[:, None])
    return means
