"""The command line's contract: statuses, one line of error, quick help."""

import subprocess
import sys

import pytest

from breakhis.cli import run


def test_wrong_use_is_one_line_and_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["no-such-command"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "no-such-command" in captured.err


def test_module_and_program_are_the_same() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "breakhis", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("breakhis, version ")
