"""Print the reference of the command line as Markdown: ``python tools/cli_reference.py``.

``docs/cli.md`` is its output; a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ragkit.cli.app import COMMANDS, cli

WIDTH = 88

HEADER = """\
# The command line

Made by `python tools/cli_reference.py` from the commands' own help: edit that, not this.

## JSON

With `--json`, stdout holds exactly one JSON document, in UTF-8 (`ingest --watch`: one a line, for
each change); progress and messages go to stderr.
An error is `{"error": {"type", "message"}}`.

| command | document |
|---|---|
| `ingest` | `added`, `changed`, `moved`, `removed` (paths), `same` (number), `failed` and `warnings` (each `{"path", "reason"}`), `chunks`, `vectors`, `seconds`; with `--dry-run` also `expected_seconds` |
| `search` | `hits` (each `{"path", "page", "start", "end", "text", "score", "heading", "ranks": {"dense", "lexical", "rerank"}}`), `degraded`, `notes` (what was made of the question); with `--explain` also `considered` |
| `ask` | `answer`, `refused`, `reason`, `citations` (each `{"n", "path", "page", "heading", "line", "start", "end", "quote"}`), `unsupported`, `degraded`, `model`, `usage` (`{"input_tokens", "output_tokens", "cost"}`, cost null where no price is known), `seconds`, `trace`, `confidence` (0 to 1: that the answer is right), `reason_code` (null, `"no_passage"`, `"no_sentence"`, `"name_absent"`, `"page_absent"`, `"names_apart"`, `"low_confidence"` or `"model"`), `cached`, `sure` (whether it is said as the answer; else it is a refusal or shows the nearest passages), `answerable` (0 to 1: that the documents hold an answer) |
| `shell` | `answers`: for each line of input `question` and what `ask` gives, or `error` |
| `agent` | `answer`, `stopped` (`"answer"`, or what ended the run), `steps` (each `{"number", "text", "calls", "usage", "seconds"}`, a call being `{"id", "tool", "arguments", "result", "error", "refused", "seconds"}`), `usage`, `cost` (US dollars, null if unknown), `seconds`, `degraded`, `model`, `trace` |
| `status` | `directory`, `documents`, `failures`, `chunks`, `vectors`, `characters`, `size_bytes`, `embedder`, `model`, `fingerprint`, `last_ingest`, `version` |
| `ls` | `documents` (each `{"path", "type", "title", "pages", "chunks", "vectors", "characters", "size", "modified", "metadata", "warnings"}`); with `--failed`: `failed` (each `{"path", "reason"}`) |
| `rm` | `removed` (paths) |
| `doctor` | `ok`, `repaired` (sentences), `checks` (each `{"name", "status", "message", "remedy"}`) |
| `rebuild` | `documents`, `chunks`, `vectors`, `seconds` |
| `export`, `import` | `file` or `directory`, `documents`, `chunks`, `vectors`, `database_bytes`, `size_bytes` |
| `session` | `sessions` (each `{"name", "turns", "created_at", "updated_at"}`); with NAME: `session`, `turns` (each `{"role", "content", "at", "trace", "citations"}`), `deleted` |
| `trace` | `traces` (each `{"id", "kind", "started_at", "seconds", "question", "steps" (number), "usage": {"calls", "input_tokens", "output_tokens", "cost"}}`); with an ID: the same for it, `dropped` and `spans` (each `{"id", "trace", "parent", "name", "kind", "started_at", "seconds", "status", "error", "attributes", "inputs", "outputs"}`); with `--compare`: `steps` (each `{"step", "depth", "kind", "first", "second"}`); with `--export`: `file`, `traces` (number); with `--delete`: `deleted` (number) |
| `eval` | `golden`, `settings`, `documents`, `passages`, `embedder`, `version`, `seconds`, `summary` (`retrieval`, `follow_ups`, `answers`, `refusals`, `reliability`, `latency_ms`), `problems`, `questions` (each with `scores`, `rank`, `answer`, `missed`); with `--compare`: `first`, `second`, `differences`, `changed`; with `--make`: `questions`, `notes`, `file`; with `--calibrate`: `calibration` and what it does |

`page` counts from 1 and is null for formats without pages. `start` and `end` are code points into
the document's text. `score` is between 0 and 1.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | done, but some files (or, in a shell that reads from a pipe, some lines) failed |
| 2 | wrong usage |
| 3 | the knowledge base or a model cannot be used; the message says what to do |
| 130 | stopped with Ctrl-C |
| 141 | the program that was reading the output went away |
"""


def reference() -> str:
    """Return the whole reference."""
    root = click.Context(
        cli,
        info_name="ragkit",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        **cli.context_settings,
    )
    parts = [HEADER, _section(root, "ragkit")]
    for name in COMMANDS:
        command = cli.get_command(root, name)
        if command is not None:
            context = click.Context(command, root, info_name=name)
            parts.append(_section(context, f"ragkit {name}"))
    return "\n".join(parts)


def _section(context: click.Context, title: str) -> str:
    return f"## {title}\n\n```\n{context.get_help()}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
