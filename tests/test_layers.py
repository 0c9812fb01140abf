"""The layers of docs/architecture.md, the style limits, and the cost of starting up."""

import ast
import itertools
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from breakhis.doctor import MODULES

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "breakhis"
TENSORFLOW = {"tensorflow", "keras"}
HEAVY = ["cv2", "keras", "matplotlib", "numpy", "openvino", "pydantic", "scipy", "sklearn", "tensorflow"]


@dataclass(frozen=True)
class Imported:
    """One import statement's target, e.g. ``breakhis.files`` or ``tensorflow.keras``."""

    name: str
    line: int
    at_top: bool


def module_name(file: Path) -> str:
    """``images.decode`` for ``images/decode.py``; an ``__init__`` has its package's name."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(SOURCE.rglob("*.py")) if file.parent != SOURCE} | {
    module_name(file): file for file in sorted(SOURCE.glob("*.py")) if not file.name.startswith("__")
}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), filename=str(file))


def imports(module: str) -> Iterator[Imported]:
    """Every import of a module, inside functions too; relative ones fail."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = list(ast.walk(tree(FILES[module])))
    late = {id(inner) for node in nodes if isinstance(node, functions) for inner in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(alias.name, node.lineno, id(node) not in late)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: write absolute imports"
            for alias in node.names:
                yield Imported(f"{node.module}.{alias.name}", node.lineno, id(node) not in late)


@cache
def layers() -> tuple[list[str], set[str]]:
    """The table's modules from the lowest up, and those of them that may import TensorFlow."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| \d+ \| (.*) \| ?(.*?) ?\|$", text, flags=re.MULTILINE)
    order = [name for modules, _ in rows for name in re.findall(r"`([\w.]+)`", modules)]
    return order, {name for _, marked in rows for name in re.findall(r"`([\w.]+)`", marked)}


def uses_tensorflow(module: str) -> bool:
    """Whether the table lets `module`, or a package around it, import TensorFlow."""
    parts = module.split(".")
    return any(".".join(parts[: n + 1]) in layers()[1] for n in range(len(parts)))


def test_table_lists_every_module_once() -> None:
    order, marked = layers()
    assert len(order) == len(set(order))
    assert {module.split(".")[0] for module in FILES} <= set(order), (
        "add the new module to docs/architecture.md"
    )
    assert {name.split(".")[0] for name in marked} <= set(order)


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module: str) -> None:
    order, _ = layers()
    own = module.split(".", maxsplit=1)[0]
    for imported in imports(module):
        package, _, rest = imported.name.partition(".")
        target = rest.split(".")[0]
        if package != "breakhis" or target not in order or target == own:
            continue
        assert order.index(target) < order.index(own), (
            f"{module}:{imported.line} imports {imported.name} upwards"
        )


@pytest.mark.parametrize("module", [module for module in FILES if not uses_tensorflow(module)])
def test_tensorflow_stays_in_its_modules(module: str) -> None:
    for imported in imports(module):
        package, _, rest = imported.name.partition(".")
        place = f"{module}:{imported.line}"
        assert package not in TENSORFLOW, f"{place} imports {imported.name}"
        if package == "breakhis" and imported.at_top:
            assert not uses_tensorflow(rest), (
                f"{place} imports {imported.name} at its top, which needs TensorFlow"
            )


@pytest.mark.parametrize("module", FILES)
def test_sizes_stay_readable(module: str) -> None:
    lines = FILES[module].read_text("utf-8").count("\n")
    assert lines <= 400, f"{module} has {lines} lines: divide it"
    for node in ast.walk(tree(FILES[module])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{module}.{node.name}"
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            positional = [a for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
            assert length <= 60, f"{place} has {length} lines: divide it"
            # Options of a command are its parameters; everything else stays callable by people.
            assert len(positional) <= 5 or module.startswith("cli."), f"{place}: use keywords or a dataclass"


def declared() -> set[str]:
    """Modules of every distribution that pyproject.toml asks for, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {Requirement(line).name for line in lines}
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def test_every_foreign_import_is_a_declared_dependency() -> None:
    known = declared() | sys.stdlib_module_names | {"breakhis"}
    for module in FILES:
        undeclared = {imported.name.split(".")[0] for imported in imports(module)} - known
        assert not undeclared, f"{module} imports {undeclared}: declare them in pyproject.toml"


def loaded_by(arguments: list[str]) -> set[str]:
    """Top-level packages that a fresh Python has imported once `breakhis ARGUMENTS` is done."""
    script = (
        "import sys; from breakhis.cli import run; status = run(sys.argv[1:]); "
        "print(*sorted({n.split('.')[0] for n in sys.modules}), sep='\\n', file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by(arguments).isdisjoint(HEAVY)


def best_time(arguments: list[str]) -> float:
    """Seconds of the fastest of seven runs of Python with `arguments`."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_help_is_quick() -> None:
    # Against a bare Python, so that a busy machine does not fail it; the bar is 0.3 s on an idle one.
    bare = best_time(["-c", "pass"])
    assert best_time(["-m", "breakhis", "--help"]) < max(0.3, 8 * bare)


def test_module_is_the_program() -> None:
    program = Path(sys.executable).with_name("breakhis")
    if not program.exists():
        pytest.skip("the package is not installed here: run `make setup`")
    by_program = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    by_module = subprocess.run(
        [sys.executable, "-m", "breakhis", "--help"], capture_output=True, text=True, check=True
    )
    assert by_program.stdout == by_module.stdout
