"""What other packages add to a seam: the things that they name in an entry-point group.

    # pyproject.toml of the other package
    [project.entry-points."ragkit.chat_models"]
    mine = "my_package:make_model"

A group is only looked through for a name that is not built in, and only the one that was asked
for is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def plug_in(group: str, name: str) -> Any | None:
    """Import what an installed package calls ``name`` in an entry-point group; ``None`` if none does.

    Raises:
        UsageError: it cannot be imported, or several packages call theirs the same.
    """
    found = _entry_points(group, name)
    if len({point.value for point in found}) > 1:
        places = ", ".join(sorted(repr(point.value) for point in found))
        raise UsageError(f"{name!r} in {group!r} is named by several packages: {places}")
    for point in found:
        try:
            return point.load()
        except Exception as error:  # another package's code may raise anything
            raise UsageError(
                f"{name!r} in {group!r} ({point.value!r}) cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
    return None


def plug_in_names(group: str) -> list[str]:
    """Return what installed packages offer in an entry-point group, for messages and choices."""
    return sorted({point.name for point in _entry_points(group)})


def misfit(given: object, *methods: str) -> str:
    """Say what is to be given in place of a name, as a clause, if it is not this; else nothing."""
    instead = ""
    if isinstance(given, type):
        instead = f", not the class itself: write {given.__name__}(…)"
    elif all(callable(getattr(given, method, None)) for method in methods):
        return ""
    noun = "a method" if len(methods) == 1 else "methods"
    return (
        f"it must be a name, or an object with {noun} {' and '.join(map(repr, methods))}{instead}"
    )


def _entry_points(group: str, name: str | None = None) -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points  # loads more than a search needs

    found = entry_points(group=group)
    return tuple(found if name is None else found.select(name=name))
