"""What every network over tokens does around its middle: embedding, heads, loss, the second pass, the anchor."""

import inspect
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from mdtok.checks import require_known_names, require_one_of, require_whole_number
from mdtok.errors import DataError, SettingsError
from mdtok.models.networks.anchor import anchored_log_proba, basin_masses

#: What stands in for an MD token in the second pass; see `TokenNetwork`.
REPLACEMENTS = ("sampled", "expected", "faithful")
KEYS_OF_EVERY_CONFIG = {key.lstrip("_") for key in {*vars(PretrainedConfig()), *PretrainedConfig().to_dict()}} | {
    "_name_or_path",
    "_commit_hash",
    "attn_implementation",
    "experts_implementation",
    "model_type",
    "num_labels",
    "output_attentions",
    "torch_dtype",
}


@dataclass
class TokenOutput(ModelOutput):
    """Loss (nats per token), logits (n_chains, n_tokens, n_states) and the cache that was passed in."""

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    cache: object = None


class TokenNetwork(PreTrainedModel):
    """Network over states: outputs for the next token at every position; a subclass says how embeddings are read.

    With a second pass in training (Zeng, Zhang and Yao 2025), token t of the input is replaced, more often the later it
    is in the window and in training, by what the first pass predicted for it, and the loss is that of the second pass.
    It is kept with probability ``epsilon**(t (1 - r**step))``. What replaces it: a token drawn from the prediction made
    at t - 1 (``"sampled"``), the mean embedding under that prediction (``"expected"``), or the hidden state at t
    itself, as in the published code (``"faithful"``), which has read token t and predicts t + 1.
    """

    accepts_loss_kwargs = False  # the loss is a mean over the tokens of the batch: no scaling by the Trainer
    training_step = 0  # set by the training loop

    def add_embedding_and_heads(self, config):
        """Make the embedding and the heads of a network of width `n_embd`."""
        self.token_embedding = nn.Embedding(config.n_states, config.n_embd)
        self.head = nn.Linear(config.n_hidden, config.n_states, bias=False)
        if config.n_basins:
            self.basin_head = nn.Linear(config.n_hidden, config.n_basins)
            self.register_buffer("basin_of", torch.zeros(config.n_states, dtype=torch.long))
            self.register_buffer("anchor_share", torch.ones(config.n_basins, config.n_basins))

    def hidden_states(self, embedded, cache=None):
        """Hidden states (B, T, n_hidden) of embedded tokens (B, T, n_embd) that follow those in the cache."""
        raise NotImplementedError

    def new_cache(self, n_chains):
        """Room for the past of `n_chains` chains: has a `length`, and `clear` to begin anew."""
        raise NotImplementedError

    def _init_weights(self, module):
        super()._init_weights(module)  # normal with initializer_range; norms to one, biases to zero
        if module is getattr(self, "basin_head", None):
            nn.init.zeros_(module.weight)  # a correction has to be learnt

    def forward(self, input_ids, labels=None, anchor=None, cache=None):
        """Predict the token after each input token.

        Parameters
        ----------
        input_ids : LongTensor, shape (n_chains, n_tokens)
            At most ``n_positions`` tokens, those in the cache included.
        labels : LongTensor, shape (n_chains, n_tokens), optional
            ``labels[:, t]`` is the token that follows ``input_ids[:, t]`` (nanoGPT's convention: nothing is shifted
            here); -100 is not counted.
        anchor : Tensor, shape (n_chains, n_tokens, n_basins), optional
            Counted log-probabilities of the next basin, where the network has basins.
        cache : optional
            The past, from `new_cache`; `input_ids` continue it and are added to it.
        """
        self._check_length(input_ids, cache)
        embedded = self.token_embedding(input_ids)  # (B, T, n_embd)
        if self.training and self.config.second_pass:
            embedded = self._replace(embedded, input_ids, anchor)
        outputs = self.logits(self.hidden_states(embedded, cache))  # (B, T, n_outputs)
        logits = self.distribution(outputs, input_ids, anchor)  # (B, T, n_states)
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        if loss is not None and self.training and 0 < self.config.n_basins < self.config.n_states:
            loss = loss + self._basins_by_states(outputs, labels)
        return TokenOutput(loss=loss, logits=logits, cache=cache)

    def _basins_by_states(self, outputs, labels):
        """Zero, with the gradient of the nats of the next basin under the logits of states alone.

        Where in a basin one arrives is seen at crossings only, which are few. With this term the logits of states learn
        what they learn without an anchor: at every frame, which states are far.
        """
        masses = basin_masses(
            outputs[..., : self.config.n_states], self.basin_of, self.config.n_basins
        )  # (B, T, n_basins)
        basins = torch.where(labels < 0, -100, self.basin_of[labels.clamp(min=0)])
        nats = F.cross_entropy(masses.flatten(0, 1), basins.flatten(), ignore_index=-100)
        return nats - nats.detach()

    def next_logits(self, input_ids, cache=None, last_only=False):
        """Outputs alone, shape (B, T, n_outputs), or (B, n_outputs) of the last position."""
        self._check_length(input_ids, cache)
        hidden = self.hidden_states(self.token_embedding(input_ids), cache)
        return self.logits(hidden[:, -1] if last_only else hidden)

    def log_proba(self, input_ids, anchor=None):
        """Log-probabilities of the next token at every position, float32, shape (B, T, n_states)."""
        return F.log_softmax(self.distribution(self.next_logits(input_ids), input_ids, anchor).float(), dim=-1)

    def logits(self, hidden):
        """Logits (..., n_states), and corrections of basins after them where there are some."""
        states = self.head(hidden)
        return torch.cat([states, self.basin_head(hidden)], dim=-1) if self.config.n_basins else states

    def distribution(self, outputs, last, anchor=None):
        """Logits of the next token after the tokens `last`, normalised already where there is an anchor."""
        if not self.config.n_basins:
            return outputs
        if anchor is None:
            raise DataError(
                f"Transitions between the {self.config.n_basins} basins of this network are anchored on counts: pass "
                "anchor, the counted log-probabilities of the next basin (BasinAnchor.log_proba), or use the model "
                "instead of its network."
            )
        return anchored_log_proba(outputs, anchor, self.basin_of[last], self.basin_of, self.anchor_share)

    def _check_length(self, input_ids, cache):
        total = (cache.length if cache is not None else 0) + input_ids.shape[1]
        if total > self.config.n_positions:
            raise DataError(
                f"{total} tokens do not fit in a context of {self.config.n_positions}; pass the last ones only."
            )

    def _replace(self, embedded, input_ids, anchor):
        """Embeddings (B, T, n_embd) of which some are replaced by what the network predicts for them."""
        B, T, _ = embedded.shape
        with torch.no_grad():
            hidden = self.hidden_states(embedded.detach())  # (B, T, n_hidden)
        if self.config.second_pass == "faithful":
            predicted = hidden
        else:
            before = None if anchor is None else anchor[:, :-1]
            logits = self.distribution(self.logits(hidden[:, :-1]), input_ids[:, :-1], before)
            probabilities = F.softmax(logits.detach(), dim=-1)  # (B, T - 1, n_states)
            if self.config.second_pass == "sampled":
                made = self.token_embedding(torch.multinomial(probabilities.flatten(0, 1), 1).view(B, T - 1))
            else:
                made = probabilities @ self.token_embedding.weight
            predicted = torch.cat([embedded[:, :1], made], dim=1)
        position = torch.arange(T, device=embedded.device)
        kept = self.config.keep_epsilon ** (position * (1 - self.config.keep_rate**self.training_step))
        return torch.where((torch.rand(B, T, device=embedded.device) < kept)[..., None], embedded, predicted)


