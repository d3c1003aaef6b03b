"""Particle systems: starts, dynamics, runs that go on after a stop, files of a user, bad input."""

import json
import pickle

import mdtraj
import numpy as np
import pytest

import mdtok
from mdtok.errors import MdtokError, RunFolderError, SettingsError
from mdtok.features import split_particles
from mdtok.md import open_trajectories, select_platform
from mdtok.md.simulation import run_simulation

SPRING = """
potential: 0.5*k*(x^2 + y^2)
parameters: {k: 100}
dynamics: brownian
diffusion_nm2_per_ps: 0.001
temperature_kelvin: 300
timestep_fs: 20
frame_interval_ps: 1
bounds: {x: [-1, 1], y: [-1, 1]}
states: {middle: [0, 0]}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a system.yaml of a user, written anew with other text by calling it."""

    def write(text):
        (tmp_path / "spring").mkdir(exist_ok=True)
        (tmp_path / "spring" / "system.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "spring"

    return write


def trajectory(system, n_frames, out, seed=1, **settings):
    n_steps = n_frames * system.frame_interval_steps
    path = run_simulation(system, n_steps, out=out, seed=seed, platform="Reference", progress=False, **settings)
    trajs = open_trajectories([path], top=out / "topology.pdb")
    return np.stack(split_particles(trajs))  # (n_particles, n_frames, 2)


def test_particles_start_uniformly_in_the_square_of_their_minimum():
    system = mdtok.load_system("muller_brown", n_particles=2000)
    for name, centre in (("deep", (-0.5582, 1.4417)), ("shallow", (0.6235, 0.0280))):
        positions = system.start_positions(name, seed=3)
        offsets = positions[:, :2] - centre
        assert positions.shape == (2000, 3) and (positions[:, 2] == 0).all()
        assert np.abs(offsets).max() <= 0.25 + 1e-9
        assert np.allclose(offsets.mean(axis=0), 0, atol=5 * 0.5 / np.sqrt(12 * 2000))
        assert np.allclose(offsets.std(axis=0), 0.5 / np.sqrt(12), rtol=0.05)
        assert np.array_equal(positions, system.start_positions(name, seed=3))
        assert not np.array_equal(positions, system.start_positions(name, seed=4))
    assert list(system.starts) == ["deep", "shallow"] and "intermediate" in system.states


def test_brownian_particles_diffuse_by_their_diffusion_constant(folder, tmp_path):
    free = folder(SPRING.replace("k: 100", "k: 0"))
    x = trajectory(mdtok.load_system(free, n_particles=400), 20, tmp_path / "run")
    steps = np.diff(x, axis=1)  # 400 x 19 x 2 = 15,200 independent displacements of variance 2 D t
    assert steps.var() == pytest.approx(2 * 0.001 * 1.0, rel=4 * np.sqrt(2 / steps.size))  # 4 sigma: 6e-5 by chance


def test_a_spring_holds_its_particles_at_the_temperature(folder, tmp_path):
    system = mdtok.load_system(folder(SPRING), n_particles=400)
    x = trajectory(system, 150, tmp_path / "run")[:, 120:]  # relaxes within kT / (D k) = 25 frames
    kt = 0.00831446 * 300
    assert x.var() == pytest.approx(kt / 100, rel=4 * np.sqrt(2 / 800))  # 800 coordinates at least are independent


def test_langevin_particles_have_the_temperature(tmp_path):
    system = mdtok.load_system("four_state", n_particles=300)
    trajectory(system, 40, tmp_path / "run", start="A")
    rows = np.loadtxt(tmp_path / "run" / "state.csv", delimiter=",", skiprows=1)
    assert rows[-1, 3] == pytest.approx(12.66, rel=5 * np.sqrt(2 / 900))


@pytest.mark.parametrize(("name", "n_particles"), [("muller_brown", 5), ("four_state", 12)])  # XTC packs 10 and more
def test_a_stopped_run_ends_as_one_that_was_not(name, n_particles, tmp_path):
    system = mdtok.load_system(name, n_particles=n_particles)
    whole = trajectory(system, 30, tmp_path / "whole")
    frames = iter(range(30))
    trajectory(system, 30, tmp_path / "cut", should_stop=lambda: next(frames) > 10)
    assert np.array_equal(trajectory(system, 30, tmp_path / "cut"), whole)
    assert not np.array_equal(trajectory(system, 30, tmp_path / "other", seed=2), whole)


def test_replicas_start_in_turn_and_their_particles_are_split(tmp_path):
    system = mdtok.load_system("muller_brown", n_particles=4)
    trajs = mdtok.run_replicas(
        system, 2, 0.005, seed=7, out=tmp_path / "md", platform="Reference", n_processes=1, progress=False
    )
    particles = split_particles(trajs)
    assert [x.shape for x in particles] == [(5, 2)] * 8
    first = np.array([x[0] for x in particles])
    assert (first[:4, 1] > 1).all() and (first[4:, 1] < 0.5).all()
    assert mdtraj.load(trajs.paths[0], top=tmp_path / "md" / "replica_000" / "topology.pdb").n_atoms == 4


def test_settings_replace_those_of_the_file():
    system = mdtok.load_system(
        "muller_brown", dynamics="langevin", temperature_kelvin=400, parameters={"scale": 0.2}, start_square_nm=0
    )
    assert system.has_velocities and system.temperature_kelvin == 400
    assert system.settings["parameters"] == {"scale": 0.2}
    assert np.allclose(system.start_positions("deep")[0], [-0.5582, 1.4417, 0])
    assert mdtok.load_system("muller_brown").diffusion_nm2_per_ps == pytest.approx(1e-3)
    copy = pickle.loads(pickle.dumps(system))  # as a worker process gets it
    assert copy.potential == system.potential and copy.n_atoms == 1


@pytest.mark.parametrize("name", ["muller_brown", "four_state", "three_state"])
def test_every_system_runs_with_both_dynamics(name, tmp_path):
    for dynamics in ("brownian", "langevin"):
        x = trajectory(mdtok.load_system(name, n_particles=20, dynamics=dynamics), 20, tmp_path / dynamics)
        (x_low, x_high), (y_low, y_high) = mdtok.load_system(name).bounds
        assert (x > (x_low, y_low)).all() and (x < (x_high, y_high)).all()


def test_a_run_that_names_no_start_is_one_of_the_first(folder, tmp_path):
    two = SPRING.replace("{middle: [0, 0]}", "{left: [-0.1, 0], right: [0.1, 0]}")
    trajectory(mdtok.load_system(folder(two)), 2, tmp_path / "run")
    trajectory(mdtok.load_system(folder(two)), 2, tmp_path / "run", start="left")
    with pytest.raises(RunFolderError, match="holds another simulation .*start"):
        trajectory(mdtok.load_system(folder(two + "starts: [right]\n")), 2, tmp_path / "run")


def test_whatever_decides_a_run_is_in_its_settings():
    changes = [
        {},
        {"temperature_kelvin": 310},
        {"diffusion_nm2_per_ps": 2e-3},
        {"timestep_fs": 10},
        {"n_particles": 2},
        {"parameters": {"scale": 0.2}},
        {"start_square_nm": 0.1},
        {"dynamics": "langevin"},
        {"dynamics": "langevin", "friction_per_ps": 3},
    ]
    seen = [json.dumps(mdtok.load_system("muller_brown", **change).settings, sort_keys=True) for change in changes]
    assert len(set(seen)) == len(seen)


def test_auto_takes_the_fastest_platform_for_few_particles():
    choice = select_platform("auto", mdtok.load_system("muller_brown", n_particles=10))
    assert choice.name == "Reference"  # some forty times faster than the threads of CPU


def test_a_potential_that_falls_off_is_one_clear_line(folder, tmp_path):
    hill = mdtok.load_system(folder(SPRING.replace("0.5*k*(x^2 + y^2)", "-k*(x^4 + y^4 + x)")))
    with pytest.raises(SettingsError, match="blew up .* a potential must rise on all sides"):
        trajectory(hill, 1000, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.5*k*(x^2 + y^2)", "0.5*k*(x^2 + y^2"), "syntax error"),
        (("0.5*k*(x^2 + y^2)", "0.5*q*x^2"), "names 'q'"),
        (("0.5*k*(x^2 + y^2)", "log(x^2 + y^2)"), "at the state 'middle'"),
        (("diffusion_nm2_per_ps: 0.001", "diffusion_nm2_per_ps: -1"), "diffusion_nm2_per_ps is -1"),
        (("diffusion_nm2_per_ps: 0.001\n", ""), "diffusion_nm2_per_ps is None"),
        (("brownian", "newtonian"), "dynamics is 'newtonian'"),
        (("frame_interval_ps: 1", "frame_interval_ps: 0.03"), "whole number of time steps"),
        (("states: {middle: [0, 0]}", "states: {middle: 0}"), "states must read like"),
        (("states: {middle: [0, 0]}", "states: {1: [0, 0]}"), "states must read like"),
        (("states: {middle: [0, 0]}\n", ""), "lacks states"),
        (("states: {middle: [0, 0]}", "states: {middle: [0, 0]}\nstarts: [left]"), "start 'left' is none"),
        (("bounds: {x: [-1, 1], y: [-1, 1]}", "bounds: {x: [1, -1], y: [-1, 1]}"), "bounds must read like"),
        (("bounds: {x: [-1, 1], y: [-1, 1]}\n", ""), "lacks bounds"),
        (("timestep_fs: 20", "timestep_fs: 20\nstructure: a.pdb"), "both a structure and a potential"),
        (("timestep_fs: 20", "timestep_fs: 20\nsolvent: obc2"), "unknown key solvent"),
    ],
)
def test_a_bad_system_file_is_one_clear_line(folder, change, message):
    assert change[0] in SPRING
    with pytest.raises(MdtokError, match=message) as error:
        mdtok.load_system(folder(SPRING.replace(*change)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("muller_brown", {"n_particles": 0}, "n_particles is 0"),
        ("muller_brown", {"n_particles": 2.5}, "n_particles is 2.5"),
        ("muller_brown", {"friction_per_ps": 5}, "brownian dynamics, which friction_per_ps does not enter"),
        ("four_state", {"diffusion_nm2_per_ps": 0.1}, "langevin dynamics, which diffusion_nm2_per_ps does not enter"),
        ("muller_brown", {"parameters": {"scale": float("nan")}}, "parameter scale is nan"),
        ("muller_brown", {"solvent": "obc2"}, "has no setting solvent"),
        ("muller_brown", {"parameters": {"depth": 1.0}}, "no parameter 'depth'"),
        ("muller_brown", {"diffusion_nm2_per_ps": 0.0}, "diffusion_nm2_per_ps is 0.0"),
        ("alanine_dipeptide", {"n_particles": 3}, "is a molecule"),
        ("alanine_dipeptide", {"dynamics": "brownian"}, "has no setting dynamics"),
    ],
)
def test_settings_that_do_not_fit(name, settings, message):
    with pytest.raises(SettingsError, match=message):
        mdtok.load_system(name, **settings)


def test_an_unknown_start():
    with pytest.raises(SettingsError, match="no start 'left'"):
        mdtok.load_system("muller_brown").start_positions("left")


def test_the_deepest_starts_come_in_the_order_of_their_energy():
    system = mdtok.load_system("muller_brown", n_particles=2)
    assert list(system.deepest_starts()) == ["deep", "shallow"]
    assert list(system.deepest_starts(1)) == ["deep"]
    np.testing.assert_array_equal(system.deepest_starts()["shallow"], system.states["shallow"])
