"""Collective variables from their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mdtok.errors import DataError, SettingsError
from mdtok.features.saved_featurizer import featurizer_from_dict
from mdtok.kinetics.cvs.angle import AngleCV
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.linear import LinearCV
from mdtok.storage import damage_in_one_line, read_numbers

if TYPE_CHECKING:
    import torch


def load_cv(path: str | Path, network: torch.nn.Module | None = None) -> CollectiveVariable:
    """Read a collective variable that its `save` wrote.

    Parameters
    ----------
    path : path-like
        Ends in ``.json``.
    network : torch.nn.Module, optional
        Of a `NetworkCV` whose layers are not all among those that a file can say: a network of the same class, which
        the weights are put in.

    Returns
    -------
    LinearCV, NetworkCV or AngleCV

    Raises
    ------
    DataError
        The file holds something else.
    SettingsError
        A network is needed.
    RunFolderError
        The file is missing or damaged.

    Examples
    --------
    >>> import mdtraj, tempfile
    >>> from mdtok.features import Dihedrals, Featurizer
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.2, 0.1, 0]]], topology)
    >>> path = Path(tempfile.mkdtemp()) / "angle.json"
    >>> LinearCV(Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame), [2.0, 0.5]).save(path)
    >>> load_cv(path).weights
    array([[2. ],
           [0.5]])
    """
    return _load(CollectiveVariable, path, network)


@damage_in_one_line
def _load(_, path, network):
    content = read_numbers(path)
    known = ("LinearCV", "NetworkCV", "AngleCV")
    if not isinstance(content, dict) or content.get("class") not in known or content["schema"] != 1:
        raise DataError(f"{path} holds no collective variable; a file that save() of one wrote was expected.")
    featurizer = featurizer_from_dict(content["featurizer"], path)
    if content["class"] == "AngleCV":
        return AngleCV(featurizer)
    if content["class"] == "LinearCV":
        return LinearCV(featurizer, content["weights"], content["mean"])

    import copy

    from mdtok.kinetics.cvs.layers import filled, network_of
    from mdtok.kinetics.cvs.network import NetworkCV

    if content["layers"] is not None:
        return NetworkCV(featurizer, network_of(content["layers"], content["weights"], path))
    if network is None:
        raise SettingsError(
            f"{path} holds the weights of a {content['network']}, which a file cannot say; pass network=, a "
            f"{content['network']} to put them in."
        )
    return NetworkCV(featurizer, filled(copy.deepcopy(network), content["weights"], path))
