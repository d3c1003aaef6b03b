"""Runs of a network on the same prompts: clean, with noise on the embeddings, and with one activation put back."""

from contextlib import contextmanager

import numpy as np
import torch

from mdtok.progress import tracked

KINDS = ("residual", "attention", "mlp")
_TOKENS_AT_ONCE = 16384


class RestoredRuns:
    """Clean, corrupted and restored runs of one network on the same prompts; all give log-probabilities of the true
    next token."""

    def __init__(self, network, prompts, anchor, noises):
        self.network, device = network.eval(), network.device
        self.tokens, self.following = (
            torch.from_numpy(array).to(device) for array in (prompts.tokens, prompts.following)
        )
        self.anchor = None if anchor is None else torch.from_numpy(anchor).to(device)
        with torch.inference_mode():
            self.embedded = network.token_embedding(self.tokens)  # (P, T, C)
            self.noisy = self.embedded[:, None] + network.token_embedding.weight.std() * torch.from_numpy(noises).to(
                device
            )  # (P, D, T, C)

    @torch.inference_mode()
    def clean(self):
        """Shape (n_prompts,)."""
        return self._log_prob(self.embedded, torch.arange(len(self.tokens))).cpu().numpy()

    @torch.inference_mode()
    def corrupted(self):
        """Shape (n_prompts, n_draws)."""
        said = [self._log_prob(noisy, torch.full((len(noisy),), k)) for k, noisy in enumerate(self.noisy)]
        return torch.stack(said).cpu().numpy()

    @torch.inference_mode()
    def restore(self, kinds, donors, progress):
        """With the own and with the donor's activation: two dicts of kind -> ndarray (n_prompts, n_draws, n_layers,
        n_frames)."""
        P, D, T, _ = self.noisy.shape
        sites = {kind: self._modules(kind) for kind in kinds}
        modules = [module for of_kind in sites.values() for module in of_kind]
        with _recorded(modules) as recorded:
            self.network.hidden_states(self.embedded)
        own, other = ({kind: np.empty((P, D, len(of_kind), T)) for kind, of_kind in sites.items()} for _ in range(2))
        corrupted = self.corrupted()
        bar = tracked(total=len(modules) * P, desc="causal tracing", unit=" runs", disable=not progress)
        for kind, of_kind in sites.items():
            for layer, module in enumerate(of_kind):
                # after the last attention tokens no longer mix: what is restored elsewhere than at the last changes
                # nothing
                reached = [T - 1] if module in self._after_mixing() else range(T)
                for p in range(P):
                    for said, activation in ((own, recorded[module][p]), (other, recorded[module][donors[p]])):
                        said[kind][p, :, layer] = corrupted[p][:, None]
                        said[kind][p, :, layer, reached] = self._restored(p, module, activation, reached)
                    bar.update()
        bar.close()
        return own, other

    def _restored(self, p, module, activation, reached):
        """The runs of one prompt with one token restored each, shape (n_tokens, n_draws)."""
        D, T = self.noisy.shape[1:3]
        draw, token = torch.arange(D).repeat(len(reached)), torch.tensor(list(reached)).repeat_interleave(D)
        said = []
        for rows in torch.arange(len(draw)).split(max(1, _TOKENS_AT_ONCE // T)):
            with _replaced(module, token[rows], activation[token[rows]]):
                said.append(self._log_prob(self.noisy[p, draw[rows]], torch.full((len(rows),), p)))
        return torch.cat(said).view(len(reached), D).cpu().numpy()

    def _modules(self, kind):
        blocks = self.network.blocks
        if kind == "residual":
            return [self.network.dropout, *blocks]  # the first block reads what the dropout of embeddings gives
        return [block.attention if kind == "attention" else block.contract for block in blocks]

    def _after_mixing(self):
        last = self.network.blocks[-1]
        return last, last.attention, last.contract

    def _log_prob(self, embedded, prompt):
        outputs = self.network.logits(self.network.hidden_states(embedded)[:, -1])  # (B, n_outputs)
        anchor = None if self.anchor is None else self.anchor[prompt]
        logits = self.network.distribution(outputs, self.tokens[prompt, -1], anchor)
        return logits.double().log_softmax(dim=-1).gather(-1, self.following[prompt][:, None])[:, 0]


@contextmanager
def _recorded(modules):
    """In the block, the last output of each module: a dict."""
    recorded = {}
    handles = [
        module.register_forward_hook(lambda module, _, output: recorded.__setitem__(module, output))
        for module in modules
    ]
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _replaced(module, tokens, activations):
    """In the block, the output of the module at one token of each row, shape (B,), is another, shape (B, C)."""

    def put_back(_module, _inputs, output):
        output = output.clone()
        output[torch.arange(len(output)), tokens] = activations
        return output

    handle = module.register_forward_hook(put_back)
    try:
        yield
    finally:
        handle.remove()
