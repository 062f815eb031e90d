"""Units of measurement for the calculator: what they measure, and how large they are.

Sizes are exact where the definition is (1 in = 0.0254 m; International Yard and Pound Agreement
of 1959; SI Brochure, 9th edition).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

# A dimension is the powers of metre, kilogram, second, kelvin, bit and radian.
Dimension = tuple[int, int, int, int, int, int]

NONE: Dimension = (0, 0, 0, 0, 0, 0)
_LENGTH: Dimension = (1, 0, 0, 0, 0, 0)
_MASS: Dimension = (0, 1, 0, 0, 0, 0)
_TIME: Dimension = (0, 0, 1, 0, 0, 0)
_TEMPERATURE: Dimension = (0, 0, 0, 1, 0, 0)
_DATA: Dimension = (0, 0, 0, 0, 1, 0)
_ANGLE: Dimension = (0, 0, 0, 0, 0, 1)
_AREA: Dimension = (2, 0, 0, 0, 0, 0)
_VOLUME: Dimension = (3, 0, 0, 0, 0, 0)
_SPEED: Dimension = (1, 0, -1, 0, 0, 0)
_FORCE: Dimension = (1, 1, -2, 0, 0, 0)
_ENERGY: Dimension = (2, 1, -2, 0, 0, 0)
_POWER: Dimension = (2, 1, -3, 0, 0, 0)
_PRESSURE: Dimension = (-1, 1, -2, 0, 0, 0)
_FREQUENCY: Dimension = (0, 0, -1, 0, 0, 0)

# symbol | other names | size in SI units (bits for data)
_TABLE: tuple[tuple[Dimension, str], ...] = (
    (
        _LENGTH,
        """m|meter metre|1; km|kilometer kilometre|1000; cm|centimeter centimetre|1/100;
        mm|millimeter millimetre|1/1000; um|µm micrometer micrometre micron|1/1000000;
        nm|nanometer nanometre|1/1000000000; mi|mile|1609.344; yd|yard|0.9144;
        ft|foot feet|0.3048; in|inch inches|0.0254; nmi||1852""",
    ),
    (
        _MASS,
        """kg|kilogram kilo|1; g|gram gramme|1/1000; mg|milligram|1/1000000;
        ug|µg microgram|1/1000000000; t|tonne|1000; lb|lbs pound|0.45359237;
        oz|ounce|0.028349523125; st|stone|6.35029318""",
    ),
    (
        _TIME,
        """s|sec second|1; ms|millisecond|1/1000; us|µs microsecond|1/1000000;
        ns|nanosecond|1/1000000000; min|minute|60; h|hr hour|3600; day|d|86400;
        week|wk|604800; year|yr|31557600""",
    ),
    (_TEMPERATURE, """K|kelvin|1; °C|C degC celsius|1; °F|F degF fahrenheit|5/9"""),
    (
        _DATA,
        """bit||1; kbit|kb|1000; Mbit|Mb|1000000; Gbit|Gb|1000000000; B|byte|8; kB|KB|8000;
        MB|megabyte|8000000; GB|gigabyte|8000000000; TB|terabyte|8000000000000;
        KiB|kibibyte|8192; MiB|mebibyte|8388608; GiB|gibibyte|8589934592;
        TiB|tebibyte|8796093022208""",
    ),
    (_ANGLE, """rad|radian|1; deg|degree °|pi/180"""),
    (
        _AREA,
        """ha|hectare|10000; acre||4046.8564224; sqm|m2|1; sqft|ft2|0.09290304; km2||1000000""",
    ),
    (
        _VOLUME,
        """l|L liter litre|1/1000; ml|mL milliliter millilitre|1/1000000; cl||1/100000; m3||1;
        gal|gallon|0.003785411784; qt|quart|0.000946352946; pt|pint|0.000473176473;
        cup||0.0002365882365; floz||0.0000295735295625; tbsp|tablespoon|0.00001478676478125;
        tsp|teaspoon|0.00000492892159375""",
    ),
    (_SPEED, """mph||0.44704; kph|kmh|5/18; knot|kn kt|463/900"""),
    (_FORCE, """N|newton|1; lbf||4.4482216152605"""),
    (
        _ENERGY,
        """J|joule|1; kJ|kilojoule|1000; MJ|megajoule|1000000; cal|calorie|4.184; kcal||4184;
        Wh||3600; kWh||3600000; BTU|btu|1055.05585262""",
    ),
    (
        _POWER,
        """W|watt|1; kW|kilowatt|1000; MW|megawatt|1000000; hp|horsepower|745.69987158227022""",
    ),
    (
        _PRESSURE,
        """Pa|pascal|1; kPa||1000; hPa||100; bar||100000; mbar||100; atm||101325;
        psi||6894.757293168361""",
    ),
    (_FREQUENCY, """Hz|hertz|1; kHz||1000; MHz||1000000; GHz||1000000000"""),
)
# Kelvin at the zero of the scale.
_ZERO = {"°C": Fraction(27315, 100), "°F": Fraction(45967, 180)}
_PI = Fraction(31415926535897932384626433832795028842, 10**37)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``size`` of it in SI units (bits for data), and ``zero`` of its scale in kelvin."""

    symbol: str
    dimension: Dimension
    size: Fraction
    zero: Fraction = Fraction(0)


@lru_cache(maxsize=1)
def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for dimension, rows in _TABLE:
        for row in rows.split(";"):
            symbol, others, size = row.strip().split("|")
            value = _PI / 180 if size == "pi/180" else Fraction(size)
            unit = Unit(symbol, dimension, value, _ZERO.get(symbol, Fraction(0)))
            for name in (symbol, *others.split()):
                units[name] = unit
                if len(name) > 2 and not name.endswith("s"):
                    units.setdefault(f"{name}s", unit)
    return units


def find_unit(name: str) -> Unit | None:
    """Return the unit of this name: a symbol as written, a word in any case, singular or plural."""
    units = _units()
    unit = units.get(name)
    if unit is None and len(name) > 2:
        unit = units.get(name.lower())
    return unit
