"""REST: the contract's answers, every limit with its status, one engine for concurrent requests."""

import csv
import io
import json
import logging
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.serve import Limits
from breakhis.serve.service import Service
from breakhis.serve.telemetry import JsonLines
from breakhis.serve.uploads import Upload
from model_weights import write_bundle
from serving import NAMES, Running, picture, running

SMALL_LIMITS = Limits(files=4, file_bytes=200_000, request_bytes=400_000, waiting=8)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(write_bundle(tmp_path_factory.mktemp("model") / "bundle.zip", temperature=2.0))


@pytest.fixture(scope="module")
def service(predictor: Predictor) -> Iterator[Running]:
    with running(predictor, limits=SMALL_LIMITS) as found:
        yield found


@pytest.fixture
def client(service: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as found:
        yield found


def upload(*images: bytes, names: tuple[str, ...] = NAMES) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (name, image)) for name, image in zip(names, images, strict=False)]


def problem(response: httpx.Response) -> dict[str, str]:
    """The body of an error, which always has the same form."""
    error: dict[str, str] = response.json()["error"]
    assert set(error) == {"expected", "found", "fix"}
    assert all(error.values())
    return error


def test_answers_are_those_of_the_predictor(
    client: httpx.Client, predictor: Predictor, tmp_path: Path
) -> None:
    images = [picture(seed) for seed in range(3)]
    for name, image in zip(NAMES, images, strict=True):
        (tmp_path / name).write_bytes(image)
    expected = predictor.predict([tmp_path / name for name in NAMES])
    response = client.post("/v1/predict", files=upload(*images))
    assert response.status_code == 200
    answer = response.json()
    assert answer["model"] == predictor.describe()
    assert [list(row) for row in answer["images"]] == [expected.columns()] * 3
    for row, wanted in zip(answer["images"], expected.rows(), strict=True):
        assert row["path"] == wanted["path"].rpartition("/")[2]
        assert row["subtype"] == wanted["subtype"]
        assert row["patient"] == wanted["patient"]
        for code in predictor.taxonomy.codes:
            assert row[code] == pytest.approx(wanted[code], abs=1e-5)
    assert [row["path"] for row in answer["pooled"]] == ["14-16184", "14-2523"]
    assert answer["pooled"][0]["DC"] == pytest.approx(
        np.mean([row["DC"] for row in answer["images"][:2]]), abs=1e-9
    )


@pytest.mark.parametrize("how", ["query", "field"])
def test_pools_by_case_where_it_is_asked_to(client: httpx.Client, how: str) -> None:
    names = ("SOB_B_TA-14-16184-40-001.png", "SOB_B_TA-14-16184CD-40-001.png")
    options: dict[str, Any] = {"params" if how == "query" else "data": {"pool": "case"}}
    answer = client.post("/v1/predict", files=upload(picture(0), picture(1), names=names), **options).json()
    assert [row["path"] for row in answer["pooled"]] == ["14-16184"]


