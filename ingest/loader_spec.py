"""What a loader is: a function from a file's bytes to a document, and the files it is for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from ingest.document import Document


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content, for a loader.

    Attributes:
        path: Where it is from; loaders take its name for hints and read nothing there.
        data: Its bytes.
        password: Opens it if it is encrypted.
        ocr: Whether the text of scanned pages is to be recognised.
    """

    path: Path
    data: bytes
    password: str | None = None
    ocr: bool = False


Loader = Callable[[Source], Document]


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """A format and what loads it.

    Attributes:
        format: Its name, as in :attr:`Document.format`.
        suffixes: File name endings in lower case, with the dot.
        loader: The loader, or where it is: ``"package.module:function"``, imported on first use.

    Raises:
        ValueError: A suffix is not of that form, or ``loader`` names no function in a module.
    """

    format: str
    suffixes: tuple[str, ...]
    loader: Loader | str

    def __post_init__(self) -> None:
        for suffix in self.suffixes:
            if not suffix.startswith(".") or suffix != suffix.lower():
                raise ValueError(f"not a suffix in lower case with its dot: {suffix!r}")
        if isinstance(self.loader, str) and not all(self.loader.partition(":")):
            raise ValueError(f"not of the form 'package.module:function': {self.loader!r}")

    def resolve(self) -> Loader:
        """Return the loader itself, imported if need be."""
        if not isinstance(self.loader, str):
            return self.loader
        module, _, function = self.loader.partition(":")
        return cast("Loader", getattr(import_module(module), function))

    def address(self) -> str:
        """Return where another process finds the loader: ``"package.module:function"``.

        Raises:
            ValueError: It finds none there: the loader is a lambda, a nested function or a method,
                was defined in the program that was started, or cannot be imported.
        """
        if isinstance(self.loader, str):
            try:
                self.resolve()
            except Exception as error:  # a module may raise anything when it is imported
                raise ValueError(
                    f"the loader {self.loader!r} of {self.format!r} files cannot be imported: "
                    f"{type(error).__name__}: {error}"
                ) from error
            return self.loader
        module = getattr(self.loader, "__module__", None) or "__main__"
        name = getattr(self.loader, "__qualname__", "")
        if module == "__main__":
            reason = "it was defined in the program that was started, not in a module"
        elif getattr(sys.modules.get(module), name, None) is not self.loader:
            reason = f"{name or repr(self.loader)!r} is no function at the top of a module"
        else:
            return f"{module}:{name}"
        raise ValueError(
            f"the loader of {self.format!r} files cannot be handed to the processes that load "
            f"files: {reason}; move it to a module of its own, or name it 'package.module:function'"
        )
