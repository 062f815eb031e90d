"""Listing folders and planning what to do with what was found."""

import hashlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.folder import (
    FoundFile,
    KnownFile,
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


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
def test_reports_names_that_are_not_unicode(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt")).write_text("x", encoding="utf-8")
    listing = list_folder(tmp_path)
    assert listing.files == ()
    assert listing.troubles[0].relative_path == "caf\\xe9.txt"
    assert "Unicode" in listing.troubles[0].reason


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

    found = [FoundFile(name, Path(name), 1, content) for name, content in after.items()]
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
    assert trusted_mtime_ns(5 * second + 1, now_ns=5 * second + 1000) == -1
    assert trusted_mtime_ns(5 * second + 1, now_ns=6 * second) == 5 * second + 1
    assert trusted_mtime_ns(5 * second, now_ns=6 * second) == -1
    assert trusted_mtime_ns(5 * second, now_ns=9 * second) == 5 * second
