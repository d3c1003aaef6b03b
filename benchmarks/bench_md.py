"""Nanoseconds a day of run_replicas beside the same system written as OpenMM's documentation writes it, in one run.

    python benchmarks/bench_md.py --length-ns 5 --rounds 3
    python benchmarks/bench_md.py --system fip35 --length-ns 0.02 --frame-interval-ps 1 --rounds 3

(a) OpenMM as documented: implicit/obc2.xml, default platform, 2 fs, hydrogens of natural mass
(b) run_replicas, one process: native GBSAOBCForce, measured platform, 4 fs, hydrogens of 4 amu
(c) run_replicas, two processes
All three write a frame to an XTC file at the same interval. (b) and (c) include the start of the worker processes.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import openmm
from openmm import app, unit

import mdtok
from mdtok.md.definition import load_definition


def documented_ns_per_day(pdb_path, temperature_kelvin, frame_interval_ps, seconds):
    """The example of OpenMM's user guide for implicit solvent, with bonds to hydrogen constrained."""
    pdb = app.PDBFile(str(pdb_path))
    forcefield = app.ForceField("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
    system = forcefield.createSystem(pdb.topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds)
    temperature = temperature_kelvin * unit.kelvin
    integrator = openmm.LangevinMiddleIntegrator(temperature, 1 / unit.picosecond, 2 * unit.femtosecond)
    simulation = app.Simulation(pdb.topology, system, integrator)
    simulation.context.setPositions(pdb.positions)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(temperature)
    with tempfile.TemporaryDirectory() as folder:
        simulation.reporters.append(app.XTCReporter(f"{folder}/trajectory.xtc", round(frame_interval_ps / 0.002)))
        simulation.step(200)
        first, began = simulation.currentStep, time.perf_counter()
        simulation.runForClockTime(seconds * unit.second)
        ns = (simulation.currentStep - first) * 2e-6
        return ns / (time.perf_counter() - began) * 86400


def replicas_ns_per_day(system, choice, n_processes, length_ns, n_replicas=2):
    """Two replicas, one after the other or side by side, from the call to its return."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        out = Path(folder) / "md"
        mdtok.run_replicas(
            system, n_replicas, length_ns, seed=7, out=out, n_processes=n_processes, platform=choice, progress=False
        )
        return n_replicas * length_ns / (time.perf_counter() - began) * 86400


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--system", default="alanine_dipeptide", help="of a molecule in implicit solvent, such as fip35"
    )
    parser.add_argument("--frame-interval-ps", type=float, default=0.2)
    parser.add_argument(
        "--length-ns", type=float, default=5, help="of each of two replicas; 5 is the default of run_alanine.py"
    )
    parser.add_argument("--seconds", type=float, default=45, help="how long (a) runs")
    parser.add_argument("--rounds", type=int, default=3, help="how often a, b, c are measured in turn")
    arguments = parser.parse_args()

    system = mdtok.load_system(arguments.system, frame_interval_ps=arguments.frame_interval_ps)
    choice = mdtok.select_platform("auto", system)
    print("steps/s:", ", ".join(f"{label} {speed:,.0f}" for label, speed in choice.measured.items()), flush=True)
    pdb_path = load_definition(arguments.system).structure

    rows = []
    for number in range(1, arguments.rounds + 1):
        a = documented_ns_per_day(pdb_path, system.temperature_kelvin, system.frame_interval_ps, arguments.seconds)
        b = replicas_ns_per_day(system, choice, 1, arguments.length_ns)
        c = replicas_ns_per_day(system, choice, 2, arguments.length_ns)
        rows.append((a, b, c, b / a, c / b))
        _print_row(f"round {number}", rows[-1])
    _print_row("median", [statistics.median(column) for column in zip(*rows)])


def _print_row(label, row):
    a, b, c, b_to_a, c_to_b = row
    print(
        f"{label:8s} ns/day: (a) documented {a:8,.1f}  (b) one process {b:9,.1f}  (c) two processes {c:9,.1f}"
        f"   b/a {b_to_a:5.1f}   c/b {c_to_b:4.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
