"""Trajectories on disk: lazy, strided, and refused in one line where they are damaged or do not fit."""

import importlib.util
import pickle
import struct
import sys
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.md.trajectory import open_trajectories
from mdtok.md.xtc import frame_ends

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not there")
HAS_TABLES = importlib.util.find_spec("tables") is not None
needs_tables = pytest.mark.skipif(not HAS_TABLES, reason="HDF5 needs the extra h5")
FORMATS = ["dcd", "xtc", pytest.param("h5", marks=needs_tables)]
N_FRAMES, DT_PS = 37, 0.5


def make_topology(n_atoms=30):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(n_atoms):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain))
    return topology


def make_trajectory(n_frames=N_FRAMES, n_atoms=30, dt_ps=DT_PS, first_ps=0.0, seed=1):
    xyz = np.random.default_rng(seed).uniform(0, 5, (n_frames, n_atoms, 3)).astype(np.float32)
    return mdtraj.Trajectory(xyz, make_topology(n_atoms), time=first_ps + dt_ps * np.arange(n_frames))


def save(traj, path):
    traj.save(str(path))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trajectories")
    traj = make_trajectory()
    return traj, {kind: save(traj, folder / f"walk.{kind}") for kind in ["dcd", "xtc"] + ["h5"] * HAS_TABLES}


def open_one(files, kind, **settings):
    traj, paths = files
    dt_ps = {"dt_ps": DT_PS} if kind == "dcd" else {}
    return open_trajectories(paths[kind], top=traj.topology, **dt_ps, **settings)[0]


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_file_comes_back(files, kind):
    file = open_one(files, kind)
    loaded = file.load()
    assert (file.n_frames, file.n_atoms, file.dt_ps) == (N_FRAMES, 30, DT_PS)
    np.testing.assert_allclose(loaded.xyz, files[0].xyz, atol=1e-3)
    np.testing.assert_allclose(loaded.time, DT_PS * np.arange(N_FRAMES), atol=1e-5)
    assert loaded.topology is file.topology


@pytest.mark.parametrize("kind", FORMATS)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 45), stride=st.integers(1, 45))
def test_chunks_are_the_strided_trajectory(files, kind, size, stride):
    file = open_one(files, kind, stride=stride)
    expected = files[0][::stride]
    chunks = list(file.chunks(size))
    assert file.n_frames == len(expected)
    assert file.dt_ps == DT_PS * stride
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    np.testing.assert_allclose(np.concatenate([chunk.xyz for chunk in chunks]), expected.xyz, atol=1e-3)
    np.testing.assert_allclose(np.concatenate([chunk.time for chunk in chunks]), expected.time, atol=1e-5)


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_come_in_the_order_asked_for(files, kind):
    file = open_one(files, kind, stride=3)
    picked = file.frames([11, 0, 11, 4])
    np.testing.assert_allclose(picked.xyz, files[0].xyz[[33, 0, 33, 12]], atol=1e-3)
    with pytest.raises(DataError, match=r"0 \.\. 12"):
        file.frames([13])


@pytest.mark.parametrize("n_atoms", [3, 9, 10])
@pytest.mark.parametrize("kind", ["dcd", "xtc"])
def test_small_molecules(tmp_path, kind, n_atoms):
    traj = make_trajectory(n_atoms=n_atoms)
    trajs = open_trajectories(save(traj, tmp_path / f"few.{kind}"), top=traj, dt_ps=DT_PS)
    np.testing.assert_allclose(trajs[0].load().xyz, traj.xyz, atol=1e-3)


@pytest.mark.parametrize("kind", FORMATS)
def test_box_is_kept(tmp_path, kind):
    traj = make_trajectory()
    traj.unitcell_lengths, traj.unitcell_angles = np.full((N_FRAMES, 3), 5.0), np.full((N_FRAMES, 3), 90.0)
    trajs = open_trajectories(save(traj, tmp_path / f"box.{kind}"), top=traj, dt_ps=DT_PS)
    np.testing.assert_allclose(trajs[0].frames([3]).unitcell_lengths, [[5, 5, 5]], atol=1e-4)


