"""The Python examples of the guides in docs/ run as they stand, each guide from top to bottom."""

import re
import shutil
from pathlib import Path

import pytest

from ingest.loaders import registry

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")  # an example that is a file of its own
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)")
GUIDES = sorted(
    path for path in (REPOSITORY / "docs").glob("*.md") if EXAMPLE.search(path.read_text("utf-8"))
)
PAGES = [REPOSITORY / name for name in ("README.md", "ARCHITECTURE.md", "bench/README.md")]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_guide(
    guide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(REPOSITORY / "sample_docs", tmp_path / "sample_docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_registered", {})
    text = guide.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for match in EXAMPLE.finditer(text):
        if named := FILE.match(match[1]):
            (tmp_path / named[1]).write_text(match[1], encoding="utf-8")
            continue
        line = text.count("\n", 0, match.start(1))
        code = compile("\n" * line + match[1], str(guide), "exec")
        exec(code, names)
    assert capsys.readouterr().out.strip()


def test_the_readme_leads_to_every_guide() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    missing = [
        path.name
        for path in (REPOSITORY / "docs").glob("*.md")
        if f"(docs/{path.name})" not in readme
    ]
    assert not missing


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        found = (page.parent / target).resolve()
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name} links to {target}#{anchor}"
