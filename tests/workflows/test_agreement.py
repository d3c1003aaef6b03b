"""Two runs side by side: what agrees and what does not, in the table and in JSON, and bad input."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.storage import save_arrays, write_json
from mdtok.tokens import StateTokenizer
from mdtok.workflows.data import TokenisedData
from mdtok.workflows.studies.agreement import AgreementSettings, compare_runs, run_agreement


def make_run(folder, leaving, seed, names=("x",)):
    """A run with tokens and features of a particle between three wells, which it leaves with that probability."""
    rng, arrays = np.random.default_rng(seed), []
    for _ in range(8):
        wells = np.cumsum(rng.random(1500) < leaving) % 3
        arrays.append((wells + 0.05 * rng.standard_normal(1500))[:, None])
    tokenizer = StateTokenizer(3, 3, 1, seed=0).fit(arrays, progress=False)
    dtrajs = tokenizer.transform(arrays)
    split = {"train": [0, 1, 2, 3], "validation": [4, 5], "test": [6, 7]}
    (folder / "tokens").mkdir(parents=True)
    TokenisedData(dtrajs, split, 1.0, tokenizer.macrostates_, ["A", "B", "C"]).save(folder / "tokens")
    tokenizer.save(folder / "tokens")
    save_arrays(folder / "features", arrays)
    write_json(folder / "features" / "columns.json", {"names": list(names), "periodic": [False]})
    return folder


def test_runs_of_one_dynamics_agree_and_of_another_do_not(tmp_path, capsys):
    first, alike = make_run(tmp_path / "first", 0.02, 1), make_run(tmp_path / "alike", 0.02, 2)
    other = make_run(tmp_path / "other", 0.06, 3)
    agreed = compare_runs(first, alike, [1, 2], n_samples=100)
    assert agreed.n_overlapping == len(agreed.rows) and {"MFPT A → B", "population of C"} <= {
        row[0] for row in agreed.rows
    }
    settings = AgreementSettings(first=str(first), second=str(other), lagtimes=[1, 2], out=str(tmp_path / "said"))
    found = run_agreement(settings)
    said, written = (
        capsys.readouterr().out,
        json.loads((tmp_path / "said" / "agreement.json").read_text(encoding="utf-8")),
    )
    assert f"{found.n_overlapping} of {len(found.rows)} pairs of 95 % intervals overlap." in said and "APART" in said
    assert not written["quantities"]["MFPT A → B"]["overlap"]
    assert (
        written["quantities"]["MFPT A → B"]["first"]["value"]
        > 2 * written["quantities"]["MFPT A → B"]["second"]["value"]
    )


def test_runs_of_other_features_are_refused_in_one_line(tmp_path):
    first, other = make_run(tmp_path / "first", 0.02, 1), make_run(tmp_path / "other", 0.02, 2, names=("y",))
    with pytest.raises(DataError, match="they cannot be compared") as raised:
        compare_runs(first, other)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", [{"lagtimes": [0]}, {"lagtimes": []}, {"stage": "train"}])
def test_settings_that_cannot_be_are_refused(wrong):
    settings = asdict(AgreementSettings(first="a", second="b")) | wrong
    with pytest.raises(SettingsError, match="whole numbers of at least 1|one stage only"):
        AgreementSettings(**settings)