def test_several_files_are_a_sequence_in_natural_order(tmp_path):
    for number, n_frames in ((10, 7), (2, 5), (1, 3)):
        save(make_trajectory(n_frames), tmp_path / f"run{number}.xtc")
    trajs = open_trajectories(tmp_path / "run*.xtc", top=make_topology())
    assert [file.n_frames for file in trajs] == [3, 5, 7]
    assert trajs.n_frames == 15 and len(trajs) == 3 and trajs.dt_ps == DT_PS
    assert [path.name for path in trajs[1:].paths] == ["run2.xtc", "run10.xtc"]


def test_top_may_be_a_file(tmp_path):
    traj = make_trajectory()
    traj[0].save_pdb(str(tmp_path / "top.pdb"))
    trajs = open_trajectories([save(traj, tmp_path / "a.xtc")], top=tmp_path / "top.pdb")
    assert trajs.topology.n_atoms == 30


@needs_tables
def test_hdf5_brings_its_own_topology(files):
    assert open_trajectories(files[1]["h5"]).topology == files[0].topology


def test_files_go_to_worker_processes(files):
    file = pickle.loads(pickle.dumps(open_one(files, "xtc", stride=5)))
    assert len(file.load()) == len(file) == 8


# Time


def test_dcd_needs_a_time_step(files):
    with pytest.raises(DataError, match=r"walk\.dcd does not say how far apart its frames are; pass dt_ps="):
        open_trajectories(files[1]["dcd"], top=files[0])


@pytest.mark.parametrize("kind", FORMATS[1:])
def test_a_given_time_step_overrules_that_of_the_file_and_is_said(files, kind, caplog):
    assert open_trajectories(files[1][kind], top=files[0], dt_ps=0.5).dt_ps == 0.5 and not caplog.text
    trajs = open_trajectories(files[1][kind], top=files[0], dt_ps=1)
    assert trajs.dt_ps == 1 and trajs[0].load().time.tolist() == list(range(N_FRAMES))
    assert "0.5 ps apart by its own times; the 1 ps that were given are used" in caplog.text


def test_frames_that_a_restart_repeats_are_left_out(tmp_path, caplog):
    traj = make_trajectory(dt_ps=0.5)
    again = mdtraj.join([traj[:20], traj[18:]], check_topology=False)  # two frames come again
    path = save(again, tmp_path / "appended.xtc")
    (one,) = open_trajectories(path, top=traj.topology)
    assert one.n_frames == N_FRAMES and "2 repeated frames are left out" in caplog.text
    np.testing.assert_allclose(one.load().xyz, traj.xyz, atol=1e-3)
    chunks = mdtraj.join(list(one.chunks(7)), check_topology=False)
    np.testing.assert_array_equal(chunks.xyz, one.load().xyz)
    np.testing.assert_array_equal(one.frames([19, 3]).xyz, one.load().xyz[[19, 3]])
    strided = open_trajectories(path, top=traj.topology, stride=3)[0]
    np.testing.assert_array_equal(strided.load().xyz, one.load().xyz[::3])


@pytest.mark.parametrize(
    "names", [("run.xtc", "run.part0002.xtc", "run.part0003.xtc"), ("md1.xtc", "md2.xtc", "md10.xtc")]
)
def test_pieces_of_one_run_are_one_trajectory(tmp_path, caplog, names):
    traj = make_trajectory(dt_ps=0.5)
    for name, part in zip(names, (traj[:12], traj[11:25], traj[25:])):  # the second begins with the last of the first
        save(part, tmp_path / name)
    trajs = open_trajectories([tmp_path / name for name in names], top=traj.topology)
    assert [len(one) for one in trajs] == [N_FRAMES] and "are one run" in caplog.text
    np.testing.assert_allclose(trajs[0].load().xyz, traj.xyz, atol=1e-3)
    np.testing.assert_allclose(trajs[0].load().time, traj.time)
    np.testing.assert_array_equal(trajs[0].frames([30, 11]).xyz, trajs[0].load().xyz[[30, 11]])


def test_runs_that_all_begin_at_zero_stay_apart(tmp_path):
    paths = [save(make_trajectory(dt_ps=0.5, seed=k), tmp_path / f"md{k}.xtc") for k in (1, 2, 3)]
    assert len(open_trajectories(paths, top=make_topology())) == 3


