"""Fip35 WW domain, end to end: simulate (or read), contacts, TICA, states, models, and how it folds.

python protocols/run_fip35.py                                   # the Cα model, hundreds of foldings, about 30 minutes
on two cores python protocols/run_fip35.py --quick
python protocols/run_fip35.py --model allatom --length-ns 1000 --solvent obc2      # wants a GPU
python protocols/run_fip35.py --traj 'DESRES/*.dcd' --top fip35.pdb --dt-ps 200    # trajectories of your own
"""

import logging
import shutil
from dataclasses import dataclass

import numpy as np

import mdtok
from mdtok.errors import DataError, SettingsError
from mdtok.features import Contacts, FeatureTable, NativeFraction, RadiusOfGyration, native_contacts
from mdtok.features.streaming import map_chunks
from mdtok.kinetics import fit_tica, order_of_events
from mdtok.kinetics.folding import Folding, FoldingEvents, cores_of_states, mean_by_state, profile_of_tokens
from mdtok.md.definition import load_definition
from mdtok.storage import load_arrays, read_json, write_json
from mdtok.tokens import choose_tica
from mdtok.tokens.naming import name_by_contacts
from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.stages import ModelSettings, do_model_stages, tokenize

log = logging.getLogger("mdtok.protocols")

SYSTEMS = {"calpha": "fip35_calpha", "allatom": "fip35"}
#: Residues of the strands, from 0: the hairpins are β1-β2 and β2-β3.
STRANDS = {"β1": range(6, 14), "β2": range(15, 24), "β3": range(25, 32)}
HAIRPINS = {"hairpin 1": ("β1", "β2"), "hairpin 2": ("β2", "β3")}


