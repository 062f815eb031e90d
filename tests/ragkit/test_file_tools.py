"""The tools for files: what is below the folder, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragkit.agent import Tool, ToolError
from ragkit.agent.tools import file_tools
from ragkit.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("hunter2", encoding="utf-8")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "far.txt").write_text("hunter2", encoding="utf-8")
    root = tmp_path / "root"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "docs" / "guide.md").write_text("One\nTwo lamps\nThree\n", encoding="utf-8")
    (root / "docs" / "deep" / "täble.txt").write_text("A LAMP", encoding="utf-8")
    (root / "empty.txt").write_bytes(b"")
    (root / "old.txt").write_bytes("grüße".encode("latin-1"))
    (root / "wide.txt").write_text("wide lamp", encoding="utf-16")
    (root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0lamp")
    (root / ".env").write_text("KEY=hunter2", encoding="utf-8")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("hunter2", encoding="utf-8")
    return root


def tools_of(root: Path, **options: object) -> tuple[Tool, Tool, Tool]:
    listing, reading, searching = file_tools(root, **options)  # type: ignore[arg-type]
    return listing, reading, searching


def test_listing(root: Path) -> None:
    listing, _, _ = tools_of(root)
    assert listing() == {"files": ["docs/", "empty.txt", "old.txt", "picture.png", "wide.txt"]}
    assert listing("docs", recursive=True) == {
        "files": ["docs/deep/", "docs/deep/täble.txt", "docs/guide.md"]
    }
    assert listing(pattern="*.md", recursive=True) == {"files": ["docs/guide.md"]}
    with pytest.raises(ToolError, match="is not a folder"):
        listing("empty.txt")


def test_reading(root: Path) -> None:
    _, reading, _ = tools_of(root)
    assert reading("docs/guide.md") == "One\nTwo lamps\nThree\n"
    assert reading("docs/../docs/guide.md", first_line=2, lines=1) == (
        "Two lamps\n\n[1 more lines; go on with first_line=3]"
    )
    assert reading("empty.txt") == "(the file is empty)"
    assert reading("old.txt") == "grüße"
    assert reading("wide.txt") == "wide lamp"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("picture.png", "is not a text file"),
        ("docs", "is not a file|cannot be read"),
        ("nowhere.txt", "there is no 'nowhere.txt'"),
        ("../secret.txt", "outside the folder"),
        ("docs/../../secret.txt", "outside the folder"),
        ("/etc/passwd", "outside the folder"),
        ("/etc/nothing-there", "outside the folder"),
        ("~/x", "there is no"),
        ("a\0b", "null characters"),
        ("x" * 5_000, "there is no"),
        (".env", "there is no '.env'"),
        (".git/config", "there is no"),
        ("docs/../.env", "there is no"),
    ],
)
def test_what_cannot_be_read(root: Path, path: str, reason: str) -> None:
    _, reading, _ = tools_of(root)
    with pytest.raises(ToolError, match=reason):
        reading(path)


def test_lines_that_are_not_there(root: Path) -> None:
    _, reading, _ = tools_of(root)
    with pytest.raises(ToolError, match="has 3 lines"):
        reading("docs/guide.md", first_line=9)
    with pytest.raises(ToolError, match="1 or more"):
        reading("docs/guide.md", first_line=0)


def test_large_files_are_not_read(root: Path) -> None:
    (root / "large.txt").write_text("x" * 2_000, encoding="utf-8")
    with pytest.raises(ToolError, match="2,000 bytes, more than the 1,000"):
        tools_of(root, max_bytes=1_000)[1]("large.txt")


def test_searching(root: Path) -> None:
    _, _, searching = tools_of(root)
    found = searching("lamp")["matches"]
    assert [(match["path"], match["line"]) for match in found] == [
        ("wide.txt", 1),
        ("docs/guide.md", 2),
        ("docs/deep/täble.txt", 1),
    ]
    assert searching("lamp", pattern="*.md")["matches"][0]["text"] == "Two lamps"
    assert searching("lamp", path="docs/guide.md")["matches"][0]["line"] == 2
    assert searching("hunter2") == {"matches": []}
    assert searching("(.*)") == {"matches": []}
    with pytest.raises(ToolError, match="no text"):
        searching(" ")


def test_many_matches_are_limited(root: Path) -> None:
    (root / "many.txt").write_text("lamp\n" * 1_000, encoding="utf-8")
    found = tools_of(root)[2]("lamp", pattern="many.txt")
    assert len(found["matches"]) == 100
    assert "may be more" in found["note"]


def test_many_files_are_limited(root: Path) -> None:
    for number in range(510):
        (root / f"f{number}.txt").touch()
    listed = tools_of(root)[0]()
    assert len(listed["files"]) == 500
    assert "there are more" in listed["note"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_lead_nowhere_outside(root: Path) -> None:
    listing, reading, searching = tools_of(root)
    (root / "file").symlink_to(root.parent / "secret.txt")
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "up").symlink_to("..")
    (root / "round").symlink_to("round")
    (root / "inside").symlink_to("docs/guide.md")
    (root / "hidden").symlink_to(".env")
    for path in ("file", "folder/far.txt", "up/secret.txt", "folder", "up"):
        with pytest.raises(ToolError, match="outside the folder"):
            reading(path)
    with pytest.raises(ToolError):
        reading("round")
    with pytest.raises(ToolError, match="there is no 'hidden'"):
        reading("hidden")
    assert reading("inside").startswith("One")
    listed = listing(recursive=True)["files"]
    assert not {"file", "folder", "folder/", "up", "up/", "folder/far.txt"} & set(listed)
    assert searching("hunter2") == {"matches": []}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_pipes_do_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    _, reading, searching = tools_of(root)
    with pytest.raises(ToolError, match="is not a file"):
        reading("pipe")
    assert searching("hunter2") == {"matches": []}


def test_hidden_files_if_asked_for(root: Path) -> None:
    listing, reading, _ = tools_of(root, hidden=True)
    assert ".env" in listing()["files"]
    assert reading(".env") == "KEY=hunter2"


def test_the_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be a folder"):
        file_tools(tmp_path / "nowhere")
