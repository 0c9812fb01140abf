"""What OpenAPI promises holds for whatever is sent: schemathesis against the application."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from breakhis.predict import Predictor
from model_weights import write_bundle
from serving import Running, running

ROUTES = [
    *(("POST", f"/v1/{name}") for name in ("predict", "explain", "preview", "pool")),
    *(("GET", path) for path in ("/v1/model", "/healthz", "/readyz", "/metrics")),
]
# Left out: positive_data_acceptance, because no schema can say that bytes are a whole image.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    bundle = write_bundle(tmp_path_factory.mktemp("model") / "bundle.zip")
    with running(Predictor.load(bundle)) as found:
        yield found


@pytest.fixture(scope="module")
def schema(service: Running) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_every_route_is_tried(schema: BaseSchema) -> None:
    assert {(method.upper(), path) for path in schema for method in schema[path]} == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[path for _, path in ROUTES])
def test_keeps_its_promises(schema: BaseSchema, method: str, path: str) -> None:
    operation = schema[path][method]

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(
        st.one_of(
            operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE)
        )
    )
    def holds(case: Case) -> None:
        case.call_and_validate(checks=CHECKS)

    holds()
