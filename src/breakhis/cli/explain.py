"""`breakhis explain`: where in an image the evidence lies."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import emit, json_option, labelled_options, model_option

if TYPE_CHECKING:
    from breakhis.explain import Explanation
    from breakhis.images.decode import Image
    from breakhis.predict import Predictor


@click.command()
@click.argument("image", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The PNG to write.")
@model_option
@click.option("--target", metavar="CODE", help="Class to explain, e.g. DC [the answered one].")
@click.option("--method", type=click.Choice(["gradcam", "gradcam++"]), default="gradcam", show_default=True)
@click.option(
    "--branch",
    metavar="NAME",
    help='Write the heat of this branch, or "fused", alone, in the size of the image.',
)
@click.option(
    "--strength", type=click.FloatRange(0, 1), default=0.65, show_default=True, help="Opacity of the heat."
)
@click.option(
    "--ablation",
    type=click.Path(path_type=Path),
    metavar="DATA",
    help="Measure labelled images without each branch instead.",
)
@labelled_options
@json_option
def command(image: Path | None, out: Path | None, **options: Any) -> None:
    """Show where in an image the evidence for a class lies, or what each branch of the model adds.

    Writes a picture of IMAGE, the heat of every branch and of all together, and the answer. It shows what the
    model looked at, not where a tumour is. For research only, not a medical device.

    With --ablation, labelled images (a folder or a manifest) are answered without each branch and with it
    alone; --split, --subset, --fold, --group-regex and --skip-bad choose them as in `breakhis evaluate`.

    \b
    Example: breakhis explain slide.png --out heat.png
             breakhis explain slide.png --out heat.png --target DC --method gradcam++
             breakhis explain --ablation BreaKHis_v1 --split run/split.csv --model run
    """
    if options["ablation"] is not None:
        if image is not None or out is not None:
            raise click.UsageError("--ablation takes neither IMAGE nor --out.")
        _ablate(options)
    elif image is None or out is None:
        raise click.UsageError("Name an IMAGE and --out, or --ablation DATA.")
    else:
        _explain(image, out, options)


def _ablate(options: dict[str, Any]) -> None:
    import numpy as np

    from breakhis.cli.labelled import open_labelled
    from breakhis.explain.ablation import Division, ablate
    from breakhis.predict import Predictor
    from breakhis.predictions import Predictions

    predictor = Predictor.load(options["model"])
    test = open_labelled(options["ablation"], predictor, options)
    unknown = np.zeros((len(test.rows), len(predictor.taxonomy)))
    truth = Predictions.of_catalog(test.catalog, test.rows, unknown)
    division = Division(test.unit, test.leakage.verdict if test.leakage else "unknown")
    found = ablate(predictor, test.batches(), truth, division=division)
    emit({"model": predictor.describe(), **found.to_json()}, found.table(), as_json=options["as_json"])


def _explain(image: Path, out: Path, options: dict[str, Any]) -> None:
    from breakhis.explain import explain
    from breakhis.images.decode import read_image
    from breakhis.predict import Predictor

    predictor = Predictor.load(options["model"])
    pixels = read_image(image)
    (answer,) = predictor.predict(image).rows()
    explanation = explain(predictor, pixels, target=options["target"], method=options["method"])
    said = _said(predictor, answer)
    if options["branch"] is None:
        _draw(predictor, pixels, explanation, out=out, strength=options["strength"], texts=(image.name, said))
    else:
        _lay_over(pixels, explanation, out=out, branch=options["branch"], strength=options["strength"])
    result = {
        "model": predictor.describe(),
        "image": answer,
        "target": explanation.target,
        "method": explanation.method,
        "peaks": explanation.peaks,
        "out": str(out),
    }
    text = f"{out}\n\n{said}; evidence for {explanation.target}. Model: {predictor.bundle.summary()}.\n"
    emit(result, f"{text}For research only, not a medical device.", as_json=options["as_json"])


def _said(predictor: "Predictor", answer: dict[str, Any]) -> str:
    """The answer in words."""
    if answer["abstain"]:
        return f"no answer: {answer['reason']}"
    name = predictor.taxonomy.names[predictor.taxonomy.label(answer["subtype"])]
    return f"{name}, {answer['confidence']:.0%}"


def _draw(
    predictor: "Predictor",
    pixels: "Image",
    explanation: "Explanation",
    *,
    out: Path,
    strength: float,
    texts: tuple[str, str],
) -> None:
    from breakhis.explain.figure import Caption, draw, save

    caption = Caption(*texts, predictor.bundle.summary())
    save(draw(pixels, explanation, predictor.taxonomy, caption=caption, strength=strength), out)


def _lay_over(
    pixels: "Image", explanation: "Explanation", *, out: Path, branch: str, strength: float
) -> None:
    import cv2

    from breakhis.errors import UsageError
    from breakhis.explain import overlay
    from breakhis.files import write_bytes

    if branch not in explanation.heat:
        names = ", ".join(explanation.heat)
        raise UsageError(f"a branch out of {names}", found=repr(branch), fix="name one of these")
    drawn = overlay(pixels, explanation.heat[branch], strength=strength)
    write_bytes(out, cv2.imencode(".png", drawn[:, :, ::-1])[1].tobytes())
