"""How `make docs` makes the site: from these pages and the docstrings, without a network, every warning an error."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

import titans_core  # noqa: E402

project = "Titanscope"
author = copyright = "the Titanscope contributors"
version = release = titans_core.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "commands", "docstrings", "links", "mathml", "notebooks"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_fence_as_directive = ["math"]  # GitHub's way to write an equation
myst_heading_anchors = 4
myst_footnote_sort = False
suppress_warnings = ["misc.highlighting_failure"]  # GitHub draws blocks that Pygments has no language for

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
# Types of other libraries, whose documentation is elsewhere, and names of types that are not public by themselves.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(torch|tokenizers|Tensor|nn|np|numpy|xr|xarray|array|collections|pathlib|typing|Any|Path|Callable)(\..*)?",
    ),
]

smartquotes = False  # quotes in docstrings are code

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"Titanscope {version}"
html_static_path = ["_static"]
html_css_files = ["titanscope.css"]
html_copy_source = html_show_sphinx = html_show_sourcelink = False
html_theme_options = {
    "top_of_page_buttons": [],
    # the dashboard's colours, app/theme.py
    "light_css_variables": {
        "color-background-secondary": "#fbfaf6",
        "color-brand-primary": "#14203c",
        "color-brand-content": "#2a6f97",
        "color-brand-visited": "#86578a",
        "color-api-name": "#14203c",
        "color-api-pre-name": "#6b675f",
    },
    "dark_css_variables": {
        "color-background-primary": "#0e1320",
        "color-background-secondary": "#131a2a",
        "color-brand-primary": "#f4efe2",
        "color-brand-content": "#6fb0d6",
        "color-brand-visited": "#c095c4",
        "color-api-name": "#f4efe2",
        "color-api-pre-name": "#a09c92",
        "color-code-background": "#131a2a",
    },
}
