"""Small third-party files that were read wrongly once: what must, and must not, stand in their text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest import load

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CASES = Path(os.environ.get("RAGKIT_CASES", REPOSITORY.parent / "shared" / "cases"))

# File; what stands in its text, one after the other; what does not; a word of its only warning.
READ: list[tuple[str, list[str], list[str], str]] = [
    (
        "docx/fares.docx",
        ["Route | Weekday | Weekday | Weekend", "no sailing | no sailing | 31"],
        [],
        "",
    ),
    ("docx/friction.docx", ["given by h=0.02 L/D for smooth pipes."], [], ""),
    ("pptx/contact.pptx", ["Quay office\nDockmaster Elin Krog\nPhone 5512 907"], [], ""),
    ("pptx/mixing.pptx", ["Add 40 ml of hardener per litre of resin."], [], ""),
    ("pptx/ferry_3d.pptx", ["The night ferry leaves at 23:40 from pier 6."], [], "chart"),
    ("xlsx/stock.xlsx", ["Item | Shelf | Count", "Shackle", "Fender", "Rope"], [], ""),
    ("xlsx/quote.xlsx", ["Lamp | 100 | =B2*1.25", "Total |  | =SUM(C2:C3)"], [], "formulas"),
    ("xlsx/inflated.xlsx", ["Item | Qty | Bay", "Buoy | 4 | K1", "Chain | 9 | K2"], [], ""),
    ("epub/tides.epub", ["Spring tides rise 3.2 m", "Neap tides rise 1.1 m."], [], ""),
    ("mail/berth.eml", ["Your berth is Q-44", "210 euros"], ["is in HTML"], ""),
    ("mail/crane.eml", ["Friday | 13:20", "Sent from my phone"], [], ""),
    ("mail/bom.eml", ["4471"], [], ""),
    ("mail/leading_blank.eml", ["4471"], [], ""),
    ("html/dl.html", ["10³", "35"], ["103"], ""),
    ("html/nested_table.html", ["Dinghy", "12", "5", "Yacht", "80"], [], ""),
    ("html/shadow.html", ["Torque of the hub bolt: 95 Nm."], [], ""),
    ("csv/prices_sep.csv", ["Artikel;Preis;Menge", "Mutter M8;0,12;500"], [], ""),
    ("pdf/superscript.pdf", ["250", "10³"], ["2501", "103"], ""),
    ("pdf/statement.pdf", ["03/06/2025 | 04/06/2025 | Rent | -950.00 | 1200.40"], [], ""),
    ("pdf/reverse_rows.pdf", ["Notice | Effective | Received | Company | City | Staff"], [], ""),
    ("pdf/noborder.pdf", ["Iron | | 14 | 25 | AAS", "Copper | | | 12 | ICP"], [], ""),
    ("pdf/prices_wide.pdf", ["Shackle | | 3.20 | piece", "Fender | 41.00 | | piece"], [], ""),
]


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here: set RAGKIT_CASES")
@pytest.mark.parametrize(("name", "held", "lacking", "warning"), READ, ids=[row[0] for row in READ])
def test_a_case_is_read_right(name: str, held: list[str], lacking: list[str], warning: str) -> None:
    document = load(CASES / name)
    at = 0
    for text in held:
        at = document.text.index(text, at)
    assert not [text for text in lacking if text in document.text]
    assert [warning in each for each in document.warnings] == ([True] if warning else [])
