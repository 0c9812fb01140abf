"""What the repository promises about itself: the lock, the chores, links and versions."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import breakhis
from breakhis.catalog.official import official_images
from breakhis.cli import COMMANDS
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

DIRECT = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["train"],
    *PROJECT["project"]["optional-dependencies"]["export"],
    *PROJECT["dependency-groups"]["dev"],
]


def pins() -> dict[str, list[str]]:
    """Versions that the lock pins for each distribution (several where they depend on the Python)."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", LOCK, flags=re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_lock_holds_hashed_pins_and_nothing_else() -> None:
    for line in LOCK.replace("\\\n", " ").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+", line), line


@pytest.mark.parametrize("line", DIRECT)
def test_lock_satisfies_every_direct_requirement(line: str) -> None:
    requirement = Requirement(line)
    versions = pins().get(canonicalize_name(requirement.name), [])
    assert versions, "run `make lock`"
    assert all(requirement.specifier.contains(version) for version in versions), "run `make lock`"


def test_continuous_integration_runs_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith(("#", "set ", "cd "))] == ["make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_resolve(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert PROJECT["project"]["version"] == breakhis.__version__ == citation["version"]


def test_citation_names_the_paper_of_the_data() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert [entry["doi"] for entry in citation["references"]] == ["10.1109/TBME.2015.2496264"]


def test_readme_lists_the_commands_in_the_order_of_the_help() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", readme, flags=re.MULTILINE) == list(COMMANDS)


def test_page_on_the_data_counts_what_the_official_names_say() -> None:
    page = (ROOT / "docs" / "data.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z ]+?) \| (\w+) \| (\w+) \| ([\d |]+) \|$", page, flags=re.MULTILINE)
    stated = {
        code: (name, group, [int(cell) for cell in cells.split(" | ")]) for name, code, group, cells in rows
    }
    images = official_images()
    for code, name, malignant in zip(BREAKHIS.codes, BREAKHIS.names, BREAKHIS.malignant, strict=True):
        own = [image for image in images if image.code == code]
        counts = [
            sum(image.magnification == magnification for image in own) for magnification in MAGNIFICATIONS
        ]
        counts += [len(own), len({image.folder_name for image in own}), len({image.case for image in own})]
        assert stated.pop(code) == (name, "malignant" if malignant else "benign", counts)
    assert not stated
    folders = {image.folder_name: image.case for image in images}
    spanning = {case for case in folders.values() if list(folders.values()).count(case) > 1}
    in_spanning = sum(image.case in spanning for image in images)
    assert f"{sum(case in spanning for case in folders.values())} folders with {in_spanning:,} images" in page
    assert all(case in page for case in spanning)
