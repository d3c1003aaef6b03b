"""Tokens per second of nano-GPT, measured side by side in one run: ratios, not promises.

Training through `mdtok.NanoGPT` beside a bare torch loop over the same network and batches, training with a second pass
beside that with one, and sampling with the key/value cache beside a loop that reads the whole context again for every
token.

    python benchmarks/bench_nanogpt.py [--threads 2] [--preset small]
"""

import argparse
import tempfile
import time

import numpy as np
import torch

from mdtok.models.networks.nanogpt import NanoGPT, NanoGPTConfig, NanoGPTNetwork
from mdtok.models.networks.neural import draw_tokens
from mdtok.models.networks.token_network import REPLACEMENTS
from mdtok.models.networks.training import training_windows


def train_bare(model, dtraj, n_states, n_steps):
    """Seconds of a plain loop: shuffled batches, forward, backward, clip, Adam."""
    settings = model.settings
    network = NanoGPTNetwork(
        NanoGPTConfig(
            n_states=n_states,
            **{
                name: settings[name]
                for name in ("n_layer", "n_head", "n_embd", "n_inner", "n_positions", "positions", "dropout")
            },
        )
    ).train()
    inputs, labels = map(torch.from_numpy, training_windows([dtraj], settings["n_positions"], settings["window_shift"]))
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings["learning_rate"], betas=settings["adam_betas"])
    began = time.perf_counter()
    for _ in range(n_steps):
        batch = torch.randint(len(inputs), (settings["batch_size"],))
        network(inputs[batch], labels=labels[batch]).loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - began


def train_with_checkpoints(model, dtraj, held_out):
    """Seconds of `NanoGPT.fit`, with its evaluation and its checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        return model.fit([dtraj], validation=[held_out], checkpoint_folder=folder).train_seconds_


def sample_cached(model, prompts, n_steps):
    began = time.perf_counter()
    model.sample(prompts, n_steps, seed=0)
    return time.perf_counter() - began


@torch.inference_mode()
def sample_uncached(model, prompts, n_steps):
    """Seconds of a loop that runs the network over the whole context for each new token."""
    network, n_positions = model.network_.eval(), model.settings["n_positions"]
    tokens, generator = torch.from_numpy(np.stack(prompts)), torch.Generator().manual_seed(0)
    began = time.perf_counter()
    for _ in range(n_steps):
        logits = network(tokens[:, -n_positions:]).logits[:, -1]
        tokens = torch.cat([tokens, draw_tokens(logits, generator)[:, None]], dim=1)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--preset", default="small")
    parser.add_argument("--n-states", type=int, default=100)
    parser.add_argument("--n-chains", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    n_steps = 20
    settings = dict(anchor=None, max_steps=n_steps, evaluate_every_steps=n_steps, progress=False)
    model = NanoGPT.from_preset(arguments.preset, **settings)
    two_pass = {kind: NanoGPT.from_preset(arguments.preset, second_pass=kind, **settings) for kind in REPLACEMENTS}
    dtraj = np.random.default_rng(0).integers(0, arguments.n_states, 20_000)
    dtraj[0] = arguments.n_states - 1
    held_out, n_positions = dtraj[:500], model.settings["n_positions"]
    prompts = [dtraj[start : start + n_positions] for start in range(arguments.n_chains)]

    seconds = {"bare": [], "fit": [], "cached": [], "uncached": [], **{kind: [] for kind in two_pass}}
    for _ in range(arguments.rounds):  # in turns, so that a busy machine hurts all alike
        seconds["bare"].append(train_bare(model, dtraj, arguments.n_states, n_steps))
        seconds["fit"].append(train_with_checkpoints(model, dtraj, held_out))
        for kind, other in two_pass.items():
            seconds[kind].append(train_with_checkpoints(other, dtraj, held_out))
        seconds["cached"].append(sample_cached(model, prompts, 2 * n_positions) / (2 * n_positions))
        seconds["uncached"].append(sample_uncached(model, prompts, 10) / 10)
    best = {name: min(values) for name, values in seconds.items()}

    tokens, n_chains = n_steps * model.settings["batch_size"] * n_positions, arguments.n_chains
    print(
        f"{model.n_parameters:,} weights, {arguments.threads} threads, context {n_positions}, {n_chains} chains, "
        f"best of {arguments.rounds} rounds"
    )
    for title, rate, milliseconds in [
        ("training, bare torch loop", tokens / best["bare"], 1e3 * best["bare"] / n_steps),
        ("training, NanoGPT.fit", tokens / best["fit"], 1e3 * best["fit"] / n_steps),
        *((f"training, {kind} pass", tokens / best[kind], 1e3 * best[kind] / n_steps) for kind in two_pass),
        ("sampling, cached", n_chains / best["cached"], 1e3 * best["cached"]),
        ("sampling, uncached", n_chains / best["uncached"], 1e3 * best["uncached"]),
    ]:
        print(f"{title:<26} {rate:>10,.0f} tokens/s {milliseconds:8.1f} ms/step")
    print(f"NanoGPT.fit takes x {best['fit'] / best['bare']:.2f} of the bare loop's time")
    for kind in two_pass:
        print(f"two passes ({kind}) take x {best[kind] / best['fit']:.2f} of one pass's time")
    print(f"the cache makes sampling x {best['uncached'] / best['cached']:.1f} faster")


if __name__ == "__main__":
    main()
