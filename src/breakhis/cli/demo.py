"""`breakhis demo`."""

from pathlib import Path
from typing import Any, Literal

import click

from breakhis.cli.options import emit, json_option

# Random weights say little about a picture, so the heads need larger steps and more of them than a recipe.
_SETTINGS: dict[str, Any] = {
    "model.weights": "none",
    "model.dropout": 0.1,
    "fit.views": 2,
    "fit.learning_rate": 5e-3,
    "fit.epochs": 120,
    "fit.early_stopping_patience": 60,
    "fit.plateau_patience": 30,
}


@click.command()
@click.argument("out", type=click.Path(path_type=Path), default=Path("demo"))
@json_option
def command(out: Path, *, as_json: bool) -> None:
    """The whole way on a synthetic set, then where to look.

    Paints a synthetic mini-BreaKHis, trains on it by case, measures, predicts one image, writes the bundle
    and the report; then does the same by image, to show what a split that leaks reports. The backbone has
    random weights, since nothing is downloaded: enough to know a case again, not to know a tumour.

    \b
    Example: breakhis demo demo
    """
    from breakhis.catalog.synthetic import make_synthetic
    from breakhis.cli.display import TrainingDisplay
    from breakhis.config import ImageConfig, load_config
    from breakhis.predict import Predictor
    from breakhis.runs import Run
    from breakhis.splits import make_split
    from breakhis.workflows.prepare import Source, prepare_source
    from breakhis.workflows.train import start_run, train

    Run.check_free(out, resume=False)
    units: tuple[Literal["case", "image"], ...] = ("case", "image")
    runs, results, tested = {}, {}, {}
    with TrainingDisplay() as display:
        painted = make_synthetic(out / "data", progress=display.stage("painting images"))
        prepared = prepare_source(Source(painted.root), ImageConfig(), display)
        for unit in units:
            display.say(f"split by {unit}")
            config = load_config("frozen", overrides={**_SETTINGS, "split.by": unit})
            split = make_split(prepared.catalog, config.split, seed=config.seed)
            tested[unit] = split.indices("test")
            runs[unit] = start_run(out / f"by-{unit}", prepared, split, config=config, resume=False)
            results[unit] = train(prepared, split, config, run=runs[unit], listener=display)
    honest = runs["case"]
    image = prepared.catalog.file(int(tested["case"][0]))
    one = next(iter(Predictor.load(honest.folder).predict(image).rows()))
    text = (
        f"{results['case'].table()}\n\n"
        + "\n".join(f"split by {unit:<6} macro F1 {results[unit]['macro_f1']}" for unit in units)
        + f"\n\n{image.name}: {one['subtype']} with probability {one['confidence']:.2f}, "
        f"malignant with probability {one['malignant']:.2f}\n"
        f"bundle  {honest.bundle_file}\nreport  {honest.report_file}\nleaky   {runs['image'].report_file}"
    )
    value = {
        "run": str(honest.folder),
        "report": str(honest.report_file),
        "prediction": one,
        "by_image": results["image"].to_json(),
        **results["case"].to_json(),
    }
    emit(value, text, as_json=as_json)
