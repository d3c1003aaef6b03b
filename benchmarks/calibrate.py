"""How often the referee is right: coverage of its intervals, error rates of its verdicts, on chains with known answers.

    python benchmarks/calibrate.py                        # 200 replicates of each chain, some 40 minutes on two cores
    python benchmarks/calibrate.py --replicates 40 --chains markov4,slow20

A 95 % interval should hold the truth in 92 to 98 % of the replicates. Truth should be refused in at most 7 %; a slow
process 1.5 times too fast should be found in at least 90 % where the held-out MD has 100 of its events.
"""

import argparse
import json
import logging
import sys
import time
import warnings

import numpy as np

from mdtok.kinetics.estimation.cores import map_on_cores
from mdtok.kinetics.estimation.counts import Counts, Ground
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.scoring.comparison import estimate_kinetics
from mdtok.kinetics.scoring.equivalent_time import ALL, Yardstick
from mdtok.kinetics.scoring.likelihood import evaluate_held_out, nats_difference
from mdtok.kinetics.scoring.protocol import make_protocol
from mdtok.kinetics.scoring.referee import Referee
from mdtok.kinetics.scoring.scorecard import score
from mdtok.models import MarkovModel
from mdtok.models.jumps import JumpTable

FACTORS = (1.0, 1.2, 1.5, 2.0)
SHAPES = ("a twentieth of the MD", "clips")  # of what was generated, besides trajectories as those of the MD
N_TRAIN, N_TEST = 15, 5
LONG = 4_000_000  # frames whose estimates are the truth of what has no closed answer


class Chain:
    """A reversible Markov chain, seen through a lumping of its states; `factor` scales its rates."""

    def __init__(self, matrix, n_frames, tokens=None, macrostates=None, slow=None):
        self.matrix, self.n_frames, self.slow = np.asarray(matrix, dtype=float), n_frames, slow
        self.tokens = np.arange(len(matrix)) if tokens is None else np.asarray(tokens)
        self.macrostates = np.arange(self.tokens.max() + 1) if macrostates is None else np.asarray(macrostates)
        self.start = stationary(self.matrix)

    def simulate(self, n_chains, n_frames, seed, factor=1.0):
        """Tokens, a list of int arrays."""
        rates = self.matrix - np.eye(len(self.matrix)) if self.slow is None else self.slow
        jumps, rng = JumpTable(self.matrix + (factor - 1) * rates), np.random.default_rng(seed)
        states = np.empty((n_frames, n_chains), dtype=np.int64)
        states[0] = rng.choice(len(self.matrix), n_chains, p=self.start)
        for t in range(1, n_frames):
            states[t] = jumps.draw(states[t - 1], rng)
        return list(self.tokens[states.T])


class Renewal:
    """A semi-Markov process: dwells of a gamma distribution, jumps of a matrix."""

    def __init__(self, means, jumps, n_frames, shape=3.0):
        self.means, self.jumps, self.shape, self.n_frames = np.array(means), np.array(jumps), shape, n_frames
        self.macrostates = np.arange(len(means))

    def simulate(self, n_chains, n_frames, seed, factor=1.0):
        """Tokens, a list of int arrays; a stretch before the first frame brings the process to equilibrium."""
        rng, found = np.random.default_rng(seed), []
        before = int(20 * self.means.max())
        for _ in range(n_chains):
            tokens, state, n = [], int(rng.integers(len(self.means))), 0
            while n < n_frames + before:
                dwell = 1 + int(rng.gamma(self.shape, (self.means[state] - 1) / self.shape / factor))
                tokens.append(np.full(dwell, state))
                n += dwell
                state = int(rng.choice(len(self.means), p=self.jumps[state]))
            found.append(np.concatenate(tokens)[before : before + n_frames])
        return found


def stationary(matrix):
    """Stationary distribution of a transition matrix."""
    values, vectors = np.linalg.eig(matrix.T)
    vector = np.real(vectors[:, np.argmax(np.real(values))])
    return vector / vector.sum()


def torus(n_side=10, barrier=4.0, width=0.25):
    """A reversible chain on a torus with four basins: its matrix, and the basin of each state."""
    grid = (np.arange(n_side) + 0.5) / n_side * 2 * np.pi
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    energy = barrier / 2 * (0.8 * np.cos(2 * x) + np.cos(2 * y)) + 0.7 * np.cos(x) + 0.3 * np.sin(y)
    weights = np.exp(-energy)
    apart = [np.angle(np.exp(1j * (axis[:, None] - axis))) for axis in (x, y)]
    proposal = np.exp(-sum(d**2 for d in apart) / 2 / width**2)
    proposal = np.where(proposal > 1e-6, proposal, 0.0)
    proposal /= proposal.sum(axis=1).max()
    matrix = proposal * np.minimum(1, weights / weights[:, None])
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    return matrix, (x > np.pi) * 2 + (y > np.pi)


