"""`breakhis demo`."""

from pathlib import Path

import click

from breakhis.cli.options import emit, json_option


@click.command()
@click.argument("out", type=click.Path(path_type=Path), default=Path("demo"))
@json_option
def command(out: Path, *, as_json: bool) -> None:
    """The whole way on a synthetic set, then where to look.

    Paints a synthetic mini-BreaKHis, trains on it by case, measures, predicts one image, and writes the
    bundle and the report. The backbone starts from random weights, since nothing is downloaded: the numbers
    show the way, not what a trained network can do.

    \b
    Example: breakhis demo demo
    """
    from breakhis.catalog.synthetic import make_synthetic
    from breakhis.cli.display import TrainingDisplay
    from breakhis.config import load_config
    from breakhis.predict import Predictor
    from breakhis.runs import Run
    from breakhis.splits import make_split
    from breakhis.workflows.prepare import Source, prepare_source
    from breakhis.workflows.train import start_run, train

    Run.check_free(out, resume=False)
    config = load_config("frozen", overrides={"model.weights": "none", "fit.views": 2})
    with TrainingDisplay() as display:
        painted = make_synthetic(out / "data", progress=display.stage("painting images"))
        prepared = prepare_source(Source(painted.root), config.images, display)
        split = make_split(prepared.catalog, config.split, seed=config.seed)
        run = start_run(out / "run", prepared, split, config=config, resume=False)
        evaluation = train(prepared, split, config, run=run, listener=display)
    image = prepared.catalog.file(int(split.indices("test")[0]))
    answer = Predictor.load(run.folder).predict(image)
    one = next(iter(answer.rows()))
    text = (
        f"{evaluation.table()}\n\n{image.name}: {one['subtype']} with probability {one['confidence']:.2f}, "
        f"malignant with probability {one['malignant']:.2f}\n"
        f"bundle  {run.bundle_file}\nreport  {run.report_file}"
    )
    emit(
        {"run": str(run.folder), "report": str(run.report_file), "prediction": one, **evaluation.to_json()},
        text,
        as_json=as_json,
    )
