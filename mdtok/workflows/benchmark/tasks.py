"""The tasks of ``mdtok bench``. What is here never changes: a better task gets another version in its name."""

from __future__ import annotations

from itertools import product

import numpy as np

from mdtok.workflows.benchmark.chain_task import ChainTask, PotentialTask
from mdtok.workflows.benchmark.molecule_task import MoleculeTask, backbone_angles, basins, formed_hairpins, hairpins
from mdtok.workflows.benchmark.task import Task


def _row_of_six(stay, leave):
    """Six states in a row: three lumps of two, with a narrow passage between them."""
    matrix = np.zeros((6, 6))
    for i in range(5):
        rate = leave if i % 2 else stay
        matrix[i, i + 1] = matrix[i + 1, i] = rate
    return tuple(map(tuple, (matrix + np.diag(1 - matrix.sum(axis=1))).tolist()))


# ψ in degrees, for each φ, of the squares of 36° that held more than 0.1 % of 90 ns of MD at 450 K: 98.9 % of it.
_RAMACHANDRAN = {
    -162: (-162, -54, -18, 18, 54, 90, 126, 162),
    -126: (-162, -54, -18, 18, 54, 90, 126, 162),
    -90: (-162, -90, -54, -18, 18, 54, 90, 126, 162),
    -54: (-162, -54, -18, 18, 54, 90, 126, 162),
    -18: (126,),
    18: (54,),
    54: (-162, -126, -54, -18, 18, 54, 90, 162),
    90: (18,),
}

TASKS: dict[str, Task] = {
    "three-state-v1": ChainTask(
        what="A Markov chain of three states; the slowest relaxation takes 50 frames.",
        matrix=((0.98, 0.02, 0.0), (0.03, 0.94, 0.03), (0.0, 0.02, 0.98)),
        tokens=(0, 1, 2),
        n_frames=4000,
        seed=2026,
        sha256="eec67a0b29815259a850682e597d7751490cb7da7d111f831cb502c6933f3759",
    ),
    "lumped-v1": ChainTask(
        what="Six states in a row seen as three: a passage is forgotten only when the lump is crossed.",
        matrix=_row_of_six(0.1, 0.03),
        tokens=(0, 0, 1, 1, 2, 2),
        n_frames=4000,
        seed=2027,
        sha256="b272f20fdb4493f7f8026cc795d962366fbf760eca451c18b737418271c60e61",
    ),
    "rare-v1": ChainTask(
        what="Four states, two and two; the barrier between the pairs is crossed once in 500 frames.",
        matrix=((0.9, 0.1, 0.0, 0.0), (0.1, 0.896, 0.004, 0.0), (0.0, 0.004, 0.896, 0.1), (0.0, 0.0, 0.1, 0.9)),
        tokens=(0, 1, 2, 3),
        n_frames=8000,
        seed=2028,
        sha256="56e486061989d28bcba3f17a464346b3b10dc388701b3092dce16f99674b1235",
    ),
    "muller-brown-v1": PotentialTask(
        what="Müller-Brown at 300 K in squares of 0.2 nm: 7 ns to relax, which the squares see with memory.",
        system="muller_brown",
        spacing_nm=0.05,
        square_nm=0.2,
        dt_ps=20.0,
        n_frames=8000,
        seed=2029,
        sha256="7b9fc4ae05b4de587928c43d3893f97d0e3e92f25b5a65bd9add73140ffe01a1",
    ),
    "four-state-v1": PotentialTask(
        what="Four wells in the plane in squares of 0.5 nm: two fast pairs that exchange slowly.",
        system="four_state",
        spacing_nm=0.25,
        square_nm=0.5,
        dt_ps=10.0,
        n_frames=8000,
        seed=2030,
        sha256="e49b970a609a81cd7d3d9559ab5582725344578cb97fcb34c7c7f2bec43ec945",
    ),
    "alanine-v1": MoleculeTask(
        what="Alanine dipeptide in OBC2 at 450 K, 10 replicas of 10 ns, squares of 36° of φ and ψ.",
        system="alanine_dipeptide",
        features=backbone_angles,
        periodic=True,
        centres=tuple((np.radians(phi), np.radians(psi)) for phi, column in _RAMACHANDRAN.items() for psi in column),
        macrostate_of=basins,
        split=(4, 2, 4),
        length_ns=10.0,
        frame_interval_ps=0.5,
        stride=2,
        seed=11,
    ),
    "fip35-v1": MoleculeTask(
        what="The Fip35 WW domain as a Cα model at its folding temperature, 12 replicas of 60 ns, what is formed of "
        "its two hairpins in steps of a fifth.",
        system="fip35_calpha",
        features=hairpins,
        periodic=False,
        centres=tuple(product((0.1, 0.3, 0.5, 0.7, 0.9), repeat=2)),
        macrostate_of=formed_hairpins,
        split=(5, 2, 5),
        length_ns=60.0,
        frame_interval_ps=10.0,
        stride=1,
        seed=12,
    ),
}
