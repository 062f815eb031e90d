"""Imports run one way, and importing the packages loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Top to bottom: a package may import what stands above it, and itself.
LAYERS = [
    {"errors", "results", "events"},
    {"embed"},
    {"store"},
    {"tracing"},
    {"retrieve"},
    {"llm"},
    {"agent"},
    {"chain"},
    {"memory"},
    {"answer"},
    {"fingerprint", "targets", "estimate", "doctor", "transfer"},
    {"tally"},
    {"ingestion"},
    {"rebuild", "watching"},
    {"chat", "status"},
    {"asking"},
    {"opened"},
    {"answering"},
    {"kb"},
    {"testing"},
    {"evals"},
    {"cli"},
]
# The façade hands out what it is made of, and is named by its parts for the type checker only.
FACADES = {"__init__", "__main__"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_ingest_never_imports_ragkit() -> None:
    for path in (REPOSITORY / "ingest").rglob("*.py"):
        assert not any(name.split(".")[0] == "ragkit" for name in imported(path)), path


def test_every_package_has_a_layer() -> None:
    found = {
        path.stem if path.suffix else path.name
        for path in (REPOSITORY / "ragkit").iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    }
    assert found - FACADES == set().union(*LAYERS)


def test_ragkit_imports_run_one_way() -> None:
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    for path in (REPOSITORY / "ragkit").rglob("*.py"):
        own = path.relative_to(REPOSITORY / "ragkit").parts[0].removesuffix(".py")
        if own in FACADES:
            continue
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "ragkit" and len(parts) > 1 and parts[1] in level:
                assert level[parts[1]] <= level[own], f"{path} imports {name}"


@pytest.mark.parametrize("package", ["ragkit", "ingest", "ragkit.cli"])
def test_importing_loads_nothing_heavy(package: str) -> None:
    heavy = "torch faiss onnxruntime openai tantivy sentence_transformers numpy rich pypdf bs4"
    code = f"import sys, {package}\nprint(sorted(set(sys.modules) & set({heavy.split()!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
