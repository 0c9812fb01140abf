"""`breakhis explain`: where in an image the evidence lies."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import emit, json_option, model_option

if TYPE_CHECKING:
    from breakhis.explain import Explanation
    from breakhis.images.decode import Image
    from breakhis.predict import Predictor


@click.command()
@click.argument("image", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The PNG to write."
)
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
@json_option
def command(image: Path, out: Path, **options: Any) -> None:
    """Show where in an image the evidence for a class lies.

    Writes a picture of the image, the heat of every branch and of all together, and the answer. It shows what
    the model looked at, not where a tumour is. For research only, not a medical device.

    \b
    Example: breakhis explain slide.png --out heat.png
             breakhis explain slide.png --out heat.png --target DC --method gradcam++
    """
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