def refuse_unknown(config, keywords):
    """Raise SettingsError where a config was given a setting that is none; a bare Hugging Face config swallows it."""
    known = inspect.signature(type(config).__init__).parameters
    unknown = set(keywords) - KEYS_OF_EVERY_CONFIG
    require_known_names(type(config).__name__, unknown, [name for name in known if name not in ("self", "kwargs")])


def check_sizes(config, whole_numbers):
    """Raise SettingsError unless the sizes, the context and the dropout of a network are in range."""
    for name in whole_numbers:
        require_whole_number(name, getattr(config, name), 1)
    require_whole_number("n_positions", config.n_positions, 2)
    if not 0 <= config.dropout < 1:
        raise SettingsError(f"dropout is {config.dropout}; a number from 0 to below 1 was expected.")


def check_config(config, whole_numbers):
    """Raise SettingsError unless the settings that every network over tokens has are in range."""
    check_sizes(config, whole_numbers)
    require_one_of("second_pass", config.second_pass, (None, *REPLACEMENTS))
    if not (0 < config.keep_epsilon < 1 and 0 < config.keep_rate < 1):
        raise SettingsError(
            f"keep_epsilon is {config.keep_epsilon} and keep_rate {config.keep_rate}; numbers between 0 and 1 were "
            "expected."
        )
    if config.second_pass == "faithful" and config.n_hidden != config.n_embd:
        raise SettingsError(
            "second_pass='faithful' puts hidden states in the place of embeddings: their widths must be equal."
        )
