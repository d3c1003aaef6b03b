"""Feature files: arrays and PLUMED's COLVAR, with units, time and columns that must fit."""

import gzip
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
        ("0 1 1 1\n1 1 1\n", "has 4 numbers in line 6 and 3 in line 7"),
        ("0 1 1 one\n", "has '0 1 1 one' in line 6; numbers were expected"),
        ("0 1 1\n1 1 1\n", "has 3 columns of numbers, but names 4"),
        ("", "holds no row of numbers"),
        (
            "0 1 1 1\n1 1 1 1\n2 1 1 1\n1 1 1 1\n2 1 1 1\n3 1 1 1\n",
            "goes back from 2 to 1 ps between frames 2 and 3 .* several runs",
        ),
        ("0 1 1 1\n1 1 1 1\n2 1 1 1\n5 1 1 1\n", "goes from 2 to 5 ps between frames 2 and 3"),
        ("3 1 1 1\n2 1 1 1\n1 1 1 1\n", "goes back from 3 to 2"),
        ("1 1 1 1\n1 1 1 1\n1 1 1 1\n", "goes back from 1 to 1"),
        ("0 1 1 1\n#! FIELDS time phi psi\n1 1 1\n", "changes its columns"),
    ],
)
def test_colvar_that_cannot_be_used(tmp_path, rows, message):
    with pytest.raises(DataError, match=rf"COLVAR.*{message}"):
        load_features(colvar(tmp_path / "COLVAR", rows))


def test_colvar_with_only_time_or_another_period(tmp_path):
    with pytest.raises(DataError, match="no column but the time"):
        load_features(colvar(tmp_path / "a", "0\n1\n", "#! FIELDS time\n"))
    header = "#! FIELDS time d\n#! SET min_d 0\n#! SET max_d 4\n"
    table = load_features(colvar(tmp_path / "b", "0 1\n1 2\n2 4\n", header))
    assert table.periodic.tolist() == [True]
    np.testing.assert_allclose(table.arrays[0][:, 0], [-np.pi / 2, 0, np.pi], rtol=1e-6)
    with pytest.raises(DataError, match="not from where to where"):
        load_features(colvar(tmp_path / "c", "0 1\n1 2\n", "#! FIELDS time d\n#! SET min_d 0\n"))


def test_text_that_is_no_colvar(tmp_path):
    (tmp_path / "notes.txt").write_text("phi and psi\n")
    (tmp_path / "numbers.txt").write_text("1 2\n3 4\n")
    (tmp_path / "binary.dat").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match=r"notes\.txt is none of \.npy, \.npz, COLVAR of PLUMED"):
        load_features(tmp_path / "notes.txt")
    assert load_features(tmp_path / "numbers.txt").arrays[0].tolist() == [[1, 2], [3, 4]]
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
        ([[1e300, 0.0]], "holds a number in data row 0 that is too large"),  # beyond float32
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
    with pytest.raises(DataError, match="periodic column phi reaches 150, .* phi=degrees"):
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
    with pytest.raises(DataError, match=r"first has frames 0\.5 ps apart, .*slower 2 ps"):
        load_features([first, slower])
    assert load_features([first, slower], dt_ps=1).dt_ps == 1  # the user knows better


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not there")
def test_real_dihedrals():
    path = SHARED / "alanine_dihedrals" / "dihedral_traj0.npy"
    table = load_features(path, columns="phi psi", periodic="phi psi", dt_ps=1)
    assert table.arrays[0].shape == (250000, 2)
    np.testing.assert_array_equal(table.arrays[0], np.load(path))


def rows_of(n=200, seed=0, dt=0.5, extra=""):
    """phi and psi of a walk on the circle, as rows of a COLVAR."""
    walk = np.random.default_rng(seed).normal(size=(n, 2)).cumsum(axis=0) * 0.3
    walk = (walk + np.pi) % (2 * np.pi) - np.pi
    return walk, "".join(f"{dt * k:.3f} {a:.6f} {b:.6f}{extra}\n" for k, (a, b) in enumerate(walk))


def test_bias_columns_are_left_out_and_the_bias_is_remarked(tmp_path, caplog):
    _, rows = rows_of(extra=" 3.1 2.9")
    path = colvar(tmp_path / "COLVAR", rows, "#! FIELDS time phi psi metad.bias metad.rbias\n")
    table = load_features(path, periodic="phi psi")
    assert table.names == ["phi", "psi"] and "the simulation was biased" in table.remarks[0]
    assert "metad.bias, metad.rbias" in caplog.text
    assert load_features(path, columns="phi metad.bias", periodic="phi").names == ["phi", "metad.bias"]  # named: kept


@pytest.mark.parametrize("fields", ["sigma_phi sigma_psi height biasf", "sigma_phi sigma_psi height"])
def test_hills_are_refused(tmp_path, fields):
    rows = "0 1 1 0.3 0.3 1.2 10\n1 1 1 0.3 0.3 1.2 10\n" if "biasf" in fields else "0 1 1 0.3 0.3 1.2\n"
    with pytest.raises(DataError, match="HILLS is a HILLS file"):
        load_features(colvar(tmp_path / "HILLS", rows, f"#! FIELDS time phi psi {fields}\n"))


def test_columns_that_grow_or_stand_still_are_left_out_and_named(tmp_path, caplog):
    walk, _ = rows_of()
    rows = "".join(f"{k} {a:.4f} {17 * k} 4.2\n" for k, (a, _) in enumerate(walk))
    path = colvar(tmp_path / "COLVAR", rows, "#! FIELDS time d walltime box\n")
    assert load_features(path).names == ["d"]
    assert "which only grow (walltime)" in caplog.text and "which are constant (box)" in caplog.text


