"""The functions and constants that the calculator knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from ragkit.agent.tools.quantity import (
    CalculationError,
    Number,
    Quantity,
    add,
    checked,
    multiply_numbers,
    plain,
    power_of,
    scale,
    show,
)
from ragkit.agent.tools.units import find_unit

CONSTANTS: dict[str, float] = {"pi": math.pi, "π": math.pi, "e": math.e, "tau": math.tau}
_MOST_ARGUMENTS = 1_000
_LARGEST_FACTORIAL = 1_000


def call(name: str, arguments: Sequence[Quantity]) -> Quantity:
    """Call the function ``name``.

    Raises:
        CalculationError: there is no such function, or it cannot take these arguments.
    """
    if name in _OF_QUANTITIES:
        least, most, function = _OF_QUANTITIES[name]
        _count(name, arguments, least, most)
        return function(arguments)
    if name in _OF_NUMBERS:
        least, most, of_numbers = _OF_NUMBERS[name]
        _count(name, arguments, least, most)
        values = [plain(argument, f"{name}()") for argument in arguments]
        try:
            return Quantity(checked(of_numbers(*values)))
        except CalculationError:
            raise
        except OverflowError:
            raise CalculationError(f"the result of {name}() is too large") from None
        except ValueError:
            shown = ", ".join(show(argument) for argument in arguments)
            raise CalculationError(f"{name}({shown}) has no real value") from None
    raise CalculationError(f"unknown function {name!r}; there are: {', '.join(function_names())}")


def function_names() -> list[str]:
    """Return the names of all functions."""
    return sorted({*_OF_QUANTITIES, *_OF_NUMBERS})


def _count(name: str, arguments: Sequence[Quantity], least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        expected = f"{least}" if least == most else f"{least} or more"
        if least < most < _MOST_ARGUMENTS:
            expected = f"{least} to {most}"
        raise CalculationError(f"{name}() takes {expected} arguments, not {len(arguments)}")


def factorial(value: Number) -> Number:
    """Return the factorial of a whole number up to 1,000."""
    number = _whole(value, "a factorial")
    if not 0 <= number <= _LARGEST_FACTORIAL:
        raise CalculationError(f"a factorial needs a whole number from 0 to {_LARGEST_FACTORIAL}")
    return Fraction(math.factorial(number))


def round_half_up(value: Number, places: Number = Fraction(0)) -> Number:
    """Round to decimal places, halves away from zero, as spreadsheets and schools do."""
    digits = _whole(places, "the number of decimal places")
    if abs(digits) > 1_000:
        raise CalculationError("decimal places are at most 1000")
    # A float stands for the decimal it is written as: 2.675, not 2.67499999999999982236431605997495
    exact = Fraction(repr(value)) if isinstance(value, float) else value
    unit = Fraction(10) ** -digits
    rounded = math.floor(abs(exact) / unit + Fraction(1, 2)) * unit
    return rounded if exact >= 0 else -rounded


def _absolute(value: Number) -> Number:
    return -value if value < 0 else value


def _whole(value: Number, what: str) -> int:
    if value != int(value):
        raise CalculationError(f"{what} must be a whole number")
    return int(value)


def _wholes(values: Sequence[Number], name: str) -> list[int]:
    return [_whole(value, f"an argument of {name}()") for value in values]


def _extreme(arguments: Sequence[Quantity], sign: int) -> Quantity:
    best = arguments[0]
    for argument in arguments[1:]:
        if add(argument, best, -1).number * sign > 0:
            best = argument
    return best


def _total(arguments: Sequence[Quantity]) -> Quantity:
    total = arguments[0]
    for argument in arguments[1:]:
        total = add(total, argument)
    return total


def _median(arguments: Sequence[Quantity]) -> Quantity:
    same = [add(scale(arguments[0], Fraction(0)), argument) for argument in arguments]
    ordered = sorted(same, key=lambda argument: argument.number)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return scale(add(ordered[middle - 1], ordered[middle]), Fraction(1, 2))


def _deviation(arguments: Sequence[Quantity]) -> Quantity:
    mean = scale(_total(arguments), Fraction(1, len(arguments)))
    squares: Number = Fraction(0)
    for argument in arguments:
        squares = checked(squares + add(argument, mean, -1).number ** 2)
    number = power_of(squares / (len(arguments) - 1), Fraction(1, 2))
    return Quantity(number, arguments[0].units)


def _round(arguments: Sequence[Quantity]) -> Quantity:
    places = plain(arguments[1], "round()") if len(arguments) > 1 else Fraction(0)
    return Quantity(round_half_up(arguments[0].number, places), arguments[0].units)


def _each(function: Callable[[Number], Number | int]) -> Callable[[Sequence[Quantity]], Quantity]:
    def of_first(arguments: Sequence[Quantity]) -> Quantity:
        return Quantity(checked(function(arguments[0].number)), arguments[0].units)

    return of_first


def _angle(function: Callable[[float], float]) -> Callable[[Sequence[Quantity]], Quantity]:
    """Take radians, or an angle with its unit; a whole multiple of pi gives a clean zero."""

    def of_angle(arguments: Sequence[Quantity]) -> Quantity:
        angle = arguments[0]
        radian = find_unit("rad")
        if angle.units and radian is not None and angle.dimension == radian.dimension:
            size = math.prod(float(unit.size) ** times for unit, times in angle.units)
            angle = Quantity(float(angle.number) * size)
        radians = float(plain(angle, "a trigonometric function"))
        value = function(radians)
        if abs(value) < 4e-16 * max(1.0, abs(radians)) and abs(radians) > 1e-8:
            value = 0.0
        return Quantity(_float(round(value, 15) if abs(abs(value) - 0.5) < 1e-14 else value))

    return of_angle


def _float(value: float) -> Number:
    return Fraction(value) if value in (0.0, 0.5, -0.5, 1.0, -1.0) else value


def _log(value: Number, base: Number | None = None) -> Number:
    if value <= 0 or (base is not None and (base <= 0 or base == 1)):
        raise ValueError
    if base is None:
        return _ln(value)
    result = _ln(value) / _ln(base)
    whole = Fraction(round(result))
    if isinstance(value, Fraction) and isinstance(base, Fraction) and abs(whole) < 10_000:
        try:
            if power_of(base, whole) == value:
                return whole
        except CalculationError:
            pass
    return result


def _ln(value: Number) -> float:
    if isinstance(value, Fraction):  # either part alone may be beyond a float
        return math.log(value.numerator) - math.log(value.denominator)
    return math.log(value)


def _choose(name: str, function: Callable[[int, int], int]) -> Callable[[Number, Number], Number]:
    def of_two(total: Number, chosen: Number) -> Number:
        whole = _wholes([total, chosen], name)
        if max(whole) > 10_000:
            raise CalculationError(f"{name}() takes numbers up to 10000")
        return Fraction(function(*whole))

    return of_two


def _common(name: str, function: Callable[..., int]) -> Callable[..., Number]:
    return lambda *values: Fraction(function(*_wholes(values, name)))


def _quantity_power(arguments: Sequence[Quantity], exponent: Fraction) -> Quantity:
    units = []
    for unit, times in arguments[0].units:
        power = times * exponent
        if power.denominator != 1:
            raise CalculationError(f"{show(arguments[0])} has no such root: its units have none")
        units.append((unit, int(power)))
    return Quantity(power_of(arguments[0].number, exponent), tuple(units))


_MANY = _MOST_ARGUMENTS
_Taken = tuple[int, int, Callable[[Sequence[Quantity]], Quantity]]
_OF_QUANTITIES: dict[str, _Taken] = {
    "abs": (1, 1, _each(_absolute)),
    "floor": (1, 1, _each(math.floor)),
    "ceil": (1, 1, _each(math.ceil)),
    "trunc": (1, 1, _each(math.trunc)),
    "int": (1, 1, _each(math.trunc)),
    "round": (1, 2, _round),
    "min": (1, _MANY, lambda arguments: _extreme(arguments, -1)),
    "max": (1, _MANY, lambda arguments: _extreme(arguments, 1)),
    "sum": (1, _MANY, _total),
    "mean": (1, _MANY, lambda values: scale(_total(values), Fraction(1, len(values)))),
    "avg": (1, _MANY, lambda values: scale(_total(values), Fraction(1, len(values)))),
    "average": (1, _MANY, lambda values: scale(_total(values), Fraction(1, len(values)))),
    "median": (1, _MANY, _median),
    "stdev": (2, _MANY, _deviation),
    "sqrt": (1, 1, lambda arguments: _quantity_power(arguments, Fraction(1, 2))),
    "cbrt": (1, 1, lambda arguments: _quantity_power(arguments, Fraction(1, 3))),
    "sin": (1, 1, _angle(math.sin)),
    "cos": (1, 1, _angle(math.cos)),
    "tan": (1, 1, _angle(math.tan)),
}
_OF_NUMBERS: dict[str, tuple[int, int, Callable[..., Number | int]]] = {
    "root": (2, 2, lambda value, degree: power_of(value, checked(1 / degree if degree else 0))),
    "pow": (2, 2, power_of),
    "product": (1, _MANY, lambda *values: _product(values)),
    "sign": (1, 1, lambda value: (value > 0) - (value < 0)),
    "mod": (2, 2, lambda left, right: modulo(left, right)),
    "factorial": (1, 1, factorial),
    "exp": (1, 1, math.exp),
    "ln": (1, 1, _log),
    "log": (1, 2, _log),
    "log2": (1, 1, lambda value: _log(value, Fraction(2))),
    "log10": (1, 1, lambda value: _log(value, Fraction(10))),
    "asin": (1, 1, math.asin),
    "acos": (1, 1, math.acos),
    "atan": (1, 1, math.atan),
    "atan2": (2, 2, math.atan2),
    "sinh": (1, 1, math.sinh),
    "cosh": (1, 1, math.cosh),
    "tanh": (1, 1, math.tanh),
    "degrees": (1, 1, math.degrees),
    "radians": (1, 1, math.radians),
    "hypot": (2, _MANY, lambda *values: power_of(_squares(values), Fraction(1, 2))),
    "gcd": (1, _MANY, _common("gcd", math.gcd)),
    "lcm": (1, 100, _common("lcm", math.lcm)),
    "comb": (2, 2, _choose("comb", math.comb)),
    "ncr": (2, 2, _choose("ncr", math.comb)),
    "perm": (2, 2, _choose("perm", math.perm)),
    "npr": (2, 2, _choose("npr", math.perm)),
}


def modulo(left: Number, right: Number) -> Number:
    """Return the remainder, with the sign of ``right`` (as Python does)."""
    if right == 0:
        raise CalculationError("division by zero")
    return checked(left % right)


def _product(values: Sequence[Number]) -> Number:
    product: Number = Fraction(1)
    for value in values:
        product = multiply_numbers(product, value)
    return product


def _squares(values: Sequence[Number]) -> Number:
    return checked(sum((value * value for value in values), Fraction(0)))
