"""Memory of tokens: Markovian chains, chains with a known memory, a lumping that hides states."""

import json

import numpy as np
import pytest
from chains import THREE_STATES, simulate

from mdtok.errors import DataError, SettingsError
from mdtok.insight import diagnose_memory
from mdtok.models import NanoGPT
from mdtok.report import plot_memory


def test_a_markov_chain_has_no_memory():
    diagnosis = diagnose_memory(
        simulate(THREE_STATES, 20, 3000, seed=1),
        simulate(THREE_STATES, 20, 3000, seed=2),
        intervals=[1, 5],
        order=4,
        progress=False,
    )
    assert [one.is_markovian for one in diagnosis.intervals] == [True, True]
    assert "Markovian as far as" in str(diagnosis)


def second_order(n_chains, n_frames, seed):
    """The next token is the one before the last with probability 0.9, whatever the last one is."""
    rng = np.random.default_rng(seed)
    chains = rng.integers(0, 2, (n_chains, n_frames))
    for t in range(2, n_frames):
        again = rng.random(n_chains) < 0.9
        chains[:, t] = np.where(again, chains[:, t - 2], 1 - chains[:, t - 2])
    return list(chains)


def test_two_tokens_are_enough_where_the_chain_is_of_second_order():
    diagnosis = diagnose_memory(
        second_order(10, 3000, 1), second_order(10, 3000, 2), intervals=[1], order=5, progress=False
    )
    one = diagnosis.intervals[0]
    assert one.enough == 2
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert one.nats[1] == pytest.approx(entropy, abs=0.01)  # two deviations of the sample are 0.008
    assert one.gains.value[1] == pytest.approx(np.log(2) - entropy, abs=0.02)
    assert "2 ps of past" in str(diagnosis)


def test_a_network_finds_the_memory_too():
    """10 runs of 3,000 tokens each way; the gain of two tokens is log 2 less the entropy, its deviation 0.009."""
    train, test = second_order(10, 3000, 1), second_order(10, 3000, 2)
    model = NanoGPT.from_preset(
        "tiny",
        progress=False,
        learning_rate=5e-3,
        warmup_steps=10,
        batch_size=32,
        max_steps=120,
        evaluate_every_steps=40,
    )
    diagnosis = diagnose_memory(
        train, test, intervals=[1], order=3, network=("gpt", model.fit(train, test[:2])), progress=False
    )
    network, entropy = diagnosis.network, -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert network.pasts == [1, 2, 4, 8, 16, 32]
    assert network.enough == 2 and network.gains.value[0] < 0.01  # one token alone tells nothing
    assert network.gains.value[1] == pytest.approx(np.log(2) - entropy, abs=0.03)
    assert "gpt, which reads the past itself, saves" in str(diagnosis) and "2 ps of past, and hardly more" in str(
        diagnosis
    )
    assert json.loads(json.dumps(diagnosis.to_dict(), default=np.ndarray.tolist))["network"]["enough"] == 2
    axes = plot_memory(diagnosis)
    places = [tick.get_text() for tick in axes.get_xticklabels()]
    assert places[:2] == ["1", "2"] and places[-4:] == ["8", "16", "32", "age"]


LUMPED = np.array(
    [[0.98, 0.02, 0.00, 0.00], [0.02, 0.78, 0.20, 0.00], [0.00, 0.20, 0.78, 0.02], [0.00, 0.00, 0.02, 0.98]]
)


def test_finer_states_and_longer_intervals_cure_a_lumping():
    """Two halves of a line: near the border the other half is close, which the lumped state does not say."""
    fine = [simulate(LUMPED, 20, 5000, seed=seed) for seed in (1, 2)]
    coarse = [[d // 2 for d in part] for part in fine]
    diagnosis = diagnose_memory(*coarse, intervals=[1, 50], order=6, finer=fine, progress=False)
    at_once, later = diagnosis.intervals
    assert not at_once.is_markovian and at_once.finer_gain.low > 0
    assert at_once.gains.value.max() <= at_once.finer_gain.value + 0.002  # the fine state is all there is to know
    assert later.gains.value.max() / later.nats[0] < at_once.gains.value.max() / at_once.nats[0]
    assert "not Markovian" in str(diagnosis) and "finer state instead saves" in str(diagnosis)


def test_bad_input_is_one_line():
    chain = simulate(THREE_STATES, 2, 300, seed=1)
    for arguments, error, words in (
        (dict(order=1), SettingsError, "order is 1"),
        (dict(finer=[chain, [d[:-1] for d in chain]]), DataError, "other lengths"),
        (dict(intervals=[400]), DataError, "100 at the shortest"),
    ):
        with pytest.raises(error, match=words) as caught:
            diagnose_memory(chain, chain, progress=False, **arguments)
        assert "\n" not in str(caught.value)
