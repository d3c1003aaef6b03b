"""The density-GPT on alanine dipeptide's dihedrals: nats per frame, and the kinetics of what it generates.

    python benchmarks/density_alanine.py dihedral_traj0.npy --out density_alanine

The file holds phi and psi in radians, an array (n_frames, 2) of one trajectory. The first 60 % train, the next 20 %
stop the training, the last 20 % judge. Nats per frame are per square radian: of the density-GPT, of a Markov model by
kernel densities, and of models of tokens with a uniform density within each cell. Rollouts are judged in tokens by the
scorecard, beside the models of tokens. Prints a table, and writes the scorecard, ``nats.json`` and the models to --out.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from mdtok import StateTokenizer, cell_volumes, encode_periodic, score, token_log_density
from mdtok.models import load_model
from mdtok.models.catalogue import make_models
from mdtok.models.rollout import Rollout
from mdtok.storage import write_json

STATES, MACROSTATES, LAGTIME = 100, 4, 10
BLOCK = 500  # frames that intervals are resampled by
IS_ANGLE = np.array([True, True])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="npy file of phi and psi in radians")
    parser.add_argument("--dt-ps", type=float, default=1.0)
    parser.add_argument("--density", default="density-gpt-tiny,kernel-markov", help="models of dihedrals")
    parser.add_argument("--tokens", default="msm,nanogpt-tiny", help="models of tokens")
    parser.add_argument("--steps", type=int, default=1000, help="of training, at most")
    parser.add_argument("--n-chains", type=int, default=500)
    parser.add_argument("--n-steps", type=int, default=2000)
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("density_alanine"))
    given = parser.parse_args()

    frames = np.load(given.path, allow_pickle=False).astype(float)
    cuts = [int(0.6 * len(frames)), int(0.8 * len(frames))]
    train, validation, test = np.split(frames, cuts)
    encoded = encode_periodic([train, validation, test], IS_ANGLE)
    tokenizer = StateTokenizer(n_states=STATES, n_macrostates=MACROSTATES, lagtime=LAGTIME, seed=given.seed)
    tokenizer.fit(encoded[:1])
    tokens = tokenizer.transform(encoded)
    models = make_models(f"{given.density},{given.tokens}", seed=given.seed, training_steps=given.steps, progress=False)
    for name, model in models.items():
        folder, began = given.out / "models" / name, time.perf_counter()
        if (folder / "model.json").exists():
            models[name] = load_model(folder)
            continue
        if model.reads == "features":
            model.circles = (0, 2)
            model.fit(encoded[:1], encoded[1:2])
        else:
            model.fit(tokens[:1], tokens[1:2], n_states=tokenizer.n_states_)
        model.save(folder)
        print(f"{name}: trained in {time.perf_counter() - began:.0f} s", flush=True)

    volumes = cell_volumes(
        lambda points: tokenizer.transform(encode_periodic([points], IS_ANGLE))[0],
        tokenizer.n_states_,
        [[-np.pi, np.pi]] * 2,
        seed=given.seed,
    )
    nats = {}
    for name, model in models.items():
        if model.reads == "features":
            log_density = model.log_density(encoded[2])
        else:
            (log_density,) = token_log_density(model, [tokens[2]], volumes)
        nats[name] = -log_density
    print(*table(nats), sep="\n", flush=True)
    write_json(given.out / "nats.json", {name: of_model.mean() for name, of_model in nats.items()})

    rollouts = {}
    rng = np.random.default_rng(given.seed)
    ends = rng.integers(given.window, len(train), size=given.n_chains)
    prompts = [encoded[0][end - given.window : end] for end in ends]
    for name, model in models.items():
        if model.reads == "features":
            began = time.perf_counter()
            chains = model.sample(prompts, given.n_steps, given.seed)
            seconds = time.perf_counter() - began
            rollouts[name] = Rollout(tokenizer.transform(chains), 1, seconds)
            print(f"{name}: {given.n_chains * given.n_steps:,} frames in {seconds:.0f} s", flush=True)
    card = score(
        models,
        tokens[:1],
        tokens[2:],
        given.dt_ps,
        validation=tokens[1:2],
        macrostates=tokenizer.macrostates_,
        lagtime=LAGTIME,
        rollouts=rollouts,
        n_chains=given.n_chains,
        n_steps=given.n_steps,
        seed=given.seed,
        progress=False,
    )
    card.save(given.out / "report")
    print(card)
    reference, slow = card.content["md"]["timescales_ps"], str(LAGTIME)
    print(f"timescales at lag {slow}, ps: MD", np.round(reference[slow]["value"], 1))
    for name, row in card.content["models"].items():
        print(f"  {name}:", np.round(row["timescales_ps"][slow]["value"], 1))


def table(nats):
    """One line a model: nats per frame and the paired difference from the best, with standard errors over blocks."""
    shortest = min(map(len, nats.values()))
    of_blocks = {
        name: one[-shortest:][: shortest // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1) for name, one in nats.items()
    }
    best = min(of_blocks, key=lambda name: of_blocks[name].mean())
    yield f"{'model':<28}{'nats/frame':>12}{'above ' + best:>28}"
    for name, one in sorted(of_blocks.items(), key=lambda item: item[1].mean()):
        off, error = one - of_blocks[best], len(one) ** -0.5
        yield f"{name:<28}{one.mean():>12.4f}{off.mean():>18.4f} ± {off.std() * error:.4f}"


if __name__ == "__main__":
    main()
