"""The folding temperature: van 't Hoff's line through shares that are known, the command, and bad input."""

import json

import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.kinetics.folding import folding_states
from mdtok.workflows.studies.folding_temperature import fit_folding_temperature

GAS_CONSTANT = 8.31446261815324e-3  # kJ/(mol K)


def two_state_chains(temperatures, folding_kelvin, enthalpy, seed, n_chains=8, n_frames=4000, leaving=0.05):
    """Chains of two states whose folded share is that of van 't Hoff's line."""
    rng, of_all = np.random.default_rng(seed), []
    for temperature in temperatures:
        share = 1 / (1 + np.exp(-enthalpy / GAS_CONSTANT * (1 / temperature - 1 / folding_kelvin)))
        chains = []
        for _ in range(n_chains):
            states, state = [], int(rng.random() < share)
            for chance in rng.random(n_frames):
                leave = 2 * leaving * ((1 - share) if state else share)
                state = 1 - state if chance < leave else state
                states.append(state)
            chains.append(np.array(states))
        of_all.append(chains)
    return of_all


def test_the_line_of_two_states_is_found_within_its_interval():
    temperatures = np.array([325.0, 332, 340, 348, 355])
    inside = 0
    for seed in range(20):
        found = fit_folding_temperature(
            temperatures, two_state_chains(temperatures, 341.0, 250.0, seed, n_frames=1000), seed=seed
        )
        at, heat = found.temperature_kelvin, found.enthalpy_kj_mol
        inside += int(at.low <= 341 <= at.high) + int(heat.low <= 250 <= heat.high)
    assert inside >= 31  # of 40; binomial with 0.93 (a bootstrap of 8 is a little narrow) gives fewer once in 10,000


def test_passages_between_the_cores_are_counted():
    q = np.array([0.5, 0.8, 0.5, 0.2, 0.5, 0.2, 0.9, 0.4, 0.1])
    states = folding_states(q)
    assert states.tolist() == [-1, 1, 1, 0, 0, 0, 1, 1, 0]
    temperatures = np.array([300.0, 310.0])
    hot, cold = [states] * 8, [np.where(states == 0, 1, states)] * 4 + [states] * 4
    found = fit_folding_temperature(temperatures, [cold, hot])
    assert found.n_foldings.tolist() == [4, 8] and found.n_unfoldings.tolist() == [8, 16]


@pytest.mark.parametrize(
    "shares, words", [((0.0, 0.0), "folded share is 0.00, 0.00"), ((0.3, 0.7), "More is folded at higher")]
)
def test_shares_that_have_no_line_are_refused(shares, words):
    chains = [[(np.arange(100) < 100 * share).astype(int)] * 8 for share in shares]
    with pytest.raises(DataError, match=words):
        fit_folding_temperature([300.0, 310.0], chains)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("fip35_calpha", "--temperatures", 340), "1 temperature was given"),
        (("four_state", "--temperatures", 10, 20), "no starts folded and unfolded"),
        (("fip35_calpha", "--structure", "nowhere.pdb"), "nowhere.pdb does not exist"),
    ],
)
def test_bad_input_is_one_line(run_protocol, tmp_path, arguments, words):
    process = run_protocol("find_folding_temperature", *arguments, "--out", tmp_path / "out")
    assert process.returncode == 2 and words in process.stderr and process.stderr.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_fip35_calpha_folds_near_340_kelvin(run_protocol, tmp_path):
    process = run_protocol(
        "find_folding_temperature", "fip35_calpha", "--length-ns", 10, "--out", tmp_path / "out", timeout=1800
    )
    assert process.returncode == 0, process.stderr[-2000:]
    found = json.loads((tmp_path / "out" / "folding_temperature.json").read_text(encoding="utf-8"))
    assert 325 < found["temperature_kelvin"]["value"] < 355 and sum(found["n_foldings"]) > 20
