"""Ask a folder of documents; get answers that link to the exact page and passage.

    from ragkit import KnowledgeBase

    with KnowledgeBase("kb") as kb:
        kb.ingest("docs")
        print(kb.ask("how long is the warranty?").text)

Names are imported when first used, so ``import ragkit`` costs next to nothing. Which there are, and
where they are at home, is said once, in ``__init__.pyi``.
"""

from functools import cache
from importlib import import_module


@cache
def _homes() -> dict[str, str]:
    """Return the module that each name is imported from."""
    import ast
    from pkgutil import get_data

    stub = ast.parse(get_data(__name__, "__init__.pyi") or b"")
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return sorted(_homes())
    if (name.startswith("__") and name != "__version__") or name not in _homes():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_homes()[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_homes())