def two_wells(n_events, n_frames):
    """Two wells of two states each; the held-out MD crosses between them `n_events` times on average."""
    rate = 2 * n_events / (N_TEST * n_frames)  # out of the two states at the barrier, half of the time occupied
    slow = np.zeros((4, 4))
    slow[1, [1, 2]], slow[2, [2, 1]] = (-rate, rate), (-rate, rate)
    fast = np.array([[0.8, 0.2, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0.8, 0.2], [0, 0, 0.2, 0.8]])
    return Chain(fast + slow, n_frames, macrostates=[0, 0, 1, 1], slow=slow)


FOUR = np.array(
    [[0.97, 0.02, 0.005, 0.005], [0.02, 0.965, 0.015, 0.0], [0.005, 0.015, 0.96, 0.02], [0.005, 0, 0.02, 0.975]]
)
EIGHT = np.kron(FOUR, np.ones((2, 2)) / 2) * 0.4 + 0.6 * np.kron(np.eye(4), [[0.99, 0.01], [0.01, 0.99]])
_MATRIX, _BASINS = torus()
CHAINS = {
    "markov4": lambda: Chain(FOUR, 2000),
    "markov100": lambda: Chain(_MATRIX, 10_000, macrostates=_BASINS),
    "lumped": lambda: Chain(EIGHT @ EIGHT, 3000, tokens=[0, 0, 1, 1, 2, 2, 3, 3]),
    "semi-markov": lambda: Renewal([20, 35, 50], [[0, 0.7, 0.3], [0.6, 0, 0.4], [0.5, 0.5, 0]], 3000),
    "slow5": lambda: two_wells(5, 4000),
    "slow20": lambda: two_wells(20, 4000),
    "slow100": lambda: two_wells(100, 4000),
}


def protocol_of(chain, seed=0):
    """The same lag times for all replicates."""
    md = chain.simulate(N_TRAIN + N_TEST, chain.n_frames, seed)
    return make_protocol(md, md[:N_TEST], chain.macrostates, lagtimes=[1, 10], lagtime=10)


