"""Questions that name a document by what it is, its file or its date, over made-up collections.

All documents of a kind say the same with other figures, so that nothing but the name and the date
tells them apart. Told is how often the right document comes first, and the mean reciprocal rank among
five passages; with and without looking for named documents.

    python bench/named_documents.py --work /some/folder
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from unittest import mock

from ragkit import KnowledgeBase
from ragkit.question import read_question
from ragkit.retrieve import named_documents
from ragkit.retrieve.search import search

TODAY = date(2025, 8, 20)
PEOPLE = ("Ada", "Bruno", "Chloe", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas")
MONTHS = ("January", "February", "March", "April", "May", "June", "July")


def files() -> Iterator[tuple[str, str, date]]:
    """Path, text and date of the file of each document."""
    for year in range(2020, 2025):
        base = 100 + 7 * (year - 2020)
        yield (
            f"finance/annual-report-{year}.md",
            f"# Annual report\n\n## Results\n\nRevenue was {base} million euros and the loss of the"
            f" tannery {base // 9} million.\n\n## People\n\nThe company had {base * 3} employees at"
            f" the end of the year.\n\n## Outlook\n\nWe expect orders to grow by {year % 7} %.\n",
            date(2025, 8, 1),
        )
    for number, month in enumerate(MONTHS, start=1):
        day = 3 + 2 * number
        yield (
            f"board/{2025}-{number:02}-{day:02}-minutes.txt",
            f"Board meeting\n\nPresent: {PEOPLE[number]}, {PEOPLE[number + 1]} and"
            f" {PEOPLE[number + 2]}.\n\nThe board approved a budget of {10 + number} thousand euros"
            " for the roof.\n\nThe next meeting was agreed.\n",
            date(2025, 8, 1),
        )
        yield (
            f"board/old/minutes_{month.lower()}_2024.txt",
            f"Board meeting\n\nPresent: {PEOPLE[number - 1]} and {PEOPLE[number]}.\n\nThe board"
            f" approved a budget of {40 + number} thousand euros for the roof.\n",
            date(2025, 8, 1),
        )
    for year, price in ((2023, 40), (2024, 44), (2025, 49)):
        yield (
            f"sales/prices-{'abc'[year - 2023]}.md",
            f"---\ntitle: Price list\ndate: {year}-02-01\n---\n# Price list\n\nThe oak table costs"
            f" {price} euros, delivery included.\n\nThe chair costs {price // 4} euros.\n",
            date(2025, 8, 1),
        )
    for year, nights in ((2022, 90), (2025, 110)):
        yield (
            f"people/Reisekostenrichtlinie-{'alt' if year == 2022 else 'neu'}.txt",
            f"Reisekosten\n\nEine Übernachtung wird bis {nights} Euro erstattet.\n\nBelege werden"
            " innerhalb von vier Wochen eingereicht.\n",
            date(year, 3, 1),
        )
    for name, days in (("Employee Handbook", 28), ("Contractor guidelines", 10)):
        yield (
            f"people/{name.replace(' ', '_')}.md",
            f"# {name}\n\n## Leave\n\nEverybody has {days} days of leave a year.\n\n## Hours\n\n"
            f"Work begins between 7 and {days % 9 + 2}.\n",
            date(2025, 8, 1),
        )
    for customer in ("Lindqvist", "Moreau"):
        yield (
            f"contracts/service-level-agreement-{customer.lower()}.txt",
            f"Agreement with {customer}\n\nFaults are answered within {len(customer)} hours.\n\n"
            "Notice is three months.\n",
            date(2025, 8, 1),
        )
    yield "contracts/lease.txt", "Faults are answered within 9 hours.\n\nNotice is a year.\n", TODAY


QUESTIONS = (
    ("What was the revenue in the 2022 annual report?", "annual-report-2022"),
    ("How many employees does the annual report for 2021 give?", "annual-report-2021"),
    ("revenue according to last year's annual report", "annual-report-2024"),
    ("What does the latest annual report say about the tannery?", "annual-report-2024"),
    ("expected growth of orders in the oldest annual report", "annual-report-2020"),
    ("How large was the loss of the tannery in the anual report of 2023?", "annual-report-2023"),
    ("What did annual-report-2020.md say about employees?", "annual-report-2020"),
    ("Who was present according to the March minutes?", "2025-03-09"),
    ("Which budget for the roof is in the minutes of 13 May 2025?", "2025-05-13"),
    ("budget for the roof in the minutes from February 2024", "minutes_february_2024"),
    ("What budget did the board approve on 2025-06-15?", "2025-06-15"),
    ("Who was present on April 11, 2025?", "2025-04-11"),
    ("roof budget in the most recent minutes", "2025-07-17"),
    ("Which budget for the roof do the minutes of July 2024 hold?", "minutes_july_2024"),
    ("What does the oak table cost in the latest price list?", "prices-c"),
    ("What did the oak table cost in the 2023 price list?", "prices-a"),
    ("price of a chair in last year's price list", "prices-b"),
    ("What did a chair cost in price lists before 2024?", "prices-a"),
    ("Was wird laut neuester Reisekostenrichtlinie für eine Übernachtung erstattet?", "-neu"),
    ("Was stand in der Reisekostenrichtlinie von 2022 zur Übernachtung?", "-alt"),
    ("How many days of leave does the handbook give?", "Employee_Handbook"),
    ("How many days of leave are there, according to the handbok?", "Employee_Handbook"),
    ("days of leave in the contractor guidelines", "Contractor"),
    ("When does work begin by the guidelines?", "Contractor"),
    ("Within how many hours are faults answered by the SLA with Moreau?", "moreau"),
    ("How soon must faults be answered in the Lindqvist agreement?", "lindqvist"),
)


def held_out_files() -> Iterator[tuple[str, str, date]]:
    """A club's papers, written when the rules were done, and not used to change them."""
    for number, issue in enumerate(("Spring", "Summer", "Autumn", "Winter")):
        yield (
            f"newsletters/{issue} 2024.html",
            f"<html><head><title>Rowing club newsletter, {issue} 2024</title></head><body><main>"
            f"<h1>Newsletter</h1><p>The boathouse is open until {6 + number} in the evening.</p><p>"
            f"We welcome {number + 4} new members.</p></main></body></html>",
            date(2025, 1, 1),
        )
    for month, name in ((9, "september"), (10, "october"), (11, "november")):
        yield (
            f"committee/agm_minutes_{name}.md",
            f"---\ndate: 2024-{month:02}-21\n---\nThe treasurer reported {month * 100} euros in the"
            f" account.\n\nThe repair of the boat was put off by {month - 7} weeks.\n",
            date(2025, 1, 1),
        )
    for version, deposit in (("v1", 50), ("v2", 65)):
        yield (
            f"hire/boat-hire-contract-{version}.txt",
            f"The deposit for a boat is {deposit} euros.\n\nDamage is reported within a day.\n",
            date(2023 if version == "v1" else 2025, 4, 2),
        )
    for day, depth in ((4, 140), (11, 165), (18, 120)):
        yield (
            f"surveys/river survey {day:02}.06.2025.txt",
            f"The river was {depth} centimetres deep at the landing stage.\n\nNo weed.\n",
            date(2025, 7, 1),
        )
    for what, years in (("Satzung", 2), ("Bootsordnung", 4)):
        yield (
            f"verein/{what}.txt",
            f"{what} des Vereins\n\nÄnderungen gelten nach {years} Wochen.\n\nKinder rudern nur"
            " mit Weste.\n",
            date(2025, 1, 1),
        )
    yield (
        "committee/code-of-conduct-agreement.txt",
        "Changes take effect after 6 weeks.\n\nBe kind.\n",
        date(2025, 1, 1),
    )