@pytest.mark.parametrize("scale, unit", [(1.0, "phi if"), (180 / np.pi, "phi=degrees if")])
def test_angles_without_a_declaration_are_pointed_out(tmp_path, caplog, scale, unit):
    walk, _ = rows_of()
    rows = "".join(f"{k} {scale * a:.4f}\n" for k, (a, _) in enumerate(walk))
    load_features(colvar(tmp_path / "COLVAR", rows, "#! FIELDS time phi\n"))
    assert f"--periodic {unit}" in caplog.text


def test_degrees_and_other_periods_become_angles_in_radians(tmp_path):
    walk, _ = rows_of()
    degrees = colvar(
        tmp_path / "a", "".join(f"{k} {np.degrees(a):.5f}\n" for k, (a, _) in enumerate(walk)), "#! FIELDS time phi\n"
    )
    table = load_features(degrees, periodic="phi=degrees")
    assert table.periodic.tolist() == [True]
    np.testing.assert_allclose(table.arrays[0][:, 0], walk[:, 0], atol=1e-5)
    other = colvar(tmp_path / "b", "0 0\n1 0.75\n2 1.125\n", "#! FIELDS time d\n")
    np.testing.assert_allclose(
        load_features(other, periodic="d=0:1.5").arrays[0][:, 0], [-np.pi, 0, np.pi / 2], atol=1e-6
    )
    with pytest.raises(DataError, match="far out of its period"):
        load_features(other, periodic="d=0:0.2")
    with pytest.raises(SettingsError, match="NAME=LOW:HIGH was expected"):
        load_features(other, periodic="d=1:0")


def test_a_given_time_step_overrules_the_files_and_says_so(tmp_path, caplog):
    _, rows = rows_of(dt=1.0)  # a driver's frame numbers
    assert load_features(colvar(tmp_path / "a", rows, "#! FIELDS time phi psi\n"), dt_ps=0.5).dt_ps == 0.5
    zero = "".join("0.0 " + line.split(" ", 1)[1] + "\n" for line in rows.splitlines())
    assert load_features(colvar(tmp_path / "b", zero, "#! FIELDS time phi psi\n"), dt_ps=0.5).dt_ps == 0.5
    assert "a has frames 1 ps apart by its own times; the 0.5 ps that were given are used" in caplog.text


def test_rows_that_a_restart_repeats_are_left_out(tmp_path, caplog):
    walk, rows = rows_of()
    lines = rows.splitlines()
    again = "\n".join([*lines[:120], "#! FIELDS time phi psi", *lines[110:]]) + "\n"
    table = load_features(colvar(tmp_path / "COLVAR", again, "#! FIELDS time phi psi\n"), periodic="phi psi")
    np.testing.assert_allclose(table.arrays[0], walk, atol=1e-5)
    assert table.dt_ps == 0.5 and "10 repeated frames are left out" in caplog.text


@pytest.mark.parametrize("kind", ["npz", "csv", "csv with time", "xvg", "gz", "no header", "cut", "größe"])
def test_containers(tmp_path, kind):
    walk, rows = rows_of()
    header = "#! FIELDS time phi psi\n"
    names = {"npz": "a.npz", "xvg": "a.xvg", "gz": "COLVAR.gz", "csv": "a.csv", "csv with time": "a.csv"}
    path = tmp_path / names.get(kind, "COLVAR")
    if kind == "npz":
        np.savez(path, arr_0=walk[:120], arr_1=walk[120:])
    elif kind.startswith("csv"):
        lines = [line.replace(" ", ",").split(",", 0 if "time" in kind else 1)[-1] for line in rows.splitlines()]
        path.write_text("\n".join(["time,phi,psi" if "time" in kind else "phi,psi", *lines]), encoding="utf-8")
    elif kind == "xvg":
        labels = '# gmx\n@    xaxis  label "Time (ps)"\n@ s0 legend "phi"\n@ s1 legend "psi"\n'
        path.write_text(labels + rows, encoding="utf-8")
    elif kind == "gz":
        path.write_bytes(gzip.compress((header + rows).encode()))
    elif kind == "cut":  # still being written
        path.write_text(header + rows + "100.0 0.3", encoding="utf-8")
    elif kind == "größe":
        path = tmp_path / "größe" / "wälk"
        path.parent.mkdir()
        path.write_text(header + rows, encoding="utf-8")
    else:
        path.write_text(rows, encoding="utf-8")
    table = load_features(path)
    np.testing.assert_allclose(np.concatenate(table.arrays), walk, atol=1e-5)
    assert len(table.arrays) == (2 if kind == "npz" else 1)
    assert table.names == (["column 0", "column 1"] if kind in ("npz", "no header") else ["phi", "psi"])
    assert table.dt_ps == (None if kind in ("npz", "csv") else 0.5)


def test_headers_are_held_against_the_size_of_the_file(tmp_path):
    for name, shape in (("huge", (10**12, 2)), ("wrapped", (2**40, 2**40)), ("more", (100, 2))):
        path = array(tmp_path / f"{name}.npy", np.zeros((5, 2)))
        text = path.read_bytes().replace(b"(5, 2), }" + b" " * 30, f"{shape}, }}".encode().ljust(39)[:39])
        path.write_bytes(text)
        with pytest.raises(DataError, match=rf"{name}\.npy cannot be read .*its header says"):
            load_features(path)
