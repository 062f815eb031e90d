"""The checks behind ``ragkit doctor``: those of the store, and whether the model still fits it,
and whether this machine can confine code.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError, RagkitError, SandboxError
from ragkit.run.fingerprint import describe
from ragkit.store.check import RESTORE
from ragkit.store.records import Check

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.store import Store

_SERVERS = ("openai:", "ollama:")


def examine(indexes: Indexes, load: Callable[[], Embedder]) -> list[Check]:
    """Check the whole base and the machine; changes nothing, and asks no server anything.

    Args:
        indexes: The base and its indexes.
        load: Loads the embedding model.
    """
    store = indexes.store
    try:
        return _examined(indexes, load)
    except RagkitError:
        raise
    except Exception:  # what nothing foresaw: somebody else may have written the base
        from ragkit.store.soundness import unsound

        if (fault := unsound(store.directory)) is None:
            raise
        return [Check("contents", "fail", fault, RESTORE)]


def _examined(indexes: Indexes, load: Callable[[], Embedder]) -> list[Check]:
    store = indexes.store
    return [*store.check(), *indexes.check(), *_model(store, load), _folders(store), _sandbox()]


def _model(store: Store, load: Callable[[], Embedder]) -> list[Check]:
    name = store.get_setting("embedder")
    fingerprint = store.get_setting("fingerprint")
    if fingerprint is None:
        return [Check("model", "ok", "none was used yet")]
    if name is not None and name.startswith(_SERVERS):
        return [Check("model", "ok", f"{name} is on a server, which was not asked")]
    try:
        embedder = load()
        embedder.embed(["a word"], kind="query")
    except EmbeddingError as error:
        remedy = "install it again, or change to another with `ragkit rebuild --embedder NAME`"
        return [Check("model", "fail", str(error), remedy)]
    checks = [Check("model", "ok", f"{embedder.name} runs")]
    built, now = json.loads(fingerprint), describe(embedder)
    if built["embedding"] != now["embedding"]:
        changed = [
            key for key in now["embedding"] if now["embedding"][key] != built["embedding"].get(key)
        ]
        message = f"the vectors are from another model than {embedder.name}: {', '.join(changed)}"
        checks.append(Check("fingerprint", "fail", message, "run `ragkit rebuild`"))
    elif built["chunking"] != now["chunking"]:
        message = "passages were cut by another version; searches work, nothing can be added"
        checks.append(Check("fingerprint", "warn", message, "run `ragkit rebuild`"))
    else:
        checks.append(Check("fingerprint", "ok", "model and chunker are those it was built with"))
    return checks


def _folders(store: Store) -> Check:
    # A share is not looked for: the base may be somebody else's, and looking would sign on there.
    folders = [
        root.folder
        for root in store.roots()
        if root.kind != "added" and not str(root.folder).startswith(("\\\\", "//"))
    ]
    gone = [str(folder) for folder in folders if not folder.is_dir()]
    if not gone:
        return Check("folders", "ok", "the folders that were ingested are there")
    return Check(
        "folders",
        "warn",
        f"{len(gone):,} of the folders that were ingested cannot be found, such as {gone[0]!r};"
        " their documents are kept",
        "nothing, if they are meant to be gone; `ragkit rm` removes their documents",
    )


def _sandbox() -> Check:
    """Whether the tool ``python`` can be used here, tried out on a line of code."""
    from ragkit.agent.sandbox.run import isolation_here

    try:
        kind = isolation_here()
    except SandboxError as error:
        return Check("sandbox", "warn", str(error), _sandbox_remedy())
    how = (
        "namespaces and a filter of system calls"
        if kind == "namespaces"
        else "Landlock and a filter of system calls, for no namespaces are allowed; it cannot read"
        " other files, but can see that they are there, with their sizes, owners and times"
    )
    return Check("sandbox", "ok", f"code of agents (the tool python) is confined by {how}")


def _sandbox_remedy() -> str:
    if platform.system() != "Linux":
        return "only agents that run code need it: use ragkit in a Linux container or machine then"
    return (
        "only agents that run code need it: allow user namespaces (sysctl"
        " kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu), or use a kernel with Landlock"
        " (5.13 or newer); in a container, a seccomp profile that lets it set up either"
    )
