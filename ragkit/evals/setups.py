"""What is measured: a base, and how it is searched and asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast, get_args

from ragkit.errors import UsageError
from ragkit.kb import KnowledgeBase
from ragkit.retrieve.expansion import EXPANSIONS
from ragkit.retrieve.finding import Mode

_TRUE, _FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to search and ask one base.

    Attributes:
        kb: The base's folder.
        mode: How it is searched: ``"hybrid"``, ``"dense"`` or ``"lexical"``.
        model: What answers: ``"extractive"`` or a language model's name, which then also rewrites
            follow-ups that refer back, and reranks or expands where that is asked for.
        base_url: Where the language model is served.
        embedder: The embedding model; ``None`` for the base's own.
        embedder_base_url: Where it is served.
        k: How many passages are asked for.
        rerank: The reranker, as for ``kb.search``.
        expand: What else is searched for, such as ``"acronyms"``; several are joined by ``+``.
        diversity: How much passages should differ, from 0 to 1.
        answers: Whether questions are answered as well as searched for.
        history: Whether earlier turns are given.
        timeout: Seconds that language models may take over one question; then its answer is
            extractive, and counted as such.
    """

    kb: str
    mode: Mode = "hybrid"
    model: str = "extractive"
    base_url: str | None = None
    embedder: str | None = None
    embedder_base_url: str | None = None
    k: int = 50
    rerank: str | None = None
    expand: tuple[str, ...] = ()
    diversity: float = 0.0
    answers: bool = True
    history: bool = True
    timeout: float = 120.0

    def document(self) -> dict[str, Any]:
        """The settings as a mapping, for reports."""
        return asdict(self)

    def open(self) -> KnowledgeBase:
        """Open the base."""
        return KnowledgeBase(
            self.kb,
            model=self.model,
            base_url=self.base_url,
            embedder=self.embedder,
            embedder_base_url=self.embedder_base_url,
            create=False,
            traces="off",
        )


def parse_settings(text: str, basis: Settings) -> Settings:
    """Read ``"mode=dense,k=20"``, or the folder of a base, as changes to ``basis``.

    Raises:
        UsageError: it is neither, or a value is not understood.
    """
    if "=" not in text:
        if not Path(text).expanduser().is_dir():
            known = ", ".join(f"{field.name}=…" for field in fields(Settings))
            raise UsageError(
                f"cannot compare {text!r}: neither the folder of a knowledge base nor settings "
                f"({known}, separated by commas)"
            )
        return replace(basis, kb=text)
    changes: dict[str, Any] = {}
    for part in text.split(","):
        name, given, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not given or not value:
            raise UsageError(f"cannot read the setting {part!r} of {text!r}: write NAME=VALUE")
        changes[name] = _value(name, value)
    return replace(basis, **changes)


def differences(one: Settings, other: Settings) -> tuple[str, str]:
    """Name two settings by what differs between them, such as ``("mode=dense", "mode=hybrid")``."""
    pairs = [
        (field.name, getattr(one, field.name), getattr(other, field.name))
        for field in fields(Settings)
    ]
    changed = [(name, first, second) for name, first, second in pairs if first != second]
    if not changed:
        return "A", "B"
    return (
        ", ".join(f"{name}={_shown(first)}" for name, first, _ in changed),
        ", ".join(f"{name}={_shown(second)}" for name, _, second in changed),
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    return "default" if value is None else str(value)


def _value(name: str, value: str) -> object:
    if name == "mode":
        if value not in get_args(Mode):
            raise UsageError(f"mode must be one of {', '.join(get_args(Mode))}, not {value!r}")
        return cast("Mode", value)
    if name == "k":
        if not value.isdigit() or not 1 <= int(value) <= 1000:
            raise UsageError(f"k must be a number from 1 to 1000, not {value!r}")
        return int(value)
    if name == "timeout":
        seconds = float(value) if value.replace(".", "", 1).isdigit() else 0.0
        if seconds <= 0:
            raise UsageError(f"timeout must be a number of seconds above 0, not {value!r}")
        return seconds
    if name == "diversity":
        share = float(value) if value.replace(".", "", 1).isdigit() else -1.0
        if not 0 <= share <= 1:
            raise UsageError(f"diversity must be from 0 to 1, not {value!r}")
        return share
    if name == "expand":
        kinds = [] if value == "none" else value.split("+")
        unknown = [kind for kind in kinds if kind not in EXPANSIONS]
        if unknown:
            known = ", ".join(("none", *EXPANSIONS))
            raise UsageError(f"expand must be among {known}, not {unknown[0]!r}")
        return tuple(kinds)
    if name in ("answers", "history"):
        if value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        raise UsageError(f"{name} must be yes or no, not {value!r}")
    if name == "rerank" and value == "none":
        return None
    if name in ("kb", "rerank", "model", "base_url", "embedder", "embedder_base_url"):
        return value
    known = ", ".join(field.name for field in fields(Settings))
    raise UsageError(f"there is no setting {name!r}; one of {known}")
