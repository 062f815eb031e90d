"""``ragkit session``: the conversations that are kept, shown, exported, deleted."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    complete_sessions,
    open_kb,
    write_text,
)
from ragkit.cli.output import as_json, note, plural, print_json, printable, printable_path
from ragkit.cli.typed_lines import forget_questions
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase
    from ragkit.store.records import SessionInfo


@click.command(
    "session",
    cls=Command,
    examples=(
        "ragkit session",
        "ragkit session alice",
        "ragkit session alice --export alice.json",
        "ragkit session alice --delete",
    ),
)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete_sessions)
@click.option(
    "--export",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the conversation to FILE as JSON.",
)
@click.option(
    "--delete",
    is_flag=True,
    help="Delete the conversation, with all that was remembered of it and its traces. Its text is"
    " overwritten in the knowledge base's files.",
)
@common_options
def command(common: Common, name: str | None, target: Path | None, delete: bool) -> None:
    """List conversations, or show, export or delete the one called NAME."""
    if name is None and (target is not None or delete):
        raise UsageError("name the conversation; ragkit session lists them")
    with open_kb(common) as kb:
        if name is None:
            _list(common, kb.sessions())
            return
        document = session_document(kb, name)
        if target is not None:
            write_text(target, as_json(document, indent=2) + "\n")
        if delete:
            kb.delete_session(name)
            forget_questions(kb.directory, _asked(document))
    if common.as_json:
        print_json({**document, "deleted": delete})
    elif target is None and not delete:
        for turn in document["turns"]:
            click.echo(f"{printable_path(turn['role'])}: {printable(turn['content'])}\n")
    else:
        turns = plural(len(document["turns"]), "turn")
        if target is not None:
            note(f"{turns} written to {target}")
        if delete:
            note(f"{turns} of {printable_path(name)!r} deleted")


def session_document(kb: KnowledgeBase, name: str) -> dict[str, Any]:
    """Return a conversation as JSON data."""
    return {
        "session": name,
        "turns": [
            {
                "role": turn.role,
                "content": turn.content,
                "at": _moment(turn.created_at),
                "trace": turn.trace,
                "citations": json.loads(turn.citations_json),
            }
            for turn in kb.turns(name)
        ],
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


def _asked(document: dict[str, Any]) -> list[str]:
    return [turn["content"] for turn in document["turns"] if turn["role"] == "user"]


def _list(common: Common, sessions: list[SessionInfo]) -> None:
    if common.as_json:
        rows = [
            {
                "name": info.name,
                "turns": info.turns,
                "created_at": _moment(info.created_at),
                "updated_at": _moment(info.updated_at),
            }
            for info in sessions
        ]
        print_json({"sessions": rows})
    elif sessions:
        for info in sessions:
            last = datetime.fromtimestamp(info.updated_at).astimezone()
            turns = plural(info.turns, "turn")
            click.echo(f"{last:%Y-%m-%d %H:%M}  {turns:>10}  {printable_path(info.name)}")
    else:
        note(f"No conversation is kept yet. Begin one: {common.hint('shell')}")
