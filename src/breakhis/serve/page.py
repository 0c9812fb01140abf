"""The page: rendered once, with every asset from this package."""

import mimetypes
import re
from functools import cache
from importlib import resources
from typing import Any, Final

import jinja2
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from breakhis import __version__
from breakhis.bundle import Bundle
from breakhis.config import tapped_layers
from breakhis.errors import UsageError
from breakhis.evaluate.tables import LABELS
from breakhis.explain import FUSED
from breakhis.predict import Predictor
from breakhis.serve.limits import Limits

_ASSETS: Final = resources.files("breakhis.serve") / "assets"
_REPORT_STYLE: Final = resources.files("breakhis.report") / "templates" / "style.css"
_TOKEN: Final = re.compile(r"(--[\w-]+): ([^;]+);")
_HEADLINES: Final = ("macro_f1", "accuracy", "malignancy_accuracy")
_VERDICTS: Final = {
    "clean": "no case stood on both sides of the split",
    "leaks": "the split leaks, so these numbers overstate what it does on a new patient",
    "unknown": "whether the split leaks is not known",
}


class Page:
    """The page and the assets of one model."""

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self._html = render_page(predictor, limits)

    def router(self) -> APIRouter:
        """The routes that people open."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/", self.page)
        router.add_api_route("/assets/{name}", self.asset)
        return router

    async def page(self) -> Response:
        """The page."""
        return HTMLResponse(self._html)

    async def asset(self, name: str) -> Response:
        """One file that the page loads; raises UsageError where there is none of that name."""
        assets = read_assets()
        if name not in assets:
            raise UsageError("an asset of the page", found="none of that name", fix="open the page at /")
        content, kind = assets[name]
        return Response(content, media_type=kind)


@cache
def read_assets() -> dict[str, tuple[bytes, str]]:
    """{name: content and media type} of everything that the page loads."""
    files = {file.name: file.read_bytes() for file in _ASSETS.iterdir()}
    report = _REPORT_STYLE.read_text("utf-8")
    files["report.css"] = report.encode()
    files["page.css"] = themes(report).encode() + files["page.css"]
    return {name: (content, mimetypes.guess_type(name)[0] or "text/plain") for name, content in files.items()}


def themes(style: str) -> str:
    """The reports' two themes as rules that `data-theme` chooses, whatever the system prefers.

    Args:
        style: The reports' style sheet: a first `:root` for light, then one for dark.
    """
    light, dark = (
        dict(_TOKEN.findall(block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    both = {"light": {name: light[name] for name in dark}, "dark": dark}
    return "".join(
        f':root[data-theme="{theme}"] {{ color-scheme: {theme}; '
        + " ".join(f"{name}: {value};" for name, value in tokens.items())
        + " }\n"
        for theme, tokens in both.items()
    )


def render_page(predictor: Predictor, limits: Limits) -> str:
    """The page as HTML; everything in it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("breakhis.serve"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    model, taxonomy = predictor.describe(), predictor.taxonomy
    setup = {
        "columns": predictor.predict([]).columns(),
        "codes": taxonomy.codes,
        "names": taxonomy.names,
        "malignant": taxonomy.malignant,
        "branches": [*tapped_layers(predictor.bundle.config.model), FUSED],
        "fileBytes": limits.file_bytes,
    }
    return environment.get_template("page.html.j2").render(
        version=__version__,
        model=model,
        measured=measured(predictor.bundle),
        verdict_words=_VERDICTS[model["leakage"]],
        limits=limits,
        setup=setup,
    )


def measured(bundle: Bundle) -> dict[str, Any] | None:
    """What the model was measured on, for the banner; None where it was not."""
    metrics, unit = bundle.metrics, bundle.describe()["unit"]
    found = [
        (LABELS[name], metrics[name])
        for name in _HEADLINES
        if metrics.get(name) and metrics[name]["value"] is not None
    ]
    if not found or unit is None:
        return None
    verdict = _VERDICTS[bundle.describe()["leakage"]]
    repeated = metrics.get("repeated")
    folds = f", {repeated['folds']} folds, mean of {len(repeated['seeds'])} seeds" if repeated else ""
    return {
        "where": f"on {metrics['images']:,} images of {metrics['cases']:,} cases{folds}",
        "metrics": found,
        "verdict": f"In brackets 95 % intervals over cases; {verdict}.",
    }