@dataclass
class Fip35Settings(ModelSettings):
    """Settings of run_fip35.py."""

    out: str = setting("runs/fip35", "Folder of the run.")
    model: str = setting("calpha", "calpha (structure-based) or allatom.")
    traj: list[str] = setting([], "DCD, XTC or HDF5 files or patterns, in place of a simulation.")
    top: str = setting("", "Topology (PDB) of them.")
    dt_ps: float = setting(0.0, "Picoseconds between their frames; DCD carries no time.")
    structure: str = setting("", "PDB file in place of the structure that comes with mdtok, for a simulation.")
    solvent: str = setting("", "Of the all-atom model: obc2, gbn2, tip3p or vacuum.")
    temperature_kelvin: float = setting(0.0, "0: that of the system.")
    n_replicas: int = setting(16, "Independent simulations; they start folded and unfolded in turn.")
    length_ns: float = setting(160.0, "Length of each replica.")
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Replicas at once; 0: one a core.")
    tica_lagtimes: list[int] = setting([5, 10, 20, 50], "Lags of TICA to choose from, in frames.")
    tica_dims: list[int] = setting([1, 2, 3, 4, 6, 8], "Numbers of TICA components to choose from.")
    n_states: int = setting(100, "Microstates (k-means).")
    n_macrostates: int = setting(5, "Metastable states (PCCA+); 0: chosen from the relaxation times.")
    models: str = setting(
        "msm,msm10,semi-markov,lstm,lstm-reversible,nanogpt,nanogpt-narrow-reversible",
        "Models to fit and to score, separated by commas.",
    )
    lagtime: int = setting(10, "Lag time in frames, of the Markov model of the states.")
    lagtimes: list[int] = setting([1, 2, 5, 10, 20], "Lag times of the implied timescales, in frames.")
    n_timescales: int = setting(4, "How many of the slowest timescales are compared.")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(
        ("tica_lagtimes", "tica_dims", "n_states", "n_macrostates"), "tokenize"
    )
    QUICK = {
        "n_replicas": 4,
        "length_ns": 8.0,
        "n_states": 30,
        "n_macrostates": 0,
        "training_steps": 300,
        "tica_lagtimes": [10],
        "tica_dims": [1, 2, 3],
        "models": "msm,order2,nanogpt-tiny",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.model not in SYSTEMS:
            raise SettingsError(f"--model is {self.model!r}; {' or '.join(SYSTEMS)} was expected.")
        if self.traj and not self.top:
            raise SettingsError("--traj needs --top, a PDB file of the same atoms.")
        if not self.traj and self.n_replicas < 3:
            raise SettingsError(
                f"--n-replicas {self.n_replicas} is too few: training, validation and test need one each at least."
            )
        if self.solvent and self.model == "calpha":
            raise SettingsError("The Cα model has no solvent; leave out --solvent, or take --model allatom.")


def main():
    settings = parse_settings(Fip35Settings, description=__doc__.splitlines()[0])
    user = mdtok.open_trajectories(settings.traj, settings.top, settings.dt_ps or None) if settings.traj else None
    system = None if settings.traj else load_system(settings)
    inputs = [*user.paths, settings.top] if user is not None else []
    run = RunFolder.of(settings, inputs)
    if user is None and settings.does("simulate") and not run.is_done("simulate"):
        simulate(run, settings, system)
    if settings.does("tokenize") and not run.is_done("tokenize"):
        if user is None:
            run.require("simulate")
        make_tokens(run, settings, simulated(run) if user is None else user)
    do_model_stages(
        run,
        settings,
        "Fip35 WW domain",
        ["TICA 1", "Q"],
        make_chapters=lambda data, card: how_it_folds(run, settings, data, card),
    )


def load_system(settings):
    """The system to simulate."""
    return mdtok.load_system(
        SYSTEMS[settings.model],
        structure=settings.structure or None,
        solvent=settings.solvent or None,
        temperature_kelvin=settings.temperature_kelvin or None,
        progress=settings.progress,
    )


def simulate(run, settings, system):
    """Replicas in ``md/``."""
    with run.stage("simulate") as figures:
        trajs = mdtok.run_replicas(
            system,
            settings.n_replicas,
            settings.length_ns,
            settings.seed,
            out=run / "md",
            n_processes=settings.n_processes or None,
            platform=settings.platform,
            progress=settings.progress,
        )
        figures |= {"n_frames": trajs.n_frames, "total_ns": trajs.n_frames * trajs.dt_ps / 1000}
    log.info("simulated: %d replicas, %.4g ns in all", len(trajs), figures["total_ns"])


def simulated(run):
    """The replicas of this run."""
    replicas = sorted((run / "md").glob("replica_*"))
    return mdtok.open_trajectories([folder / "trajectory.xtc" for folder in replicas], top=replicas[0] / "topology.pdb")


def contacts_of_fip35():
    """Native contacts of the structure that comes with mdtok."""
    return native_contacts(str(load_definition(SYSTEMS["allatom"]).structure))


def make_tokens(run, settings, trajs):
    """Contacts of all residues, TICA of them, microstates and macrostates, named by what is formed in them.

    The contacts lie in ``contacts/`` until the tokens are made: of a million frames they are 2 GB.
    """
    is_calpha = trajs.topology.n_atoms == trajs.topology.n_residues
    scheme = "ca" if is_calpha else "closest-heavy"
    native = contacts_of_fip35()
    parts = {name: native.between(*(STRANDS[strand] for strand in pair)) for name, pair in HAIRPINS.items()}
    progress = (
        NativeFraction(native, scheme=scheme),
        *(NativeFraction(part, scheme=scheme, name=name) for name, part in parts.items()),
    )
    order_parameters = mdtok.Featurizer([*progress, RadiusOfGyration(atoms="ca")]).fit(
        trajs
    )  # another molecule is said here
    contacts = (
        mdtok.Featurizer([Contacts(scheme=scheme, kind="soft")])
        .fit(trajs)
        .transform(trajs, progress=settings.progress, out=run / "contacts")
    )
    order = order_parameters.transform(trajs, progress=settings.progress)
    choice = choose_tica(
        contacts,
        settings.tica_lagtimes,
        settings.tica_dims,
        settings.lagtime,
        seed=settings.seed,
        progress=settings.progress,
    )
    log.info("%s", choice)
    tica = fit_tica(contacts, choice.lagtime, choice.n_dim)
    components = [map_chunks(tica.transform, array) for array in contacts]
    names = [*(f"TICA {k + 1}" for k in range(choice.n_dim)), *order_parameters.feature_names_]
    arrays = [np.column_stack(pair).astype(np.float32) for pair in zip(components, order)]
    table = FeatureTable(arrays, names, np.zeros(len(names), dtype=bool), trajs.dt_ps)
    tokenizer = mdtok.StateTokenizer(
        settings.n_states, settings.n_macrostates or "auto", settings.lagtime, seed=settings.seed
    )
    column = {name: k for k, name in enumerate(names)}

    def name_states(features, macro):
        return name_by_contacts(
            features[:, column["Q"]],
            {name: features[:, column[name]] for name in parts},
            features[:, column["Rg"]],
            macro,
        )

    tokenize(
        run,
        table,
        trajs.dt_ps,
        tokenizer,
        settings,
        trajs,
        name_states=name_states,
        encode=lambda arrays: [array[:, : choice.n_dim] for array in arrays],
    )
    write_json(run / "tokens" / "tica_choice.json", vars(choice))
    shutil.rmtree(run / "contacts")
    log.info("contacts: %s is removed, the tokens are made", run / "contacts")


def how_it_folds(run, settings, data, card):
    """Folding in MD and in the rollouts, by the same estimators: a chapter of the report in a list, and
    ``report/folding.json``."""
    from mdtok.report import chapter_on_folding

    columns = read_json(run / "features" / "columns.json")["names"]
    features = {name: [array[:, k] for array in load_arrays(run / "features")] for k, name in enumerate(columns)}
    q, n_states = features["Q"], len(data.macrostates)
    try:
        cores = cores_of_states(q, data.dtrajs, n_states)
        events = FoldingEvents.of(q, len(contacts_of_fip35().pairs), data.dt_ps, settings.seed)
    except DataError as error:
        log.warning("The report does not say how it folds. %s", error)
        return []
    log.info("all MD: %s", events)
    q_in_macrostates = mean_by_state(q, [data.macrostates[dtraj] for dtraj in data.dtrajs], len(data.macrostate_names))
    ends = int(q_in_macrostates.argmin()), int(q_in_macrostates.argmax())
    found, profiles = {}, {"all MD": events.profile}
    groups = {"all MD": (data.dtrajs, 1)} | {
        name: (rollout.dtrajs, rollout.lagtime) for name, rollout in card.rollouts.items()
    }
    for name, (dtrajs, stride) in groups.items():
        try:
            if name != "all MD":
                profiles[name] = profile_of_tokens(
                    dtrajs, q, data.dtrajs, n_states, events.profile.edges, settings.seed
                )
            found[name] = Folding.of(
                dtrajs,
                cores,
                data,
                ends,
                max(1, settings.lagtime // stride),
                data.dt_ps * stride,
                settings.seed,
                settings.progress,
            )
        except DataError as error:  # a model may never fold
            log.warning("%s: %s", name, error)
    order = None
    if "all MD" in found and len(found["all MD"].paths):
        order = order_of_events(
            found["all MD"].paths, {name: features[name] for name in HAIRPINS}, [cores[d] for d in data.dtrajs]
        )
        log.info("%s: %s\n%s", "all MD", found["all MD"].paths, order)
    write_json(
        run / "report" / "folding.json",
        {
            "macrostates": [data.macrostate_names[end] for end in ends],
            "events": events.to_dict(),
            "order": order and order.to_dict(),
            "profiles": {name: profile.to_dict() for name, profile in profiles.items()},
            "of": {name: folding.to_dict() for name, folding in found.items()},
        },
    )
    return [chapter_on_folding(found, events, profiles, order)]


if __name__ == "__main__":
    run_script(main)
