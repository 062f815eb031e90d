"""Which documents a question names: by their file, or as the latest or oldest of theirs."""

from __future__ import annotations

import re
from typing import Literal, get_args

from ragkit.language import lists
from ragkit.question.parts import READ_CHARACTERS

Order = Literal["latest", "oldest"]

_FILE = re.compile(r"(?<![\w.-])\w[\w.-]{0,250}\.[a-z][a-z0-9]{1,4}\b", re.IGNORECASE)
_ORDERS: dict[Order, re.Pattern[str]] = {
    order: re.compile(rf"\b{lists.alternatives(f'documents.{order}')}\b", re.IGNORECASE)
    for order in get_args(Order)
}


def file_names(text: str) -> frozenset[str]:
    """Find names of files, in lower case, as far as they look like such.

    >>> sorted(file_names("What does Employee_Handbook.txt say?"))
    ['employee_handbook.txt']
    """
    return frozenset(name.casefold() for name in _FILE.findall(text[:READ_CHARACTERS]))


def order_asked(text: str) -> Order | None:
    """Tell whether a question is about the latest or the oldest of some documents.

    >>> order_asked("Who was present according to the most recent minutes?")
    'latest'
    """
    read = text[:READ_CHARACTERS]
    return next((order for order, words in _ORDERS.items() if words.search(read)), None)
