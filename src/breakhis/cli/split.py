"""`breakhis split`: divide images into training, validation and test sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import data_argument, emit, json_option, seed_option, skip_bad_option

if TYPE_CHECKING:
    from breakhis.catalog import Catalog
    from breakhis.splits import Split

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@data_argument
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="CSV to write (a JSON goes beside)."
)
@click.option("--by", type=click.Choice(["image", "patient", "case"]), help="What stays together [case].")
@click.option("--test", type=_SHARE, help="Share of every class's groups to test on [0.2].")
@click.option("--validation", type=_SHARE, help="Share of every class's groups for validation [0.2].")
@click.option("--folds", type=click.IntRange(2), help="Cross-validation folds instead of one division.")
@seed_option
@click.option(
    "--official", type=click.Path(path_type=Path), help="dsfold*.txt, a folder of them, or Folds.csv."
)
@click.option("--fold", type=click.IntRange(1), help="One of the official folds [all].")
@click.option(
    "--oddity",
    "oddities",
    multiple=True,
    metavar="CASE=POLICY",
    help="exclude, keep, dc or lc for a double-labelled case [13412=exclude].",
)
@click.option("--group-regex", help="Pattern whose group `case` names the case of a path, for other data.")
@skip_bad_option
@json_option
def command(data: Path, out: Path, **options: Any) -> None:
    """Divide images into training, validation and test sets, by case.

    Every class is counted in cases; a class that a set cannot hold is named in a warning, and the verdict on
    leakage is measured on the finished split.

    \b
    Example: breakhis split BreaKHis_v1 --by case --out split.csv
             breakhis split BreaKHis_v1 --by case --folds 5 --out folds.csv
             breakhis split BreaKHis_v1 --official Folds.csv --fold 1 --out split.csv
    """
    from breakhis.catalog.scan import scan
    from breakhis.splits.render import count_table

    _require_one_way(options)
    catalog = scan(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
    split = _make(catalog, options)
    split.save(out)
    emit({"out": str(out), **split.to_json()}, f"{count_table(split)}\n{out}", as_json=options["as_json"])


def _make(catalog: "Catalog", options: dict[str, Any]) -> "Split":
    from breakhis.config import load_config
    from breakhis.splits import make_folds, make_split, read_official

    given = {f"split.{key}": options[key] for key in ("by", "test", "validation") if options[key] is not None}
    if options["oddities"]:
        given["split.oddities"] = dict(item.partition("=")[::2] for item in options["oddities"])
    config = load_config(overrides=given).split
    seed = options["seed"] or 0
    if options["official"]:
        return read_official(options["official"], catalog, fold=options["fold"], config=config, seed=seed)
    if options["folds"]:
        return make_folds(catalog, config, folds=options["folds"], seed=seed)
    return make_split(catalog, config, seed=seed)


def _require_one_way(options: dict[str, Any]) -> None:
    if options["fold"] is not None and options["official"] is None:
        raise click.UsageError("--fold needs --official; for cross-validation say --folds.")
    if options["folds"] is not None and options["test"] is not None:
        raise click.UsageError("--folds decides what is tested; leave --test out.")
    clashing = [name for name in ("test", "folds", "oddities") if options[name]]
    if options["official"] is not None and clashing:
        raise click.UsageError(
            f"--official decides what is tested and kept; leave {', '.join(clashing)} out."
        )
