"""Chapter: how much of the past counts in the tokens."""

import numpy as np

from mdtok.insight import diagnose_memory
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.scoring.verdicts import factor, picoseconds
from mdtok.report import Chapter, ReportFigure, plot_memory
from mdtok.workflows.judged import JudgedRun

PLACE = 90
_GROWS = 1.2  # a slowest timescale that grows by more with the lag shows memory
_FEWEST_TOKENS = 100  # held out; fewer tell nothing
_CAPTION = (
    "Held-out nats per token that each further token of past saves a counted model, at several intervals between "
    "tokens; bars are 95 % intervals. A line that stays at zero is a Markov chain; where a line levels off, the "
    "memory ends. “Age” sees how long the state has lasted and the state before it. A network (dashed) is compared "
    "with the Markov chain on the same tokens."
)


def applies(judged: JudgedRun) -> bool:
    """Where there are enough held-out tokens."""
    return sum(map(len, judged.tokens.part("test"))) >= _FEWEST_TOKENS


def numbers(judged: JudgedRun) -> dict:
    """Held-out nats that more past saves, in counted models and in the best network of tokens."""
    tokens, settings = judged.tokens, judged.settings
    training = [*tokens.part("train"), *tokens.part("validation")]
    diagnosis = diagnose_memory(
        training,
        tokens.part("test"),
        tokens.dt_ps,
        network=_best_network(judged),
        seed=settings.seed,
        progress=settings.progress,
    )
    return {**diagnosis.to_dict(), "sentences": [str(diagnosis), *timescales_against_lag(judged.card.content)]}


def timescales_against_lag(content: dict) -> list[str]:
    """What the slowest timescale of all MD says of memory: nats see fast jumps, and hardly the slow ones."""
    times = {int(lag): Estimate.of(found).first for lag, found in content["md"]["timescales_ps"].items()}
    times = {lag: time for lag, time in times.items() if np.isfinite(time.value)}
    if len(times) < 2:
        return []
    first, last = min(times), max(times)
    short, long = float(times[first].value), float(times[last].value)
    at, to = (picoseconds(lag * content["dt_ps"]) for lag in (first, last))
    if long > _GROWS * short:
        return [
            f"The slowest timescale grows from {picoseconds(short)} at a lag of {at} to {picoseconds(long)} at {to}: "
            f"for "
            f"slow kinetics the tokens are not Markovian at {at}, and an MSM there is {factor(long / short)} too fast, "
            "whatever the nats say."
        ]
    return [f"The slowest timescale is level from a lag of {at} to {to}, within {factor(_GROWS)}."]


def _best_network(judged):
    """Name and model of the network with the fewest held-out nats per token; None where there is none."""
    from mdtok.models.networks.neural import NeuralModel  # brings torch, which drawing does not need

    networks = [named for named in judged.models.items() if isinstance(named[1], NeuralModel)]
    rows = judged.card.content["models"]
    return min(networks, key=lambda named: rows[named[0]]["nll_nats_per_token"]["value"], default=None)


def draw(numbers: dict) -> Chapter:
    """The answer in words, then the figure."""
    figure = ReportFigure("memory", "Memory of the tokens", _CAPTION, lambda: plot_memory(numbers))
    return Chapter("How much of the past counts", numbers["sentences"], [figure])
