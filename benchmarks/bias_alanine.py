"""The free energy of phi > 0 of alanine dipeptide at 300 K in OBC2, by metadynamics along CVs that were learnt.

    python benchmarks/bias_alanine.py --out bias_alanine

Plain MD at 300 K does not cross in 50 ns. The reference is a longer run along phi, held against umbrella windows along
phi. The CVs are phi, the slowest component of TICA and of VAMP of the cosines and sines of phi and psi, and a VAMPnet
of the same, all three fitted to MD at 450 K that starts in every basin. Walkers start in the main basin. Prints one
table: the free energy that each CV gives, and after how much biased MD it had come within 0.5 kT of the reference for
good. It can be killed and started again. An hour on one core; --cvs, --ns and --seeds make it shorter.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from deeptime.decomposition.deep import VAMPNet
from deeptime.util.data import TrajectoriesDataset

from mdtok import Dihedrals, Featurizer, load_system, run_replicas
from mdtok.features.arrays import encode_periodic
from mdtok.kinetics import AngleCV, LinearCV, NetworkCV, bias_simulation, fit_tica, fit_vamp
from mdtok.kinetics.estimation.estimate import as_plain
from mdtok.storage import write_json

STATE, TOLERANCE_KT = "phi > 0", 0.5
WALKERS, FRAME_PS, TRAINING_KELVIN, LAG_FRAMES = 4, 1.0, 450.0, 10
VAMPNET_UNITS, VAMPNET_EPOCHS = 16, 30


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cvs", nargs="*", default=["phi", "tica", "vamp", "vampnet"])
    parser.add_argument("--ns", type=float, default=2.5, help=f"of each of the {WALKERS} walkers")
    parser.add_argument("--reference-ns", type=float, default=15.0, help="of each walker of the reference")
    parser.add_argument("--umbrella-ns", type=float, default=0.5, help="of each of 24 windows along phi; 0: none")
    parser.add_argument("--training-ns", type=float, default=1.0, help="of each of 8 replicas at 450 K")
    parser.add_argument("--network-ns", type=float, default=1.0, help="of each walker along the VAMPnet, first seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--n-processes", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("bias_alanine"))
    given = parser.parse_args()

    system = load_system("alanine_dipeptide", temperature_kelvin=300.0, frame_interval_ps=FRAME_PS)
    how = {"state": STATE, "n_processes": given.n_processes, "n_walkers": WALKERS}
    phi = AngleCV.named("phi", system.topology)
    reference = bias_simulation(system, phi, given.out / "reference", length_ns=given.reference_ns, seed=1, **how)
    at = float(reference.state_kt.value)
    rows = {"reference, phi": row_of([reference], at)}
    say(rows)
    if given.umbrella_ns:
        windows = bias_simulation(
            system, phi, given.out / "umbrella", length_ns=given.umbrella_ns, seed=1, method="umbrella", **how
        )
        rows["umbrella, phi"] = row_of([windows], at)
        say(rows)
    cvs = learnt(given.out, given.training_ns, given.n_processes) | {"phi": phi}
    for name in given.cvs:
        is_network = isinstance(cvs[name], NetworkCV)  # which OpenMM asks Python for: fifteen times slower
        ns, seeds = (given.network_ns, given.seeds[:1]) if is_network else (given.ns, given.seeds)
        runs = [
            bias_simulation(system, cvs[name], given.out / name / str(seed), length_ns=ns, seed=seed, **how)
            for seed in seeds
        ]
        rows[name] = row_of(runs, at)
        write_json(given.out / "rows.json", as_plain(rows))
        say(rows)
    print(f"\nLearnt CVs were fitted to {8 * given.training_ns:g} ns at {TRAINING_KELVIN:g} K, which no row counts.")


def learnt(out, ns, n_processes):
    """TICA, VAMP and a VAMPnet of MD at 450 K from every basin."""
    hot = load_system("alanine_dipeptide", temperature_kelvin=TRAINING_KELVIN, frame_interval_ps=FRAME_PS)
    trajs = run_replicas(hot, 8, ns, 2, out=out / "training", n_processes=n_processes)
    featurizer = Featurizer(Dihedrals("phi psi")).fit(trajs)
    features = encode_periodic(featurizer.transform(trajs), featurizer.periodic_)
    cvs = {
        "tica": LinearCV.from_model(featurizer, fit_tica(features, LAG_FRAMES, 1)),
        "vamp": LinearCV.from_model(featurizer, fit_vamp(features, LAG_FRAMES, 1)),
        "vampnet": NetworkCV(featurizer, vampnet(features)),
    }
    for name, cv in cvs.items():
        cv.save(out / f"{name}.json")
    return cvs


def vampnet(features):
    """A network of one output whose VAMP-2 score at the lag is largest."""
    torch.manual_seed(2)
    lobe = torch.nn.Sequential(
        torch.nn.Linear(features[0].shape[1], VAMPNET_UNITS), torch.nn.Tanh(), torch.nn.Linear(VAMPNET_UNITS, 1)
    )
    pairs = TrajectoriesDataset.from_numpy(LAG_FRAMES, [one.astype(np.float32) for one in features])
    batches = torch.utils.data.DataLoader(pairs, batch_size=2000, shuffle=True)
    return VAMPNet(lobe, learning_rate=5e-3).fit(batches, n_epochs=VAMPNET_EPOCHS).fetch_model().lobe


def row_of(runs, reference_kt):
    """What runs with several seeds say, for the table."""
    return {
        "state_kt": [run.state_kt for run in runs],
        "md_ns": runs[0].md_ns,
        "n_crossings": [run.n_crossings for run in runs],
        "off_kt": [float(run.state_kt.value) - reference_kt for run in runs],
        "ns_to_stay_within": [run.ns_to_stay_within(reference_kt, TOLERANCE_KT) for run in runs],
    }


def say(rows):
    """The table."""
    titles = (
        "CV",
        "ns a seed",
        f"free energy of {STATE} (kT, 95 %)",
        "crossings",
        f"ns to stay within {TOLERANCE_KT} kT",
    )
    print("\n" + "{:<16}{:>10}  {:<58}{:<18}{}".format(*titles))
    for name, row in rows.items():
        energies = "; ".join(f"{one:.2f}" for one in row["state_kt"])
        times = ", ".join("not yet" if np.isnan(ns) else f"{ns:.2f}" for ns in row["ns_to_stay_within"])
        crossings = ", ".join(map(str, row["n_crossings"]))
        print(f"{name:<16}{row['md_ns']:>10.3g}  {energies:<58}{crossings:<18}{times}", flush=True)


if __name__ == "__main__":
    main()
