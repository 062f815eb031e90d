r"""Chains: plain functions, put together into larger ones, with every step traced.

    from ragkit.chain import PromptTemplate, ask, sequence

    summarise = sequence(PromptTemplate("Summarise in one sentence:\n{text}"), ask(model), str.strip)
    summarise({"text": "…"})

There is nothing to inherit from: a step is any function of one value, and so is a chain.
"""

from ragkit.chain.choosing import best_of, by_model, by_score, guarded
from ragkit.chain.prompting import Parsed, ask, ask_for, parse
from ragkit.chain.steps import branch, each, fallback, parallel, retry, sequence
from ragkit.chain.template import PromptTemplate
from ragkit.chain.texts import map_reduce, refine, split_text
from ragkit.errors import ChainError

__all__ = [
    "ChainError",
    "Parsed",
    "PromptTemplate",
    "ask",
    "ask_for",
    "best_of",
    "branch",
    "by_model",
    "by_score",
    "each",
    "fallback",
    "guarded",
    "map_reduce",
    "parallel",
    "parse",
    "refine",
    "retry",
    "sequence",
    "split_text",
]
