"""The pages: their links resolve, and the research log has what is cited."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
SOURCES = [*(ROOT / "skadaptive").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]


def test_cited_entries_of_the_research_log_exist():
    cited = {
        number
        for path in (*SOURCES, *PAGES)
        for number in re.findall(r"docs/research/(\d{3})\b", path.read_text("utf-8"))
    }
    assert len(cited) >= 8
    for number in cited:
        assert len(list((ROOT / "docs/research").glob(f"{number}-*.md"))) == 1, number


def test_nothing_cites_a_page_that_is_gone():
    for path in (*SOURCES, *PAGES):
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8")):
            assert (ROOT / page).exists() or "research" in path.parts, (path, page)


def test_the_results_are_one_page():
    lines = (ROOT / "docs/results.md").read_text("utf-8").splitlines()
    assert 20 < len(lines) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    for link in links:
        if not re.match(r"[a-z]+:", link):
            assert (page.parent / link).exists(), link


def test_pages_read_well_where_no_site_is_built():
    """Links and lists are those of Markdown, which docs/conf.py adapts to the site."""
    for page in PAGES:
        if page != ROOT / "docs/index.md":  # a forge shows the README instead
            found = re.findall(r"\{(?:doc|ref|toctree)\}", page.read_text("utf-8"))
            assert not found, page


def test_every_dependency_is_listed_with_its_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [
        *project["dependencies"],
        *sum(project["optional-dependencies"].values(), []),
    ]
    names = {re.match(r"[\w-]+", text)[0] for text in asked} - {"skadaptive"}
    page = (ROOT / "docs/dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w-]+) \| ([^|]+) \|", page, re.MULTILINE)
    listed = dict(row for row in rows if row[0] not in ("package", "---"))
    assert set(listed) == names
    assert all(licence.strip() for licence in listed.values())
