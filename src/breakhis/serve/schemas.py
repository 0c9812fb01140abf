"""Shapes of the answers, for OpenAPI and for reading what is sent as JSON."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from breakhis.taxonomy import Taxonomy

By = Literal["patient", "case"]

MULTIPART: Final = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "format": "binary"},
            "description": "8-bit RGB images: PNG, JPEG, TIFF or BMP.",
        }
    },
}


class Problem(BaseModel):
    """What was expected, what was found and what to do."""

    expected: str
    found: str
    fix: str


class Failure(BaseModel):
    """The body of every error."""

    error: Problem

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "expected": "a whole 8-bit RGB image (PNG, JPEG, TIFF or BMP) in notes.txt",
                    "found": "another kind of file",
                    "fix": "convert it to 8-bit RGB",
                }
            }
        }
    )


class ModelAnswer(BaseModel):
    """The model, its card and where it comes from."""

    model: dict[str, Any] = Field(description="What stands beside every answer: `Bundle.describe()`.")
    card: str = Field(description="The model card, Markdown.")
    provenance: dict[str, Any] = Field(description="Data, split, configuration, versions and parity.")


class Heatmaps(BaseModel):
    """Where the evidence for one class lies in one image."""

    model: dict[str, Any]
    path: str
    target: str = Field(description="Code of the explained class.")
    answer: str = Field(description="Code of the answered class.")
    method: str
    probabilities: dict[str, float]
    heat: dict[str, str] = Field(
        description="For every branch and `fused`, an RGBA PNG as a data URL, to be stretched over the image."
    )
    peaks: dict[str, float] = Field(description="Largest evidence of each map, in logits per image area.")


class Status(BaseModel):
    """Whether the service can answer."""

    status: Literal["ok", "ready"]


class Shapes:
    """Models whose columns are the classes of one taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        codes: Any = dict.fromkeys(taxonomy.codes, (float, Field(ge=0, le=1)))
        nullable: Any = dict.fromkeys(taxonomy.codes, (float | None, ...))
        row = create_model(
            "Row",
            __config__=ConfigDict(json_schema_extra={"example": _example(taxonomy)}),
            __doc__="One image or group, with the columns of `predictions.csv`; null where it is unreadable.",
            path=(str, ...),
            subtype=(str | None, ...),
            confidence=(float | None, ...),
            malignant=(float | None, ...),
            **nullable,
            patient=(str, ...),
            case=(str, ...),
            abstain=(bool, ...),
            reason=(str, ...),
            error=(Problem | None, None),
        )
        self.predictions: type[BaseModel] = create_model(
            "PredictAnswer",
            __doc__="One object an upload, in order, and one a patient or case.",
            model=(dict[str, Any], ...),
            images=(list[row], ...),
            pooled=(list[row], ...),
        )
        self.pooled: type[BaseModel] = create_model(
            "PoolAnswer",
            pooled=(list[row], ...),
        )
        given = create_model(
            "GivenRow",
            path=(str, Field(max_length=1024)),
            **codes,
            patient=(str, Field("", max_length=1024)),
            case=(str, Field("", max_length=1024)),
            reason=(str, Field("", max_length=1024)),
        )
        self.pool_request: type[BaseModel] = create_model(
            "PoolRequest",
            __doc__="Rows as `/v1/predict` answers them, their patients or cases perhaps changed by hand.",
            by=(By, "patient"),
            images=(list[given], Field(min_length=1, max_length=10_000)),
        )


def _example(taxonomy: Taxonomy) -> dict[str, Any]:
    """A row as an example, its first class the answered one."""
    first = 0.65
    rest = (1 - first) / (len(taxonomy) - 1)
    shares = {code: first if number == 0 else rest for number, code in enumerate(taxonomy.codes)}
    malignant = [share for share, flag in zip(shares.values(), taxonomy.malignant, strict=False) if flag]
    return {
        "path": "slide.png",
        "subtype": taxonomy.codes[0],
        "confidence": first,
        "malignant": sum(malignant) if taxonomy.has_malignancy else None,
        **shares,
        "patient": "14-16184CD",
        "case": "14-16184",
        "abstain": False,
        "reason": "",
    }
