"""Whether a source says what a sentence claims: negations, numbers, names, roles, opposites."""

from __future__ import annotations

import pytest

from ragkit.answer.contradiction import differs

WARRANTY = "Wear parts such as seals are not covered by the 24 months of warranty."
DEAL = "In 2023 Norvane acquired Halden Optics for 85 million euros."
RESULT = "Revenue rose by 12 percent to 240 million euros, while profit fell to 18 million euros."
RULE = "The password must be changed before the controller is connected; never unplug it."


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("Seals are covered by the warranty.", WARRANTY),
        ("Seals are not covered by the 36 months of warranty.", WARRANTY),
        ("Norvane did not acquire Halden Optics.", DEAL),
        ("Halden Optics acquired Norvane for 85 million euros.", DEAL),
        ("Norvane was acquired by Halden Optics.", DEAL),
        ("Norvane acquired Halden Optics for 85 billion euros.", DEAL),
        ("Norvane sold Halden Optics.", "Norvane bought Halden Optics."),
        ("Revenue rose by 18 percent.", RESULT),
        ("Profit rose to 18 million euros.", RESULT),
        ("The password must be changed after the controller is connected.", RULE),
        ("You may unplug it.", RULE),
        ("Hold the red button.", "Hold the green button."),
        ("The office closes on Monday.", "The office closes on Friday."),
        ("Leave is unpaid.", "Leave is paid."),
        ("It takes 6 days.", "It takes 6 hours."),
        ("Die Probezeit dauert drei Monate.", "Die Probezeit dauert sechs Monate."),
        ("Sie wiegt 15 kg.", "Sie wiegt 1,5 kg."),
        ("Es kostet 1250 €.", "Es kostet 12,50 €."),
        ("Working outside the European Union is allowed.", "Inside the European Union it is."),
    ],
)
def test_what_says_otherwise(claim: str, sentence: str) -> None:
    assert differs(claim, sentence)


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("Seals are excluded from the warranty of 24 months.", WARRANTY),
        ("The warranty, not for seals, is two years.", WARRANTY),
        ("Halden Optics was acquired by Norvane in 2023.", DEAL),
        ("Norvane bought Halden Optics for 85 million euros.", DEAL),
        ("Revenue grew by 12%.", RESULT),
        ("Profit fell to 18 million euros.", RESULT),
        ("The power must stay connected.", "Do not disconnect the power."),
        ("Days that are not used lapse.", "Unused days lapse."),
        ("No later than 14 days after it.", "Within 14 days after it."),
        ("It lasts 24 months.", "It lasts two years."),
        ("It weighs 1500 kg.", "It weighs 1,500 kg."),
        ("It weighs 1.5 kg.", "Sie wiegt 1,5 kg."),
        ("Change the password before the controller is connected.", RULE),
    ],
)
def test_what_says_the_same(claim: str, sentence: str) -> None:
    assert not differs(claim, sentence)


def test_numbers_of_the_question_need_no_source() -> None:
    assert differs("In 2024 it is 5.", "It is 5.")
    assert not differs("In 2024 it is 5.", "It is 5.", asked=frozenset({"2024"}))
