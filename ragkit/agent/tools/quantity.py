"""Numbers with units for the calculator: exact while they can be, bounded in size."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction

from ragkit.agent.tools.units import NONE, Dimension, Unit

Number = Fraction | float

MAX_DIGITS = 4_000
_MAX_BITS = int(MAX_DIGITS * math.log2(10))
_TOO_LARGE = f"the result has more than {MAX_DIGITS} digits"


class CalculationError(ValueError):
    """An expression that cannot be read, or has no value; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with the powers of its units; ``percent`` marks one written with a percent sign."""

    number: Number
    units: tuple[tuple[Unit, int], ...] = ()
    percent: bool = field(default=False)

    @property
    def dimension(self) -> Dimension:
        """What it measures."""
        return _dimension(self.units)


def plain(quantity: Quantity, what: str) -> Number:
    """Return the number of a quantity that must have no unit.

    Raises:
        CalculationError: it has one.
    """
    if quantity.units:
        raise CalculationError(f"{what} needs a number without a unit, not {show(quantity)}")
    return quantity.number


def add(left: Quantity, right: Quantity, sign: int = 1) -> Quantity:
    """Add, or subtract with ``sign`` -1. ``200 + 10%`` is 220, as on a pocket calculator."""
    if right.percent and not left.percent:
        return scale(left, checked(1 + sign * right.number))
    moved = _in_units_of(left, right, "+" if sign > 0 else "-")
    return Quantity(checked(left.number + sign * moved), left.units, left.percent and right.percent)


def scale(quantity: Quantity, factor: Number) -> Quantity:
    """Multiply by a plain number."""
    return Quantity(multiply_numbers(quantity.number, factor), quantity.units)


def multiply(left: Quantity, right: Quantity, power: int = 1) -> Quantity:
    """Multiply, or divide with ``power`` -1; units of one dimension are merged into the left's."""
    number = right.number
    if power < 0:
        if number == 0:
            raise CalculationError("division by zero")
        number = 1 / number
    units = dict(left.units)
    for unit, times in right.units:
        _no_scale(unit)
        same = next((own for own in units if own.dimension == unit.dimension), unit)
        number = number * (unit.size / same.size) ** (times * power)
        units[same] = units.get(same, 0) + times * power
    for unit, _ in left.units:
        _no_scale(unit)
    result = Quantity(
        multiply_numbers(left.number, number),
        tuple((unit, times) for unit, times in units.items() if times),
    )
    if result.units and result.dimension == NONE:
        return Quantity(multiply_numbers(result.number, _size(result.units)))
    return result


def multiply_numbers(left: Number, right: Number) -> Number:
    """Multiply two numbers, refusing a result too large to write down."""
    return checked(left * right)


def convert(quantity: Quantity, target: Quantity) -> Quantity:
    """Express ``quantity`` in the units of ``target``, also between scales of temperature."""
    if not quantity.units:
        raise CalculationError(f"{show(quantity)} has no unit to convert to {_name(target.units)}")
    if len(quantity.units) == len(target.units) == 1 and quantity.dimension == target.dimension:
        (source, power), (wanted, _) = quantity.units[0], target.units[0]
        if power == 1 and (source.zero or wanted.zero):
            kelvin = quantity.number * source.size + source.zero
            return Quantity((kelvin - wanted.zero) / wanted.size, target.units)
    if quantity.dimension != target.dimension:
        raise CalculationError(f"{show(quantity)} cannot be expressed in {_name(target.units)}")
    return Quantity(_in_units_of(target, quantity, "to"), target.units)


def raise_to(base: Quantity, exponent: Quantity) -> Quantity:
    """Raise to a power; exact for whole powers and for roots that come out even."""
    power = plain(exponent, "an exponent")
    if base.units:
        for unit, _ in base.units:
            _no_scale(unit)
        if not isinstance(power, Fraction) or power.denominator != 1:
            raise CalculationError(f"{show(base)} can only be raised to a whole power")
        units = tuple((unit, times * int(power)) for unit, times in base.units if power)
        return Quantity(power_of(base.number, power), units)
    return Quantity(power_of(base.number, power))


