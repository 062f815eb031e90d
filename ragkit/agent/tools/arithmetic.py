"""Arithmetic for models that cannot count: exact, bounded, and never Python's ``eval``."""

from __future__ import annotations

from ragkit.agent.tool import ToolError, tool

_DESCRIPTION = (
    "Evaluate arithmetic exactly. Numbers (1,234.5 or 1e6), + - * / // ^ !, parentheses, "
    "percentages (15% of 80; 200 + 10% is 220; % between two values is the remainder), functions "
    "(sqrt, round, min, max, sum, mean, log10, ln, sin, ...), units and conversions "
    "(5 ft 11 in to cm; 90 km/h * 20 min; 72 F to C)."
)


@tool(description=_DESCRIPTION, timeout=5.0)
def calculator(expression: str) -> str:
    """Evaluate arithmetic exactly, without ever handing it to Python.

    Whole numbers and fractions stay exact; what has no end is written with 15 significant digits.
    ``log`` and ``ln`` are natural, ``sin`` and ``cos`` take radians (or ``sin(30 deg)``), and
    ``round`` rounds halves away from zero.

    Args:
        expression: The arithmetic, without words around it, such as "(1200 - 15%) / 12".

    Returns:
        The value, followed by its unit if it has one. Without unit, ``float()`` reads it.

    Raises:
        ToolError: it cannot be read, has no value, or one of more than 4,000 digits.
    """
    from ragkit.agent.tools.expression import CalculationError, evaluate, show

    try:
        return show(evaluate(expression))
    except CalculationError as error:
        shown = expression if len(expression) <= 200 else f"{expression[:199]}…"
        raise ToolError(f"cannot calculate {shown!r}: {error}") from None