@pytest.mark.parametrize("cut", [0, 100])
def test_a_dcd_that_is_being_written_is_read_to_its_last_sound_frame(files, tmp_path, caplog, cut):
    content = bytearray(files[1]["dcd"].read_bytes())
    content[8:12] = struct.pack("<i", 35)  # the writer has not counted the last frames yet
    (tmp_path / "running.dcd").write_bytes(content[: len(content) - cut])
    (one,) = open_trajectories(tmp_path / "running.dcd", top=files[0], dt_ps=DT_PS)
    n_sound = N_FRAMES - (1 if cut else 0)
    assert one.n_frames == n_sound and f"its {n_sound} sound frames are read" in caplog.text
    np.testing.assert_allclose(one.load().xyz, files[0].xyz[:n_sound], atol=1e-5)


def test_a_dcd_with_markers_of_64_bits(files, tmp_path):
    """As some Fortran compilers write it: each marker of four bytes becomes one of eight."""
    content, wide, at = files[1]["dcd"].read_bytes(), b"", 0
    while at < len(content):
        (n,) = struct.unpack_from("<i", content, at)
        wide += struct.pack("<q", n) + content[at + 4 : at + 4 + n] + struct.pack("<q", n)
        at += n + 8
    (tmp_path / "wide.dcd").write_bytes(wide)
    (one,) = open_trajectories(tmp_path / "wide.dcd", top=files[0], dt_ps=DT_PS)
    np.testing.assert_allclose(one.load().xyz, files[0].xyz, atol=1e-5)


def test_a_damaged_record_within_a_dcd_is_found(files, tmp_path):
    content = bytearray(files[1]["dcd"].read_bytes())
    content[len(content) // 2 : len(content) // 2 + 900] = bytes(900)
    (tmp_path / "hole.dcd").write_bytes(content)
    with pytest.raises(DataError, match=r"hole\.dcd is truncated or damaged: 1\d frames are sound"):
        open_trajectories(tmp_path / "hole.dcd", top=files[0], dt_ps=DT_PS)


def test_files_of_two_time_steps_are_refused(tmp_path):
    paths = [save(make_trajectory(dt_ps=dt), tmp_path / f"{dt}.xtc") for dt in (0.5, 2.0)]
    with pytest.raises(DataError, match=r"0\.5\.xtc has frames 0\.5 ps apart, .*2\.0\.xtc 2 ps"):
        open_trajectories(paths, top=make_topology())


def test_times_that_are_all_zero_say_nothing(tmp_path):
    path = save(make_trajectory(dt_ps=0.0), tmp_path / "zero.xtc")
    with pytest.raises(DataError, match="pass dt_ps="):
        open_trajectories(path, top=make_topology())
    file = open_trajectories(path, top=make_topology(), dt_ps=0.2)[0]
    np.testing.assert_allclose([chunk.time[0] for chunk in file.chunks(10)], [0, 2, 4, 6], atol=1e-6)


def test_a_gap_in_time_is_found(tmp_path):
    traj = make_trajectory()
    traj.time[20:] += 3
    with pytest.raises(DataError, match=r"goes from 9\.5 to 13 ps between frames 19 and 20"):
        open_trajectories(save(traj, tmp_path / "gap.xtc"), top=traj)


def test_late_times_of_32_bits_are_no_gap(tmp_path):
    traj = make_trajectory(dt_ps=0.2, first_ps=1e6)  # float32 has steps of 0.06 there
    assert open_trajectories(save(traj, tmp_path / "late.xtc"), top=traj).dt_ps == pytest.approx(0.2, rel=0.02)


# Bad input


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0, 1))
def test_truncated_xtc_says_how_many_frames_are_sound(files, tmp_path, part):
    whole = files[1]["xtc"].read_bytes()
    ends = frame_ends(files[1]["xtc"])
    cut = 1 + int(part * (len(whole) - 2))
    if cut in ends:
        cut -= 1
    path = tmp_path / "cut.xtc"
    path.write_bytes(whole[:cut])
    n_sound = sum(end <= cut for end in ends)
    with pytest.raises(DataError, match=rf"cut\.xtc is .*: {n_sound} frames are sound"):
        open_trajectories(path, top=files[0])
    if n_sound:  # the remedy that the message names
        path.write_bytes(whole[: ends[n_sound - 1]])
        assert open_trajectories(path, top=files[0], dt_ps=DT_PS).n_frames == n_sound


