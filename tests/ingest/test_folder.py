"""Listing folders and planning what to do with what was found."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.folder import (
    FoundFile,
    KnownFile,
    Trouble,
    find_file,
    list_folder,
    make_plan,
    trusted_mtime_ns,
)


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def names(folder: Path, **options: object) -> list[str]:
    return [file.relative_path for file in list_folder(folder, **options).files]  # type: ignore[arg-type]


def known_from(folder: Path) -> dict[str, KnownFile]:
    return {
        file.relative_path: KnownFile(
            file.relative_path,
            file.size,
            file.mtime_ns,
            hashlib.sha256(file.path.read_bytes()).hexdigest(),
        )
        for file in list_folder(folder).files
    }


def test_lists_files_below_a_folder_in_path_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/ä.txt", "日本/x.md"):
        write(tmp_path / name)
    assert names(tmp_path) == ["a/z.txt", "a/ä.txt", "b.txt", "日本/x.md"]


def test_leaves_out_hidden_and_tool_files(tmp_path: Path) -> None:
    for name in (".git/config", ".hidden", "~$report.docx", "node_modules/x.md", "Thumbs.db"):
        write(tmp_path / name)
    write(tmp_path / "kept.txt")
    assert names(tmp_path) == ["kept.txt"]


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert names(tmp_path) == []


def test_ignore_files_work_like_gitignore_in_every_folder(tmp_path: Path) -> None:
    write(tmp_path / ".ragkitignore", "*.log\n/drafts/\n!keep.log\n")
    write(tmp_path / "sub/.ragkitignore", "private*\n!a.log\n")
    for name in (
        "a.log",
        "keep.log",
        "drafts/a.txt",
        "sub/drafts/a.txt",
        "sub/private.txt",
        "sub/a.log",
        "private.txt",
    ):
        write(tmp_path / name)
    assert names(tmp_path) == ["keep.log", "private.txt", "sub/a.log", "sub/drafts/a.txt"]


def test_skips_the_folders_it_is_told_to(tmp_path: Path) -> None:
    write(tmp_path / "kb/inside.txt")
    write(tmp_path / "outside.txt")
    assert names(tmp_path, skip=[tmp_path / "kb", tmp_path / "absent"]) == ["outside.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/a.txt")
    write(tmp_path / "docs/b.txt")
    (tmp_path / "docs/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "docs/loop").symlink_to(tmp_path / "docs")
    (tmp_path / "docs/broken.txt").symlink_to(tmp_path / "absent.txt")
    listing = list_folder(tmp_path / "docs")
    assert [file.relative_path for file in listing.files] == ["b.txt", "link/a.txt"]
    troubles = {trouble.relative_path: trouble.reason for trouble in listing.troubles}
    assert set(troubles) == {"loop", "broken.txt"}
    assert "link" in troubles["loop"]
    assert "no such file" in troubles["broken.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_folder_is_listed_once_however_many_links_lead_to_it(tmp_path: Path) -> None:
    # Followed wherever they lead, these links would make 2 ** 20 folders of 20.
    for number in range(20):
        folder = tmp_path / f"docs/{number}"
        write(folder / "a.txt")
        for name in ("x", "y"):
            (folder / name).symlink_to(tmp_path / f"docs/{number + 1}")
    listing = list_folder(tmp_path / "docs")
    assert len(listing.files) == 20
    assert len(listing.troubles) == 40
    assert all("/" not in file.relative_path.removesuffix("/a.txt") for file in listing.files)


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
def test_names_that_are_not_unicode_are_listed(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt")).write_text("x", encoding="utf-8")
    (file,) = list_folder(tmp_path).files
    assert file.relative_path == "caf\udce9.txt"
    assert file.path.read_text(encoding="utf-8") == "x"


def test_hidden_files_come_in_only_when_they_are_named(tmp_path: Path) -> None:
    for name in (".github/a.md", ".git/a.md", ".b.md", "c.md", "node_modules/d.md", "e.txt"):
        write(tmp_path / name)
    write(tmp_path / ".ragkitignore", "*\n!*/\n!*.md\n!.github\n")
    assert names(tmp_path) == [".github/a.md", "c.md"]


def listed_by_git(folder: Path) -> list[str]:
    """What git would add, taking the same files as its ignore files."""
    command = ["git", "ls-files", "--others", "--exclude-per-directory=.ragkitignore", "-z"]
    for arguments in (["git", "init", "-q"], command):
        done = subprocess.run(arguments, cwd=folder, capture_output=True, check=True)
    return sorted(filter(None, done.stdout.decode().split("\0")))


_PART = st.sampled_from(["a", "b", "a.md", "*.md", "*", "**", "?", "[ab]", "[!a]", "s*b", "sub"])
_LINE = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(_PART, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/"]),
)


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@settings(max_examples=30, deadline=None)
@given(outer=st.lists(_LINE, min_size=1, max_size=4), inner=st.lists(_LINE, max_size=2))
def test_ignore_rules_are_those_of_git(
    tmp_path_factory: pytest.TempPathFactory, outer: list[str], inner: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("rules")
    for name in ("a", "b.md", "sub/a", "sub/b", "sub/a.md", "sub/sub/a.md", "sub/sub/b/a"):
        write(folder / name)
    write(folder / ".ragkitignore", "\n".join(outer))
    write(folder / "sub/.ragkitignore", "\n".join(inner))
    expected = [name for name in listed_by_git(folder) if not name.endswith(".ragkitignore")]
    assert names(folder) == expected


def test_lines_that_are_no_patterns_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path / ".ragkitignore", "# a comment\n\n!\n/\n\\\n[z-a]\na[\n" + "*a" * 60 + "b\n")
    write(tmp_path / ("a" * 120))
    assert names(tmp_path) == ["a" * 120]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may list anything")
def test_a_folder_that_cannot_be_listed_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "sub/b.txt")
    known = known_from(tmp_path)
    (tmp_path / "sub").chmod(0)
    try:
        listing = list_folder(tmp_path)
    finally:
        (tmp_path / "sub").chmod(0o700)
    assert [trouble.relative_path for trouble in listing.troubles] == ["sub"]
    plan = make_plan(listing.files, known, unseen=listing.unseen)
    assert (plan.remove, plan.unseen) == ((), ("sub/b.txt",))


def test_what_could_not_be_looked_at_is_neither_gone_nor_moved(tmp_path: Path) -> None:
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "subway.txt"):
        write(tmp_path / name, name)
    known = known_from(tmp_path)
    plan = make_plan([], known, unseen=["sub/", "a.txt"])
    assert plan.unseen == ("a.txt", "sub/b.txt", "sub/deep/c.txt")
    assert plan.remove == ("subway.txt",)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list_folder(tmp_path / "absent")


def test_everything_is_new_at_first_and_the_same_afterwards(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    files = list_folder(tmp_path).files
    assert make_plan(files, {}).add == files

    def no_reading(_path: Path) -> str:
        raise AssertionError("an unchanged file was read")

    plan = make_plan(files, known_from(tmp_path), hash_file=no_reading)
    assert plan.same == files
    assert (plan.add, plan.change, plan.remove) == ((), (), ())


def test_a_change_of_content_is_told_from_a_touch(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        write(tmp_path / name, name)
    known = known_from(tmp_path)
    write(tmp_path / "a.txt", "A.txt")
    for name in ("a.txt", "b.txt"):
        os.utime(tmp_path / name, ns=(1, 1))
    write(tmp_path / "c.txt", "longer than before")
    plan = make_plan(list_folder(tmp_path).files, known)
    assert [file.relative_path for file in plan.change] == ["a.txt", "c.txt"]
    assert [file.relative_path for file in plan.touched] == ["b.txt"]


def test_moves_are_found_by_content(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "alpha")
    write(tmp_path / "b.txt", "bravo")
    known = known_from(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").rename(tmp_path / "sub/renamed.txt")
    write(tmp_path / "new.txt", "gamma")
    (tmp_path / "b.txt").unlink()
    plan = make_plan(list_folder(tmp_path).files, known)
    assert [(move.source, move.target.relative_path) for move in plan.move] == [
        ("a.txt", "sub/renamed.txt")
    ]
    assert [file.relative_path for file in plan.add] == ["new.txt"]
    assert plan.remove == ("b.txt",)


def test_two_files_with_the_same_content_move_separately(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "same")
    write(tmp_path / "b.txt", "same")
    known = known_from(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "c.txt")
    (tmp_path / "b.txt").rename(tmp_path / "d.txt")
    plan = make_plan(list_folder(tmp_path).files, known)
    assert {(move.source, move.target.relative_path) for move in plan.move} == {
        ("a.txt", "c.txt"),
        ("b.txt", "d.txt"),
    }


def test_failed_files_are_left_until_they_change(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.pdf", "not a pdf")
    file = find_file(path)
    failed = KnownFile("bad.pdf", file.size, file.mtime_ns, None, failed=True)
    assert make_plan([file], {"bad.pdf": failed}).still_failing == (file,)
    assert make_plan([file], {"bad.pdf": failed}, retry_failed=True).change == (file,)
    os.utime(path, ns=(1, 1))
    assert make_plan([find_file(path)], {"bad.pdf": failed}).change == (find_file(path),)


def test_single_files_leave_others_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "b.txt")
    known = known_from(tmp_path)
    plan = make_plan([find_file(tmp_path / "a.txt")], known, keep_missing=True)
    assert plan.remove == ()
    assert len(plan.same) == 1


@given(
    before=st.dictionaries(st.text("abc/", min_size=1, max_size=4), st.integers(0, 3)),
    after=st.dictionaries(st.text("abc/", min_size=1, max_size=4), st.integers(0, 3)),
)
def test_every_file_is_in_one_list_and_the_outcome_is_what_is_there(
    before: dict[str, int], after: dict[str, int]
) -> None:
    def digest(path: Path) -> str:
        return str(after[path.as_posix()])

    found = [FoundFile(name, Path(), 1, content) for name, content in after.items()]
    plan = make_plan(
        # Path("a//b") would lose a slash, and with it the key that the digest looks up.
        [file for file in found if file.path.as_posix() == file.relative_path],
        {name: KnownFile(name, 1, mtime, str(mtime)) for name, mtime in before.items()},
        hash_file=digest,
    )
    listed = [
        file.relative_path
        for files in (plan.add, plan.change, plan.touched, plan.same, plan.still_failing)
        for file in files
    ]
    listed += [move.target.relative_path for move in plan.move]
    assert sorted(listed) == sorted(
        file.relative_path for file in found if file.path.as_posix() == file.relative_path
    )

    state = {name: str(content) for name, content in before.items()}
    for name in plan.remove:
        del state[name]
    for source in [move.source for move in plan.move]:
        content = state.pop(source)
        target = next(move.target for move in plan.move if move.source == source)
        assert content == digest(target.path)
    kept = {file.relative_path for file in (*plan.same, *plan.touched)}
    assert all(state[name] == str(after[name]) for name in kept)
    gone = set(state) - {file.relative_path for file in plan.change} - kept
    assert gone == set()


def test_a_time_stamp_is_trusted_only_once_the_clock_has_moved_on() -> None:
    second = 1_000_000_000
    assert trusted_mtime_ns(5 * second + 1, now_ns=5 * second + 1000) == 5 * second
    assert trusted_mtime_ns(5 * second + 1, now_ns=6 * second) == 5 * second + 1
    assert trusted_mtime_ns(5 * second, now_ns=6 * second) == 5 * second - 1
    assert trusted_mtime_ns(5 * second, now_ns=9 * second) == 5 * second


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_file_is_mentioned(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / ".hidden")
    (tmp_path / "a.txt").write_text("words", encoding="utf-8")
    listing = list_folder(tmp_path)
    assert [file.relative_path for file in listing.files] == ["a.txt"]
    assert listing.troubles == (
        Trouble("pipe.txt", "a pipe, a socket or a device, not a regular file; left out"),
    )
