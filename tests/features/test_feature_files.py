"""Feature files: arrays and PLUMED's COLVAR, with units, time and columns that must fit."""

from pathlib import Path

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.features import load_features

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
HEADER = "#! FIELDS time phi psi d\n#! SET min_phi -pi\n#! SET max_phi pi\n#! SET min_psi -pi\n#! SET max_psi pi\n"


def colvar(path, rows=None, header=HEADER):
    rows = "0.0 -1.0 2.0 0.3\n0.5 -1.1 2.1 0.4\n1.0 -1.2 2.2 0.5\n" if rows is None else rows
    path.write_text(header + rows)
    return path


def array(path, values):
    np.save(path, np.asarray(values))
    return path


def test_colvar_says_everything_itself(tmp_path):
    table = load_features(colvar(tmp_path / "COLVAR"))
    assert table.names == ["phi", "psi", "d"]
    assert table.periodic.tolist() == [True, True, False]
    assert table.dt_ps == 0.5
    assert table.arrays[0].dtype == np.float32
    np.testing.assert_allclose(table.arrays[0], [[-1, 2, 0.3], [-1.1, 2.1, 0.4], [-1.2, 2.2, 0.5]], rtol=1e-6)


def test_headers_may_come_again_after_a_restart(tmp_path):
    table = load_features(colvar(tmp_path / "COLVAR", "0 1 1 1\n1 1 1 1\n" + HEADER + "2 1 1 1\n3 1 1 1\n"))
    assert table.arrays[0].shape == (4, 3) and table.dt_ps == 1


@pytest.mark.parametrize(
    "low, high", [("-pi", "pi"), ("-pi", "+pi"), ("0", "2*pi"), ("0.0", "2pi"), ("-3.141593", "3.141593")]
)
def test_ways_to_write_the_period(tmp_path, low, high):
    header = f"#! FIELDS time phi\n#! SET min_phi {low}\n#! SET max_phi {high}\n"
    assert load_features(colvar(tmp_path / "c", "0 1\n1 2\n", header)).periodic.tolist() == [True]


def test_columns_are_kept_in_the_order_asked_for(tmp_path):
    path = colvar(tmp_path / "COLVAR")
    table = load_features(path, columns="d phi", periodic=[])
    assert table.names == ["d", "phi"] and table.periodic.tolist() == [False, True]
    np.testing.assert_allclose(table.arrays[0][0], [0.3, -1.0], rtol=1e-6)
    assert load_features(path, columns=[2, 0]).names == ["d", "phi"]
    assert load_features(path, columns="2 0").names == ["d", "phi"]


def test_arrays_take_the_names_given(tmp_path):
    values = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    path = array(tmp_path / "dihedrals.npy", values)
    table = load_features(path, columns="phi psi", periodic="phi psi", dt_ps=2)
    assert table.names == ["phi", "psi"] and table.periodic.all() and table.dt_ps == 2
    np.testing.assert_allclose(table.arrays[0], values, rtol=1e-6)
    table = load_features(path, columns=[1], periodic=[1])
    assert table.names == ["column 1"] and table.periodic.all() and table.dt_ps is None
    np.testing.assert_allclose(table.arrays[0][:, 0], values[:, 1], rtol=1e-6)
    assert load_features(path).names == ["column 0", "column 1"] and not load_features(path).periodic.any()


def test_a_flat_array_is_one_column(tmp_path):
    assert load_features(array(tmp_path / "d.npy", [1, 2, 3])).arrays[0].tolist() == [[1], [2], [3]]


def test_patterns_in_natural_order_and_kinds_together(tmp_path):
    array(tmp_path / "t10.npy", [[0.0, 1.0, 2.0]] * 5)
    array(tmp_path / "t2.npy", [[0.0, 1.0, 2.0]] * 4)
    colvar(tmp_path / "COLVAR")
    table = load_features([tmp_path / "t*.npy", tmp_path / "COLVAR"], columns="phi psi d", periodic="phi psi")
    assert [len(a) for a in table.arrays] == [4, 5, 3] and table.dt_ps == 0.5


# Bad input


@pytest.mark.parametrize(
    "rows, message",
    [
        ("0 1 1 1\n1 1 nan 1\n", "holds nan in data row 1, column psi"),
        ("0 1 1 1\n1 1 1 inf\n", "holds inf in data row 1, column d"),
        ("0 1 1 1\n1 57.3 1 1\n", r"periodic column phi reaches 57\.3.*degrees"),
        ("0 1 1 1\n1 1 1\n", "cannot be read as a table of numbers"),
        ("0 1 1 one\n", "cannot be read as a table of numbers"),
        ("0 1 1\n1 1 1\n", "has 3 columns of numbers, but names 4"),
        ("", "holds no row of numbers"),
        (
            "0 1 1 1\n1 1 1 1\n2 1 1 1\n1 1 1 1\n2 1 1 1\n3 1 1 1\n",
            r"from time 2 to 1 in data row 3, .* \(a restart\?\)",
        ),
        ("0 1 1 1\n1 1 1 1\n2 1 1 1\n5 1 1 1\n", "from time 2 to 5 in data row 3"),
        ("3 1 1 1\n2 1 1 1\n1 1 1 1\n", "from time 3 to 2"),
        ("1 1 1 1\n1 1 1 1\n1 1 1 1\n", "from time 1 to 1"),
        ("0 1 1 1\n#! FIELDS time phi psi\n1 1 1\n", "changes its columns"),
    ],
)
def test_colvar_that_cannot_be_used(tmp_path, rows, message):
    with pytest.raises(DataError, match=rf"COLVAR.*{message}"):
        load_features(colvar(tmp_path / "COLVAR", rows))