def truth_of(chain, protocol):
    """Estimates of far longer MD."""
    long = chain.simulate(200, LONG // 200, 12345)
    counts = Counts(long, protocol)
    return estimate_kinetics(counts, Ground.of(counts))


def coverage(chain, protocol, truth, seed):
    """Which intervals of one replicate hold the truth: {what: (how many, of how many that are known)}."""
    md = chain.simulate(N_TRAIN + N_TEST, chain.n_frames, seed)
    names = [str(k) for k in range(protocol.n_macrostates)]
    referee = Referee(protocol, names, [], md, md[:N_TEST], 1.0, 2, 100, seed)
    _, facts = referee.describe(md[:N_TEST])
    found = {}
    rows = [Estimate.of(facts["timescales_ps"][str(lag)]) for lag in protocol.lagtimes]
    for row, known, lag in zip(rows, truth.timescales, protocol.lagtimes):
        found[f"slowest timescale, lag {lag}"] = _held(row[:1], known[:1])
        if len(known) > 1:
            found[f"other timescales, lag {lag}"] = _held(row[1:], known[1:])
    apart = ~np.eye(protocol.n_macrostates, dtype=bool)
    found["MFPT"] = _held(Estimate.of(facts["mfpt_ps"])[apart], truth.mfpt_frames[apart])
    found["populations"] = _held(Estimate.of(facts["populations_interval"]), truth.populations)
    return found


def _held(interval, truth):
    known = np.isfinite(interval.value) & np.isfinite(truth) & np.isfinite(interval.low)
    inside = (interval.low <= truth) & (truth <= interval.high)
    return int((inside & known).sum()), int(known.sum())


def nats_coverage(chain, seed):
    """Whether the interval of a difference in nats holds its exact value: of a chain 1.5 times too fast, on Markov
    data."""
    true, fast = (_as_model(chain, factor) for factor in (1.0, 1.5))
    weights = chain.start[:, None] * chain.matrix
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(weights > 0, weights * np.log(true.predictive_matrix_ / fast.predictive_matrix_), 0.0).sum()
    test = chain.simulate(N_TEST, chain.n_frames, seed)
    held = [evaluate_held_out(model, test, chain.macrostates) for model in (fast, true)]
    return _held(nats_difference(*held, seed=seed), np.array(exact))


def _as_model(chain, factor):
    model = MarkovModel()
    rates = chain.matrix - np.eye(len(chain.matrix)) if chain.slow is None else chain.slow
    model.predictive_matrix_ = np.maximum(chain.matrix + (factor - 1) * rates, 1e-300)
    model.n_states_ = len(chain.matrix)
    return model


def worth_coverage(chain, protocol, seed, share=1 / 20):
    """Whether MD of a twentieth of the length gets that length in its interval of equivalent MD time."""
    md = [chain.macrostates[d] for d in chain.simulate(N_TRAIN + N_TEST, chain.n_frames, seed)]
    n_frames = int(share * sum(map(len, md)))
    stick = Yardstick.of(md, md, protocol, seed=seed)
    piece = chain.simulate(1, n_frames, seed + 1_000_000)
    found = stick.equivalent([chain.macrostates[d] for d in piece])[ALL]
    return _held(found, np.array(float(n_frames)))


def verdicts(chain, protocol, seed):
    """Verdict of each factor, and of the truth in other shapes: "passes", "fails" or "open"."""
    md = chain.simulate(N_TRAIN + N_TEST, chain.n_frames, seed)
    n_chains = 4 * (N_TRAIN + N_TEST)
    models = {
        f"{factor:g}": chain.simulate(n_chains, chain.n_frames, 1000 * seed + 17 + k, factor)
        for k, factor in enumerate(FACTORS)
    }
    clip = chain.n_frames // 20
    shapes = ((1, (N_TRAIN + N_TEST) * clip), (20 * n_chains // 4, clip))
    for k, (name, shape) in enumerate(zip(SHAPES, shapes)):
        models[name] = chain.simulate(*shape, 1000 * seed + 117 + k)
    card = score(
        models,
        md[:N_TRAIN],
        md[N_TRAIN:],
        1.0,
        macrostates=chain.macrostates,
        lagtimes=protocol.lagtimes,
        lagtime=protocol.lagtime,
        n_bootstrap=40,
        equivalent=False,
        seed=seed,
        progress=False,
    )
    found = {}
    for name, row in card.content["models"].items():
        off = [m for m, verdict in row["verdicts"].items() if verdict.startswith("off")]
        found[name] = ("fails" if off else "passes" if row["passes"] else "open", off)
    return found


def _together(found):
    """Sum of (held, known) pairs by their key."""
    keys = dict.fromkeys(key for one in found for key in one)
    return {key: tuple(sum(one[key][k] for one in found if key in one) for k in (0, 1)) for key in keys}


def calibrate(name, n_replicates, parts, first_seed=0):
    """All figures of one chain."""
    chain, result = CHAINS[name](), {"chain": name, "replicates": n_replicates}
    protocol, seeds = protocol_of(chain), range(first_seed + 1, first_seed + n_replicates + 1)

    def tried(function):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return map_on_cores(function, seeds)

    if "intervals" in parts:
        truth = truth_of(chain, protocol)
        result["intervals"] = _together(tried(lambda seed: coverage(chain, protocol, truth, seed)))
        if isinstance(chain, Chain) and len(chain.tokens) == chain.tokens.max() + 1:
            held = tried(lambda seed: {"nats difference": nats_coverage(chain, seed)})
            result["intervals"] |= _together(held)
    if "worth" in parts:
        in_macrostates = make_protocol(
            [protocol.macrostates[d] for d in chain.simulate(20, chain.n_frames, 0)],
            [np.arange(chain.n_frames)],
            np.arange(protocol.n_macrostates),
            lagtimes=[10],
            lagtime=10,
        )
        held = tried(lambda seed: {"equivalent MD time": worth_coverage(chain, in_macrostates, seed)})
        result.setdefault("intervals", {}).update(_together(held))
    if "verdicts" in parts:
        found = tried(lambda seed: verdicts(chain, protocol, seed))
        result["verdicts"] = {
            factor: {what: sum(one[factor][0] == what for one in found) for what in ("passes", "fails", "open")}
            for factor in found[0]
        }
        result["truth_refused_by"] = {}
        for name in ("1", *SHAPES):
            blamed = [metric for one in found for metric in one[name][1]]
            result["truth_refused_by"][name] = {metric: blamed.count(metric) for metric in sorted(set(blamed))}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--chains", default=",".join(CHAINS), help="some of these, separated by commas")
    parser.add_argument("--parts", default="intervals,worth,verdicts")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", default="", help="JSON file of the figures")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    results = []
    for name in arguments.chains.split(","):
        began = time.perf_counter()
        result = calibrate(name, arguments.replicates, arguments.parts.split(","), arguments.first_seed)
        results.append(result)
        sys.stdout.write(f"\n{name}: {arguments.replicates} replicates, {time.perf_counter() - began:.0f} s\n")
        for what, (held, known) in result.get("intervals", {}).items():
            share = f"{100 * held / known:6.1f} %" if known else "    –"
            sys.stdout.write(f"  {what:<28} {share} of {known}\n")
        for factor, counted in result.get("verdicts", {}).items():
            shares = ", ".join(f"{what} {100 * n / arguments.replicates:.1f} %" for what, n in counted.items())
            sys.stdout.write(f"  {factor if factor in SHAPES else f'×{factor}':<22} {shares}\n")
        for name, blamed in result.get("truth_refused_by", {}).items():
            sys.stdout.write(f"  truth ({name}) refused by {blamed}\n")
        sys.stdout.flush()
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
