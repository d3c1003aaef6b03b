"""A featurizer as plain values, with the molecule that it was fitted to, and back again."""

from __future__ import annotations

import inspect

import mdtraj
import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.contacts import Contacts
from mdtok.features.feature import Feature
from mdtok.features.featurizer import Dihedrals, Featurizer
from mdtok.features.native import NativeContacts, NativeFraction

_CLASSES: dict[str, type[Feature]] = {one.__name__: one for one in (Dihedrals, Contacts, NativeFraction)}


def featurizer_to_dict(featurizer: Featurizer) -> dict:
    """What a fitted featurizer is, for a file of JSON.

    Raises
    ------
    SettingsError
        It has a feature other than dihedrals, contacts and the fraction of native contacts.

    Examples
    --------
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> fitted = Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(mdtraj.Trajectory(np.eye(4, 3), topology))
    >>> featurizer_to_dict(fitted)["features"]
    [{'class': 'Dihedrals', 'which': [(0, 1, 2, 3)], 'encoding': 'sincos'}]
    >>> featurizer_from_dict(featurizer_to_dict(fitted), "it").feature_names_ == fitted.feature_names_
    True
    """
    return {
        "features": [_feature_to_dict(feature) for feature in featurizer.features],
        "names": featurizer.feature_names_,
        "topology": _topology_to_dict(featurizer.topology_),
    }


def featurizer_from_dict(content: dict, path) -> Featurizer:
    """The fitted featurizer of what `featurizer_to_dict` gave, read from the file `path`.

    Raises
    ------
    DataError
        It names a feature that is none, or other columns than its features have.
    """
    topology = _topology_from_dict(content["topology"])
    features = [_feature_from_dict(feature, path) for feature in content["features"]]
    featurizer = Featurizer(features).fit(mdtraj.Trajectory(np.empty((0, topology.n_atoms, 3)), topology))
    if featurizer.feature_names_ != content["names"]:
        raise DataError(f"{path} names other columns than its features have; make it anew.")
    return featurizer


def _feature_to_dict(feature):
    name = type(feature).__name__
    if _CLASSES.get(name) is not type(feature):
        raise SettingsError(f"The feature {name} cannot be saved; {', '.join(_CLASSES)} can.")
    said = {key: getattr(feature, key) for key in inspect.signature(type(feature)).parameters}
    if getattr(feature, "native", None) is not None:
        said["pairs" if "pairs" in said else "native"] = {"native": feature.native.to_dict()}
    return {"class": name, **said}


def _feature_from_dict(content, path):
    said = dict(content)
    name = said.pop("class")
    if name not in _CLASSES:
        raise DataError(f"{path} names the feature {name!r}; one of {', '.join(_CLASSES)} was expected.")
    for key, value in said.items():
        if isinstance(value, dict):
            said[key] = NativeContacts.from_dict(value["native"], path)
    return _CLASSES[name](**said)


def _topology_to_dict(topology):
    atoms = [
        (atom.name, "" if atom.element is None else atom.element.symbol, atom.residue.index) for atom in topology.atoms
    ]
    residues = [(one.name, one.resSeq, one.segment_id, one.chain.index) for one in topology.residues]
    return {"residues": residues, "atoms": atoms, "bonds": [(a.index, b.index) for a, b in topology.bonds]}


def _topology_from_dict(content):
    topology, chains, residues = mdtraj.Topology(), [], []
    for name, number, segment, chain in content["residues"]:
        while chain >= len(chains):
            chains.append(topology.add_chain())
        residues.append(topology.add_residue(name, chains[chain], resSeq=number, segment_id=segment))
    for name, symbol, residue in content["atoms"]:
        element = mdtraj.element.get_by_symbol(symbol) if symbol else None
        topology.add_atom(name, element, residues[residue])
    atoms = list(topology.atoms)
    for one, other in content["bonds"]:
        topology.add_bond(atoms[one], atoms[other])
    return topology
