"""Collective variables as input of PLUMED: text, and for networks a TorchScript file beside it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from mdtok.errors import SettingsError
from mdtok.features.topologies import describe
from mdtok.kinetics.cvs.angle import AngleCV
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.columns import Torsions, with_offsets
from mdtok.kinetics.cvs.linear import LinearCV
from mdtok.md.bonds import Bonds
from mdtok.storage import whole

MODEL_FILE = "model.ptc"


def to_plumed(cv: CollectiveVariable, label: str = "cv", model_file: str = MODEL_FILE) -> str:
    """Input for PLUMED that computes a collective variable: atoms counted from 1, nm and radians.

    Parameters
    ----------
    cv : LinearCV, NetworkCV or AngleCV
    label : str
        Of the result; ``cv_1``, ``cv_2``, … where a linear CV has several, ``cv.node-0``, … of a network.
    model_file : str
        Where `save_torchscript` writes the network, as PLUMED will find it.

    Returns
    -------
    str
        Lines of WHOLEMOLECULES, TORSION, DISTANCE, CUSTOM and COMBINE; for a network PYTORCH_MODEL, which takes a
        PLUMED built with its pytorch module.

    Raises
    ------
    SettingsError
        The CV rests on the closest heavy atoms of residues, or `label` is none.

    References
    ----------
    G. Tribello et al., Comput. Phys. Commun. 185, 604 (2014) (PLUMED 2).

    Examples
    --------
    >>> import mdtraj
    >>> from mdtok.features import Dihedrals, Featurizer
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.2, 0.1, 0]]], topology)
    >>> print(to_plumed(LinearCV(Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame), [2.0, 0.5])))
    # BUT0, 4 atoms: atoms are counted from 1, lengths are in nm, angles in radians.
    WHOLEMOLECULES ENTITY0=1-4
    t1: TORSION ATOMS=1,2,3,4 NOPBC
    f1: CUSTOM ARG=t1 FUNC=cos(x) PERIODIC=NO  # cos BUT0-A BUT0-B BUT0-C BUT0-D
    f2: CUSTOM ARG=t1 FUNC=sin(x) PERIODIC=NO  # sin BUT0-A BUT0-B BUT0-C BUT0-D
    cv: COMBINE ...
      ARG=f1,f2
      COEFFICIENTS=2.0,0.5
      PARAMETERS=0.0,0.0
      PERIODIC=NO
    ...
    <BLANKLINE>
    """
    if not re.fullmatch(r"[A-Za-z]\w*", label) or re.fullmatch(r"[tdcf]\d+", label):
        raise SettingsError(f"label is {label!r}; a name such as 'slow' was expected, other than t1, d1, c1 and f1.")
    lines = [
        f"# {describe(cv.featurizer.topology_)}: atoms are counted from 1, lengths are in nm, angles in radians.",
        *_whole_molecules(cv),
    ]
    if isinstance(cv, AngleCV):
        lines.append(f"{label}: TORSION ATOMS={_from_one(cv.columns[0].atoms[0])}{_images(cv.columns[0], 0)}")
        return "\n".join(lines) + "\n"
    lines += _feature_lines(cv)
    arguments = [f"f{k + 1}" for k in range(len(cv.column_names))]
    if isinstance(cv, LinearCV):
        for k, weights in enumerate(cv.weights.T):
            name = label if cv.n_cvs == 1 else f"{label}_{k + 1}"
            lines += _combine(name, arguments, weights, cv.mean)
    else:
        lines += [f"{label}: PYTORCH_MODEL ...", f"  FILE={model_file}", f"  ARG={','.join(arguments)}", "..."]
    return "\n".join(lines) + "\n"


def _whole_molecules(cv):
    """Within a molecule distances are those of the whole molecule, between molecules to the nearest image."""
    molecule_of = Bonds(cv.featurizer.topology_).molecule_of
    used = np.unique(np.concatenate([molecule_of[part.atoms[~part.crosses].ravel()] for part in cv.columns]))
    entities = [f"ENTITY{k}={_ranges(np.flatnonzero(molecule_of == molecule))}" for k, molecule in enumerate(used)]
    return [" ".join(["WHOLEMOLECULES", *entities])] if entities else []


def _ranges(atoms):
    """``[0, 1, 2, 5]`` as ``1-3,6``."""
    runs = np.split(atoms + 1, np.flatnonzero(np.diff(atoms) > 1) + 1)
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _feature_lines(cv):
    """Lines of all encoded columns, which are called f1, f2, … in their order."""
    lines, seen = [], 0  # torsions are t1, distances d1, contacts c1
    for first, part in with_offsets(cv.columns):
        if isinstance(part, Torsions):
            lines += _torsion_lines(part, first, seen)
        elif part.closest:
            raise SettingsError(
                f"{part.names[0]!r} is of the closest heavy atoms of two residues, for which PLUMED has no line; fit "
                "the collective variable to those of Cα (scheme='ca')."
            )
        else:
            for column, name in enumerate(part.names):
                lines += _pair_lines(part, np.flatnonzero(part.column == column), f"f{first + column + 1}", name, seen)
        seen += len(part.atoms)
    return lines


def _torsion_lines(part, first, seen):
    for k, atoms in enumerate(part.atoms):
        label = f"t{seen + k + 1}"
        yield f"{label}: TORSION ATOMS={_from_one(atoms)}{_images(part, k)}"
        for function, column in zip(("cos", "sin"), part.column[k]):
            yield (f"f{first + column + 1}: CUSTOM ARG={label} FUNC={function}(x) PERIODIC=NO  # {part.names[column]}")


def _pair_lines(part, pairs, label, name, seen):
    """One distance or contact has the column's own label; several are put together."""
    lines, members, single = [], [], len(pairs) == 1
    for k in pairs:
        distance = label if single and part.threshold_nm is None else f"d{seen + k + 1}"
        members.append(distance)
        lines.append(f"{distance}: DISTANCE ATOMS={_from_one(part.atoms[k])}{_images(part, k)}")
        if part.threshold_nm is not None:
            members[-1] = label if single else f"c{seen + k + 1}"
            switched = f"0.5*(1-tanh({part.beta_per_nm / 2!r}*(x-{float(part.threshold_nm[k])!r})))"
            lines.append(f"{members[-1]}: CUSTOM ARG={distance} FUNC={switched} PERIODIC=NO")
    if not single:
        lines += _combine(label, members, part.share[pairs], np.zeros(len(pairs)))
    return [f"# {name}", *lines]


