"""The chapter of a report on a protein: how it folds, in MD and in what the models generated."""

from html import escape

from mdtok.report.figures import ReportFigure
from mdtok.report.html import Chapter
from mdtok.report.networks import plot_flux_network, plot_transition_path_times
from mdtok.report.tables import table

_MEANING = (
    "Folding is the way from the unfolded to the native macrostate. The first passage time counts all attempts, the transition path "
    "only the one that succeeds. Which hairpin forms first is told by the last time at which the fraction of its native contacts "
    "rises past halfway, path by path."
)


def chapter_on_folding(fluxes, paths, order, source, target):
    """Mean first passage times, transition paths and fluxes of MD and of every model, and the order in which hairpins form.

    Parameters
    ----------
    fluxes : dict of str -> FluxNetwork
        From the unfolded to the native macrostate; the first is MD.
    paths : dict of str -> TransitionPaths
    order : EventOrder or None
        Of MD.
    source, target : str
        Names of the two macrostates.

    Returns
    -------
    Chapter
    """
    rows = []
    for name, found in paths.items():
        flux = fluxes.get(name)
        cells = [f"{len(found):,}", _interval(found.mean_ps)]
        cells += [_interval(flux.mfpt_ps), escape(_main_pathway(flux))] if flux is not None else ["–", "–"]
        rows.append([escape(name), *cells])
    header = ["", f"{escape(source)} → {escape(target)}", "transition-path time (ps)", "first passage (ps), transition path theory", "main pathway"]
    body = f"<p>{escape(_MEANING)}</p>{table(header, rows)}"
    if order is not None:
        body += f"<pre>{escape(str(order))}</pre>"
    figures = [
        ReportFigure(
            f"flux_{name}".replace(" ", "_"), f"Fluxes from {source} to {target}, {name}",
            "Discs are macrostates, placed by their committor; arrows carry the net reactive flux, with its share of all.",
            lambda flux=flux: plot_flux_network(flux),
        )
        for name, flux in fluxes.items()
    ]
    seen = {name: found for name, found in paths.items() if len(found)}
    if seen:
        figures.append(ReportFigure(
            "transition_path_times", "How long a transition path lasts", "The stretch between leaving one macrostate for good and entering the other.",
            lambda: plot_transition_path_times(seen),
        ))
    return Chapter("How it folds", body, figures)


def _interval(estimate):
    return f"{float(estimate.value):,.4g} <small>[{float(estimate.low):,.4g}, {float(estimate.high):,.4g}]</small>"


def _main_pathway(flux):
    if not flux.pathways:
        return "–"
    names = " → ".join(flux.macrostate_names[state] for state in flux.pathways[0])
    return f"{names} ({100 * float(flux.pathway_shares.value[0]):.0f} %)"