@pytest.mark.parametrize("n_whole, n_bytes", [(0, 100), (1, 0), (36, 371), (20, 1)])
def test_truncated_dcd_says_how_many_frames_are_sound(files, tmp_path, n_whole, n_bytes):
    whole = files[1]["dcd"].read_bytes()
    frame = 3 * (8 + 4 * 30)
    first = len(whole) - N_FRAMES * frame
    path = tmp_path / "cut.dcd"
    path.write_bytes(whole[: first + n_whole * frame + n_bytes])
    with pytest.raises(DataError, match=rf"cut\.dcd .*\b{n_whole} (sound frames|frames are sound)"):
        open_trajectories(path, top=files[0], dt_ps=DT_PS)


def test_dcd_that_ends_in_its_header(files, tmp_path):
    for n_bytes in (3, 50, 90, 200):
        (tmp_path / "cut.dcd").write_bytes(files[1]["dcd"].read_bytes()[:n_bytes])
        with pytest.raises(DataError, match=r"cut\.dcd is no DCD file, or ends within its header"):
            open_trajectories(tmp_path / "cut.dcd", top=files[0], dt_ps=DT_PS)


def test_dcd_with_a_wrong_frame_count(files, tmp_path):
    content = bytearray(files[1]["dcd"].read_bytes())
    content[8:12] = struct.pack("<i", 40)
    (tmp_path / "count.dcd").write_bytes(content)
    with pytest.raises(DataError, match=r"truncated or damaged: 37 frames are sound"):
        open_trajectories(tmp_path / "count.dcd", top=files[0], dt_ps=DT_PS)


def test_big_endian_dcd(files, tmp_path):
    """Written by hand after the CHARMM layout: every record between two markers of its length."""

    def record(data):
        return struct.pack(">i", len(data)) + data + struct.pack(">i", len(data))

    control = [2, 0, 1, 2] + [0] * 15 + [24]
    content = record(b"CORD" + struct.pack(">20i", *control)) + record(struct.pack(">i", 1) + b" " * 80)
    content += record(struct.pack(">i", 30))
    for frame in files[0].xyz[:2]:
        for axis in range(3):
            content += record((10 * frame[:, axis]).astype(">f4").tobytes())
    (tmp_path / "big.dcd").write_bytes(content)
    file = open_trajectories(tmp_path / "big.dcd", top=files[0], dt_ps=1)[0]
    np.testing.assert_allclose(file.load().xyz, files[0].xyz[:2], atol=1e-5)


@needs_tables
def test_truncated_hdf5(files, tmp_path):
    (tmp_path / "cut.h5").write_bytes(files[1]["h5"].read_bytes()[:3000])
    with pytest.raises(DataError, match=r"cut\.h5 is no whole HDF5 trajectory"):
        open_trajectories(tmp_path / "cut.h5")


def test_hdf5_without_h5py_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"mdtok\[h5\]"):
        open_trajectories(tmp_path / "a.h5")


@pytest.mark.parametrize("kind", FORMATS)
def test_another_molecule_is_refused_with_both_numbers(files, kind):
    with pytest.raises(DataError, match=rf"walk\.{kind} has 30 atoms, the topology has 22"):
        open_trajectories(files[1][kind], top=make_topology(22), dt_ps=DT_PS)


def test_files_that_are_not_there_or_not_trajectories(files, tmp_path):
    top = files[0]
    with pytest.raises(DataError, match=r"missing\.xtc is not a file"):
        open_trajectories(tmp_path / "missing.xtc", top=top)
    with pytest.raises(DataError, match=r"No file matches .*\*\.dcd"):
        open_trajectories(str(tmp_path / "*.dcd"), top=top, dt_ps=1)
    with pytest.raises(DataError, match="No file was given"):
        open_trajectories([], top=top)
    with pytest.raises(DataError, match="given twice"):
        open_trajectories([files[1]["xtc"], str(files[1]["xtc"])], top=top)
    (tmp_path / "a.trr").write_text("x")
    with pytest.raises(DataError, match=r"a\.trr is no DCD, XTC or HDF5"):
        open_trajectories(tmp_path / "a.trr", top=top)
    (tmp_path / "empty.xtc").touch()
    with pytest.raises(DataError, match=r"empty\.xtc is empty \(0 frames\)"):
        open_trajectories(tmp_path / "empty.xtc", top=top)
    (tmp_path / "text.xtc").write_text("this is no trajectory " * 10)
    with pytest.raises(DataError, match=r"text\.xtc is damaged, or no XTC file: 0 frames are sound"):
        open_trajectories(tmp_path / "text.xtc", top=top)


