"""What the system.yaml of every shipped system says of itself: title, parts, known times; and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from mdtok.errors import SettingsError
from mdtok.md.definition import available_systems, load_definition
from mdtok.md.particles import ParticleDefinition
from mdtok.md.structure import load_structure, sequence_of

TITLES = {
    "alanine_dipeptide": "Alanine dipeptide",
    "fip35": "Fip35 WW domain",
    "fip35_calpha": "Fip35 WW domain",
    "four_state": "Four-state potential",
    "muller_brown": "Müller–Brown",
    "three_state": "Three-state potential",
}


@pytest.mark.parametrize("name", available_systems())
def test_every_system_has_a_title_and_parts_that_fit_it(name):
    definition = load_definition(name)
    assert definition.title == TITLES[name] and definition.description and definition.references
    if isinstance(definition, ParticleDefinition):
        return
    topology, _ = load_structure(definition.structure)
    residues = sequence_of(topology.residues())
    assert all(definition.residues_of(part).stop <= len(residues) for part in definition.parts)
    assert not definition.sequence or definition.sequence == residues


@pytest.mark.parametrize("name", ["fip35", "fip35_calpha"])
def test_both_models_of_fip35_have_its_strands_and_hairpins(name):
    definition = load_definition(name)
    strands = {part: definition.residues_of(part) for part in definition.parts}
    assert strands == {"β1": range(6, 14), "β2": range(15, 24), "β3": range(25, 32)}
    assert definition.contacts_between == {"hairpin 1": ["β1", "β2"], "hairpin 2": ["β2", "β3"]}


def test_the_four_states_know_their_times():
    known = load_definition("four_state").known
    assert known.timescales_ps == (8610, 700, 647) and "1.7e8 ps" in known.source and "\n" not in known.source
    names, at = list("ABCD"), dict(zip("ABCD", range(4)))
    assert known.mfpt_ps[at["D"], at["B"]] == 2814 and known.mfpt_ps[at["B"], at["D"]] == 2643
    assert (known.mfpt_ps[~np.eye(len(names), dtype=bool)] > 0).all() and (np.diag(known.mfpt_ps) == 0).all()
    assert load_definition("three_state").known is None


def changed(folder, name, **changes):
    """A copy of a shipped system with other keys; None takes one out."""
    shutil.copytree(ROOT / "systems" / name, folder)
    path = Path(folder) / "system.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    content = {key: value for key, value in content.items() if value is not None}
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder


def test_an_old_folder_without_these_keys_still_loads(tmp_path):
    old = load_definition(changed(tmp_path / "mine", "fip35", title=None, parts=None, contacts_between=None))
    assert (old.title, old.parts, old.contacts_between) == ("mine", {}, {})
    old = load_definition(changed(tmp_path / "wells", "four_state", title=None, known=None))
    assert old.title == "wells" and old.known is None


def known(**changes):
    passages = {one: {other: 100.0 for other in "ABCD" if other != one} for one in "ABCD"}
    return {"known": {"source": "algebra", "timescales_ps": [30, 20], "mfpt_ps": passages} | changes}


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("fip35", {"title": 3}, "title is 3; text was expected"),
        ("fip35", {"parts": {"β1": [6, 35], "β2": [15, 23], "β3": [25, 31]}}, "sequence has the residues 0 .. 34"),
        ("fip35", {"parts": {"β1": [13, 6]}}, "parts must read like"),
        ("fip35", {"parts": {"β1": 6}}, "parts must read like"),
        ("fip35", {"parts": {"β1": [6, 13.5]}}, "parts must read like"),
        ("fip35", {"parts": ["β1"]}, "parts must read like"),
        ("fip35", {"parts": None}, "names 'β1'; its parts are none"),
        ("fip35_calpha", {"contacts_between": {"hairpin 1": ["β1", "β4"]}}, "names 'β4'; its parts are β1, β2, β3"),
        ("fip35_calpha", {"contacts_between": {"hairpin 1": ["β1"]}}, "contacts_between must read like"),
        ("fip35", known(), r"unknown key known \(one of a potential\)"),
        ("four_state", {"parts": {"a": [0, 1]}}, r"unknown key parts \(one of a molecule with a force field and of"),
        ("four_state", {"known": 3}, "known must hold source, timescales_ps, mfpt_ps"),
        ("four_state", known(mfpt=1), "known must hold source, timescales_ps, mfpt_ps"),
        ("four_state", known(source=""), "where the times are from"),
        ("four_state", known(timescales_ps=[20, 30]), "slowest first"),
        ("four_state", known(timescales_ps=[30, -1]), "slowest first"),
        ("four_state", known(timescales_ps=[4, 3, 2, 1]), "4 states have 3 at most"),
        ("four_state", known(mfpt_ps={"A": {"B": 1}}), "from each of the states A, B, C, D"),
        ("four_state", known(mfpt_ps=7), "from each of the states A, B, C, D"),
    ],
)
def test_a_bad_value_is_one_line(tmp_path, name, changes, words):
    with pytest.raises(SettingsError, match=words) as caught:
        load_definition(changed(tmp_path / "mine", name, **changes))
    assert "system.yaml" in str(caught.value) and "\n" not in str(caught.value)
