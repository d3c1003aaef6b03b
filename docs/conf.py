"""The site: `make docs` builds it from these pages, the docstrings, and the classes of the models."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import mdtok

project = author = "mdtok"
copyright = "the mdtok developers, MIT licence"
version = release = mdtok.__version__

extensions = [
    "myst_nb",  # Markdown pages, and notebooks as Markdown that are run when the site is built
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "model_table",
    "public_names",
]
exclude_patterns = ["_build", "reference/generated/README*"]
html_theme = "furo"
html_title = "mdtok"
html_static_path = ["_static"]
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"  # a notebook is run again when it has changed
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True

autosummary_generate = True
autodoc_typehints = "none"  # the NumPy docstrings say types and shapes
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
