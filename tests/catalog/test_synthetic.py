"""The synthetic set: official names, every oddity, textures that can be learnt and looks that mislead."""

import filecmp
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from breakhis.catalog import Catalog, parse_name
from breakhis.catalog.official import compare_with_official
from breakhis.catalog.synthetic import make_synthetic, paint_image, plan_synthetic
from breakhis.catalog.tissue import draw_look, paint
from breakhis.errors import DataError, UsageError
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return make_synthetic(
        tmp_path_factory.mktemp("synthetic"), cases_per_class=2, images_per_patient=2, scale=0.2
    )


def test_names_and_tree_are_official(small: Catalog) -> None:
    assert compare_with_official(small).unknown == ()
    for path, code in zip(small.paths.tolist(), small.codes.tolist(), strict=True):
        top, slides, breast, group, sob, _, folder, zoom, name = path.split("/")
        parsed = parse_name(name)
        assert (top, slides, breast, sob) == ("BreaKHis_v1", "histology_slides", "breast", "SOB")
        assert group == ("malignant" if BREAKHIS.malignant[BREAKHIS.label(code)] else "benign")
        assert (folder, zoom) == (parsed.folder_name, f"{parsed.magnification}X")


def test_every_oddity_is_there(small: Catalog) -> None:
    subtypes, folders = defaultdict(set), defaultdict(set)
    for row in small.rows():
        subtypes[row.case].add(row.code)
        folders[row.case].add(Path(row.path).parts[-3])
    assert {case: codes for case, codes in subtypes.items() if len(codes) > 1} == {
        "14-21998": {"PT", "F"},
        "14-29960": {"F", "A"},
        "14-13412": {"DC", "LC"},
    }
    assert len(folders["14-22549"]) == 3
    assert any(case.startswith("15-") for case in subtypes)
    sizes = Counter(zip(small.widths.tolist(), small.heights.tolist(), strict=True))
    assert sizes[700, 456] >= 3
    assert sizes[700, 460] >= 3
    assert sizes[140, 92] > len(small) / 2


def test_the_doubled_slide_shows_the_same_pictures_under_both_labels(small: Catalog) -> None:
    files = {
        code: sorted(path for path in small.files() if f"SOB_M_{code}-14-13412-" in path.name)
        for code in ("DC", "LC")
    }
    assert len(files["DC"]) == len(files["LC"]) == 2
    for first, second in zip(files["DC"], files["LC"], strict=True):
        assert filecmp.cmp(first, second, shallow=False)


def test_the_usual_plan_holds_all_classes_and_lacks_magnifications_in_places() -> None:
    plan = plan_synthetic()
    assert 200 <= len(plan) <= 300
    cases, zooms = defaultdict(set), defaultdict(set)
    for image in plan:
        cases[image.name.code].add(image.name.case)
        zooms[image.name.folder_name].add(image.name.magnification)
    assert {code: len(found) for code, found in cases.items()} == {
        "A": 2, "F": 6, "PT": 3, "TA": 6, "DC": 6, "LC": 4, "MC": 6, "PC": 6,
    }  # fmt: skip
    assert any(found == set(MAGNIFICATIONS) for found in zooms.values())
    assert any(400 not in found for found in zooms.values())
    for code in BREAKHIS.codes:
        assert {image.name.magnification for image in plan if image.name.code == code} == set(MAGNIFICATIONS)


def test_one_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    image = plan_synthetic(scale=0.2)[7]
    assert np.array_equal(paint_image(image, seed=3), paint_image(image, seed=3))
    assert not np.array_equal(paint_image(image, seed=3), paint_image(image, seed=4))


@pytest.mark.parametrize("code", BREAKHIS.codes)
@pytest.mark.parametrize("magnification", [40, 400])
def test_pictures_are_pink_and_purple_and_not_blank(code: str, magnification: int) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        picture = paint(code, draw_look(rng), size=(140, 92), magnification=magnification, rng=rng)
        assert picture.shape == (92, 140, 3)
        assert picture.dtype == np.uint8
        red, green, _ = picture.reshape(-1, 3).mean(axis=0)
        assert red > green
        assert picture.std() > 10


def test_an_existing_set_is_not_touched(small: Catalog) -> None:
    with pytest.raises(DataError, match="choose another folder"):
        make_synthetic(small.root)


@pytest.mark.parametrize("wrong", [{"cases_per_class": 1}, {"images_per_patient": 0}, {"scale": 1.5}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 2 cases a class"):
        make_synthetic(tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_synthetic(tmp_path, cases_per_class=2, images_per_patient=1, scale=0.1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def describe(path: Path) -> list[float]:
    """Colour and texture of a picture, 128 px: what a simple model sees."""
    picture = cv2.resize(cv2.imread(str(path)), (128, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    colour = [*picture.mean(axis=(0, 1)), *picture.std(axis=(0, 1))]
    density = -np.log(np.maximum(picture[..., 2], 1) / 255)
    texture: list[float] = []
    for blur in (0.7, 1.4, 2.8, 5.6):
        band = cv2.GaussianBlur(density, (0, 0), blur) - cv2.GaussianBlur(density, (0, 0), 1.6 * blur)
        texture += [band.std(), (band**3).mean() / band.std() ** 3, *np.percentile(band, [2, 10, 50, 90, 98])]
    return [*colour, *texture]


@pytest.mark.slow
def test_textures_can_be_learnt_and_a_split_by_image_looks_better(tmp_path: Path) -> None:
    catalog = make_synthetic(tmp_path)
    catalog = catalog.select(catalog.cases != "14-13412")
    features = np.array([describe(path) for path in catalog.files()])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    by_image = StratifiedKFold(5, shuffle=True, random_state=0).split(features, catalog.labels)
    by_case = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        features, catalog.labels, groups=catalog.cases
    )
    answers = [
        cross_val_predict(model, features, catalog.labels, cv=list(folds)) for folds in (by_image, by_case)
    ]
    scores = [f1_score(catalog.labels, answer, average="macro") for answer in answers]
    assert scores[0] > 0.7
    assert 0.25 < scores[1] < scores[0] - 0.2
