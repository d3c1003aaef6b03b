"""A damaged file ends its reader, and nobody else: reading goes on in the user's process."""

import os
import signal

import mdtraj
import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.md import open_trajectories, reader_process
from mdtok.md.reader_process import ReaderEnded, open_reader

N_ATOMS = 60


class Ends:
    """A reader in C that ends its process."""

    def __init__(self, path):
        if "closed" in path:
            raise OSError("it is locked")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def header(self):
        return {"pid": os.getpid()}

    def read(self, start, n_frames, stride=1):
        if start == 13:
            os.kill(os.getpid(), signal.SIGSEGV)
        if start == 14:
            raise ValueError("no frame 14")
        return {"empty": np.empty((0, 3)), "none": None, "numbers": np.arange(n_frames, dtype=np.float32)}


def topology():
    found = mdtraj.Topology()
    chain = found.add_chain()
    for _ in range(N_ATOMS):
        found.add_atom("CA", mdtraj.element.carbon, found.add_residue("GLY", chain))
    return found


def test_arrays_errors_and_ends_come_back(tmp_path):
    with open_reader(tmp_path / "a", Ends) as reader:
        assert reader.header()["pid"] != os.getpid()
        read = reader.read(0, 5)
        assert read["empty"].shape == (0, 3) and "none" not in read and read["numbers"].tolist() == [0, 1, 2, 3, 4]
        with pytest.raises(OSError, match="no frame 14"):
            reader.read(14, 1)
        assert len(reader.read(1, 2)["numbers"]) == 2
        with open_reader(tmp_path / "b", Ends) as other:  # two files at once
            assert other.header()["pid"] != reader.header()["pid"]
            with pytest.raises(ReaderEnded):
                other.read(13, 1)
        assert len(reader.read(1, 2)["numbers"]) == 2
    with pytest.raises(OSError, match="it is locked"), open_reader(tmp_path / "closed", Ends):
        pass
    with open_reader(tmp_path / "c", Ends) as reader:
        assert len(reader.read(0, 1)["numbers"]) == 1


def test_one_that_says_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_process, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(reader_process, "_idle", [])
    with pytest.raises(ReaderEnded, match="no answer"), open_reader(tmp_path / "a", Sleeps) as reader:
        reader.read(0, 1)


class Sleeps(Ends):
    """A reader that hangs."""

    def read(self, start, n_frames, stride=1):
        signal.pause()


def test_damaged_packed_coordinates_end_nothing(tmp_path):
    """XTC's decoder writes past its buffer on some of these: at the parent's, one of them ended the process."""
    walk = 0.1 * np.random.default_rng(0).normal(size=(3, N_ATOMS, 3)).cumsum(axis=1)
    path = tmp_path / "walk.xtc"
    mdtraj.Trajectory(walk, topology(), time=np.arange(3.0)).save_xtc(str(path))
    sound, refused = path.read_bytes(), []
    rng = np.random.default_rng(1)
    for number in range(40):
        damaged = bytearray(sound)
        damaged[92:200] = rng.integers(0, 256, 108, dtype=np.uint8).tobytes()
        one = tmp_path / f"{number}.xtc"
        one.write_bytes(damaged)
        try:
            assert len(open_trajectories(one, top=topology())[0].load()) == 3
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(".xtc" in said and "\n" not in said for said in refused)
