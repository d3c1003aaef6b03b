"""Collective variables that OpenMM asks Python for, with forces by automatic differentiation."""

from __future__ import annotations

import uuid
import weakref

import numpy as np
import openmm
import torch
from openmm import unit

from mdtok.errors import SettingsError
from mdtok.kinetics.cvs.columns import atoms_of
from mdtok.kinetics.cvs.differentiable import EncodedFeatures
from mdtok.kinetics.cvs.linear import LinearCV

#: OpenMM copies a force, for instance into a CustomCVForce, by pickling its function. What it pickles of ours is a key
#: to what is here: no network and no code gets into a file, and none is read from one.
_COMPUTATIONS: weakref.WeakValueDictionary[str, Computation] = weakref.WeakValueDictionary()


def python_force(cv, component: int, place: np.ndarray, in_box: bool) -> openmm.Force:
    """An ``openmm.PythonForce`` whose energy in kJ/mol is one component of a CV.

    Parameters
    ----------
    cv : LinearCV or NetworkCV
    component : int
    place : int array, shape (n_atoms,)
        Where each atom of the CV is in the system.
    in_box : bool
        Whether distances between molecules are to the nearest image.
    """
    atoms, in_box = atoms_of(cv.columns), in_box and any(part.crosses.any() for part in cv.columns)
    force = openmm.PythonForce(Computation(cv, component, atoms, in_box))
    force.setParticles(place[atoms].tolist())
    force.setUsesPeriodicBoundaryConditions(in_box)
    return force


class Computation:
    """What OpenMM calls: a State of the atoms to energy and forces."""

    def __init__(self, cv, component, atoms, in_box):
        self.encode, self.value = EncodedFeatures(cv.columns, atoms), _differentiable(cv)
        self.component, self.in_box = component, in_box
        self.key = uuid.uuid4().hex
        _COMPUTATIONS[self.key] = self

    def __call__(self, state):
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        positions = torch.tensor(positions, dtype=torch.float64, requires_grad=True)
        box = None
        if self.in_box:
            box = torch.tensor(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
        value = self.value(self.encode(positions, box))[0, self.component]
        (slope,) = torch.autograd.grad(value, positions)
        return value.item(), -slope.numpy()

    def __reduce__(self):
        return _computation, (self.key,)


def _computation(key):
    return _COMPUTATIONS.get(key, _of_another_process)  # OpenMM would crash if this raised


def _of_another_process(state):
    raise SettingsError("This force was made in another process, which XML does not hold; call to_openmm_force(cv).")


def _differentiable(cv):
    if isinstance(cv, LinearCV):
        mean, weights = torch.as_tensor(cv.mean), torch.as_tensor(cv.weights)
        return lambda encoded: (encoded - mean) @ weights
    return lambda encoded: cv.network(encoded.to(cv.dtype)).double()
