"""Independent particles on an analytic potential, many in one Context: what `run_simulation` takes like a molecule."""

import dataclasses

import numpy as np
import openmm
from openmm import app

from mdtok.errors import SettingsError
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K
from mdtok.md.definition_checks import is_number, name_by_folder, require_positive, require_whole_steps
from mdtok.md.known_times import KnownTimes
from mdtok.md.potentials import Potential
from mdtok.md.simulated_system import SimulatedSystem

DYNAMICS = ("brownian", "langevin")
REQUIRED_OF_PARTICLES = ("potential", "temperature_kelvin", "timestep_fs", "frame_interval_ps", "bounds", "states")


@dataclasses.dataclass(frozen=True)
class ParticleDefinition:
    """What the system.yaml of a potential says; every key of the file is a field here, and no other key is allowed."""

    name: str  # that of the folder
    potential: str
    temperature_kelvin: float
    timestep_fs: float
    frame_interval_ps: float
    bounds: dict  # {"x": [low, high], "y": [low, high]}, nm
    states: dict  # {name: [x, y]}, nm
    parameters: dict = dataclasses.field(default_factory=dict)
    dynamics: str = "brownian"
    diffusion_nm2_per_ps: float | None = None  # of brownian dynamics
    mass_amu: float = 1.0
    friction_per_ps: float = 1.0  # of langevin dynamics
    starts: tuple = ()  # names of states; all of them if not given
    start_square_nm: float = 0.0
    known: KnownTimes | None = None  # times known beforehand; in the file as `KnownTimes.read` takes them
    title: str = ""  # for reports; the name if not given
    description: str = ""
    references: tuple = ()

    def __post_init__(self):
        name_by_folder(self)
        if self.dynamics not in DYNAMICS:
            raise SettingsError(f"{self.name}: dynamics is {self.dynamics!r}; {' or '.join(DYNAMICS)} was expected.")
        positive = ("temperature_kelvin", "timestep_fs", "frame_interval_ps", "mass_amu", "friction_per_ps")
        require_positive(self, (*positive, *(("diffusion_nm2_per_ps",) if self.dynamics == "brownian" else ())))
        if not is_number(self.start_square_nm) or self.start_square_nm < 0:
            raise SettingsError(
                f"{self.name}: start_square_nm is {self.start_square_nm!r}; a number of at least 0 was expected."
            )
        require_whole_steps(self)
        if not isinstance(self.parameters, dict):
            raise SettingsError(f"{self.name}: parameters must read like '{{scale: 0.15}}'.")
        are_bounds = _are_pairs(self.bounds) and set(self.bounds) == {"x", "y"}
        if not are_bounds or any(low >= high for low, high in self.bounds.values()):
            raise SettingsError(f"{self.name}: bounds must read like '{{x: [-2, 2], y: [-1, 3]}}', in nm.")
        if not _are_pairs(self.states) or not self.states:
            raise SettingsError(f"{self.name}: states must read like '{{left: [-1, 0], right: [1, 0]}}', in nm.")
        for name in self.starts:
            if name not in self.states:
                raise SettingsError(f"{self.name}: the start {name!r} is none of the states {', '.join(self.states)}.")
        if self.known is not None and not isinstance(self.known, KnownTimes):
            object.__setattr__(self, "known", KnownTimes.read(self.name, self.known, list(self.states)))


def _are_pairs(named):
    return isinstance(named, dict) and all(
        isinstance(name, str) and isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(is_number, pair))
        for name, pair in named.items()
    )


@dataclasses.dataclass(frozen=True, eq=False)
class ParticleSystem(SimulatedSystem):
    """Independent particles on a potential in x and y, held near z = 0, and the settings of their dynamics.

    Frames are written with a precision of 0.001 nm, as in any XTC file.

    Attributes
    ----------
    name : str
    system : openmm.System
    topology : openmm.app.Topology
    positions : ndarray of float, shape (n_particles, 3), in nm
        All in the first start.
    starts : dict of str to ndarray of float, shape (2,), in nm
        Centres of the squares in which particles start.
    states : dict of str to ndarray of float, shape (2,), in nm
        Minima, by name.
    start_square_nm : float
        Side of the squares.
    potential : Potential
    bounds : ((x_low, x_high), (y_low, y_high)), in nm
    dynamics : {"brownian", "langevin"}
    diffusion_nm2_per_ps : float
        kT / (m γ): the setting of Brownian dynamics; in Langevin dynamics it follows from the friction, and holds at
        long times.
    temperature_kelvin, friction_per_ps, mass_amu, timestep_fs, frame_interval_ps : float
    solute_atoms : ndarray of int
        All particles.
    settings : dict
        Everything above that decides what a simulation computes, as plain values.
    """

    name: str
    system: openmm.System
    topology: app.Topology
    positions: np.ndarray
    starts: dict
    states: dict
    start_square_nm: float
    potential: Potential
    bounds: tuple
    dynamics: str
    diffusion_nm2_per_ps: float
    temperature_kelvin: float
    friction_per_ps: float
    mass_amu: float
    timestep_fs: float
    frame_interval_ps: float
    solute_atoms: np.ndarray
    settings: dict

    @property
    def solute_topology(self) -> app.Topology:
        """The topology: one atom a particle."""
        return self.topology

    def deepest_starts(self, n: int = 2) -> dict[str, np.ndarray]:
        """The `n` states of lowest energy that trajectories start around, deepest first: name -> point (2,) in nm."""
        points = {name: np.asarray(self.states[name]) for name in self.starts}
        energies = self.potential.energy(np.array(list(points.values())))
        return {name: points[name] for name in np.array(list(points))[np.argsort(energies)[:n]].tolist()}

    @property
    def has_velocities(self) -> bool:
        """Whether particles have momenta, and with them a kinetic temperature: not in Brownian dynamics."""
        return self.dynamics == "langevin"

    @property
    def default_start(self) -> str:
        """Name of the first start."""
        return next(iter(self.starts))

    @property
    def kt_kj_mol(self) -> float:
        """Thermal energy in kJ/mol."""
        return GAS_CONSTANT_KJ_MOL_K * self.temperature_kelvin

    @property
    def integrator_class(self):
        """Brownian, or Langevin."""
        return openmm.BrownianIntegrator if self.dynamics == "brownian" else super().integrator_class

    def start_positions(self, start: str | None, seed: int = 0) -> np.ndarray:
        """Positions (n_particles, 3) in nm, uniform in the square of a start, by its name; None gives the first start.

        Raises
        ------
        SettingsError
            There is no start of that name.
        """
        start = self.default_start if start is None else start
        self.require_start(start)
        rng = np.random.default_rng([int(seed), 0x57A127])  # not the numbers of the thermostat
        positions = np.zeros((self.n_atoms, 3))
        positions[:, :2] = self.starts[start] + self.start_square_nm * (rng.random((self.n_atoms, 2)) - 0.5)
        return positions


