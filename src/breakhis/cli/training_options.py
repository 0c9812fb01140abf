"""Options that every command which trains has, and what they make."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import yaml

from breakhis.cli.options import seed_option, skip_bad_option

if TYPE_CHECKING:
    from breakhis.config import TrainConfig

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML of what differs."),
    click.option(
        "--recipe", help="Shipped recipe: linear, frozen, finetune, notebook [frozen without a GPU]."
    ),
    click.option("--weights", help="Backbone to start from: imagenet, breakhis, none or a file [imagenet]."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any key of the configuration, e.g. --set fit.epochs=5 (repeatable).",
    ),
    click.option("--deterministic", is_flag=True, default=None, help="One thread, bit for bit repeatable."),
    click.option(
        "--group-regex", help="Pattern whose group `case` names the case of a path, for other data."
    ),
    seed_option,
    skip_bad_option,
)


def training_options(command: F) -> F:
    """Add the options to a click command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_data(data: Path, options: dict[str, Any]) -> None:
    """Refuse DATA that no catalog can be made of before TensorFlow is imported, which takes seconds.

    Raises:
        DataError: No folder or manifest, no images, or bad names that are not to be skipped.
    """
    from breakhis.catalog.scan import scan

    scan(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"], sizes=False)


def make_config(options: dict[str, Any], *, by: str | None = None) -> "TrainConfig":
    """The configuration that the options describe."""
    from breakhis.config import load_config

    settings = dict(_setting(item) for item in options["settings"])
    given = {
        "split.by": by,
        "model.weights": options["weights"],
        "seed": options["seed"],
        "deterministic": options["deterministic"],
    }
    overrides = {**settings, **{key: value for key, value in given.items() if value is not None}}
    recipe = options["recipe"]
    if recipe is None and options["config_file"] is None:
        recipe = _recipe_of_this_machine()
    return load_config(recipe, options["config_file"], overrides=overrides)


def _recipe_of_this_machine() -> str:
    from breakhis.training.device import has_gpu

    return "finetune" if has_gpu() else "frozen"


def _setting(item: str) -> tuple[str, Any]:
    key, sign, value = item.partition("=")
    if not sign:
        raise click.UsageError(f"--set needs KEY=VALUE, found {item!r}.")
    return key, yaml.safe_load(value)
