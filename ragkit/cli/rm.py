"""``ragkit rm``: take documents out of the knowledge base."""

from __future__ import annotations

import click

from ragkit.cli.common import Command, Common, common_options, complete_documents, open_kb
from ragkit.cli.output import can_prompt, note, plural, printable_path

_MOST_SHOWN = 20


@click.command(
    "rm",
    cls=Command,
    examples=(
        "ragkit rm drafts/old.pdf",
        "ragkit rm 'drafts/*' --yes",
    ),
)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, shell_complete=complete_documents
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, even on a terminal.")
@common_options
def command(common: Common, paths: tuple[str, ...], yes: bool) -> None:
    """Remove documents from the knowledge base; the files themselves are not touched.

    PATH is as `ragkit ls` shows it, and may be a glob, in which * also matches /. A file that is
    still in an ingested folder comes back with the next ingest of that folder: list it in the
    folder's .ragkitignore to keep it out.
    """
    with open_kb(common) as kb:
        if not yes and can_prompt():
            found = [document.path for document in kb.documents({"path": list(paths)})]
            if found:
                for path in found[:_MOST_SHOWN]:
                    note(f"  {printable_path(path)}")
                if len(found) > _MOST_SHOWN:
                    note(f"  and {len(found) - _MOST_SHOWN:,} more")
                what = plural(len(found), "document")
                if not click.confirm(f"Remove {what} from the knowledge base?", err=True):
                    common.tell({"removed": []}, "Nothing was removed.")
                    return
        removed = kb.delete(paths)
    common.tell({"removed": removed}, f"Removed {plural(len(removed), 'document')}.")
