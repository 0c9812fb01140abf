"""`breakhis synth`: a synthetic mini-BreaKHis."""

from pathlib import Path

import click

from breakhis.cli.options import emit, json_option, progress_bar, seed_option


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--cases", type=click.IntRange(2, 38), default=6, show_default=True, help="Cases of a subtype.")
@click.option(
    "--images", type=click.IntRange(1, 40), default=5, show_default=True, help="Pictures of a slide folder."
)
@click.option(
    "--scale",
    type=click.FloatRange(0.1, 1),
    default=0.5,
    show_default=True,
    help="Size of most pictures as a share of 700x460.",
)
@seed_option
@json_option
def command(out: Path, cases: int, images: int, scale: float, seed: int | None, as_json: bool) -> None:
    """Make a synthetic mini-BreaKHis in OUT/BreaKHis_v1: official names, tree and oddities.

    The pictures look like stained tissue, but no patient is behind them. Subtypes differ by texture, and
    every case by its stain and light, so that a split by image looks better than one by case.

    \b
    Example: breakhis synth DATA
    """
    from breakhis.catalog.inventory import take_inventory
    from breakhis.catalog.synthetic import make_synthetic

    with progress_bar("painting") as update:
        catalog = make_synthetic(
            out,
            seed=seed or 0,
            cases_per_class=cases,
            images_per_patient=images,
            scale=scale,
            progress=update,
        )
    inventory = take_inventory(catalog)
    emit({"out": str(out), **inventory.to_json()}, f"{inventory.render()}\n{out}", as_json=as_json)
