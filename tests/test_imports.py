"""The house: rooms in order, no circles, one name for one thing, nothing heavy at the door."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# From the ground up: a room may use what stands before it here, and itself.
ROOMS = [
    "errors",
    "results",
    "events",
    "language",
    "embed",
    "llm",
    "store",
    "index",
    "question",
    "retrieve",
    "memory",
    "agent",
    "chain",
    "answer",
    "run",
    "chat",
    "aio",
    "kb",
    "testing",
    "evals",
    "server",
    "cli",
]
# What hands out names for the rooms, and the module that starts the command.
DOORS = {"__init__", "__main__"}
MOST_LINES = 400
# One name may stand for one thing on several floors: what all packages have of their own, and
# commands that are named for what they do.
SHARED_NAMES = {"errors", "agent", "search"}


def modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for package in ("ingest", "ragkit"):
        for path in (REPOSITORY / package).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """The project's own modules that a module names, for the type checker or not, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for name in names if (module := _module_of(name)) is not None}


def _module_of(name: str) -> str | None:
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_ingest_never_imports_ragkit() -> None:
    for module, path in MODULES.items():
        if module.split(".")[0] == "ingest":
            assert not any(name.split(".")[0] == "ragkit" for name in imported(path)), path


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(module) for module in MODULES if module.split(".")[0] == "ragkit"}
    assert rooms - DOORS == set(ROOMS)


def test_the_map_lists_the_rooms_in_their_order() -> None:
    page = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    part = page.split("\nragkit/\n")[1].split("\nbench/")[0]
    begun = [line for line in part.splitlines() if re.match(r"  \w", line)]
    listed = [word for line in begun for word in re.findall(r"(\w+)(?:/ |\.py\b)", line[:23])]
    assert listed == ROOMS


def test_rooms_use_only_what_is_below_them() -> None:
    floor = {name: number for number, name in enumerate(ROOMS)}
    upwards = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if module.split(".")[0] == "ragkit" and room_of(module) not in DOORS
        for name in imported(path)
        if name.split(".")[0] == "ragkit"
        and (room_of(name) in DOORS or floor[room_of(name)] > floor[room_of(module)])
    ]
    assert upwards == []


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {module: imported(path) - {module} for module, path in MODULES.items()}
    assert list(circles(graph)) == []


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Modules that reach each other: what is left when all that reach nothing left are taken away."""
    left = {module: set(names) for module, names in graph.items()}
    while ends := [module for module, names in left.items() if not names & left.keys()]:
        for module in ends:
            del left[module]
    while starts := left.keys() - set().union(*left.values()):
        for module in starts:
            del left[module]
    if left:
        yield sorted(left)


def test_no_two_modules_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        if path.stem != "__init__":
            places[path.stem].append(module)
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert shared.keys() <= SHARED_NAMES, shared


def test_no_module_is_too_long_to_read_at_one_sitting() -> None:
    lines = {m: len(path.read_text(encoding="utf-8").splitlines()) for m, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize(
    "package",
    [
        "ragkit",
        "ingest",
        "ragkit.cli",
        "ragkit.memory",
        "ragkit.agent",
        "ragkit.chain",
        "ragkit.index",
    ],
)
def test_importing_loads_nothing_heavy(package: str) -> None:
    heavy = "torch faiss onnxruntime openai tantivy sentence_transformers numpy rich pypdf lxml trafilatura"
    code = f"import sys, {package}\nprint(sorted(set(sys.modules) & set({heavy.split()!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
