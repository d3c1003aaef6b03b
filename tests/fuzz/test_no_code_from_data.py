"""Files from a stranger run nothing: each is read under Python's audit hooks in a process of its own."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import yaml
from conftest import ROOT

from mdtok.errors import SettingsError
from mdtok.md import load_system

# What is seen while a file is read: pickles that look for classes, code that is run, commands that are started.
WATCHED = """
import builtins, sys
{imports}
seen = []

def watch(event, arguments):
    is_ours = "mdtok.md.reader_process" in repr(arguments)
    if event in ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn") and not is_ours:
        seen.append(event)
    if event == "compile" and "mark_of_the_stranger" in repr(arguments):  # exec of it is seen by what it prints
        seen.append(event)

sys.addaudithook(watch)
from mdtok.errors import MdtokError
try:
    {read}
    print("read")
except MdtokError as error:
    print("refused:", error)
print("seen:", *[event for event in seen])
"""


REFUSE = """
def refuse(read):
    from mdtok.errors import MdtokError
    try:
        read()
    except MdtokError as error:
        print("refused:", error)
"""


class Stranger:
    """What unpickling would run."""

    def __reduce__(self):
        return os.system, ("echo mark_of_the_stranger",)


def watched(imports, read):
    """What the process that reads the file says, and which events were seen."""
    code = WATCHED.format(imports=imports, read=read)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert ran.returncode == 0 and "mark_of_the_stranger" not in ran.stdout, ran.stdout + ran.stderr
    said, seen = ran.stdout.strip().rsplit("seen:", 1)
    return said.strip(), seen.split()


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory):
    """A sound HDF5 trajectory, but for attributes that PyTables would unpickle."""
    mdtraj, tables = pytest.importorskip("mdtraj"), pytest.importorskip("tables")
    path = tmp_path_factory.mktemp("hdf5") / "stranger.h5"
    topology = mdtraj.Topology()
    topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", topology.add_chain()))
    mdtraj.Trajectory(np.random.default_rng(0).normal(size=(5, 1, 3)), topology, time=np.arange(5.0)).save_hdf5(path)
    with tables.open_file(path, "a") as file:
        for node in ("/", "/coordinates", "/topology"):
            file.set_node_attr(node, "note", Stranger())
    return path


def test_an_hdf5_trajectory_runs_nothing_and_is_read(hdf5):
    said, seen = watched(
        "import h5py, mdtraj\nfrom mdtok.md import open_trajectories",
        f"print(len(open_trajectories({str(hdf5)!r})[0].load()))",
    )
    assert said.split() == ["5", "read"] and not seen


def test_the_hook_sees_what_pytables_would_run(hdf5):
    """The test above can fail: mdtraj's own reader unpickles the attribute."""
    with pytest.raises(AssertionError, match="pickle.find_class os.system"):
        watched("import tables", f"tables.open_file({str(hdf5)!r}).root._v_attrs.note")


FORCE_FIELDS = {
    "script": "<ForceField><Script>print('mark_of_the_stranger')</Script></ForceField>",
    "initialization": "<ForceField><InitializationScript>print('mark_of_the_stranger')</InitializationScript>"
    "</ForceField>",
    "deeper": "<ForceField><Residues><Script>print('mark_of_the_stranger')</Script></Residues></ForceField>",
    "evaluated": '<ForceField><CustomNonbondedForce energy="r" bondCutoff="0" '
    "useDispersionCorrection=\"print('mark_of_the_stranger')\"></CustomNonbondedForce></ForceField>",
    "included": '<ForceField><Include file="other.xml"/></ForceField>',
    "nonsense": "<ForceField>",
    "entities": '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + k)} "{("&" + chr(97 + k) + ";") * 10}">' for k in range(9))
    + "]><ForceField>&j;</ForceField>",
}