def test_topologies_that_cannot_be_used(files, tmp_path):
    path = files[1]["xtc"]
    with pytest.raises(SettingsError, match="2 topologies were given"):
        open_trajectories(path, top=["a.pdb", "b.pdb"])
    with pytest.raises(SettingsError, match="carries no topology; pass top="):
        open_trajectories(path)
    with pytest.raises(DataError, match=r"topology .*none\.pdb is not a file"):
        open_trajectories(path, top=tmp_path / "none.pdb")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"notes\.txt cannot be read"):
        open_trajectories(path, top=tmp_path / "notes.txt")


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"stride": 1.5}, {"dt_ps": 0}, {"dt_ps": float("nan")}])
def test_settings_out_of_range(files, wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        open_trajectories(files[1]["xtc"], top=files[0], **wrong)


def test_file_that_shrinks_after_opening(files, tmp_path):
    path = tmp_path / "shrinks.xtc"
    path.write_bytes(files[1]["xtc"].read_bytes())
    file = open_trajectories(path, top=files[0])[0]
    path.write_bytes(path.read_bytes()[: frame_ends(path)[9]])
    with pytest.raises(DataError, match=r"shrinks\.xtc"):
        list(file.chunks(20))


# Real files


@needs_shared
def test_real_dcd_files():
    folder = SHARED / "alanine_dcd"
    trajs = open_trajectories(str(folder / "*.dcd"), top=folder / "ala2.pdb", dt_ps=1.0, stride=10)
    assert [file.n_frames for file in trajs] == [1000, 1000]
    assert trajs.dt_ps == 10
    reference = mdtraj.load_dcd(str(folder / "trajectory-0.dcd"), top=str(folder / "ala2.pdb"), stride=10)
    np.testing.assert_array_equal(np.concatenate([chunk.xyz for chunk in trajs[0].chunks(300)]), reference.xyz)


@needs_shared
@needs_tables
def test_real_xtc_and_hdf5_hold_the_same_frames():
    folder = SHARED / "readers"
    trajs = open_trajectories([folder / f"frame0.{kind}" for kind in ("xtc", "h5")], top=folder / "native.pdb")
    assert [file.n_frames for file in trajs] == [501, 501]
    assert trajs.dt_ps == 1
    xtc, hdf5 = (file.frames([0, 250, 500]) for file in trajs)
    np.testing.assert_allclose(xtc.xyz, hdf5.xyz, atol=1.1e-3)
    np.testing.assert_allclose(xtc.time, hdf5.time)


@pytest.mark.parametrize("kind", FORMATS)
def test_names_in_any_alphabet_are_read(files, kind, tmp_path):
    """mdtraj's readers in C take ASCII only."""
    folder = tmp_path / "größe_大きさ"
    folder.mkdir()
    path, top = folder / f"lauf α.{kind}", folder / "β.pdb"
    path.write_bytes(files[1][kind].read_bytes())
    files[0][0].save_pdb(str(tmp_path / "top.pdb"))
    top.write_bytes((tmp_path / "top.pdb").read_bytes())
    (one,) = open_trajectories(path, top=top, dt_ps=DT_PS)
    assert np.allclose(one.load().xyz, files[0].xyz, atol=1e-3)


@pytest.mark.parametrize("kind", ["dcd", "xtc"])
def test_what_openmms_reporters_write_is_read_without_a_word(tmp_path, caplog, kind):
    import openmm
    from openmm import app, unit

    from mdtok.md import load_system

    system = load_system("alanine_dipeptide", solvent="vacuum")
    integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.002)
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(system.topology, system.system, integrator, platform)
    simulation.context.setPositions(system.positions)
    path, top = tmp_path / f"a.{kind}", tmp_path / "a.pdb"
    simulation.reporters.append({"dcd": app.DCDReporter, "xtc": app.XTCReporter}[kind](str(path), 50))
    simulation.step(500)
    simulation.reporters.clear()
    with open(top, "w", encoding="utf-8") as file:
        app.PDBFile.writeFile(system.topology, system.positions * unit.nanometer, file)
    trajs = open_trajectories(path, top=top, dt_ps=0.1 if kind == "dcd" else None)
    assert (trajs.n_frames, round(trajs.dt_ps, 6)) == (10, 0.1) and len(trajs[0].load()) == 10
    assert not caplog.text