HELD_OUT = (
    ("Until when is the boathouse open, in the summer newsletter?", "Summer 2024"),
    ("How many new members does the newsletter for winter welcome?", "Winter 2024"),
    ("How much money was in the account according to the October minutes?", "october"),
    ("By how many weeks was the repair put off in the most recent minutes?", "november"),
    ("treasurer's figure in the earliest minutes", "september"),
    ("How high is the deposit in the latest hire contract?", "v2"),
    ("What was the deposit in the oldest boat hire contract?", "v1"),
    ("How deep was the river on 11 June 2025?", "11.06.2025"),
    ("depth of the river in the survey of June 18, 2025", "18.06.2025"),
    ("How deep was the river in the oldest survey?", "04.06.2025"),
    ("Nach wie vielen Wochen gelten Änderungen laut Satzung?", "Satzung"),
    ("Was sagt die Bootsordnung über Kinder?", "Bootsordnung"),
    ("After how many weeks do changes to the CCA take effect?", "code-of-conduct"),
    ("What does boat-hire-contract-v1.txt say about damage?", "v1"),
    ("Which deposit does the hire contrcat from 2023 name?", "v1"),
    ("account balance in the minutes before November 2024, in September", "september"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder to keep the bases in")
    work: Path = parser.parse_args().work
    for name, documents, questions in (
        ("company", files(), QUESTIONS),
        ("club", held_out_files(), HELD_OUT),
    ):
        measure(name, work / name, documents, questions)


def measure(
    name: str,
    work: Path,
    documents: Iterator[tuple[str, str, date]],
    questions: Sequence[tuple[str, str]],
) -> None:
    for path, text, day in documents:
        file = work / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        moment = date.toordinal(day) - date(1970, 1, 1).toordinal()
        os.utime(file, (moment * 86_400.0, moment * 86_400.0))
    with KnowledgeBase(work / "base") as kb:
        kb.ingest(work / "files")
        for label in ("without", "with"):
            first, reciprocal = 0, 0.0
            for question, wanted in questions:
                most = named_documents._MOST_DOCUMENTS if label == "with" else 0
                with mock.patch.object(named_documents, "_MOST_DOCUMENTS", most):
                    result = search(
                        kb._base.indexes(),
                        read_question(question, today=TODAY),
                        embedder=kb._base.question_embedder,
                        k=5,
                    )
                hits = result.hits
                right = [wanted in hit.path for hit in hits]
                first += right[0]
                reciprocal += 1 / (right.index(True) + 1) if any(right) else 0.0
                if label == "with" and not right[0]:
                    print(f"  missed: {question}\n    -> {hits[0].path}; {result.notes}")
            total = len(questions)
            mean = reciprocal / total
            print(f"{name}, {label} names: right one first {first} of {total}, MRR@5 {mean:.2f}")


if __name__ == "__main__":
    main()