def test_images_of_one_name_and_no_patient_are_not_pooled(client: httpx.Client) -> None:
    answer = client.post("/v1/predict", files=upload(picture(0), picture(1), names=("a.png", "a.png"))).json()
    assert [row["path"] for row in answer["images"]] == ["a.png", "a.png"]
    assert len(answer["pooled"]) == 2


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp"])
def test_reads_every_format_and_previews_it(client: httpx.Client, suffix: str) -> None:
    image = picture(3, width=1400, height=20, suffix=suffix)
    answer = client.post("/v1/predict", files=upload(image, names=(f"x{suffix}",)))
    assert answer.status_code == 200
    preview = client.post("/v1/preview", files=upload(image, names=(f"x{suffix}",)))
    assert preview.headers["content-type"] == "image/jpeg"
    shown = cv2.imdecode(np.frombuffer(preview.content, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (15, 1024, 3)
    line = picture(4, width=3000, height=1, suffix=suffix)
    assert client.post("/v1/preview", files=upload(line)).status_code == 200


def test_one_bad_file_among_others_has_its_own_error(client: httpx.Client, predictor: Predictor) -> None:
    answer = client.post("/v1/predict", files=upload(picture(0), b"no image", picture(1)))
    assert answer.status_code == 200
    good, bad, other = answer.json()["images"]
    assert "error" not in good
    assert "error" not in other
    assert set(bad) == {*good, "error"}
    assert {bad[code] for code in (*predictor.taxonomy.codes, "subtype", "confidence", "malignant")} == {None}
    assert (bad["path"], bad["abstain"], bad["reason"]) == (NAMES[1], True, "unreadable")
    assert NAMES[1] in bad["error"]["expected"]
    assert [row["path"] for row in answer.json()["pooled"]] == ["14-16184", "14-2523"]


def test_nothing_readable_is_refused(client: httpx.Client) -> None:
    response = client.post("/v1/predict", files=upload(b"no image", names=("../../etc/a\u200bb.png",)))
    assert response.status_code == 422
    assert problem(response)["expected"].endswith("in ab.png")


def test_a_decompression_bomb_is_refused_by_its_header(client: httpx.Client) -> None:
    header = bytearray(picture(0, width=8, height=8, suffix=".bmp"))
    header[18:26] = (20_000).to_bytes(4, "little") * 2
    response = client.post("/v1/predict", files=upload(bytes(header)))
    assert response.status_code == 422
    assert "20000 x 20000 pixels" in problem(response)["found"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (upload(b"x" * 200_001), "a larger one in the field `files`"),
        (upload(*[b"x"] * 5, names=("a", "b", "c", "d", "e")), "more parts"),
        (upload(*[b"x" * 150_000] * 3), "450,"),
    ],
    ids=["a file", "the number of files", "the request"],
)
def test_too_much_is_413(client: httpx.Client, files: Any, found: str) -> None:
    response = client.post("/v1/predict", files=files)
    assert response.status_code == 413
    assert problem(response)["found"].startswith(found)


def test_a_body_of_unstated_length_is_bounded_too(client: httpx.Client) -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        yield from [b"x" * 100_000] * 6

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/v1/predict", content=body(), headers=headers).status_code == 413


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {}},
        {"data": {"pool": "case"}},
        {"files": {"other": ("a.png", b"x")}},
        {"files": {"files": ("a.png", b"x")}, "data": {"pool": "slide"}},
        {"content": b"--b\r\nrubbish", "headers": {"content-type": "multipart/form-data; boundary=b"}},
    ],
    ids=["json", "no file", "another field", "another pool", "malformed"],
)
def test_what_is_no_form_is_400(client: httpx.Client, request_: dict[str, Any]) -> None:
    response = client.post("/v1/predict", **request_)
    assert response.status_code == 400
    problem(response)


def test_wrong_values_and_routes_say_so_in_the_same_form(client: httpx.Client) -> None:
    assert "pool" in problem(client.post("/v1/predict?pool=slide", files=upload(picture())))["found"]
    assert client.post("/v1/predict?pool=slide", files=upload(picture())).status_code == 422
    for method, path, status in (("GET", "/nowhere", 404), ("GET", "/v1/predict", 405)):
        response = client.request(method, path)
        assert response.status_code == status
        problem(response)


