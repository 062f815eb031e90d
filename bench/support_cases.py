"""Claims and whether a passage supports them: written for this, in groups by what is changed.

The rules were made with ``PASSAGES`` at hand; ``HELD_OUT`` was written afterwards and is only
measured on.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    kind: str
    claim: str
    supported: bool


class Passage(NamedTuple):
    text: str
    cases: tuple[Case, ...]


def _cases(
    verbatim: str,
    paraphrases: tuple[str, ...],
    negations: tuple[str, ...],
    numbers: tuple[str, ...],
    names: tuple[str, ...],
    swapped: tuple[str, ...],
    opposites: tuple[str, ...],
    invented: tuple[str, ...],
) -> tuple[Case, ...]:
    wrong = (
        ("negation", negations),
        ("number", numbers),
        ("name", names),
        ("swapped", swapped),
        ("opposite", opposites),
        ("invented", invented),
    )
    return (
        Case("verbatim", verbatim, True),
        *(Case("paraphrase", claim, True) for claim in paraphrases),
        *(Case(kind, claim, False) for kind, claims in wrong for claim in claims),
    )


PASSAGES = (
    Passage(
        "The Heron CV-300 pump carries a warranty of 24 months from delivery. Wear parts such as "
        "seals and bearings are not covered. Claims must reach Lund Service within 14 days of the "
        "fault. Repairs are made in Malmö or, for customers outside Sweden, in Hamburg.",
        _cases(
            "The Heron CV-300 pump carries a warranty of 24 months from delivery.",
            (
                "The CV-300 is under warranty for 24 months after it is delivered.",
                "Seals and bearings are excluded from the warranty.",
                "A claim has to be made to Lund Service no later than 14 days after the fault.",
                "Customers outside Sweden have their pumps repaired in Hamburg.",
                "The warranty of the Heron CV-300 runs for two years from delivery.",
                "Wear parts are not part of the warranty.",
            ),
            (
                "Wear parts such as seals and bearings are covered.",
                "The Heron CV-300 pump carries no warranty.",
                "Claims need not reach Lund Service within 14 days.",
                "Repairs are not made in Malmö.",
            ),
            (
                "The Heron CV-300 pump carries a warranty of 36 months from delivery.",
                "Claims must reach Lund Service within 24 days of the fault.",
                "The warranty of the CV-300 lasts 14 months.",
            ),
            (
                "The Heron CV-500 pump carries a warranty of 24 months.",
                "Claims must reach Oslo Service within 14 days.",
                "Repairs are made in Stockholm.",
            ),
            (
                "Customers outside Hamburg have their pumps repaired in Sweden.",
                "Claims must reach Malmö within 14 days, and repairs are made by Lund Service.",
            ),
            ("Claims must reach Lund Service 14 days before the fault.",),
            (
                "The warranty can be extended for a fee.",
                "Shipping is free for customers in Sweden.",
            ),
        ),
    ),
    Passage(
        "In 2023 Norvane acquired Halden Optics for 85 million euros. Revenue of the optics "
        "division rose by 12 percent to 240 million euros, while profit fell to 18 million euros. "
        "The chief executive, Ingrid Solberg, announced that no plants will be closed. Erik Dahl "
        "became head of research in May.",
        _cases(
            "In 2023 Norvane acquired Halden Optics for 85 million euros.",
            (
                "Norvane bought Halden Optics in 2023 and paid 85 million euros.",
                "The optics division's revenue increased by 12% to 240 million euros.",
                "According to Ingrid Solberg, no plant will be shut.",
                "Erik Dahl has led research since May.",
                "Profit of the optics division dropped to 18 million euros.",
                "Halden Optics was acquired by Norvane for 85 million euros.",
            ),
            (
                "Ingrid Solberg announced that plants will be closed.",
                "Norvane did not acquire Halden Optics.",
                "Erik Dahl did not become head of research.",
            ),
            (
                "Norvane acquired Halden Optics for 58 million euros.",
                "Revenue rose by 18 percent to 240 million euros.",
                "Profit fell to 12 million euros.",
                "Norvane acquired Halden Optics in 2022.",
            ),
            (
                "In 2023 Norvane acquired Zeiss for 85 million euros.",
                "Erik Lund became head of research in May.",
            ),
            (
                "Halden Optics acquired Norvane for 85 million euros.",
                "Ingrid Solberg became head of research in May.",
                "Erik Dahl announced that no plants will be closed.",
            ),
            (
                "Revenue of the optics division fell by 12 percent.",
                "Profit rose to 18 million euros.",
                "Norvane sold Halden Optics for 85 million euros.",
            ),
            (
                "The acquisition was financed by a bond.",
                "Halden Optics employs 400 people.",
            ),
        ),
    ),
    Passage(
        "Employees receive 28 days of paid leave a year. Unused days may be carried over until 31 "
        "March of the next year, after which they lapse. Requests are approved by the team lead. "
        "During probation, leave longer than five days needs the consent of Human Resources. "
        "Working from abroad is allowed for up to 20 days a year inside the European Union.",
        _cases(
            "Employees receive 28 days of paid leave a year.",
            (
                "Every employee gets 28 paid days off per year.",
                "Days that are not used can be taken until 31 March of the following year.",
                "The team lead approves requests for leave.",
                "Leave of more than five days during probation requires Human Resources to agree.",
                "You may work from another country in the European Union for 20 days a year at most.",
                "Carried-over days expire after 31 March.",
            ),
            (
                "Unused days may not be carried over.",
                "Requests are not approved by the team lead.",
                "Working from abroad is not allowed.",
                "During probation, leave longer than five days does not need consent.",
            ),
            (
                "Employees receive 30 days of paid leave a year.",
                "Unused days may be carried over until 30 April.",
                "Working from abroad is allowed for up to 28 days a year.",
            ),
            (
                "Requests are approved by the managing director.",
                "Leave longer than five days needs the consent of the Works Council.",
            ),
            (
                "Requests are approved by Human Resources, and long leave in probation by the team "
                "lead.",
            ),
            (
                "During probation, leave shorter than five days needs the consent of Human "
                "Resources.",
                "Working from abroad is allowed for up to 20 days a year outside the European "
                "Union.",
                "Employees receive 28 days of unpaid leave a year.",
            ),
            (
                "Leave is paid at double rate at Christmas.",
                "Employees with children receive five days more.",
            ),
        ),
    ),
    Passage(
        "To reset the controller, hold the green button for ten seconds until the lamp blinks. Do "
        "not disconnect the power during the update, which takes about four minutes. The password "
        "is then admin and must be changed before the controller is connected to a network. "
        "Firmware 4.2 or newer is required for the Modbus interface.",
        _cases(
            "Hold the green button for ten seconds until the lamp blinks.",
            (
                "The controller is reset by pressing the green button for 10 seconds.",
                "The power must stay connected while the update runs.",
                "The update takes roughly four minutes.",
                "After the reset the password is admin.",
                "The Modbus interface needs firmware 4.2 or later.",
                "Change the password before connecting the controller to a network.",
            ),
            (
                "You can disconnect the power during the update.",
                "The password need not be changed.",
                "Firmware 4.2 is not required for the Modbus interface.",
            ),
            (
                "Hold the green button for four seconds.",
                "The update takes about ten minutes.",
                "Firmware 4.1 or newer is required for the Modbus interface.",
            ),
            (
                "Hold the red button for ten seconds until the lamp blinks.",
                "Firmware 4.2 is required for the Profibus interface.",
            ),
            ("The password blinks until the lamp is changed.",),
            (
                "Firmware 4.2 or older is required for the Modbus interface.",
                "The password must be changed after the controller is connected to a network.",
            ),
            (
                "A reset deletes all logs.",
                "The controller restarts three times.",
            ),
        ),
    ),
    Passage(
        "| Plan | Price per month | Users | Support |\n|---|---|---|---|\n| Basic | $9 | 1 | e-mail |"
        "\n| Pro | $49 | 10 | telephone |\n| Enterprise | $199 | unlimited | dedicated manager |",
        _cases(
            "Pro costs $49 per month.",
            (
                "The Basic plan is $9 a month.",
                "Pro includes support by telephone.",
                "With Enterprise, the number of users is unlimited.",
                "The Pro plan has ten users.",
            ),
            (
                "Pro does not include support by telephone.",
                "The Enterprise plan has no unlimited users.",
            ),
            (
                "Pro costs $59 per month.",
                "Basic costs $49 per month.",
                "The Pro plan has 1 user.",
            ),
            ("The Team plan costs $49 per month.",),
            (
                "Basic includes support by telephone.",
                "Pro has a dedicated manager.",
            ),
            (),
            (
                "All plans can be cancelled at any time.",
                "Enterprise customers get a discount of the yearly price.",
            ),
        ),
    ),
    Passage(
        "Die Probezeit beträgt sechs Monate. In dieser Zeit kann der Vertrag mit einer Frist von "
        "zwei Wochen gekündigt werden. Danach gilt eine Frist von drei Monaten zum Quartalsende. "
        "Überstunden werden nicht ausgezahlt, sondern durch Freizeit ausgeglichen.",
        _cases(
            "Die Probezeit beträgt sechs Monate.",
            (
                "Die Probezeit dauert sechs Monate.",
                "Überstunden werden durch Freizeit ausgeglichen.",
                "Nach der Probezeit beträgt die Kündigungsfrist drei Monate zum Quartalsende.",
            ),
            (
                "Überstunden werden ausgezahlt.",
                "In der Probezeit kann der Vertrag nicht gekündigt werden.",
            ),
            (
                "Die Probezeit beträgt drei Monate.",
                "In der Probezeit gilt eine Frist von vier Wochen.",
            ),
            (),
            (),
            (),
            ("Bonuszahlungen werden im Dezember überwiesen.",),
        ),
    ),
)

HELD_OUT = (
    Passage(
        "The Aldous bridge was opened in 1931 and closed to lorries in 1987. It is 312 metres long "
        "and carries two railway tracks. The engineer Marta Keller designed it; the steel came from "
        "the Brandt works in Linz. Maintenance costs about 1.4 million francs a year, which the "
        "canton pays. Cyclists may use the southern footpath but not the northern one.",
        _cases(
            "It is 312 metres long and carries two railway tracks.",
            (
                "The bridge has a length of 312 metres.",
                "Lorries have not been allowed on the Aldous bridge since 1987.",
                "Marta Keller was the engineer who designed the bridge.",
                "The canton pays for the maintenance.",
                "Each year about 1.4 million francs are spent on maintenance.",
                "The steel was supplied by the Brandt works.",
                "Cyclists are allowed on the southern footpath.",
            ),
            (
                "The canton does not pay for the maintenance.",
                "Cyclists may not use the southern footpath.",
                "Marta Keller did not design the bridge.",
                "The bridge carries no railway tracks.",
            ),
            (
                "The Aldous bridge was opened in 1987.",
                "It is 321 metres long.",
                "The bridge carries four railway tracks.",
                "Maintenance costs about 1.4 billion francs a year.",
            ),
            (
                "The engineer Marta Brandt designed it.",
                "The steel came from the Keller works in Graz.",
            ),
            (
                "The steel came from Marta Keller in Linz.",
                "The Brandt works designed the bridge.",
            ),
            (
                "Cyclists may use the northern footpath.",
                "The bridge was closed in 1931.",
            ),
            (
                "The bridge is lit at night.",
                "A second bridge is planned.",
            ),
        ),
    ),
    Passage(
        "Store the vaccine between 2 and 8 degrees Celsius and never freeze it. After opening, the "
        "vial must be used within six hours. Adults receive a dose of 0.5 ml; children under twelve "
        "receive half of it. Side effects are usually mild, and fever occurs in fewer than 5 percent "
        "of patients. Pregnant women should ask their doctor first.",
        _cases(
            "After opening, the vial must be used within six hours.",
            (
                "An opened vial has to be used in six hours.",
                "The vaccine must not be frozen.",
                "The dose for adults is 0.5 ml.",
                "Fever affects less than 5% of patients.",
                "The vaccine is kept at 2 to 8 degrees Celsius.",
                "Pregnant women should first consult their doctor.",
            ),
            (
                "The vaccine can be frozen.",
                "Pregnant women need not ask their doctor.",
                "Fever does not occur.",
            ),
            (
                "Adults receive a dose of 0.8 ml.",
                "The vial must be used within eight hours.",
                "Fever occurs in fewer than 15 percent of patients.",
                "After opening, the vial must be used within six days.",
            ),
            ("Store the vaccine between 2 and 8 degrees Fahrenheit.",),
            (
                "Children under twelve receive a dose of 0.5 ml.",
                "Pregnant women receive half of the dose.",
            ),
            (
                "Fever occurs in more than 5 percent of patients.",
                "Before opening, the vial must be used within six hours.",
                "Side effects are usually severe.",
            ),
            (
                "The vaccine protects for ten years.",
                "A second dose is given after a month.",
            ),
        ),
    ),
    Passage(
        "Minutes of 4 June: Priya Nair reported that the migration to the new billing system is two "
        "weeks late. Tom Okafor will hire one more tester. The board approved the budget of 120,000 "
        "dollars, against the vote of Helen Brandt. The office in Leeds will move to Victoria Street "
        "in September. No decision was taken on the canteen.",
        _cases(
            "Tom Okafor will hire one more tester.",
            (
                "According to Priya Nair, the billing migration is two weeks behind.",
                "The board agreed to a budget of $120,000.",
                "The Leeds office moves to Victoria Street in September.",
                "Helen Brandt voted against the budget.",
                "The canteen was not decided on.",
                "One more tester will be hired by Tom Okafor.",
            ),
            (
                "The board did not approve the budget.",
                "A decision was taken on the canteen.",
                "The office in Leeds will not move.",
            ),
            (
                "The migration is three weeks late.",
                "The board approved the budget of 210,000 dollars.",
                "Tom Okafor will hire four more testers.",
            ),
            (
                "Tom Miller will hire one more tester.",
                "The office in York will move to Victoria Street.",
            ),
            (
                "Priya Nair will hire one more tester.",
                "Tom Okafor reported that the migration is late.",
                "Helen Brandt approved the budget, against the vote of the board.",
            ),
            (
                "The board rejected the budget of 120,000 dollars.",
                "The office in Leeds will move in October.",
                "The migration to the old billing system is two weeks late.",
            ),
            (
                "The next meeting is on 2 July.",
                "The tester will work in Leeds.",
            ),
        ),
    ),
)
