"""The page of an audit stands alone, shows pairs where they lie, and escapes hostile names."""

import numpy as np
import pytest
from PIL import Image

from breakhis.audit import audit
from breakhis.audit.pairs import Pair
from breakhis.catalog import Catalog
from breakhis.catalog.table import Row
from breakhis.report.audit import AuditPage, _outlines, write_audit
from report_pages import Element, parse

HOSTILE = "<b>&\"'.png"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Element:
    root = tmp_path_factory.mktemp("audited")
    pixels = np.random.default_rng(0).integers(0, 256, (46, 70, 3), dtype=np.uint8)
    rows = []
    for name, code, case in ((HOSTILE, "A", "c1"), ("other.png", "DC", "c2")):
        Image.fromarray(pixels).save(root / name)
        rows.append(Row(name, code, 40, case, case, 70, 46))
    found = audit(Catalog.from_rows(root, rows))
    assert AuditPage(found).verdict.kind == "unknown"
    written = write_audit(found, root / "out")
    assert sorted(path.name for path in written.parent.iterdir()) == ["audit.html", "audit.json"]
    return parse(written.read_text("utf-8"))


def test_it_loads_nothing(page: Element) -> None:
    assert not page.all("script")
    assert not page.all("link")[1:]
    assert len(page.all("img")) == 2
    assert all(image.attributes["src"].startswith("data:image/jpeg") for image in page.all("img"))


def test_a_hostile_name_is_text(page: Element) -> None:
    assert HOSTILE in page.text()
    assert not page.all("b")


def test_every_section_is_linked(page: Element) -> None:
    anchors = [section.attributes["id"] for section in page.all("section")]
    assert [link.attributes["href"] for link in page.all("nav")[0].all("a")] == [f"#{one}" for one in anchors]


def test_outlines_say_where_each_field_lies_in_the_other() -> None:
    moved = Pair("overlap", 0, 1, bits=0, outline=((0.5, 0.25), (1.5, 0.25), (1.5, 1.25), (0.5, 1.25)))
    second_in_first, first_in_second = _outlines(moved)
    assert second_in_first == "-0.500,-0.250 0.500,-0.250 0.500,0.750 -0.500,0.750"
    assert first_in_second == "0.500,0.250 1.500,0.250 1.500,1.250 0.500,1.250"
