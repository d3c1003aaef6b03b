"""Trajectories that mdtok did not make, judged by one command: a Langevin integrator of a page, right and wrong.

    python benchmarks/outside_md.py --out /tmp/outside

Two torsion-like angles with two wells each. "right" is other MD of the same kind, "hot" has 1.3 times the temperature,
"long-step" a time step that the integrator does not bear, "short" is right and a twentieth as long.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

BARRIER, FRICTION, STEP, EVERY = 3.2, 1.0, 0.1, 10  # kT, per ps, ps, steps a frame


def force(angles):
    """Minus the gradient of ``B/2 (1 + cos 2φ) + B/2 (1 + cos 2ψ) + 0.4 cos φ + 0.3 sin(φ - ψ)``, in kT."""
    phi, psi = angles
    coupled = 0.3 * np.cos(phi - psi)
    return np.stack([BARRIER * np.sin(2 * phi) + 0.4 * np.sin(phi) - coupled, BARRIER * np.sin(2 * psi) + coupled])


def langevin(n_copies, n_frames, seed, temperature=1.0, step=STEP):
    """BAOAB dynamics of unit mass, float32 angles of shape (n_frames, 2) a copy, one frame a picosecond."""
    rng = np.random.default_rng(seed)
    angles, velocity = rng.uniform(-np.pi, np.pi, (2, n_copies)), np.zeros((2, n_copies))
    keep = np.exp(-FRICTION * step)
    every = round(EVERY * STEP / step)
    frames = np.empty((n_frames, 2, n_copies), dtype=np.float32)
    for k in range(-200, n_frames):  # the first frames are thrown away
        for _ in range(every):
            velocity += step / 2 * force(angles)
            angles += step / 2 * velocity
            velocity = keep * velocity + np.sqrt(temperature * (1 - keep**2)) * rng.normal(size=angles.shape)
            angles += step / 2 * velocity
            velocity += step / 2 * force(angles)
        if k >= 0:
            frames[k] = np.angle(np.exp(1j * angles))
    return list(frames.transpose(2, 0, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/outside")
    out = Path(parser.parse_args().out)
    out.mkdir(parents=True, exist_ok=True)
    made = {
        "reference": langevin(20, 5000, seed=1),
        "right": langevin(20, 5000, seed=2),
        "hot": langevin(20, 5000, seed=3, temperature=1.3),
        "long-step": langevin(20, 5000, seed=4, step=0.5),
        "short": langevin(1, 5000, seed=5),
    }
    for name, trajectories in made.items():
        np.savez(out / f"{name}.npz", *trajectories)
    generated = [f"{name}={out / name}.npz" for name in made if name != "reference"]
    command = ["judge", "--reference", f"{out / 'reference.npz'}", "--generated", *generated, "--dt-ps", "1"]
    command += ["--columns", "phi", "psi", "--periodic", "phi", "psi", "--out", str(out / "judged"), "--no-progress"]
    sys.exit(subprocess.run([sys.executable, "-m", "mdtok", *command]).returncode)


if __name__ == "__main__":
    main()
