"""The audit finds what was planted, names it, and raises no false alarm."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from breakhis.audit import Audit, AuditOptions, Finding, audit
from breakhis.audit.features import WORKING_SIZE, align, extract
from breakhis.audit.fingerprints import grey
from breakhis.audit.render import render
from breakhis.catalog import Catalog, ImageName
from breakhis.catalog.official import official_images, official_names
from breakhis.catalog.scan import scan
from breakhis.catalog.table import Row
from breakhis.catalog.tissue import Picture, draw_look, paint
from breakhis.cli import run
from breakhis.errors import SplitError
from breakhis.report.audit import AuditPage
from breakhis.splits import Split

WINDOW = (420, 276)
"""Width and height of the pictures."""


class Slide:
    """Pictures of one case, all under one stain."""

    def __init__(self, code: str, patient: str, *, seed: int, look: int | None = None) -> None:
        self.code, self.patient = code, patient
        self.look = draw_look(np.random.default_rng(seed if look is None else look))
        self.rng = np.random.default_rng(seed)

    def canvas(self, size: tuple[int, int] = WINDOW) -> Picture:
        """Tissue that no other picture shows."""
        return paint(self.code, self.look, size=size, magnification=200, rng=self.rng)

    def name(self, sequence: int) -> str:
        case = self.patient.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return ImageName(self.code, self.patient, case, 200, sequence).file_name


def write(folder: Path, name: str, picture: Picture, *options: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[:, :, ::-1]), options)


def window(canvas: Picture, x: int, y: int = 0) -> Picture:
    return canvas[y : y + WINDOW[1], x : x + WINDOW[0]]


DC, MC, A = (
    Slide("DC", "14-11031", seed=1),
    Slide("MC", "14-10147", seed=2),
    Slide("A", "14-22549AB", seed=3),
)
EXACT = (MC.name(1), A.name(1))
COPY = (DC.name(1), A.name(2))
SHIFTED = (DC.name(2), DC.name(3))
MIRRORED = (DC.name(4), MC.name(4))
ENLARGED = (A.name(5), A.name(6))
TRUNCATED = DC.name(9)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases with distinct fields and one planted instance of everything."""
    folder = tmp_path_factory.mktemp("planted")
    first = DC.canvas()
    write(folder, COPY[0], first)
    half = cv2.resize(first, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(half), [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    write(folder, COPY[1], cv2.imdecode(jpeg, cv2.IMREAD_COLOR))

    wide = DC.canvas((700, 360))
    write(folder, SHIFTED[0], window(wide, 0))
    write(folder, SHIFTED[1], window(wide, 200, 60))
    wide = DC.canvas((700, 360))
    write(folder, MIRRORED[0], window(wide, 0))
    write(folder, MIRRORED[1], window(wide, 120, 30)[:, ::-1])
    field = A.canvas()
    write(folder, ENLARGED[0], field)
    middle = field[40:212, 60:323]
    write(folder, ENLARGED[1], cv2.resize(middle, WINDOW, interpolation=cv2.INTER_CUBIC))

    same = MC.canvas()
    write(folder, EXACT[0], same, cv2.IMWRITE_PNG_COMPRESSION, 1)
    write(folder, EXACT[1], same, cv2.IMWRITE_PNG_COMPRESSION, 9)
    for slide in (DC, MC, A):
        for sequence in (20, 21, 22):
            write(folder, slide.name(sequence), slide.canvas())
    write(folder, TRUNCATED, DC.canvas())
    whole = (folder / TRUNCATED).read_bytes()
    (folder / TRUNCATED).write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def catalog(data: Path) -> Catalog:
    return scan(data)


@pytest.fixture(scope="module")
def found(catalog: Catalog) -> Audit:
    return audit(catalog)


def of_kind(audited: Audit, kind: str) -> Finding:
    (finding,) = (one for one in audited.findings if one.kind == kind)
    return finding


def pairs(audited: Audit, kind: str) -> set[frozenset[str]]:
    paths = audited.catalog.paths.tolist()
    return {frozenset((paths[one.first], paths[one.second])) for one in audited.pairs if one.kind == kind}


# What was planted, and nothing else


def test_identical_pixels_are_exact_whatever_the_compression(data: Path, found: Audit) -> None:
    assert (data / EXACT[0]).read_bytes() != (data / EXACT[1]).read_bytes()
    assert pairs(found, "exact") == {frozenset(EXACT)}


def test_a_recompressed_and_resized_picture_is_a_copy(found: Audit) -> None:
    assert pairs(found, "copy") == {frozenset(COPY)}


def test_shifted_mirrored_and_enlarged_fields_overlap_and_no_others(found: Audit) -> None:
    assert pairs(found, "overlap") == {frozenset(SHIFTED), frozenset(MIRRORED), frozenset(ENLARGED)}


def test_the_geometry_of_an_overlap_is_measured(found: Audit) -> None:
    paths = found.catalog.paths.tolist()
    by_name = {paths[one.first]: one for one in found.pairs if one.kind == "overlap"}
    shifted, mirrored, enlarged = (by_name[min(one)] for one in (SHIFTED, MIRRORED, ENLARGED))
    assert shifted.shared == pytest.approx((220 / 420) * (216 / 276), abs=0.03)
    assert (shifted.mirrored, mirrored.mirrored, enlarged.mirrored) == (False, True, False)
    assert shifted.scale == pytest.approx(1, abs=0.02)
    assert enlarged.scale == pytest.approx(1.6, abs=0.05)
    assert np.array(shifted.outline)[0] == pytest.approx([-200 / 420, -60 / 276], abs=0.02)


def test_pairs_are_told_apart_by_case_and_named(found: Audit) -> None:
    assert all(name in of_kind(found, "exact-across").names[0] for name in EXACT)
    assert all(name in of_kind(found, "copy-across").names[0] for name in COPY)
    assert all(name in of_kind(found, "overlap-across").names[0] for name in MIRRORED)
    assert {one.kind for one in found.findings if one.severity == "note"} == {"overlap-case"}
    assert len(of_kind(found, "overlap-case").names) == 2
    assert len(of_kind(found, "contradicting-labels").names) == 3
    assert all(name in of_kind(found, "contradicting-scale").names[0] for name in ENLARGED)


def test_the_page_draws_what_contradicts_before_what_merely_overlaps(found: Audit) -> None:
    within = [pair for pair in AuditPage(found).pairs if pair.words.endswith("within a case")]
    named = [{side.name for side in pair.sides} for pair in within]
    assert named.index(set(ENLARGED)) < named.index(set(SHIFTED))


def test_a_truncated_file_is_named_and_the_rest_is_audited(found: Audit) -> None:
    finding = of_kind(found, "unreadable")
    assert finding.severity == "error"
    assert TRUNCATED in finding.names[0]
    assert "truncated" in finding.names[0]
    assert "1 file CANNOT BE READ" in render(found).splitlines()[-1]


def test_unreadable_files_are_reported_and_fail_no_audit(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", str(data), "--quick", "--out", str(tmp_path / "out")]) == 0
    assert "1 file CANNOT BE READ" in capsys.readouterr().out.splitlines()[-1]
    assert "1 file cannot be read." in (tmp_path / "out" / "audit.html").read_text("utf-8")


def test_quick_finds_copies_but_searches_no_overlap(catalog: Catalog) -> None:
    quick = audit(catalog, options=AuditOptions(quick=True))
    assert {one.kind for one in quick.pairs} == {"exact", "copy"}
    assert quick.compared == 0
    assert "NOT searched" in render(quick)


def test_many_fields_under_one_stain_raise_no_alarm(tmp_path: Path) -> None:
    slides = [Slide("PC", patient, seed=seed, look=7) for seed, patient in enumerate(("14-9146", "14-12465"))]
    for slide in slides:
        for sequence in range(1, 9):
            write(tmp_path, slide.name(sequence), slide.canvas())
    assert not audit(scan(tmp_path)).pairs


def test_large_groups_and_unknown_cases_are_searched_by_nearness(catalog: Catalog) -> None:
    rows = [row._replace(case="") for row in catalog.rows()]
    unknown = audit(Catalog.from_rows(catalog.root, rows))
    assert {frozenset(SHIFTED), frozenset(MIRRORED)} <= pairs(unknown, "overlap")
    assert of_kind(unknown, "exact-unknown").advice.startswith("Name their case")
    few = audit(catalog, options=AuditOptions(together=2, neighbours=1))
    assert few.compared < audit(catalog, options=AuditOptions()).compared


def test_mirrored_descriptors_are_those_of_the_mirrored_picture() -> None:
    picture = grey(DC.canvas())
    seen, computed = extract(np.ascontiguousarray(picture[:, ::-1])), extract(picture).mirrored()
    alignment = align(computed, seen)
    assert alignment is not None
    assert not alignment.mirrored
    assert alignment.support > 0.7 * len(seen.points)
    assert alignment.transform == pytest.approx(np.eye(2, 3), abs=0.02 * WORKING_SIZE)


# Names


def named(names: list[str]) -> Catalog:
    parsed = {one.file_name: one for one in official_images()}
    rows = [
        Row(name, one.code, one.magnification, one.patient, one.case)
        for name in sorted(names)
        for one in [parsed[name]]
    ]
    return Catalog.from_rows(Path("nowhere"), rows)


@pytest.fixture(scope="module")
def whole() -> Audit:
    """All official names, of files that are not there."""
    return audit(named(list(official_names())), options=AuditOptions(quick=True))


def test_the_whole_set_lacks_nothing_and_its_ten_shared_cases_are_named(whole: Audit) -> None:
    kinds = {one.kind for one in whole.findings}
    assert "missing" not in kinds
    assert "unknown" not in kinds
    assert "magnification-subtype" not in kinds
    assert len(whole.shared_cases) == 10
    assert sum(map(len, whole.shared_cases.values())) == 22
    across = {case for case, held in whole.shared_cases.items() if len({one.code for one in held}) > 1}
    assert across == {"14-21998", "14-29960", "14-13412"}
    text = render(whole)
    assert all(case in text for case in whole.shared_cases)


def test_the_double_label_is_named_with_its_folders(whole: Audit) -> None:
    finding = of_kind(whole, "double-label")
    assert finding.names == ("DC 14-13412", "LC 14-13412")
    assert "Benhammou" in finding.message


def test_missing_images_are_counted_by_subtype_and_magnification() -> None:
    names = [name for name in official_names() if "_TA-" not in name or "-400-" not in name]
    partial = audit(named(names), options=AuditOptions(quick=True))
    finding = of_kind(partial, "missing")
    assert len(finding.names) == 130
    assert all("_TA-" in name and "-400-" in name for name in finding.names)
    counts = partial.to_json()["official"]["counts"]
    assert counts["TA"]["400"] == {"images": 0, "official": 130}
    assert counts["TA"]["40"] == {"images": 149, "official": 149}


def test_names_that_are_not_official_are_listed(found: Audit) -> None:
    assert not set(of_kind(found, "unknown").names) & set(official_names())


def test_foreign_data_are_not_compared_with_the_official_names(tmp_path: Path) -> None:
    for slide in range(2):
        write(tmp_path / f"class{slide}", f"slide_{slide}_1.png", DC.canvas())
    foreign = audit(scan(tmp_path, group_regex=r"(slide_\d)"))
    assert foreign.official is None
    assert not foreign.findings


# Sizes and magnification


def test_magnification_confounded_with_size_and_subtype_is_said(catalog: Catalog) -> None:
    rows = [
        row._replace(magnification=zoom, code=code, width=width, height=460)
        for row, (zoom, code, width) in zip(
            catalog.rows(), [(40, "A", 700), (200, "DC", 224)] * 11, strict=False
        )
    ]
    confounded = audit(Catalog.from_rows(catalog.root, rows), options=AuditOptions(quick=True))
    assert [one.cramers_v for one in confounded.associations] == pytest.approx([1, 1], abs=0.01)
    assert "700x460 is 100%" in of_kind(confounded, "magnification-size").message
    assert "confounded with subtype" in of_kind(confounded, "magnification-subtype").message
    assert len(of_kind(confounded, "odd-size").names) == sum(row.width == 224 for row in rows)


# Splits


def split_of(catalog: Catalog, path: Path, subset_of: Callable[[str], str]) -> Split:
    names = catalog.paths.tolist()
    lines = ["path,subset", *(f"{name},{subset_of(name)}" for name in names)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return Split.load(path, catalog)


def by_case(name: str) -> str:
    return {"DC": "train", "MC": "test", "A-": "validation"}[name[6:8]]


def test_a_duplicate_leaks_even_where_the_cases_are_kept_apart(catalog: Catalog, tmp_path: Path) -> None:
    checked = audit(catalog, split=split_of(catalog, tmp_path / "split.csv", by_case))
    assert checked.split is not None
    assert checked.split.leakage.verdict == "clean"
    (leak,) = checked.leaks
    assert leak.kind == "leak-duplicate"
    crossing = [set(EXACT), set(MIRRORED)]
    assert all(any(pair <= set(name.split()) for pair in crossing) for name in leak.names)
    assert len(leak.names) == 2


def test_a_planted_leak_ends_with_status_one_and_is_named(
    data: Path, catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split_of(catalog, tmp_path / "split.csv", lambda name: "test" if name == SHIFTED[0] else by_case(name))
    status = run(["audit", str(data), "--split", str(tmp_path / "split.csv"), "--json"])
    captured = capsys.readouterr()
    assert status == 1
    value = json.loads(captured.out)
    assert value["leaks"] is True
    named = {one["kind"]: one["names"] for one in value["findings"]}
    assert any(SHIFTED[0] in name and SHIFTED[1] in name for name in named["leak-duplicate"])
    assert named["leak-patient"] == ["14-11031"]
    assert named["leak-case"] == ["14-11031"]
    assert "14-11031" in captured.err.splitlines()[-1]


def test_a_clean_split_ends_with_status_zero(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = tmp_path / "clean"
    shutil.copytree(data, clean)
    for name in (EXACT[1], MIRRORED[1], COPY[1], TRUNCATED):
        (clean / name).unlink()
    split_of(scan(clean), tmp_path / "split.csv", by_case)
    out = tmp_path / "out"
    assert run(["audit", str(clean), "--split", str(tmp_path / "split.csv"), "--out", str(out)]) == 0
    assert "nothing found on both sides" in capsys.readouterr().out
    assert json.loads((out / "audit.json").read_text("utf-8"))["leaks"] is False
    assert "Nothing found on both sides" in (out / "audit.html").read_text("utf-8")


def test_a_split_of_other_images_is_refused(data: Path, found: Audit, tmp_path: Path) -> None:
    other = tmp_path / "split.csv"
    other.write_text("path,subset\nother.png,train\n", "utf-8")
    with pytest.raises(SplitError):
        Split.load(other, found.catalog)
    assert run(["audit", str(data), "--split", str(other), "--quick"]) == 2


@pytest.mark.real
def test_the_real_images_name_what_is_known_of_them(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", str(real_data), "--quick"]) == 0
    text = capsys.readouterr().out
    assert "Slide 14-13412 carries more than one label: DC (8 images) and LC (4 images)" in text
    shared = ("13412", "14134", "15570", "16184", "18842", "19979", "21998", "22549", "23060", "29960")
    assert all(f"Case 14-{case} spans" in text for case in shared)