def test_a_full_queue_is_503_with_the_time_to_try_again(predictor: Predictor) -> None:
    with (
        running(predictor, limits=Limits(waiting=1)) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        response = client.post("/v1/predict", files=upload(picture(0), picture(1)))
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        problem(response)
        assert client.post("/v1/predict", files=upload(picture(0))).status_code == 200


def test_uploads_beyond_the_memory_for_them_are_503(predictor: Predictor) -> None:
    with running(predictor, limits=Limits(held_bytes=300_000)) as service:
        big = httpx.post(
            f"{service.url}/v1/predict", files=upload(picture(0, width=400, height=400)), timeout=30
        )
        assert big.status_code == 503
        assert "bytes of uploads" in problem(big)["expected"]
        assert httpx.post(f"{service.url}/v1/predict", files=upload(picture(0))).status_code == 200


def test_a_request_that_stalls_is_504(predictor: Predictor) -> None:
    with running(predictor, limits=Limits(seconds=0.3)) as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(
                b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b"
            )
            assert slow.recv(4096).startswith(b"HTTP/1.1 504")


def test_concurrent_requests_share_batches_and_keep_their_answers(
    client: httpx.Client, predictor: Predictor
) -> None:
    images = [picture(seed) for seed in range(8)]
    alone = [client.post("/v1/predict", files=upload(image)).json()["images"][0] for image in images]

    def ask(index: int) -> dict[str, Any]:
        answer = client.post("/v1/predict", files=upload(images[index % 8]))
        while answer.status_code == 503:
            time.sleep(0.02)
            answer = client.post("/v1/predict", files=upload(images[index % 8]))
        row: dict[str, Any] = answer.json()["images"][0]
        return row

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(40)))
    for index, row in enumerate(together):
        for code in predictor.taxonomy.codes:
            assert row[code] == pytest.approx(alone[index % 8][code], abs=1e-5)
    counted = dict(
        re.findall(
            r'^breakhis_batch_images_bucket\{le="([\d.]+)"\} ([\d.]+)', client.get("/metrics").text, re.M
        )
    )
    total = float(re.findall(r"^breakhis_batch_images_count ([\d.]+)", client.get("/metrics").text, re.M)[0])
    assert float(counted["1.0"]) < total


def test_large_uploads_stay_off_the_disk(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    image = picture(1, width=1300, height=1000)
    assert len(image) > 3_000_000
    with running(predictor) as service:
        response = httpx.post(f"{service.url}/v1/predict", files=upload(image), timeout=30)
    assert response.status_code == 200


def test_explains_every_branch(client: httpx.Client, predictor: Predictor) -> None:
    response = client.post("/v1/explain?target=LC&method=gradcam%2B%2B", files=upload(picture(5)))
    answer = response.json()
    assert response.status_code == 200
    assert (answer["target"], answer["method"]) == ("LC", "gradcam++")
    assert list(answer["heat"]) == [*predictor.bundle.config.model.taps, "fused"]
    assert all(url.startswith("data:image/png;base64,") for url in answer["heat"].values())
    assert client.post("/v1/explain?target=XX", files=upload(picture(5))).status_code == 400
    assert client.post("/v1/explain", files=upload(picture(5), picture(6))).status_code == 400
    assert client.post("/v1/explain", files=upload(b"no image")).status_code == 422


def test_pools_rows_by_hand(client: httpx.Client) -> None:
    rows = client.post("/v1/predict", files=upload(picture(0), picture(1), names=("a.png", "b.png"))).json()[
        "images"
    ]
    for row in rows:
        row["patient"] = "by hand"
    (pooled,) = client.post("/v1/pool", json={"by": "patient", "images": rows}).json()["pooled"]
    assert pooled["path"] == "by hand"
    assert pooled["A"] == pytest.approx((rows[0]["A"] + rows[1]["A"]) / 2)
    rows[0]["A"] += 0.5
    for wrong in ({"images": rows}, {"images": []}, {"images": [{"path": "a"}]}):
        response = client.post("/v1/pool", json=wrong)
        assert response.status_code == 422
        problem(response)
    assert client.post("/v1/pool", content=b" " * 9_000_000).status_code == 413


def test_rows_are_the_csv(client: httpx.Client, tmp_path: Path) -> None:
    rows = client.post("/v1/predict", files=upload(picture(0))).json()["images"]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / "rows.csv").write_text(text.getvalue())
    assert Predictions.load(tmp_path / "rows.csv").patients.tolist() == ["14-16184"]


