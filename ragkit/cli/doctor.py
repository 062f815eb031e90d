"""``ragkit doctor``: is the knowledge base sound, and if not, what to do."""

from __future__ import annotations

import click

from ragkit.cli.app import EXIT_UNUSABLE
from ragkit.cli.common import Command, Common, common_options, open_kb
from ragkit.cli.output import console, note, print_json, printable
from ragkit.errors import CorruptError
from ragkit.store.check import damage

_STYLES = {"ok": "good", "warn": "warn", "fail": "bad"}


@click.command(
    "doctor",
    cls=Command,
    examples=(
        "ragkit doctor",
        "ragkit doctor --repair",
        "ragkit doctor --json",
    ),
)
@click.option(
    "--repair",
    is_flag=True,
    help="First repair what cannot lose anything: search indexes, totals, leftovers.",
)
@common_options
def command(common: Common, repair: bool) -> int:
    """Check the knowledge base: OK, WARN or FAIL for each point, with a remedy.

    Exits with 3 when a check fails; a warning alone is no failure.
    """
    repaired: list[str] = []
    try:
        with open_kb(common) as kb:
            if repair:
                repaired = kb.repair()
            checks = kb.check()
    except CorruptError as error:
        checks = [damage("database", error)]
    failed = any(check.status == "fail" for check in checks)
    if common.as_json:
        print_json({"ok": not failed, "repaired": repaired, "checks": checks})
        return EXIT_UNUSABLE if failed else 0
    for sentence in repaired:
        note(f"Repaired: {printable(sentence)}.")
    if repair and not repaired:
        note("Nothing could be repaired." if failed else "Nothing to repair.")
    from rich.text import Text

    out = console()
    for check in checks:
        line = Text(f"{check.status.upper():5}", style=_STYLES[check.status])
        line.append(f"{check.name}: ", style="bold")
        line.append(printable(check.message))
        out.print(line)
        if check.remedy and check.status != "ok":
            out.print(f"     → {printable(check.remedy)}")
    return EXIT_UNUSABLE if failed else 0