def make_particle_system(definition: ParticleDefinition, n_particles: int) -> "ParticleSystem":
    """The ParticleSystem of a definition.

    Raises
    ------
    SettingsError
        The potential cannot be read, or is not finite in one of the states; `n_particles` is below 1.
    """
    if isinstance(n_particles, bool) or not isinstance(n_particles, (int, np.integer)) or n_particles < 1:
        raise SettingsError(f"n_particles is {n_particles!r}; a whole number of at least 1 was expected.")
    try:
        potential = Potential(definition.potential, dict(definition.parameters))
    except SettingsError as error:
        raise SettingsError(f"{definition.name}: {error}") from None
    states = {name: np.array(point, dtype=float) for name, point in definition.states.items()}
    for name, point in states.items():
        with np.errstate(all="ignore"):
            energy = potential.energy(point)[0]
        if not np.isfinite(energy):
            raise SettingsError(
                f"{definition.name}: the potential is {energy} at the state {name!r} {tuple(point.tolist())}; "
                "a finite energy was expected."
            )
    kt = GAS_CONSTANT_KJ_MOL_K * definition.temperature_kelvin
    if definition.dynamics == "brownian":
        friction = kt / (definition.mass_amu * definition.diffusion_nm2_per_ps)  # type: ignore[operator]
    else:
        friction = definition.friction_per_ps
    # z spreads by four of its thermal steps: however the time step is chosen, it never breaks on the plane's spring
    dt_ps = definition.timestep_fs / 1000
    step_squared = kt / definition.mass_amu * (2 * dt_ps / friction if definition.dynamics == "brownian" else dt_ps**2)
    starts = {name: states[name] for name in definition.starts or states}
    first = np.append(next(iter(starts.values())), 0.0)
    return ParticleSystem(
        name=definition.name,
        system=_openmm_system(potential, int(n_particles), definition.mass_amu, kt / (16 * step_squared)),
        topology=_topology(int(n_particles)),
        positions=np.tile(first, (int(n_particles), 1)),
        starts=starts,
        states=states,
        start_square_nm=float(definition.start_square_nm),
        potential=potential,
        bounds=tuple(tuple(map(float, definition.bounds[axis])) for axis in "xy"),
        dynamics=definition.dynamics,
        diffusion_nm2_per_ps=kt / (definition.mass_amu * friction),
        temperature_kelvin=float(definition.temperature_kelvin),
        friction_per_ps=float(friction),
        mass_amu=float(definition.mass_amu),
        timestep_fs=float(definition.timestep_fs),
        frame_interval_ps=float(definition.frame_interval_ps),
        solute_atoms=np.arange(int(n_particles)),
        settings={
            "system": definition.name,
            "potential": definition.potential,
            "parameters": dict(definition.parameters),
            "n_particles": int(n_particles),
            "dynamics": definition.dynamics,
            "temperature_kelvin": float(definition.temperature_kelvin),
            "friction_per_ps": float(friction),
            "mass_amu": float(definition.mass_amu),
            "timestep_fs": float(definition.timestep_fs),
            "start_square_nm": float(definition.start_square_nm),
            "starts": {name: {"x": float(point[0]), "y": float(point[1])} for name, point in starts.items()},
        },
    )


def _openmm_system(potential, n_particles, mass_amu, holding_in_plane):
    main, *definitions = potential.expression.split(";")
    expression = ";".join([f"({main}) + 0.5*holding_in_plane*z^2", *definitions])
    force = openmm.CustomExternalForce(expression)
    for name, value in {**potential.parameters, "holding_in_plane": holding_in_plane}.items():
        force.addGlobalParameter(name, value)
    system = openmm.System()
    for index in range(n_particles):
        system.addParticle(mass_amu)
        force.addParticle(index, [])
    system.addForce(force)
    return system


def _topology(n_particles):
    topology = app.Topology()
    chain = topology.addChain()
    for index in range(n_particles):
        residue = topology.addResidue("PRT", chain, str(index % 9999 + 1))  # four columns in a PDB file
        topology.addAtom("P", app.Element.getBySymbol("Ar"), residue)
    return topology
