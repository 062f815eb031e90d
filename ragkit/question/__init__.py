"""A question read once, for all that look for its answer."""

from ragkit.question.quantities import Quantity
from ragkit.question.question import Question
from ragkit.question.reading import read_question

__all__ = ["Quantity", "Question", "read_question"]
