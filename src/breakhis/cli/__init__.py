"""The command line: one thin file a command, found by name and imported only when it is run.

Each `breakhis.cli.NAME` holds a click command called `command`, whose docstring is its help and ends with an
example. It imports what it needs inside the function, so that `--help` stays quick.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from breakhis import __version__
from breakhis.errors import BreakhisError

COMMANDS: dict[str, str] = {
    "doctor": "What works on this machine, and the fix for what does not.",
    "demo": "The whole way on a synthetic set, then where to look.",
    "synth": "Make a synthetic mini-BreaKHis.",
    "fetch": "Download BreaKHis and verify it.",
    "scan": "Count images per subtype and magnification, patients and cases.",
    "audit": "Find oddities, duplicates and leakage.",
    "split": "Divide images into training, validation and test sets, by case.",
    "train": "Train, evaluate, package and report, in one go.",
    "evaluate": "Measure a model on labelled images.",
    "crossval": "Train and measure every fold; metrics from the pooled answers.",
    "twin": "The same model, split by image and by case, side by side.",
    "compare": "Compare runs with paired intervals over cases.",
    "predict": "Classify images.",
    "explain": "Show where in an image the evidence lies, or what each branch adds.",
    "serve": "Classify images in a web page and over REST.",
    "export": "Write a trained model in another format, with its parity figure.",
    "report": "Write the self-contained page of a run.",
    "bench": "Measure speed and memory next to what you would use instead.",
}
"""Every command and its line in `breakhis --help`, in the order shown there."""


class _LazyGroup(click.Group):
    """Lists `COMMANDS` without importing them; a command's module is imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"breakhis.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="breakhis")
def app() -> None:
    """Classify breast-cancer histology, honest by case.

    \b
    DATA is a folder of BreaKHis images or a manifest CSV.
    MODEL is a bundle zip or a run directory; left out, the model shipped with the package.

    \b
    Example: breakhis train BreaKHis_v1 --out RUN
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit: 0 done, 1 a check found something, 2 wrong use or bad input."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status; errors are one line on stderr."""
    # TensorFlow greets on stderr, from below Python's logging, before anything is computed.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        result = app.main(arguments, prog_name="breakhis", standalone_mode=False)
    except BreakhisError as error:
        return _fail(str(error), error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "breakhis"
        return _fail(f"{error.format_message()} See `{command} --help`.", 2)
    except click.Abort:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of a pipe went away; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


def _fail(message: str, status: int) -> int:
    click.echo(f"breakhis: {' '.join(message.split())}", err=True)
    return status
