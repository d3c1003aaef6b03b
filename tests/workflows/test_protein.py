"""Any protein is a folder: a hairpin cut from a shipped structure goes the whole way, with named parts and without."""

import json

import mdtraj
import numpy as np
import pytest
from hairpin import make_hairpin

from mdtok.errors import SettingsError
from mdtok.workflows.runs.protein import ProteinSettings, run_protein

TINY = {
    "temperature_kelvin": 385.0,
    "n_replicas": 4,
    "length_ns": 2.4,  # at half of it one seed of four has no model that folds, which one depends on the machine
    "n_states": 30,  # enough for one that is folded and one that is not, with any seed
    "n_macrostates": 2,
    "models": "msm,order2",
    "tica_lagtimes": [3],
    "tica_dims": [1, 2],
    "lagtime": 3,
    "lagtimes": [3],
    "n_timescales": 1,
    "n_processes": 1,
    "platform": "Reference",
    "progress": False,
}


@pytest.fixture(scope="module")
def hairpin(tmp_path_factory):
    """The run of a hairpin whose two strands are named."""
    folder = tmp_path_factory.mktemp("hairpin")
    system = make_hairpin(folder / "hairpin")
    run_protein(ProteinSettings(out=str(folder / "run"), system=str(system), **TINY))
    return folder


def test_a_second_protein_reaches_a_report_that_says_how_it_folds(hairpin):
    report = hairpin / "run" / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "First hairpin of Fip35" in page and "How it folds" in page
    found = json.loads((report / "folding.json").read_text(encoding="utf-8"))
    assert found["events"]["n_foldings"] > 0 and {"all MD", "msm", "order2"} == set(found["of"])
    assert found["macrostates"][1].startswith("native") and not found["macrostates"][0].startswith("native")
    assert found["order"] is None  # one pair of parts has no order
    tokens = json.loads((hairpin / "run" / "tokens" / "tokens.json").read_text(encoding="utf-8"))
    assert "native" in tokens["macrostate_names"]
    columns = json.loads((hairpin / "run" / "features" / "columns.json").read_text(encoding="utf-8"))["names"]
    assert columns[-3:] == ["Q", "hairpin", "Rg"]


def test_without_named_parts_states_are_named_by_all_contacts(hairpin, tmp_path):
    """The same trajectories, of a folder that names no parts."""
    system = make_hairpin(tmp_path / "hairpin", parts=None, contacts_between=None, title=None)
    replicas = sorted((hairpin / "run" / "md").glob("replica_*"))
    own = {"traj": [str(path / "trajectory.xtc") for path in replicas], "top": str(replicas[0] / "topology.pdb")}
    run_protein(ProteinSettings(out=str(tmp_path / "run"), system=str(system), **own, **TINY))
    tokens, named = (
        json.loads((folder / "run" / "tokens" / "tokens.json").read_text(encoding="utf-8"))
        for folder in (tmp_path, hairpin)
    )
    assert tokens["split"] == named["split"] and "native" in tokens["macrostate_names"]
    columns = json.loads((tmp_path / "run" / "features" / "columns.json").read_text(encoding="utf-8"))["names"]
    assert columns[-2:] == ["Q", "Rg"] and "hairpin" not in columns
    assert (tmp_path / "run" / "report" / "report.html").exists()


def test_a_protein_that_never_unfolds_says_so_in_one_line(tmp_path, caplog):
    """Not a simulation: the native beads, a little larger and smaller again at random times."""
    system, rng = make_hairpin(tmp_path / "hairpin"), np.random.default_rng(4)
    native = mdtraj.load(str(system / "hairpin.pdb"))
    native = native.atom_slice(native.topology.select("name CA"))
    native.save_pdb(str(tmp_path / "beads.pdb"))
    for k in range(4):
        size = 1 + 0.05 * (np.cumsum(rng.random(200) < 0.05) % 2)
        xyz = size[:, None, None] * native.xyz + rng.normal(scale=0.005, size=(200, native.n_atoms, 3))
        mdtraj.Trajectory(xyz, native.topology, time=np.arange(200.0)).save_xtc(str(tmp_path / f"{k}.xtc"))
    own = {"traj": [str(tmp_path / "*.xtc")], "top": str(tmp_path / "beads.pdb")}
    few = TINY | {"n_states": 4, "models": "msm", "lagtime": 1, "lagtimes": [1], "tica_lagtimes": [1], "tica_dims": [1]}
    run_protein(ProteinSettings(out=str(tmp_path / "run"), system=str(system), **own, **few))
    assert (tmp_path / "run" / "report" / "report.html").exists()
    said = [record.message for record in caplog.records if "lacks the chapter folding" in record.message]
    assert len(said) == 1 and "were expected" in said[0]
    assert not (tmp_path / "run" / "report" / "folding.json").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system": "muller_brown"}, "muller_brown is a potential; a protein was expected"),
        ({"system": "fip36"}, "There is no system 'fip36'"),
        ({"solvent": "obc2"}, "The Cα model has no solvent"),
        ({"n_replicas": 2}, "--n-replicas 2 is too few"),
        ({"traj": ["a.dcd"]}, "--traj needs --top"),
    ],
)
def test_what_is_no_protein_is_one_line(tmp_path, changes, words):
    with pytest.raises(SettingsError, match=words) as caught:
        run_protein(ProteinSettings(**({"out": str(tmp_path / "run")} | changes)))
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
