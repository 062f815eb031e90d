"""How often the semantic cache would give a wrong answer: ``python -m bench.similar_questions``.

Pairs of questions are made from templates and slots: paraphrases, which may share an answer, and
near misses (another product, number, place, opposite, negation, asked-for fact), which must not.
For each threshold: the share of paraphrases that would be found, and the share of near misses that
would be, by the vectors alone and with the guards of :func:`ragkit.answer.answer_cache.same_meaning`.
"""

from __future__ import annotations

import itertools

from ragkit.answer.answer_cache import same_meaning
from ragkit.embed import load_embedder
from ragkit.question.reading import read_question

PRODUCTS = ("Heron CV-300", "Volto X", "Norva 12", "dishwasher", "rear axle", "Linde pump")
# In each row all say the same; another row asks for something else.
FACTS = (
    ("How long is the {p} under warranty?", "How many months of warranty does the {p} have?",
     "What is the warranty period of the {p}?"),
    ("How much does the {p} weigh?", "What is the weight of the {p}?", "How heavy is the {p}?"),
    ("How do I reset the {p}?", "What is the way to reset the {p}?",
     "How can the {p} be reset?"),
    ("What is the maximum pressure of the {p}?", "What pressure may the {p} have at maximum?",
     "Tell me the maximum pressure of the {p}."),
    ("Who repairs the {p} in Sweden?", "Who does repairs of the {p} in Sweden?",
     "By whom is the {p} repaired in Sweden?"),
    ("What does the {p} cost with the service contract?",
     "How much is the {p} with the service contract?",
     "What is the price of the {p} with the service contract?"),
    ("Which oil does the {p} need after 500 hours?",
     "What oil is needed for the {p} after 500 hours?",
     "Which oil is to be used in the {p} after 500 hours?"),
    ("Is the {p} covered against frost?", "Does the cover of the {p} include frost?",
     "Is frost damage to the {p} covered?"),
)  # fmt: skip
CHANGES = (
    ("maximum", "minimum"), ("Sweden", "Norway"), ("with the", "without the"), ("500", "250"),
    ("after", "before"), ("reset", "start"), ("covered", "not covered"), ("frost", "water"),
    ("repair", "sell"), ("weigh", "cost"), ("oil", "filter"), ("warranty", "delivery"),
)  # fmt: skip
THRESHOLDS = (0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98)


def pairs() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return paraphrases and near misses."""
    same: list[tuple[str, str]] = []
    other: list[tuple[str, str]] = []
    for product, forms in itertools.product(PRODUCTS, FACTS):
        said = [form.format(p=product) for form in forms]
        same += itertools.combinations(said, 2)
        other += [
            (said[0], forms[0].format(p=another)) for another in PRODUCTS if another != product
        ]
        for one, two in itertools.product(said, repeat=2):
            for before, after in CHANGES:
                if before in two and after not in two:
                    other.append((one, two.replace(before, after)))
    other += [
        (first[0].format(p=product), second[0].format(p=product))
        for product in PRODUCTS
        for first, second in itertools.combinations(FACTS, 2)
    ]
    return same, list(dict.fromkeys(other))


def main() -> None:
    same, other = pairs()
    embedder = load_embedder("all-MiniLM-L6-v2")
    texts = list(dict.fromkeys(text for pair in [*same, *other] for text in pair))
    vectors = dict(zip(texts, embedder.embed(texts, kind="query"), strict=True))
    questions = {text: read_question(text) for text in texts}
    print(f"{len(same):,} paraphrases, {len(other):,} near misses\n")
    print("threshold   found   false (vectors alone)   found   false (with guards)")
    for threshold in THRESHOLDS:
        shares = []
        for guarded in (False, True):
            for listed in (same, other):
                hits = sum(
                    float(vectors[one] @ vectors[two]) >= threshold
                    and (not guarded or same_meaning(questions[one], questions[two]))
                    for one, two in listed
                )
                shares.append(hits / len(listed))
        print(
            f"{threshold:9.2f}   {shares[0]:5.1%}   {shares[1]:21.2%}   {shares[2]:5.1%}"
            f"   {shares[3]:19.2%}"
        )


if __name__ == "__main__":
    main()
