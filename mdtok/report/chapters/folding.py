"""The chapter of a report on a protein: how it folds, in MD and in what the models generated."""

from html import escape

from mdtok.report.chapters import table
from mdtok.report.figures import ReportFigure
from mdtok.report.parts import Chapter
from mdtok.report.plots.networks import plot_flux_network, plot_transition_path_times
from mdtok.report.plots.profiles import plot_free_energy_profiles

_MEANING = (
    "Unfolded and folded are the states with less than 0.3 and with more than 0.7 of the native contacts. The first "
    "passage time counts all attempts to go from one to the other, the transition path only the stretch that "
    "succeeds. Which hairpin forms first is told by the last time at which the fraction of its native contacts "
    "rises past halfway, path by path. Fluxes are those of transition path theory, between macrostates."
)


def chapter_on_folding(found, events, profiles, order=None):
    """Mean first passage times, transition paths and fluxes of MD and of every model, and the order in which parts
    form.

    Parameters
    ----------
    found : dict of str -> mdtok.kinetics.folding.Folding
        The first is MD.
    events : mdtok.kinetics.folding.FoldingEvents
        Of MD, frame by frame.
    profiles : dict of str -> mdtok.kinetics.FreeEnergyProfile
        Along Q.
    order : EventOrder, optional
        Of MD.

    Returns
    -------
    Chapter
    """
    rows = [
        [
            escape(name),
            f"{len(one.paths):,}",
            _interval(one.mfpt_ps[0, 1]),
            _interval(one.mfpt_ps[1, 0]),
            _interval(one.paths.mean_ps),
            escape(_main_pathway(one.flux)),
        ]
        for name, one in found.items()
    ]
    header = ["", "foldings", "folding MFPT (ps)", "unfolding MFPT (ps)", "transition-path time (ps)", "main pathway"]
    body = f"<p>{escape(_MEANING)}</p><p>All MD, frame by frame: {escape(str(events))}.</p>{table(header, rows)}"
    if order is not None:
        body += f"<pre>{escape(str(order))}</pre>"
    figures = [
        ReportFigure(
            "free_energy_along_q",
            "Free energy along Q",
            "Bands are 95 % intervals. In a rollout a token stands for the Q of MD in that state.",
            lambda: plot_free_energy_profiles(profiles, "Q, fraction of native contacts"),
        )
    ]
    figures += [
        ReportFigure(
            f"flux_{name}".replace(" ", "_"),
            f"Folding fluxes, {name}",
            (
                "Discs are macrostates, placed by their committor; arrows carry the net reactive flux, with its "
                "share of all."
            ),
            lambda flux=one.flux: plot_flux_network(flux),
        )
        for name, one in found.items()
    ]
    seen = {name: one.paths for name, one in found.items() if len(one.paths)}
    if seen:
        figures.append(
            ReportFigure(
                "transition_path_times",
                "How long a transition path lasts",
                "The stretch between leaving the unfolded states for good and entering the folded ones.",
                lambda: plot_transition_path_times(seen),
            )
        )
    return Chapter("How it folds", body, figures)


def _interval(estimate):
    value, low, high = (float(part) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:,.4g} <small>[{low:,.4g}, {high:,.4g}]</small>"


def _main_pathway(flux):
    if not flux.pathways:
        return "–"
    names = " → ".join(flux.macrostate_names[state] for state in flux.pathways[0])
    return f"{names} ({100 * float(flux.pathway_shares.value[0]):.0f} %)"