def power_of(base: Number, exponent: Number) -> Number:
    """Raise a number to a power.

    Raises:
        CalculationError: the result is not a real number, or too large.
    """
    if base == 0 and exponent < 0:
        raise CalculationError("zero cannot be raised to a negative power")
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator != 1:
            root = exact_root(base, exponent.denominator)
            if root is None:
                return _real_power(base, exponent)
            base, exponent = root, Fraction(exponent.numerator)
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base not in (0, 1, -1) and (size - 1) * abs(exponent.numerator) > _MAX_BITS:
            raise CalculationError(_TOO_LARGE)
        if base in (0, 1, -1):
            exponent = Fraction(min(exponent.numerator, 2 + exponent.numerator % 2))
        return checked(base**exponent.numerator)
    return _real_power(base, exponent)


def _real_power(base: Number, exponent: Number) -> float:
    if base < 0 and exponent != int(exponent):
        raise CalculationError("a negative number has no real root of this kind")
    try:
        return float(checked(math.pow(base, exponent)))
    except OverflowError:
        raise CalculationError(_TOO_LARGE) from None


def exact_root(value: Fraction, degree: int) -> Fraction | None:
    """Return the real root of this degree if it is rational, else ``None``."""
    if degree > 64 or (value < 0 and degree % 2 == 0):
        return None
    sign = -1 if value < 0 else 1
    roots = [_whole_root(part, degree) for part in (abs(value.numerator), value.denominator)]
    if roots[0] is None or roots[1] is None:
        return None
    return Fraction(sign * roots[0], roots[1])


def _whole_root(value: int, degree: int) -> int | None:
    """Newton's method on whole numbers."""
    if value < 2:
        return value
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess if guess**degree == value else None
        guess = better


def checked(number: Number | int) -> Number:
    """Return a number that is finite and not too large.

    Raises:
        CalculationError: it is neither.
    """
    if isinstance(number, float):
        if not math.isfinite(number):
            raise CalculationError("the result is too large, or not a number")
        return number
    number = Fraction(number)
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MAX_BITS:
        raise CalculationError(_TOO_LARGE)
    return number


def show(quantity: Quantity) -> str:
    """Write a quantity: exact where its decimals end, else with 15 significant digits."""
    number = show_number(quantity.number)
    return f"{number} {_name(quantity.units)}" if quantity.units else number


def show_number(number: Number) -> str:
    """Write a number without unit; ``float()`` and ``Decimal()`` read it back."""
    if isinstance(number, float):
        if number == int(number) and abs(number) < 1e15:
            return str(int(number))
        return _tidy(f"{number:.15g}")
    if number.denominator == 1:
        return str(number.numerator)
    places = _decimal_places(number.denominator)
    if places is not None and places <= 40:
        digits = str(abs(number.numerator) * 10**places // number.denominator).zfill(places + 1)
        sign = "-" if number < 0 else ""
        return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return _significant(number)


def _decimal_places(denominator: int) -> int | None:
    """How many decimals a fraction with this denominator has; ``None`` if they never end."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


def _significant(number: Fraction) -> str:
    context = Context(prec=15)
    value = context.divide(Decimal(number.numerator), Decimal(number.denominator))
    return _tidy(f"{value:f}" if -7 < value.adjusted() < 21 else f"{value:e}")


def _tidy(text: str) -> str:
    mantissa, mark, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + mark + exponent


def _dimension(units: tuple[tuple[Unit, int], ...]) -> Dimension:
    powers = [0] * len(NONE)
    for unit, times in units:
        for place, power in enumerate(unit.dimension):
            powers[place] += power * times
    return tuple(powers)  # type: ignore[return-value]  # as long as NONE


def _size(units: tuple[tuple[Unit, int], ...]) -> Fraction:
    size = Fraction(1)
    for unit, times in units:
        size *= unit.size**times
    return size


def _in_units_of(left: Quantity, right: Quantity, operator: str) -> Number:
    if left.dimension != right.dimension:
        raise CalculationError(
            f"{show(left)} {operator} {show(right)}: these do not measure the same thing"
        )
    if left.units != right.units:
        for unit, _ in (*left.units, *right.units):
            _no_scale(unit)
    return right.number * (_size(right.units) / _size(left.units))


def _no_scale(unit: Unit) -> None:
    if unit.zero:
        raise CalculationError(f"{unit.symbol} can only be converted, not calculated with")


def _name(units: tuple[tuple[Unit, int], ...]) -> str:
    def power(unit: Unit, times: int) -> str:
        return unit.symbol if times == 1 else f"{unit.symbol}^{times}"

    above = [power(unit, times) for unit, times in units if times > 0]
    below = [power(unit, -times) for unit, times in units if times < 0]
    if not above:
        return "·".join(power(unit, times) for unit, times in units)
    return "/".join(["·".join(above), *below])
