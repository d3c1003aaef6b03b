"""Thousands of damaged inputs through the public loaders, each in a process of its own; what became of them.

``python tests/fuzz/soak.py --inputs 20000 --seed 1`` ends with status 1 if any input crashed or hung the process,
ended in an error that is none of mdtok's, took over 1 GB, or was read though a checksum or a header of it was damaged.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
from mutations import mutate  # noqa: E402

OUTCOMES = ("refused", "read", "crash", "hang", "foreign", "memory", "taken")
BAD = OUTCOMES[2:]
_MOST_BYTES, _MOST_SECONDS = 1_000_000_000, 10


class Case:
    """A kind of input: a sound file, how it is read, and whether a changed one can be told from a sound one."""

    def __init__(self, kind, path, read, text=False, sealed=False, other=b""):
        self.kind, self.path, self.read, self.text, self.sealed, self.other = kind, path, read, text, sealed, other


def make_cases(folder: Path) -> list[Case]:
    """A sound input of each kind, in `folder`."""
    import mdtraj
    import yaml

    from mdtok import load_features, load_model, open_trajectories
    from mdtok.md import load_system
    from mdtok.md.potentials import Potential
    from mdtok.md.simulation import run_simulation
    from mdtok.models import MarkovModel, NanoGPT, OrderKModel  # noqa: F401
    from mdtok.tokens import load_dtrajs
    from mdtok.workflows.folder import RunFolder

    rng, cases = np.random.default_rng(0), []
    top = mdtraj.Topology()
    chain = top.add_chain()
    for _ in range(30):
        top.add_atom("CA", mdtraj.element.carbon, top.add_residue("GLY", chain))
    walk = 0.1 * rng.normal(size=(12, 30, 3)).cumsum(axis=1)
    trajectory = mdtraj.Trajectory(walk, top, time=np.arange(12.0))
    for kind in ("xtc", "dcd", "h5"):
        path = folder / f"a.{kind}"
        getattr(trajectory, {"xtc": "save_xtc", "dcd": "save_dcd", "h5": "save_hdf5"}[kind])(str(path))
        cases.append(Case(kind, path, lambda p: open_trajectories(p, top=top, dt_ps=1.0)[0].load()))
    trajectory[0].save_pdb(str(folder / "a.pdb"))
    cases.append(Case("pdb", folder / "a.pdb", lambda p: open_trajectories(folder / "a.xtc", top=p), text=True))
    np.save(folder / "features.npy", rng.normal(size=(50, 2)))
    cases.append(Case("features npy", folder / "features.npy", lambda p: load_features(p, dt_ps=1.0)))
    np.savez_compressed(folder / "features.npz", a=rng.normal(size=(50, 2)), b=rng.normal(size=(40, 2)))
    cases.append(Case("features npz", folder / "features.npz", lambda p: load_features(p, dt_ps=1.0)))
    rows = "".join(f"{k * 0.5:.2f} {a:.4f} {b:.4f}\n" for k, (a, b) in enumerate(rng.uniform(-3, 3, size=(40, 2))))
    (folder / "COLVAR").write_text("#! FIELDS time phi psi\n#! SET min_phi -pi\n#! SET max_phi pi\n" + rows)
    cases.append(Case("COLVAR", folder / "COLVAR", load_features, text=True))
    tokens = rng.integers(0, 4, 200)
    np.savetxt(folder / "tokens.txt", tokens, fmt="%d")
    np.save(folder / "tokens.npy", tokens)
    cases.append(Case("token text", folder / "tokens.txt", load_dtrajs, text=True))
    cases.append(Case("token npy", folder / "tokens.npy", load_dtrajs))
    for name in ("alanine_dipeptide", "muller_brown", "fip35_calpha"):
        source = Path(__file__).parents[2] / "systems" / name
        shutil.copytree(source, folder / name)
        text = (folder / name / "system.yaml").read_text(encoding="utf-8")
        (folder / name / "system.yaml").write_text(text.replace("../fip35/", f"{source.parents[0]}/fip35/"))
        read = lambda p: load_system(p.parent, progress=False)  # noqa: E731
        cases.append(Case("system.yaml", folder / name / "system.yaml", read, text=True))
    content = yaml.safe_load((folder / "muller_brown" / "system.yaml").read_text(encoding="utf-8"))
    (folder / "potential.txt").write_text(content["potential"], encoding="utf-8")
    parameters = content.get("parameters", {})
    cases.append(
        Case(
            "potential",
            folder / "potential.txt",
            lambda p: Potential(_text(p), parameters).gradient([[0.1, 0.2]]),
            text=True,
        )
    )
    (folder / "alanine_dipeptide" / "own.xml").write_text("<ForceField><AtomTypes></AtomTypes></ForceField>\n")
    system = yaml.safe_load((folder / "alanine_dipeptide" / "system.yaml").read_text(encoding="utf-8"))
    shutil.copytree(folder / "alanine_dipeptide", folder / "own")
    system["forcefield"] = [*system["forcefield"], "own.xml"]
    (folder / "own" / "system.yaml").write_text(yaml.safe_dump(system), encoding="utf-8")
    read = lambda p: load_system(p.parent, progress=False)  # noqa: E731
    cases.append(Case("force field", folder / "own" / "own.xml", read, text=True))
    chains = [rng.integers(0, 3, 200) for _ in range(2)]
    tiny = {"n_layer": 1, "n_head": 1, "n_embd": 8, "n_positions": 16, "max_steps": 2, "evaluate_every_steps": 1}
    models = {"msm": MarkovModel(1), "nanogpt": NanoGPT(**tiny, progress=False)}
    for name, model in models.items():
        model.fit(chains).save(folder / name)
        for path in sorted((folder / name).iterdir()):
            if path.is_file():
                read = lambda p: load_model(p.parent)  # noqa: E731
                cases.append(Case("model", path, read, text=path.suffix == ".json", sealed=True))
    run = RunFolder(folder / "run", {"seed": 1})
    with run.stage("tokenize"):
        (folder / "run" / "tokens").mkdir()
        np.save(folder / "run" / "tokens" / "000.npy", tokens)
        (folder / "run" / "tokens" / "tokens.json").write_text(json.dumps({"split": {}, "dt_ps": 1.0}))
    for path, kind in (("tokens/000.npy", "file of a run"), ("tokens/tokens.json", "file of a run")):
        read = lambda p: RunFolder.open(p.parents[1])  # noqa: E731
        cases.append(Case(kind, folder / "run" / path, read, text=path.endswith("json"), sealed=True))
    cases.append(
        Case("manifest", folder / "run" / "manifest.json", lambda p: RunFolder.open(p.parent), text=True, sealed=True)
    )
    particle = load_system("four_state", n_particles=1)
    settings = {"platform": "Reference", "progress": False, "seed": 1}
    run_simulation(particle, 4 * particle.frame_interval_steps, out=folder / "md", **settings)
    steps = 5 * particle.frame_interval_steps
    for name in ("checkpoint.chk", "state.xml", "settings.json"):
        read = lambda p: _find(p, particle)  # noqa: E731
        cases.append(Case("checkpoint", folder / "md" / name, read, sealed=name != "settings.json"))
    assert steps
    return cases


def _find(path, particle):
    from mdtok.errors import RunFolderError
    from mdtok.md.checkpoints import find_checkpoints
    from mdtok.storage import read_json

    found = find_checkpoints(path.parent, read_json(path.parent / "settings.json"))
    if path.name not in {one.path.name for one in found} and path.name != "settings.json":
        raise RunFolderError("left aside")


def _text(path):
    from mdtok.errors import SettingsError

    try:
        return path.read_text(encoding="utf-8")
    except ValueError:
        raise SettingsError("no text") from None


def attempt(case: Case, seed: int, say) -> str:
    """Damage the file, read it in a forked process, put it back; what became of it."""
    sound = case.path.read_bytes()
    damaged, how = mutate(sound, seed, case.text, case.other)
    case.path.write_bytes(damaged)
    try:
        pid = os.fork()
        if pid == 0:
            status = OUTCOMES.index("foreign")
            try:
                status = _read(case, _means_the_same(case, damaged, sound))
            except MemoryError:
                status = OUTCOMES.index("memory")
            finally:
                os._exit(status)  # by no other way: the folder of the inputs is the parent's
        _, status = os.waitpid(pid, 0)
    finally:
        case.path.write_bytes(sound)
    if os.WIFSIGNALED(status):
        outcome = "hang" if os.WTERMSIG(status) == signal.SIGALRM else "crash"
    else:
        outcome = OUTCOMES[os.WEXITSTATUS(status)] if os.WEXITSTATUS(status) < len(OUTCOMES) else "crash"
    if outcome in BAD:
        say(f"{outcome}: {case.kind} {case.path.name} seed {seed} ({how})")
    return outcome


def _means_the_same(case, damaged, sound):
    """JSON whose lines were doubled or moved may hold what it held."""
    if damaged == sound or case.path.suffix != ".json":
        return damaged == sound
    try:
        return json.loads(damaged) == json.loads(sound)
    except (ValueError, RecursionError):
        return False


def _read(case, same):
    from mdtok.errors import MdtokError

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_MOST_SECONDS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MOST_BYTES, used + _MOST_BYTES))
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.read(case.path)
    except MdtokError as error:
        said = str(error)
        return OUTCOMES.index("foreign" if "\n" in said else "memory" if "Unable to allocate" in said else "refused")
    except MemoryError:
        return OUTCOMES.index("memory")
    except BaseException:
        if os.environ.get("SOAK_SHOWS"):
            traceback.print_exc()
        return OUTCOMES.index("foreign")
    return OUTCOMES.index("taken" if case.sealed and not same else "read")


def soak(n_inputs: int, seed: int, say=print) -> dict[str, collections.Counter]:
    """Try so many inputs, all kinds in turn: kind -> how many had each outcome."""
    table: dict[str, collections.Counter] = {}
    with tempfile.TemporaryDirectory() as folder:
        cases = make_cases(Path(folder))
        for case in cases:
            case.read(case.path)  # a sound one is read, or nothing is tested
        for number in range(n_inputs):
            case = cases[number % len(cases)]
            table.setdefault(case.kind, collections.Counter())[attempt(case, seed * 10**6 + number, say)] += 1
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    settings = parser.parse_args()
    table = soak(settings.inputs, settings.seed)
    print(f"{'kind':<16}{'tried':>8}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
    total: collections.Counter = collections.Counter()
    for kind, counts in [*table.items(), ("all", None)]:
        counts = total if counts is None else counts
        print(f"{kind:<16}{counts.total():>8}" + "".join(f"{counts[outcome]:>9}" for outcome in OUTCOMES))
        total += counts if kind != "all" else collections.Counter()
    sys.exit(1 if any(total[outcome] for outcome in BAD) else 0)


if __name__ == "__main__":
    main()
