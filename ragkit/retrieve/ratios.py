"""Accounting figures that reports seldom name: what they are computed from, and where that stands.

A report holds the statements, not "the quick ratio": a question about such a figure is also
searched for by its components. The formulas are those of any accounting textbook; nothing here
knows of any one report.
"""

from __future__ import annotations

import re

_BALANCE = "consolidated balance sheets"
_INCOME = "consolidated statements of income operations earnings"
_CASH = "consolidated statements of cash flows"
_BOTH = f"{_BALANCE} {_INCOME}"

_FIGURES: tuple[tuple[str, str, str], ...] = (
    (
        r"working capital|current ratio",
        "total current assets, total current liabilities",
        _BALANCE,
    ),
    (
        r"(?:quick|acid[- ]test) ratio",
        "cash and cash equivalents, marketable securities, receivables, total current liabilities",
        _BALANCE,
    ),
    (
        r"cash[ _]ratio",
        "cash and cash equivalents, short-term investments, total current liabilities",
        _BALANCE,
    ),
    (
        r"cash conversion cycle|(?:inventory|receivables?|payables?|assets?) turnover"
        r"|days (?:sales|inventory|payables?)",
        "revenues, cost of sales, inventories, accounts receivable, accounts payable",
        _BOTH,
    ),
    (
        r"\broa\b|return on (?:total |average )*assets",
        "net income, total assets",
        _BOTH,
    ),
    (
        r"\broe\b|return on (?:total |average |common )*(?:(?:share|stock)holders?['’]? )?equity",
        "net income, total shareholders' equity",
        _BOTH,
    ),
    (
        r"\bro(?:ce|ic)\b|capital employed|invested capital",
        "operating income, total assets, total current liabilities, total equity, long-term debt",
        _BOTH,
    ),
    (
        r"\bebitda?\b",
        "operating income, net income, interest expense, income taxes, depreciation and"
        " amortization",
        f"{_INCOME} {_CASH}",
    ),
    (
        r"(?:gross|operating|net|profit)(?: profit)? margins?",
        "revenue, cost of sales, gross profit, operating income, net earnings",
        _INCOME,
    ),
    (
        r"interest coverage|times interest earned",
        "operating income, interest expense, earnings before income tax",
        _INCOME,
    ),
    (
        r"(?:effective )?tax (?:rate|ratio)",
        "income tax expense, earnings before income tax",
        _INCOME,
    ),
    (
        r"debt[- ]to[- ](?:equity|assets|capital)|capitali[sz]ation ratio"
        r"|(?:equity|debt|leverage|gearing) ratio",
        "long-term debt, total liabilities, total shareholders' equity",
        _BALANCE,
    ),
    (
        r"interest to (?:average )?(?:total )?debt",
        "interest expense, long-term debt, current portion of long-term debt",
        _BOTH,
    ),
    (
        r"cash flow (?:ratio|to (?:total )?debt)|free cash flow",
        "net cash provided by operating activities, total current liabilities, capital expenditures",
        f"{_CASH} {_BALANCE}",
    ),
    (
        r"capital expenditures?|\bcapex\b",
        "purchases of property, plant and equipment",
        _CASH,
    ),
    (
        r"(?:dividend )?payout ratio",
        "dividends paid, net income",
        f"{_CASH} {_INCOME}",
    ),
    (
        r"\bto (?:total |average )?(?:assets|sales|revenues?|equity"
        r"|(?:share|stock)holders?['’]? equity)(?: ratio)?\b",
        "total assets, revenues, total equity",
        _BOTH,
    ),
    (
        r"\bgoodwill\b|total (?:current )?(?:assets|liabilities)",
        "goodwill, total current assets, total assets, total liabilities",
        _BALANCE,
    ),
    (
        r"earnings per (?:\w+ )?share|\beps\b",
        "basic and diluted earnings per share",
        _INCOME,
    ),
)
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), items, statements)
    for pattern, items, statements in _FIGURES
)


def components(question: str) -> str | None:
    """Return what to look for to compute the figure that ``question`` names, if it names one.

    >>> components("What was Nike's current ratio?")
    'total current assets, total current liabilities. consolidated balance sheets'
    """
    for pattern, items, statements in _PATTERNS:
        if pattern.search(question):
            return f"{items}. {statements}"
    return None


def named_figure(question: str) -> str:
    """Return the words by which ``question`` names such a figure; empty if it names none.

    >>> named_figure("What was Nike's current ratio?")
    'current ratio'
    """
    for pattern, _items, _statements in _PATTERNS:
        if match := pattern.search(question):
            return match[0]
    return ""