def test_colvar_with_only_time_or_another_period(tmp_path):
    with pytest.raises(DataError, match="no column but the time"):
        load_features(colvar(tmp_path / "a", "0\n1\n", "#! FIELDS time\n"))
    header = "#! FIELDS time d\n#! SET min_d 0\n#! SET max_d 4.5\n"
    with pytest.raises(DataError, match="column d as periodic, but not over 2 pi"):
        load_features(colvar(tmp_path / "b", "0 1\n1 2\n", header))


def test_text_that_is_no_colvar(tmp_path):
    (tmp_path / "notes.txt").write_text("phi and psi\n")
    (tmp_path / "numbers.txt").write_text("1 2\n3 4\n")
    (tmp_path / "binary.dat").write_bytes(bytes(range(128, 256)))
    for name in ("notes.txt", "numbers.txt"):
        with pytest.raises(DataError, match=rf"{name} is neither a \.npy array nor a PLUMED COLVAR"):
            load_features(tmp_path / name)
    with pytest.raises(DataError, match=r"binary\.dat cannot be read"):
        load_features(tmp_path / "binary.dat")
    with pytest.raises(DataError, match=r"none\.npy is not a file"):
        load_features(tmp_path / "none.npy")


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros((2, 2, 2)), r"float64 of shape \(2, 2, 2\)"),
        (np.zeros((0, 2)), r"shape \(0, 2\)"),
        (np.array(["a", "b"]), "numbers of shape"),
        ([[0.0, np.nan]], "holds nan in data row 0, column column 1"),
        ([[1e300, 0.0]], "holds inf in data row 0"),  # beyond float32
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, values, message):
    with pytest.raises(DataError, match=rf"a\.npy .*{message}"):
        load_features(array(tmp_path / "a.npy", values))


def test_objects_and_broken_arrays_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "cut.npy").write_bytes(array(tmp_path / "a.npy", np.zeros((5, 2))).read_bytes()[:-8])
    for name in ("objects", "empty", "cut"):
        with pytest.raises(DataError, match=rf"{name}\.npy cannot be read as a \.npy array"):
            load_features(tmp_path / f"{name}.npy")


def test_degrees_in_an_array(tmp_path):
    path = array(tmp_path / "a.npy", [[-150.0, 130.0]])
    with pytest.raises(DataError, match="periodic column phi reaches 150, .*deg2rad"):
        load_features(path, columns="phi psi", periodic="phi psi")


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"columns": "phi chi"}, "'chi' is not in .*; it has phi, psi, d"),
        ({"columns": [3]}, "column 3 is not in"),
        ({"columns": "phi phi"}, "twice"),
        ({"columns": "d", "periodic": "phi"}, "periodic names phi, which is not among"),
        ({"periodic": "theta"}, "'theta' is not in"),
        ({"dt_ps": -1}, "dt_ps is -1"),
    ],
)
def test_columns_that_are_not_there(tmp_path, wrong, message):
    with pytest.raises(SettingsError, match=message):
        load_features(colvar(tmp_path / "COLVAR"), **wrong)


def test_names_for_an_array_must_be_complete(tmp_path):
    with pytest.raises(SettingsError, match="carries no names and has 3 columns"):
        load_features(array(tmp_path / "a.npy", np.zeros((4, 3))), columns="phi psi")


def test_files_must_agree(tmp_path):
    first = colvar(tmp_path / "first")
    other = colvar(tmp_path / "other", "0 1 1\n0.5 1 1\n", "#! FIELDS time phi psi\n")
    with pytest.raises(DataError, match="other has the columns phi, psi, .*first phi, psi, d"):
        load_features([first, other])
    with pytest.raises(DataError, match="declare different columns as periodic"):
        load_features([first, other], columns="phi psi")
    slower = colvar(tmp_path / "slower", "0 1 1 1\n2 1 1 1\n")
    with pytest.raises(DataError, match=r"slower has rows 2 ps apart, but 0\.5 ps"):
        load_features([first, slower])
    with pytest.raises(DataError, match=r"first has rows 0\.5 ps apart, but 1 ps was given"):
        load_features(first, dt_ps=1)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not there")
def test_real_dihedrals():
    path = SHARED / "alanine_dihedrals" / "dihedral_traj0.npy"
    table = load_features(path, columns="phi psi", periodic="phi psi", dt_ps=1)
    assert table.arrays[0].shape == (250000, 2)
    np.testing.assert_array_equal(table.arrays[0], np.load(path))