def _images(part, k):
    return "" if part.crosses[k] else " NOPBC"


def _from_one(atoms):
    return ",".join(str(atom + 1) for atom in atoms)


def _combine(label, arguments, coefficients, parameters):
    return [
        f"{label}: COMBINE ...",
        f"  ARG={','.join(arguments)}",
        f"  COEFFICIENTS={','.join(repr(float(value)) for value in coefficients)}",
        f"  PARAMETERS={','.join(repr(float(value)) for value in parameters)}",
        "  PERIODIC=NO",
        "...",
    ]


def save_torchscript(cv: CollectiveVariable, path: str | Path) -> None:
    """Write the network of a `NetworkCV` as TorchScript, in single precision: what PYTORCH_MODEL of PLUMED reads.

    It takes the vector of encoded features in the order of ``cv.column_names`` and gives ``n_cvs`` numbers.

    Parameters
    ----------
    cv : NetworkCV
    path : path-like
        Such as ``model.ptc``. PLUMED has to be built with a LibTorch that reads what this torch writes.

    Raises
    ------
    SettingsError
        The CV has no network, or the network takes another way for other features, which a trace cannot hold.
    """
    import copy

    import torch

    class _InOrder(torch.nn.Module):
        """PLUMED reads the numbers as they lie in memory."""

        def forward(self, values):
            return values.float().contiguous()

    network = getattr(cv, "network", None)
    if network is None:
        raise SettingsError("A linear CV has no network; to_plumed(cv) is all that PLUMED needs.")
    network = torch.nn.Sequential(copy.deepcopy(network).float(), _InOrder())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore", DeprecationWarning)  # PLUMED reads nothing newer
        warnings.simplefilter("always", torch.jit.TracerWarning)
        traced = torch.jit.trace(network, torch.zeros(1, len(cv.column_names)))
        forks = [one for one in said if re.search("Python (boolean|float|integer|number)", str(one.message))]
        if forks:
            raise SettingsError(
                f"The network decides in Python what it computes ({Path(forks[0].filename).name}, line "
                f"{forks[0].lineno}), which TorchScript would not see; write that with torch.where."
            )
        with whole(path) as partial:
            traced.save(str(partial))