def test_tells_the_model_its_health_and_its_numbers(client: httpx.Client, predictor: Predictor) -> None:
    model = client.get("/v1/model").json()
    assert model["model"]["hash"] == predictor.bundle.hash
    assert model["card"].startswith("# ")
    assert "members" not in model["provenance"]
    assert client.get("/healthz").json() == {"status": "ok"}
    client.post("/v1/predict", files=upload(picture(0), b"no image"))
    metrics = client.get("/metrics").text
    assert 'breakhis_requests_total{method="POST",route="/v1/predict",status="200"}' in metrics
    for name in ("request_seconds_bucket", "batch_images_count", "images_in_work 0.0"):
        assert f"breakhis_{name}" in metrics
    assert 'breakhis_images_total{outcome="unreadable"}' in metrics


def logged(caplog: pytest.LogCaptureFixture, count: int) -> list[str]:
    """The service's lines, once there are `count`: a request is logged after its answer has been sent."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        records = [record for record in caplog.records if record.name == "breakhis.serve"]
        if len(records) >= count:
            break
        time.sleep(0.01)
    return [JsonLines().format(record) for record in records]


def test_logs_are_json_without_names(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="breakhis.serve"):
        response = client.post("/v1/predict", files=upload(picture(0), names=("Jane Doe.png",)))
        client.get("/Jane%20Doe")
        lines = logged(caplog, 2)
    told = [json.loads(line) for line in lines]
    assert [line["route"] for line in told] == ["/v1/predict", "unknown"]
    assert told[0]["id"] == response.headers["x-request-id"]
    assert (told[0]["status"], told[0]["images"], told[0]["unreadable"]) == (200, 1, 0)
    assert "Jane" not in "".join(lines)


def test_an_unforeseen_error_is_answered_like_any_other_and_logged(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_service: Service, uploads: list[Upload]) -> None:
        raise RuntimeError(f"a bug, met with {uploads[0].name}")

    monkeypatch.setattr(Service, "answers", fail)
    with caplog.at_level(logging.INFO, logger="breakhis.serve"):
        response = client.post("/v1/predict", files=upload(picture(0), names=("Jane Doe.png",)))
        lines = logged(caplog, 2)
    assert response.status_code == 500
    assert response.headers["cache-control"] == "no-store"
    assert problem(response)["found"] == "an error in the service"
    everything = [JsonLines().format(record) for record in caplog.records]
    assert "Jane" not in response.text + "".join(everything)
    error, request = (json.loads(line) for line in lines)
    assert error["id"] == request["id"] == response.headers["x-request-id"]
    assert (error["level"], error["error"], request["status"]) == ("error", "RuntimeError", 500)
    assert error["traceback"].rstrip().splitlines()[-2].endswith("in fail")


def test_the_page_and_all_that_it_loads_come_from_here(client: httpx.Client) -> None:
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "never measured" in page.text
    seen: set[str] = set()
    waiting = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    while waiting:
        path = waiting.pop()
        assert path.startswith("/")
        if path not in seen:
            seen.add(path)
            found = client.get(path)
            assert found.status_code == 200
            assert not re.search(r"(?:url\(|import|src=)[^;\n]*https?://", found.text)
            waiting += re.findall(r'from "([^"]+)"', found.text) if path.endswith(".js") else []
    assert {"/assets/page.css", "/assets/report.css", "/assets/save.js", "/openapi.json"} <= seen
    assert client.get("/assets/nothing.js").status_code == 400


def test_a_stop_lets_requests_end(predictor: Predictor) -> None:
    with running(predictor) as service, ThreadPoolExecutor(1) as pool:
        files = [("files", (f"{n}.png", picture(n, width=600, height=400))) for n in range(24)]
        asked = pool.submit(httpx.post, f"{service.url}/v1/predict", files=files, timeout=30)
        in_work = f"{service.url}/metrics"
        while "breakhis_images_in_work 24.0" not in httpx.get(in_work).text:
            assert not asked.done()
        service.stop()
        assert asked.result().status_code == 200
    assert threading.active_count() < 50
