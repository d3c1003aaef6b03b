"""Writes ``reference/names.rst`` before a build: the public names of ``mdtok``, wing by wing, from its own table."""

from pathlib import Path

import mdtok

WINGS = {
    "md": "Molecular dynamics",
    "features": "Features",
    "tokens": "Tokens",
    "models": "Models",
    "kinetics": "Kinetics and the referee",
    "insight": "What a model looks at",
    "report": "Report",
    "workflows": "Whole jobs",
    "errors": "Errors",
}


def names_of_wings():
    """Public names by the wing that they come from."""
    found = {wing: [] for wing in WINGS}
    for name in mdtok.__all__:
        wing = getattr(getattr(mdtok, name), "__module__", "").removeprefix("mdtok.").split(".")[0]
        if wing in found:
            found[wing].append(name)
    return {wing: names for wing, names in found.items() if names}


def write_names(app, config):
    """A heading a wing, and under it a summary, of which each name has a page."""
    lines = ["Public names", "============", "", "``import mdtok``, and all of these are there.", ""]
    for wing, names in names_of_wings().items():
        lines += [WINGS[wing], "-" * len(WINGS[wing]), "", ".. currentmodule:: mdtok", "", ".. autosummary::"]
        lines += ["   :toctree: generated", "", *(f"   {name}" for name in names), ""]
    path, text = Path(app.srcdir) / "reference" / "names.rst", "\n".join(lines)
    if not path.exists() or path.read_text(encoding="utf-8") != text:  # what has not changed is not built again
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("config-inited", write_names)  # before Sphinx looks for pages
    return {"parallel_read_safe": True}
