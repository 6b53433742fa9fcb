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
PAGES = {
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


# A picture of the gallery and its text, as a comment, of which a forge shows nothing.
PICTURE = re.compile(r"<!-- picture: (\S+) (.*?) -->", re.DOTALL)
# A list of pages, which is links on a forge and a table of contents here.
LISTED = re.compile(
    r"(?:\*\*(?P<caption>.+)\*\*\n\n)?<!-- toctree -->\n(?P<pages>(?:- .+\n)+)"
)
# Pages of names that begin alike, which the text links one by one.
LINKED = re.compile(r"<!-- pages: (\S+) -->")
# An example, and the folder of all.
EXAMPLE, EXAMPLES = re.compile(r"\]\(\.\./examples/(\w+)\.py\)"), "](../examples)"


def adapt_page(app, name, source):
    """Let links to those files and to examples lead to their pages; pictures, lists."""
    for file, page in PAGES.items():
        source[0] = source[0].replace(f"](../{file}", f"]({page}")
    source[0] = EXAMPLE.sub(r"](auto_examples/\1.rst)", source[0])
    source[0] = source[0].replace(EXAMPLES, "](auto_examples/index.rst)")
    source[0] = LISTED.sub(table_of_contents, source[0])
    source[0] = LINKED.sub(r"```{toctree}\n:hidden:\n:glob:\n\n\1\n```", source[0])
    if sphinx_gallery_conf["plot_gallery"]:
        picture = r"![\2](/auto_examples/images/sphx_glr_\1.png)"
        source[0] = PICTURE.sub(picture, source[0])


def table_of_contents(listed):
    """The same pages, in the same order, for Sphinx."""
    caption = f":caption: {listed['caption']}\n" if listed["caption"] else ""
    pages = re.findall(r"\]\((.+?)\.(?:md|rst)\)", listed["pages"])
    depth = 2 if "api" in pages else 1
    lines = "\n".join(pages)
    return f"```{{toctree}}\n:maxdepth: {depth}\n{caption}\n{lines}\n```\n"


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
