"""A replica that blows up does not take the others with it, and a temperature that is wrong is said."""

import json
import logging

import numpy as np
import pytest

from mdtok.errors import SettingsError
from mdtok.md import load_system, run_replicas
from mdtok.md.replica_checks import blown_up, remarks_on, say_blown_up


def test_one_that_blew_up_is_left_out_and_counted_and_the_others_go_on(tmp_path, caplog, monkeypatch):
    from mdtok.md import replicas
    from mdtok.md.simulation import BlownUp

    system = load_system("alanine_dipeptide", solvent="vacuum")
    run, tried = replicas.run_simulation, []

    def explode(*given, out, **settings):
        tried.append(out.name)
        if out.name == "replica_001":
            run(given[0], given[1] // 2, out=out, **settings)
            raise BlownUp("The simulation blew up at step 10")
        return run(*given, out=out, **settings)

    class Here:
        """Runs each job at once."""

        def submit(self, job, *given):
            job(*given)
            return self

        def result(self):
            return None

    monkeypatch.setattr(replicas, "run_simulation", explode)
    asked = {"seed": 1, "out": tmp_path, "executor": Here(), "platform": "Reference", "progress": False}
    with caplog.at_level(logging.WARNING):
        trajs = run_replicas(system, 3, 0.002, **asked)
    assert [path.parent.name for path in trajs.paths] == ["replica_000", "replica_002"]
    assert "1 of 3 replicas blew up and are left out: replica_001" in caplog.text
    assert blown_up(tmp_path / "replica_001") == "The simulation blew up at step 10"
    run_replicas(system, 3, 0.002, **asked)
    assert tried == ["replica_000", "replica_001", "replica_002"]  # it is not tried again


def test_where_all_blow_up_it_is_an_error(tmp_path):
    wild = load_system("alanine_dipeptide", timestep_fs=40)
    with pytest.raises(SettingsError, match="All replicas blew up; replica_000: .*40 fs"):
        run_replicas(wild, 2, 0.4, seed=1, out=tmp_path, n_processes=1, platform="Reference", progress=False)


def rows(folder, mean, seed, n=4000):
    """A replica's rows, of a temperature that fluctuates by 30 K and remembers ten rows."""
    noise, x = np.random.default_rng(seed).normal(size=n), 0.0
    values = [mean + 30 * (x := 0.9 * x + np.sqrt(1 - 0.81) * one) for one in noise]
    folder.mkdir()
    lines = [
        "step,time_ps,potential_energy_kj_mol,temperature_kelvin",
        *(f"{k},0,0,{v:.3f}" for k, v in enumerate(values)),
    ]
    (folder / "state.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps({"temperature_kelvin": 300.0}), encoding="utf-8")
    return folder


def test_a_wrong_temperature_is_said_and_a_right_one_is_not(tmp_path):
    """Forty replicas of the right one; the stated rate is one false alarm in a thousand runs."""
    right = [rows(tmp_path / f"replica_{k:03d}", 300, seed=k) for k in range(40)]
    assert remarks_on(right) == []
    wrong = rows(tmp_path / "replica_040", 345, seed=41)
    (said,) = remarks_on([*right, wrong])
    assert "temperature of 1 of 41 replicas" in said and "replica_040 34" in said


def test_of_one_that_blew_up_the_temperature_is_not_asked(tmp_path):
    folder = rows(tmp_path / "replica_000", 900, seed=1)
    say_blown_up(folder, "it did")
    assert remarks_on([folder]) == ["1 of 1 replicas blew up and are left out: replica_000."]
