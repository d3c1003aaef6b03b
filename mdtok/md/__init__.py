"""Molecular dynamics: systems, platforms, simulations that can be killed and resumed, replicas, trajectories."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "system": ["load_system"],
        "molecular_system": ["MolecularSystem"],
        "particles": ["ParticleSystem"],
        "potentials": ["Potential"],
        "structure": ["check_chirality"],
        "platforms": ["select_platform", "PlatformChoice"],
        "simulation": ["run_simulation"],
        "replicas": ["run_replicas"],
        "trajectory": ["open_trajectories", "Trajectories"],
    },
)
