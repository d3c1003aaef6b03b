"""Chapter: how a protein folds, in MD and in what the models generated."""

import logging

from mdtok.errors import DataError
from mdtok.kinetics import order_of_events
from mdtok.kinetics.estimation.estimate import MISSING, Estimate
from mdtok.kinetics.flux_network import FluxNetwork
from mdtok.kinetics.folding import Folding, FoldingEvents, cores_of_states, mean_by_state, profile_of_tokens
from mdtok.kinetics.free_energy import FreeEnergyProfile
from mdtok.kinetics.transition_paths import TransitionPaths
from mdtok.report import (
    Chapter,
    ReportFigure,
    Table,
    Verbatim,
    number,
    plot_flux_network,
    plot_free_energy_profiles,
    plot_transition_path_times,
    shown,
)
from mdtok.workflows.judged import JudgedRun
from mdtok.workflows.labelling import Q

log = logging.getLogger(__name__)

PLACE = 80
_MD = "all MD"
_MEANING = (
    "Unfolded and folded are the states with less than 0.3 and with more than 0.7 of the native contacts. The first "
    "passage time counts all attempts to go from one to the other, the transition path only the stretch that "
    "succeeds. Which part forms first is told by the last time at which the fraction of its native contacts rises "
    "past halfway, path by path. Fluxes are those of transition path theory, between macrostates."
)


def applies(judged: JudgedRun) -> bool:
    """Where the native contacts of a protein are a feature."""
    return judged.definition is not None and judged.features is not None and Q in judged.features.names


def _column(judged, name):
    """One feature along every trajectory."""
    index = judged.features.names.index(name)
    return [array[:, index] for array in judged.features.arrays]


def numbers(judged: JudgedRun) -> dict:
    """Folding in MD and in the rollouts, by the same estimators.

    Raises
    ------
    DataError
        MD has not been both folded and unfolded.
    """
    tokens, q, seed = judged.tokens, _column(judged, Q), judged.settings.seed
    cores = cores_of_states(q, tokens.dtrajs, len(tokens.macrostates))
    events = FoldingEvents.of(q, _n_native_contacts(judged), tokens.dt_ps, seed)
    macrostates = [tokens.macrostates[dtraj] for dtraj in tokens.dtrajs]
    q_of_macrostates = mean_by_state(q, macrostates, len(tokens.macrostate_names))
    ends = int(q_of_macrostates.argmin()), int(q_of_macrostates.argmax())
    found, profiles = {}, {_MD: events.profile}
    groups = {_MD: (tokens.dtrajs, 1)}
    groups |= {name: (rollout.dtrajs, rollout.lagtime) for name, rollout in judged.card.rollouts.items()}
    for name, (dtrajs, stride) in groups.items():
        try:
            if name != _MD:
                edges = events.profile.edges
                profiles[name] = profile_of_tokens(dtrajs, q, tokens.dtrajs, len(tokens.macrostates), edges, seed)
            found[name] = _folding(judged, cores, ends, dtrajs, stride)
        except DataError as error:  # a model may never fold
            log.warning("%s: %s", name, error)
    order = _order(judged, cores, found[_MD].paths) if _MD in found and len(found[_MD].paths) else None
    return {
        "macrostates": [tokens.macrostate_names[end] for end in ends],
        "events": events.to_dict(),
        "order": order and order.to_dict(),
        "profiles": {name: profile.to_dict() for name, profile in profiles.items()},
        "of": {name: folding.to_dict() for name, folding in found.items()},
        "said_of_events": f"All MD, frame by frame: {events}.",
        "said_of_order": order and str(order),
        "sentences": [f"{_MD}: {events}", *([f"{_MD}: {found[_MD].paths}\n{order}"] if order else [])],
    }


def _n_native_contacts(judged):
    from mdtok.features import native_contacts  # reads the structure, which drawing does not need

    return len(native_contacts(str(judged.definition.structure)).pairs)


def _folding(judged, cores, ends, dtrajs, stride):
    settings, tokens = judged.settings, judged.tokens
    lagtime = max(1, settings.lagtime // stride)
    how = (lagtime, tokens.dt_ps * stride, settings.seed, settings.progress)
    return Folding.of(dtrajs, cores, tokens, ends, *how)


def _order(judged, cores, paths):
    """Which of the named pairs of parts forms first; None where fewer than two are named."""
    parts = {name: _column(judged, name) for name in judged.definition.contacts_between}
    dtrajs = [cores[dtraj] for dtraj in judged.tokens.dtrajs]
    return order_of_events(paths, parts, dtrajs) if len(parts) > 1 else None


def draw(numbers: dict) -> Chapter:
    """A row a series, the order in which parts form, then profiles, fluxes and path times."""
    body = [_MEANING, numbers["said_of_events"], _table(numbers["of"])]
    if numbers["said_of_order"]:
        body.append(Verbatim(numbers["said_of_order"]))
    return Chapter("How it folds", body, _figures(numbers))


def _table(found):
    rows = []
    for name, one in found.items():
        folding, unfolding = (Estimate.of(one["mfpt_ps"])[ends] for ends in ((0, 1), (1, 0)))
        rows.append(
            [
                name,
                f"{one['paths']['n_paths']:,}",
                *(shown(time, number) for time in (folding, unfolding, one["paths"]["mean_ps"])),
                _main_pathway(one["flux"]),
            ]
        )
    header = ["", "foldings", "folding MFPT (ps)", "unfolding MFPT (ps)", "transition-path time (ps)", "main pathway"]
    return Table(header, rows)


def _main_pathway(flux):
    if not flux["pathways"]:
        return MISSING
    names = " → ".join(flux["macrostate_names"][state] for state in flux["pathways"][0]["states"])
    return f"{names} ({100 * float(flux['pathways'][0]['share']['value']):.0f} %)"


def _figures(numbers):
    profiles = {name: FreeEnergyProfile.from_dict(one) for name, one in numbers["profiles"].items()}
    figures = [
        ReportFigure(
            "free_energy_along_q",
            "Free energy along Q",
            "Bands are 95 % intervals. In a rollout a token stands for the Q of MD in that state.",
            lambda: plot_free_energy_profiles(profiles, "Q, fraction of native contacts"),
        )
    ]
    figures += [_flux_figure(name, FluxNetwork.from_dict(one["flux"])) for name, one in numbers["of"].items()]
    paths = {name: TransitionPaths.from_dict(one["paths"]) for name, one in numbers["of"].items()}
    if any(map(len, paths.values())):
        figures.append(
            ReportFigure(
                "transition_path_times",
                "How long a transition path lasts",
                "The stretch between leaving the unfolded states for good and entering the folded ones.",
                lambda: plot_transition_path_times(paths),
            )
        )
    return figures


def _flux_figure(name, flux):
    return ReportFigure(
        f"flux_{name}".replace(" ", "_"),
        f"Folding fluxes, {name}",
        "Discs are macrostates, placed by their committor; arrows carry the net reactive flux, with its share of all.",
        lambda: plot_flux_network(flux),
    )
