"""Settings of the documentation, for Sphinx. `make docs` builds it."""

import importlib
import inspect
import os
import re
import warnings
from pathlib import Path

# JAX compiles faster than TensorFlow, and the examples are fitted during the build.
os.environ.setdefault("KERAS_BACKEND", "jax")
# The computer may have more cores than the build is allowed to use.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import skadaptive

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/skadaptive/skadaptive"

project = "skadaptive"
author = "The skadaptive developers"
project_copyright = author
version = release = skadaptive.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "sphinx_argparse_cli",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
# Every reference has to lead somewhere. What stands in nitpick_ignore has no page.
nitpicky = True

# Pages ------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Files of the repository that have a page of their own here.
PAGES = {"SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md"}


# A picture of the gallery and its text, as a comment, of which a forge shows nothing.
PICTURE = re.compile(r"<!-- picture: (\S+) (.*?) -->", re.DOTALL)


def adapt_page(app, name, source):
    """Let links to those files lead to their pages, and put pictures in."""
    for file, page in PAGES.items():
        source[0] = source[0].replace(f"](../{file}", f"]({page}")
    if sphinx_gallery_conf["plot_gallery"]:
        picture = r"![\2](/auto_examples/images/sphx_glr_\1.png)"
        source[0] = PICTURE.sub(picture, source[0])


def setup(app):
    """Connect what Sphinx calls while it builds."""
    app.connect("source-read", adapt_page)


# Reference --------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections have the types
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks = set()  # tests/test_docstrings.py validates them
add_function_parentheses = False
sphinx_argparse_cli_prefix_document = False

# Links to other projects need the network: DOCS_ONLINE=1 resolves them.
ONLINE = os.environ.get("DOCS_ONLINE") == "1"
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "pandas": ("https://pandas.pydata.org/docs", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "imblearn": ("https://imbalanced-learn.org/stable", None),
}
if not ONLINE:
    intersphinx_mapping = {}
    nitpick_ignore_regex = [("py:.*", r"(sklearn|imblearn|keras|numpy|pandas)\..*")]


def linkcode_resolve(domain, info):
    """Address of the source of an object."""
    if domain != "py" or not info["module"]:
        return None
    value = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        value = getattr(value, name, None)
    value = inspect.unwrap(getattr(value, "fget", value))
    try:
        file = Path(inspect.getsourcefile(value)).resolve()
        lines, start = inspect.getsourcelines(value)
        path = file.relative_to(ROOT).as_posix()
    except (OSError, TypeError, ValueError):  # data, and what is inherited
        return None
    return f"{REPOSITORY}/blob/main/{path}#L{start}-L{start + len(lines) - 1}"


# Gallery ----------------------------------------------------------------------------

warnings.filterwarnings("ignore", module="jax|keras")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "abort_on_example_error": True,
    "backreferences_dir": "_build/backreferences",
    "doc_module": ("skadaptive",),
    "reference_url": {"skadaptive": None},
    "inspect_global_variables": True,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "plot_gallery": os.environ.get("DOCS_GALLERY", "1") == "1",
    "within_subsection_order": "ExampleTitleSortKey",
    "default_thumb_file": None,
    "matplotlib_animations": False,
}

# Look -------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"skadaptive {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
# These have no pages below them to navigate to.
html_sidebars = {page: [] for page in ("start", "method", "results")}
html_theme_options = {
    "github_url": REPOSITORY,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}

# `make linkcheck` ---------------------------------------------------------------------

linkcheck_anchors = False
linkcheck_timeout = 20
linkcheck_ignore = [
    r"http://(localhost|127\.0\.0\.1)",
    # Not published yet.
    rf"{REPOSITORY}.*",
]