@pytest.fixture
def folder(tmp_path):
    """A folder like that of alanine dipeptide, with a force field of its own."""
    source = ROOT / "systems" / "alanine_dipeptide"
    system = tmp_path / "mine"
    system.mkdir()
    content = yaml.safe_load((source / "system.yaml").read_text(encoding="utf-8"))
    (system / content["structure"]).write_bytes((source / content["structure"]).read_bytes())
    content["forcefield"] = [*content["forcefield"], "own.xml"]
    (system / "system.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (system / "other.xml").write_text(FORCE_FIELDS["script"], encoding="utf-8")
    return system


@pytest.mark.parametrize("kind", FORCE_FIELDS)
def test_a_force_field_with_python_in_it_is_refused(folder, kind):
    (folder / "own.xml").write_text(FORCE_FIELDS[kind], encoding="utf-8")
    with pytest.raises(SettingsError, match=r"own\.xml|other\.xml"):
        load_system(folder)


def test_an_include_is_not_taken_from_where_the_command_is_run(folder, tmp_path, monkeypatch):
    """OpenMM looks there before it looks among its own."""
    (tmp_path / "tip3p.xml").write_text(FORCE_FIELDS["script"], encoding="utf-8")
    (folder / "own.xml").write_text('<ForceField><Include file="tip3p.xml"/></ForceField>', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"includes tip3p\.xml, which lies elsewhere"):
        load_system(folder)


def test_a_force_field_runs_nothing(folder):
    (folder / "own.xml").write_text(FORCE_FIELDS["initialization"], encoding="utf-8")
    said, seen = watched("from mdtok.md import load_system", f"load_system({str(folder)!r})")
    assert said.startswith("refused:") and "--trust-scripts" in said and not seen


def test_scripts_of_ones_own_are_trusted_when_that_is_said(folder, capsys):
    (folder / "own.xml").write_text(FORCE_FIELDS["initialization"], encoding="utf-8")
    assert load_system(folder, trust_scripts=True).n_atoms == 22
    assert "mark_of_the_stranger" in capsys.readouterr().out


def test_a_force_field_of_the_folder_is_found_beside_its_system(folder):
    (folder / "own.xml").write_text("<ForceField><AtomTypes/></ForceField>", encoding="utf-8")
    assert load_system(folder).n_atoms == 22


@pytest.mark.parametrize("key", ["structure", "forcefield", "contacts"])
@pytest.mark.parametrize("path", ["/dev/zero", "../elsewhere.pdb", "link.pdb", "pipe.pdb"])
def test_files_elsewhere_and_devices_are_refused(folder, key, path):
    (folder.parent / "elsewhere.pdb").write_text("ATOM\n", encoding="utf-8")
    (folder / "link.pdb").symlink_to(folder.parent / "elsewhere.pdb")
    os.mkfifo(folder / "pipe.pdb")
    content = yaml.safe_load((folder / "system.yaml").read_text(encoding="utf-8"))
    if key == "contacts":
        content = {"structure": content["structure"], "contact_energy_kj_mol": 1.0, "temperature_kelvin": 300.0}
    content[key] = [path] if key == "forcefield" else path
    (folder / "system.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SettingsError, match="outside of the system's folder|no file|neither in"):
        load_system(folder)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['echo mark_of_the_stranger']",
        "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"b{k}: &b{k} [{', '.join(['*a'] * 9)}]\n" for k in range(9)),
        "[" * 5000,
        "a: " + "1" * 5000,
        "\x00\x01",
    ],
    ids=["python object", "references", "nested", "long number", "bytes"],
)
def test_settings_that_are_a_trap_are_one_line(folder, text):
    (folder / "system.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"system\.yaml"):
        load_system(folder)


def test_arrays_that_hold_pickles_are_refused(tmp_path):
    """Of features, tokens and models alike."""
    hostile = np.array([Stranger()], dtype=object)
    np.save(tmp_path / "a.npy", hostile, allow_pickle=True)
    np.savez(tmp_path / "b.npz", weights=hostile)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(Stranger()))
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text(json.dumps({"class": "MarkovModel", "settings": {}}), encoding="utf-8")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("counts.npy", (tmp_path / "c.npy").read_bytes())
    (model / "model.npz").write_bytes(buffer.getvalue())
    files = [str(tmp_path / name) for name in ("a.npy", "b.npz", "c.npy")]
    reads = [f"{loader}({file!r})" for file in files for loader in ("load_dtrajs", "load_features")]
    reads.append(f"load_model({str(model)!r})")
    imports = "from mdtok import load_dtrajs, load_features, load_model"
    said, seen = watched(imports + "\n" + REFUSE, "\n    ".join(f"refuse(lambda: {read})" for read in reads))
    assert said.count("refused:") == len(reads) and not seen, said
