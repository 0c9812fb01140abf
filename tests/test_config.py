"""Configurations: shipped recipes, YAML files and overrides, validated as a whole."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from breakhis.config import TrainConfig, load_config, load_yaml_config, parse_config, recipe_names
from breakhis.errors import ConfigError


def test_recipes_of_the_contract_are_shipped() -> None:
    assert {"notebook", "frozen", "finetune"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_parses_and_knows_its_name(name: str) -> None:
    config = load_config(name)
    assert config.recipe == name
    assert name in config.summary()


def test_notebook_is_the_original_way() -> None:
    config = load_config("notebook")
    assert (config.split.by, config.split.test, config.split.validation) == ("image", 0.2, 0.2)
    assert (config.fit.strategy, config.fit.learning_rate) == ("full", 1e-4)
    assert (config.fit.early_stopping_patience, config.fit.plateau_patience) == (5, 3)


def test_defaults_are_by_case_without_the_doubly_labelled_slide() -> None:
    config = load_config()
    assert config.recipe == "frozen"
    assert config.split.by == "case"
    assert config.split.oddities == {"13412": "exclude"}


@given(
    seed=st.integers(0, 2**31 - 1),
    by=st.sampled_from(["image", "patient", "case"]),
    rate=st.floats(1e-9, 10),
    units=st.lists(st.integers(1, 4096), max_size=3).map(tuple),
)
def test_yaml_reads_back_equal(seed: int, by: str, rate: float, units: tuple[int, ...]) -> None:
    overrides = {"seed": seed, "split.by": by, "fit.learning_rate": rate, "model.dense_units": units}
    config = load_config("finetune", overrides=overrides)
    again = parse_config(yaml.safe_load(config.to_yaml()), source="text")
    assert again == config
    assert again.hash == config.hash


def test_a_saved_configuration_reads_back_equal(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    config = load_config("notebook", overrides={"seed": 7})
    file.write_text(config.to_yaml())
    assert load_yaml_config(file) == config
    assert load_config(file=file) == config


def test_hash_tells_configurations_apart() -> None:
    assert load_config(overrides={"seed": 1}).hash != load_config(overrides={"seed": 2}).hash


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("recipe: notebook\nseed: 3\nfit: {epochs: 9, learning_rate: 1e-5}\n")
    config = load_config(file=file, overrides={"fit.epochs": 2})
    assert (config.recipe, config.seed, config.fit.epochs) == ("notebook", 3, 2)
    assert config.fit.learning_rate == 1e-5
    assert config.fit.strategy == "full"
    assert load_config("frozen", file).fit.strategy == "frozen"


def test_oddities_are_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("split:\n  oddities: {'99': dc}\n")
    assert load_config(file=file).split.oddities == {"99": "dc"}


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("sead: 3\nimages: {size: 5}\nsplit: {by: slide}\nfit: {epochs: 0, learning_rte: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file=file)
    for key in ("sead", "images.size", "split.by", "fit.epochs", "fit.learning_rte"):
        assert key in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("split.test", 0.9),
        ("split.test", float("nan")),
        ("split.oddities", {"13412": "drop"}),
        ("fit.learning_rate", float("inf")),
        ("fit.learning_rate", "quick"),
        ("model.taps", []),
        ("fit", None),
        ("seed.deeper", 1),
        ("seed", -1),
    ],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key.split(".", maxsplit=1)[0]):
        load_config(overrides={key: value})


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "\ttab: 1\n", "plain words"])
def test_a_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        load_config(file=file)


def test_unreadable_files_and_unknown_recipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        load_config(file=tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="binary"):
        load_config(file=tmp_path / "binary.yaml")
    with pytest.raises(ConfigError, match="frozen"):
        load_config("freezing")


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().seed = 3
