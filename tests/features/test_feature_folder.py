"""Features that go to disk: the same numbers as in memory, a killed run goes on, and another's features are not
taken."""

import json
import shutil
from collections import namedtuple

import mdtraj
import numpy as np
import pytest

from mdtok.errors import DataError, RunFolderError
from mdtok.features import Contacts, Featurizer


def walk(seed, n_frames=2300, n_residues=8):
    """Cα atoms at random; 2300 frames are three chunks."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(1, n_residues + 1):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain, resSeq=number))
    return mdtraj.Trajectory(np.random.default_rng(seed).random((n_frames, n_residues, 3)), topology)


class Counted(Contacts):
    """Contacts that count the frames they are computed of, and that can be killed."""

    def __init__(self, kill_after=np.inf, cutoff_nm=0.8, kind="soft"):
        super().__init__(scheme="ca", kind=kind, cutoff_nm=None if kind == "distance" else cutoff_nm)
        self.n_frames, self.kill_after = 0, kill_after

    def transform(self, traj):
        if self.n_frames >= self.kill_after:
            raise KeyboardInterrupt
        self.n_frames += len(traj)
        return super().transform(traj)


TRAJS = [walk(0), walk(1, 1500), walk(2, 40)]


def compute(feature, trajs, **options):
    return Featurizer([feature]).fit_transform(trajs, progress=False, **options)


@pytest.fixture
def there(tmp_path):
    compute(Counted(), TRAJS, out=tmp_path / "contacts")
    return tmp_path / "contacts"


def test_they_are_those_of_memory_as_read_only_maps(there):
    on_disk, in_memory = compute(Counted(), TRAJS, out=there), compute(Counted(), TRAJS)
    for one, other in zip(on_disk, in_memory, strict=True):
        assert type(one) is np.memmap and not one.flags.writeable
        assert np.array_equal(one, other)
    assert sorted(path.name for path in there.iterdir()) == ["000.npy", "001.npy", "002.npy", "columns.json"]
    assert json.loads((there / "columns.json").read_text(encoding="utf-8"))["names"][0] == "CA contact GLY1-GLY4"


def test_a_killed_run_goes_on(tmp_path):
    out, again = tmp_path / "deep" / "contacts", Counted()
    with pytest.raises(KeyboardInterrupt):
        compute(Counted(kill_after=3300), TRAJS, out=out)  # within the second trajectory
    assert not (out / "001.npy").exists()
    features = compute(again, TRAJS, out=out)
    assert again.n_frames == 1000 + 1500 + 40  # of what is there only the first chunk, to compare
    assert all(np.array_equal(one, other) for one, other in zip(features, compute(Counted(), TRAJS)))
    assert not list(out.glob("*.partial"))


@pytest.mark.parametrize(
    "feature, trajs, words",
    [
        (Counted(cutoff_nm=0.79), TRAJS, "other features of trajectory 0"),  # of the same names
        (Counted(kind="hard"), TRAJS, "other features of trajectory 0"),
        (Counted(kind="distance"), TRAJS, "other features"),
        (Counted(), [TRAJS[0], walk(3, 1500), TRAJS[2]], "other features of trajectory 1"),
        (Counted(), TRAJS[:2], "other trajectories"),
        (Counted(), [TRAJS[0], TRAJS[1][:-1], TRAJS[2]], "other trajectories"),
        (Counted(), [walk(0, n_residues=9)], "other features"),
    ],
)
def test_features_of_something_else_are_refused(there, feature, trajs, words):
    before = {path.name: path.stat().st_mtime_ns for path in there.iterdir()}
    with pytest.raises(RunFolderError) as caught:
        compute(feature, trajs, out=there)
    assert (
        words in str(caught.value)
        and "remove it, or choose another folder" in str(caught.value)
        and "\n" not in str(caught.value)
    )
    assert {path.name: path.stat().st_mtime_ns for path in there.iterdir()} == before


@pytest.mark.parametrize(
    "content, words",
    [(b"", "cannot be read"), (b"\x93NUMPY no array", "cannot be read"), (None, "another shape of trajectory 0")],
)
def test_a_broken_file_is_named(there, content, words):
    if content is None:
        np.save(there / "000.npy", np.zeros((5, 10), dtype=np.float32))
    else:
        (there / "000.npy").write_bytes(content)
    with pytest.raises(RunFolderError, match=words):
        compute(Counted(), TRAJS, out=there)


def test_a_folder_of_somebody_else_is_not_written_to(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(RunFolderError, match="is no folder of features"):
            compute(Counted(), TRAJS, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_too_little_disk_is_said_before_anything_is_read(there, tmp_path, monkeypatch):
    feature, usage = Counted(), namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100_000))
    with pytest.raises(DataError, match=r"15 features of 3,840 frames need 0.0 GB in .*the disk has 0.0 GB left"):
        compute(feature, TRAJS, out=tmp_path / "new")
    assert feature.n_frames == 0 and not (tmp_path / "new").exists()
    (there / "001.npy").unlink()  # 1500 x 15 x 4 bytes = 90,000: what is there needs no room
    assert len(compute(feature, TRAJS, out=there)) == 3


def test_what_memory_has_no_room_for_goes_to_disk(tmp_path):
    featurizer = Featurizer([Counted()], memory_limit_gb=0.5001).fit(TRAJS)
    with pytest.raises(DataError, match="Write them to disk"):
        featurizer.transform(TRAJS, progress=False)
    assert [len(array) for array in featurizer.transform(TRAJS, progress=False, out=tmp_path / "contacts")] == [
        2300,
        1500,
        40,
    ]


def test_the_bar_counts_what_is_there_too(there, capfd, monkeypatch):
    monkeypatch.setattr("mdtok.progress.SECONDS", 0.0)
    Featurizer([Counted()]).fit_transform(TRAJS, out=there)
    assert "3840/3840" in capfd.readouterr().err
