"""The benchmarks: ratios, the page, the machine, and the cheapest measures on a tiny set."""

import json
from pathlib import Path

import pytest

from breakhis.bench.machine import machine_facts
from breakhis.bench.report import Bar, Measured, Report, Row
from breakhis.bench.timing import Ratio, Timing, alternate
from breakhis.cli import run


def test_jobs_take_turns_and_the_first_round_is_not_timed() -> None:
    calls: list[tuple[str, int]] = []

    def job(name: str, images: int) -> object:
        def work(turn: int) -> int:
            calls.append((name, turn))
            return images

        return work

    timings = alternate({"ours": job("ours", 3), "peer": job("peer", 2)}, rounds=2)  # type: ignore[dict-item]
    assert calls == [("ours", 0), ("peer", 0), ("peer", 1), ("ours", 1), ("ours", 2), ("peer", 2)]
    assert [one.images for one in timings["ours"]] == [3, 3]
    assert len(timings["peer"]) == 2


def test_a_ratio_pairs_the_rounds() -> None:
    ours = [Timing(10, 1.0, 2.0), Timing(10, 2.0, 4.0), Timing(10, 4.0, 4.0)]
    peer = [Timing(10, 4.0, 4.0), Timing(10, 6.0, 6.0), Timing(10, 4.0, 6.0)]
    row = Row.of_rates("what", (ours, peer), bar=Bar(2.5))
    assert row.ratio == Ratio(3.0, 1.0, 4.0)
    assert (row.ours, row.peer, row.verdict) == (5.0, 2.5, "met")
    core = Row.of_rates("what", (ours, peer), bar=Bar(2.5), per_core=True)
    assert core.ratio == Ratio(1.5, 1.5, 2.0)
    assert core.verdict == "missed"


def test_a_largest_ratio_is_met_from_below() -> None:
    assert Bar(1.3, at_most=True).is_met(1.2)
    assert not Bar(1.3, at_most=True).is_met(1.4)
    assert not Bar(5).is_met(4.99)


def test_the_page_shows_misses_and_what_was_left_out() -> None:
    row = Row("ours / peer", 4.0, 2.0, "images/s", Ratio(2.0, 1.5, 2.5), Bar(5, 10))
    report = Report({"cores": "2"}, "3 images", True, (Measured("store", "How.", 2.0, (row,), "PyTorch"),))
    page = report.page()
    assert "| ours / peer | 4 | 2 | images/s | 2 [1.5, 2.5] | 5 | 10 | missed |" in page
    assert "Left out: PyTorch." in page
    assert "quick run" in page
    assert "| cores | 2 |" in page
    assert json.loads(json.dumps(report.to_json()))["measured"][0]["rows"][0]["verdict"] == "missed"


def test_the_machine_is_named_by_its_processor_not_by_a_path() -> None:
    facts = machine_facts()
    assert int(facts["cores"]) >= 1
    assert "GFLOP/s" in facts["matrix product, float32"]
    assert not any(value.startswith("/") for value in facts.values())


def test_the_command_measures_by_name_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    only = ["--only", "store", "--only", "files"]
    assert run(["bench", "--quick", *only, "--out", str(page), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in value["measured"]] == ["files", "store"]
    rows = [row for one in value["measured"] for row in one["rows"]]
    assert all(row["ours"] > 0 and row["ratio"]["low"] <= row["ratio"]["value"] for row in rows)
    text = page.read_text("utf-8")
    assert all(row["what"] in text for row in rows)
    assert run(["bench", "--only", "nothing"]) == 2
    assert "files" in capsys.readouterr().err


@pytest.mark.slow
def test_every_measure_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--quick", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["measured"]
    assert all(one["rows"] for one in measured)
    assert len(measured) == 8
