"""What the user asked to ingest, compared with what the base holds: the plan of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ingest.folder import FoundFile, KnownFile, Listing, Plan, find_file, list_folder, make_plan
from ingest.loaders.registry import is_supported, unsupported
from ragkit.errors import UsageError
from ragkit.results import FileNote
from ragkit.run.options import Paths, several

if TYPE_CHECKING:
    from ragkit.store import Store
    from ragkit.store.records import Root, StoredFile


# An ingest empties a base of so many documents of a folder without asking.
FEW_DOCUMENTS = 20


@dataclass(frozen=True, slots=True)
class Target:
    """A folder, or a single file, that the user asked to ingest; ``path`` is absolute."""

    path: Path
    kind: Literal["folder", "file"]


@dataclass(frozen=True, slots=True)
class Survey:
    """A target as it is on disk, and what has to be done about it.

    ``folder`` is what relative paths start from, ``root`` its entry in the base if it has one.
    ``known`` holds the base's files that the plan speaks of, by relative path; ``absorbed`` the
    documents of other roots that lie inside this one, by the path they will have here;
    ``outdated`` the failures of those roots, which this one tells anew.
    """

    folder: Path
    kind: Literal["folder", "file"]
    root: Root | None
    plan: Plan
    known: dict[str, StoredFile]
    absorbed: dict[str, StoredFile]
    outdated: tuple[StoredFile, ...]
    found: int
    notes: tuple[FileNote, ...]


def find_targets(paths: Paths) -> list[Target]:
    """Resolve what the user named.

    Raises:
        UsageError: nothing was named, or a path is empty, does not exist or is neither folder nor file.
    """
    names = several(paths)
    if not names:
        raise UsageError("name at least one folder or file to ingest")
    targets: list[Target] = []
    for name in names:
        if not name:  # Path would take it for the current folder
            raise UsageError("the path of a folder or file to ingest is empty")
        try:
            path = Path(name).expanduser().resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise UsageError(f"cannot ingest {name!r}: {reason}") from error
        if path.is_dir():
            target = Target(path, "folder")
        elif path.is_file():
            target = Target(path, "file")
        else:
            raise UsageError(f"cannot ingest {name!r}: neither a folder nor a file")
        if target not in targets:
            targets.append(target)
    return targets


def vanished(store: Store, target: Target) -> str | None:
    """Say so if a folder that many documents came from is empty, as when its disk is not mounted.

    The documents are those of the folder itself and of ingested folders inside it.
    """
    if target.kind != "folder":
        return None
    roots = [root for root in store.roots() if root.folder.is_relative_to(target.path)]
    if not roots or _holds_something(target.path):
        return None
    lost = sum(file.document_id is not None for root in roots for file in store.files(root.id))
    if lost <= FEW_DOCUMENTS:
        return None
    return (
        f"{str(target.path)!r} is empty, but the knowledge base holds {lost:,} documents of it, all "
        "of which would be removed. If a disk or share belongs there, mount it; if the files are "
        "meant to be gone, say so with --allow-empty (in Python: allow_empty=True)"
    )


def _holds_something(folder: Path) -> bool:
    """Whether there is any file, or anything that cannot be looked at; quick where there is."""
    for place, folders, files in os.walk(folder):
        # A link whose target is gone is nothing: what it leads to may not be mounted either.
        if any(not name.startswith(".") and os.path.exists(f"{place}/{name}") for name in files):  # noqa: PTH110 - many
            return True
        folders[:] = [name for name in folders if not name.startswith(".")]
    # What is behind links to folders, in hidden ones that rules let in, or out of reach.
    listing = list_folder(folder)
    return bool(listing.files or listing.unseen)


def survey(store: Store | None, target: Target, *, retry_failed: bool = False) -> Survey:
    """Look at a target and plan; ``store`` is None where there is no knowledge base yet.

    A target inside a folder that was ingested before belongs to that folder, so that no file is
    held twice; a folder around one that was ingested before takes over its documents.

    Raises:
        UsageError: the folder cannot be listed, or the file cannot be looked at.
    """
    roots = store.roots() if store is not None else []
    skip = [store.directory] if store is not None else []
    try:
        if target.kind == "file":
            return _survey_file(store, roots, target, retry_failed)
        outer = _enclosing(store, roots, target.path)
        if outer is not None and outer.folder != target.path:
            prefix = target.path.relative_to(outer.folder).as_posix() + "/"
            listing = _below(list_folder(outer.folder, skip=skip), prefix)
            # Nothing there: the outer folder's ignore rules exclude what was named explicitly.
            if listing.files:
                return _survey_folder(
                    store, roots, outer.folder, outer, prefix, listing, retry_failed
                )
        own = next((root for root in roots if root.folder == target.path), None)
        listing = list_folder(target.path, skip=skip)
        return _survey_folder(store, roots, target.path, own, "", listing, retry_failed)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot look at {str(target.path)!r}: {reason}") from error


def _survey_file(
    store: Store | None, roots: Sequence[Root], target: Target, retry_failed: bool
) -> Survey:
    root = _enclosing(store, roots, target.path) or next(
        (root for root in roots if root.folder == target.path.parent), None
    )
    folder = root.folder if root is not None else target.path.parent
    relative = target.path.relative_to(folder).as_posix()
    found = replace(find_file(target.path), relative_path=relative, folder=folder)
    known = {
        file.relative_path: file
        for file in (store.files(root.id) if store is not None and root is not None else [])
        if file.relative_path == relative
    }
    return Survey(
        folder=folder,
        kind="file",
        root=root,
        plan=make_plan([found], _as_known(known), keep_missing=True, retry_failed=retry_failed),
        known=known,
        absorbed={},
        outdated=(),
        found=1,
        notes=(),
    )


def _survey_folder(
    store: Store | None,
    roots: Sequence[Root],
    folder: Path,
    root: Root | None,
    prefix: str,
    listing: Listing,
    retry_failed: bool,
) -> Survey:
    files, notes = _without_unsupported(listing)
    known: dict[str, StoredFile] = {}
    absorbed: dict[str, StoredFile] = {}
    outdated: list[StoredFile] = []
    if store is not None:
        present = {file.relative_path for file in listing.files}
        for inner in roots:
            if inner.folder != folder and inner.folder.is_relative_to(folder):
                below = inner.folder.relative_to(folder).as_posix() + "/"
                for file in store.files(inner.id):
                    path = below + file.relative_path
                    if not path.startswith(prefix):
                        continue
                    # What is there but not listed was left out by rules of the outer folder, and
                    # stays with the root that it was named by.
                    if path not in present and os.path.lexists(folder / path):
                        continue
                    if file.document_id is None:
                        outdated.append(file)
                    else:
                        absorbed[path] = file
        if root is not None:
            for file in store.files(root.id):
                if file.relative_path.startswith(prefix):
                    known[file.relative_path] = file
    return Survey(
        folder=folder,
        kind="folder",
        root=root,
        plan=make_plan(
            files,
            _as_known({**absorbed, **known}),
            unseen=listing.unseen,
            retry_failed=retry_failed,
        ),
        known=known,
        absorbed={path: file for path, file in absorbed.items() if path not in known},
        outdated=tuple(outdated),
        found=len(files),
        notes=notes,
    )


def _enclosing(store: Store | None, roots: Sequence[Root], path: Path) -> Root | None:
    """Return the nearest ingested folder around ``path`` that still holds something."""
    around = [root for root in roots if root.kind == "folder" and path.is_relative_to(root.folder)]
    around.sort(key=lambda root: len(root.folder.parts), reverse=True)
    return next((root for root in around if store is not None and store.files(root.id)), None)


def _below(listing: Listing, prefix: str) -> Listing:
    return Listing(
        tuple(file for file in listing.files if file.relative_path.startswith(prefix)),
        tuple(trouble for trouble in listing.troubles if trouble.relative_path.startswith(prefix)),
        listing.unseen,
    )


def _without_unsupported(listing: Listing) -> tuple[list[FoundFile], tuple[FileNote, ...]]:
    files: list[FoundFile] = []
    notes = [FileNote(trouble.relative_path, trouble.reason) for trouble in listing.troubles]
    for file in listing.files:
        if is_supported(file.path):
            files.append(file)
        else:
            reason = f"skipped: {unsupported(file.path.suffix)}"
            notes.append(FileNote(file.relative_path, reason))
    return files, tuple(notes)


def _as_known(files: dict[str, StoredFile]) -> dict[str, KnownFile]:
    return {
        path: KnownFile(
            relative_path=path,
            size=file.size,
            mtime_ns=file.mtime_ns,
            sha256=file.sha256,
            failed=file.failure is not None,
        )
        for path, file in files.items()
    }
