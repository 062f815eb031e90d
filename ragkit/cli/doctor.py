"""``ragkit doctor``: is the knowledge base sound, and if not, what to do."""

from __future__ import annotations

import click

from ragkit.cli.app import EXIT_UNUSABLE
from ragkit.cli.common import Command, Common, common_options, open_kb
from ragkit.cli.output import print_json, printable

_STYLES = {"ok": "good", "warn": "warn", "fail": "bad"}


@click.command(
    "doctor",
    cls=Command,
    examples=(
        "ragkit doctor",
        "ragkit doctor --json",
    ),
)
@common_options
def command(common: Common) -> int:
    """Check the knowledge base: OK, WARN or FAIL for each point, with a remedy.

    Exits with 3 when a check fails; a warning alone is no failure.
    """
    with open_kb(common) as kb:
        checks = kb.check()
    failed = any(check.status == "fail" for check in checks)
    if common.as_json:
        print_json({"ok": not failed, "checks": checks})
        return EXIT_UNUSABLE if failed else 0
    from rich.text import Text

    from ragkit.cli.terminal import console

    out = console()
    for check in checks:
        line = Text(f"{check.status.upper():5}", style=_STYLES[check.status])
        line.append(f"{check.name}: ", style="bold")
        line.append(printable(check.message))
        out.print(line)
        if check.remedy and check.status != "ok":
            out.print(f"     → {printable(check.remedy)}")
    return EXIT_UNUSABLE if failed else 0
