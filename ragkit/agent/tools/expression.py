"""Reads and evaluates arithmetic, by recursive descent over its own tokens.

    expression := product (("+" | "-") product)*
    product    := unary (("*" | "/" | "//" | "%" | "of" | nothing) unary)*
    unary      := ("-" | "+" | "√") unary | power
    power      := postfix ("^" unary)?
    postfix    := atom ("!" | "%" | unit)*
    atom       := number | constant | unit | function "(" arguments ")" | "(" expression ")"

Nothing is ever handed to Python to evaluate, and the size of numbers, text and nesting is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from ragkit.agent.tools import functions
from ragkit.agent.tools.quantity import (
    MAX_DIGITS,
    CalculationError,
    Quantity,
    add,
    checked,
    convert,
    multiply,
    plain,
    raise_to,
    scale,
    show,
)
from ragkit.agent.tools.units import find_unit

_MAX_LENGTH = 4_000
_MAX_DEPTH = 60
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+"
    r"|(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+(?:_\d+)*|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?"
)
_IN_CALL_NUMBER = re.compile(  # between the parentheses of a function, a comma separates
    r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|(?:\d+(?:_\d+)*|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?"
)
_NAME = re.compile(r"[^\W\d_]+\d{0,2}(?![\w])|°[CF]?|[^\W\d_]+")
_OPERATOR = re.compile(r"\*\*|//|[-+*/%^!(),√\[\]]")
# As people say it, and as programs write it.
_WORDS = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), meaning)
    for words, meaning in (
        (r"plus", "+"),
        (r"minus", "-"),
        (r"times|multiplied\s+by", "*"),
        (r"divided\s+by", "/"),
        (r"to\s+the\s+power\s+of", "^"),
        (r"squared", "^2"),
        (r"cubed", "^3"),
        (r"math\.(?=[a-z])", ""),
    )
)
_SYNONYMS = str.maketrans(
    {
        "×": "*", "⋅": "*", "·": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-",
        "—": "-", "{": "(", "}": ")", "$": " ", "€": " ", "£": " ", "¥": " ",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "％": "%", "＋": "+", "－": "-", "＊": "*",
        "／": "/", "（": "(", "）": ")", "．": ".", "，": ",",
    }
)  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_CONVERSIONS = ("to", "in", "as")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "number", "name", "operator" or "end"
    text: str
    at: int


def evaluate(expression: str) -> Quantity:
    """Return the value of an arithmetic expression.

    Raises:
        CalculationError: it cannot be read or has no value; the message says where and why.
    """
    if len(expression) > _MAX_LENGTH:
        raise CalculationError(f"the expression is longer than {_MAX_LENGTH} characters")
    text = expression.strip().rstrip("=? ").translate(_SYNONYMS)
    for words, meaning in _WORDS:
        text = words.sub(meaning, text)
    text = _SUPERSCRIPT.sub(lambda found: f"^({found[0].translate(_SUPERSCRIPTS)})", text)
    if not text.strip():
        raise CalculationError("the expression is empty")
    try:
        return _Parser(_tokens(text)).whole()
    except OverflowError:
        raise CalculationError(f"a number has more than {MAX_DIGITS} digits") from None


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    calls: list[bool] = []  # for each open parenthesis, whether it belongs to a function
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        number = _IN_CALL_NUMBER if calls and calls[-1] else _NUMBER
        patterns = (("number", number), ("operator", _OPERATOR), ("name", _NAME))
        matches = ((kind, pattern.match(text, at)) for kind, pattern in patterns)
        kind, found = next(((kind, match) for kind, match in matches if match), ("", None))
        if found is None:
            character = text[at]
            called = unicodedata.name(character, "unknown character")
            raise CalculationError(f"cannot read {character!r} ({called}) at position {at + 1}")
        token = _Token(kind, found[0], at)
        if token.text == "(":
            calls.append(bool(tokens) and _is_function(tokens[-1]))
        elif token.text == "[":
            calls.append(True)
        elif token.text in (")", "]") and calls:
            calls.pop()
        tokens.append(token)
        at = found.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _is_function(token: _Token) -> bool:
    return token.kind == "name" and token.text.lower() in functions.function_names()


class _Parser:
    """Walks the tokens once, from left to right, evaluating as it goes."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Quantity:
        value = self._expression()
        while self._now.kind == "name" and self._now.text.lower() in _CONVERSIONS:
            self._next()
            value = convert(value, self._target())
        if self._now.kind != "end":
            raise self._unexpected()
        return value

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, *texts: str) -> str | None:
        token = self._now
        if token.kind == "operator" and token.text in texts:
            return self._next().text
        return None

    def _unexpected(self) -> CalculationError:
        token = self._now
        if token.kind == "end":
            return CalculationError("the expression ends where a value is missing")
        return CalculationError(f"did not expect {token.text!r} at position {token.at + 1}")

    def _expression(self) -> Quantity:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise CalculationError(f"parentheses are nested more than {_MAX_DEPTH} deep")
        value = self._product()
        while operator := self._take("+", "-"):
            value = add(value, self._product(), 1 if operator == "+" else -1)
        self._depth -= 1
        return value

    def _product(self) -> Quantity:
        value = self._unary()
        while True:
            token = self._now
            if self._take("*"):
                value = multiply(value, self._unary())
            elif self._take("/"):
                value = multiply(value, self._unary(), -1)
            elif self._take("//"):
                divisor = self._unary()
                value = functions.call("floor", [multiply(value, divisor, -1)])
            elif self._take("%") or (token.kind == "name" and token.text.lower() == "mod"):
                if token.kind == "name":
                    self._next()
                right = plain(self._unary(), "the remainder")
                value = Quantity(functions.modulo(plain(value, "the remainder"), right))
            elif token.kind == "name" and token.text in ("x", "X", "of"):
                self._next()
                value = multiply(value, self._unary())
            elif self._begins_value() and token.kind != "number":
                value = multiply(value, self._unary())
            else:
                return value

    def _begins_value(self) -> bool:
        token = self._now
        if token.kind == "name":
            return token.text.lower() not in (*_CONVERSIONS, "of", "x", "mod", "off")
        return token.kind == "number" or token.text in ("(", "[", "√")

    def _unary(self) -> Quantity:
        signs = 1
        while operator := self._take("+", "-"):
            signs = -signs if operator == "-" else signs
        if self._take("√"):
            value = functions.call("sqrt", [self._power()])
        else:
            value = self._power()
        if signs < 0:
            return Quantity(-value.number, value.units, value.percent)
        return value

    def _power(self) -> Quantity:
        chain = [(1, self._postfix())]
        while self._take("**", "^"):
            sign = 1
            while operator := self._take("+", "-"):
                sign = -sign if operator == "-" else sign
            chain.append((sign, self._postfix()))
            if len(chain) > _MAX_DEPTH:
                raise CalculationError("too many powers of powers")
        sign, value = chain.pop()  # a chain such as 2^-3^2 is read from the right
        while chain:
            exponent = Quantity(-value.number, value.units) if sign < 0 else value
            sign, base = chain.pop()
            value = raise_to(base, exponent)
        return value

    def _postfix(self) -> Quantity:
        began = self._now
        value = self._atom()
        while True:
            token = self._now
            if self._take("!"):
                value = Quantity(functions.factorial(plain(value, "a factorial")))
            elif token.text == "%" and token.kind == "operator" and self._is_percent():
                self._next()
                value = Quantity(checked(plain(value, "a percentage") / 100), percent=True)
                value = self._of(value)
            elif began.kind == "number" and not value.units and (unit := self._unit()):
                value = self._with_smaller_units(scale(unit, value.number))
            else:
                return value

    def _is_percent(self) -> bool:
        """Whether the ``%`` here follows a percentage, rather than asking for a remainder."""
        after = self._tokens[self._at + 1]
        if after.kind == "name":
            return after.text.lower() in ("of", "off", "x", *_CONVERSIONS)
        return not (after.kind == "number" or after.text in ("(", "[", "√"))

    def _of(self, percent: Quantity) -> Quantity:
        """Read what follows ``15%`` in ``15% of 80`` and ``15% off 80``; it binds tightly."""
        word = self._now.text.lower() if self._now.kind == "name" else ""
        if word not in ("of", "off"):
            return percent
        self._next()
        factor = percent.number if word == "of" else 1 - percent.number
        return scale(self._unary(), factor)

    def _unit(self) -> Quantity | None:
        """Read a unit right after a number, with its power: ``3 m^2``."""
        token = self._now
        if token.kind != "name" or self._tokens[self._at + 1].text == "(":
            return None
        unit = find_unit(token.text)
        if unit is None or (token.text.lower() in _CONVERSIONS and self._unit_follows()):
            return None
        self._next()
        value = Quantity(Fraction(1), ((unit, 1),))
        if self._now.text in ("^", "**") and self._tokens[self._at + 1].kind == "number":
            self._next()
            value = raise_to(value, self._atom())
        return value

    def _unit_follows(self) -> bool:
        """Whether the word here, ``in``, stands before a unit: ``2 ft in cm``, ``2 in in cm``."""
        words = [token.text for token in self._tokens[self._at + 1 : self._at + 3]]
        if words[0].lower() in _CONVERSIONS and len(words) > 1 and find_unit(words[1]):
            return False
        return find_unit(words[0]) is not None

    def _with_smaller_units(self, value: Quantity) -> Quantity:
        """Read on in ``5 ft 3 in`` and ``2 h 30 min``."""
        while self._now.kind == "number":
            start = self._at
            number = self._atom()
            unit = self._unit()
            if unit is None or unit.dimension != value.dimension:
                self._at = start
                return value
            sign = -1 if value.number < 0 else 1
            value = add(value, scale(unit, number.number), sign)
        return value

    def _target(self) -> Quantity:
        """Read the units after ``to``."""
        value = self._named_unit()
        while operator := self._take("*", "/"):
            value = multiply(value, self._named_unit(), 1 if operator == "*" else -1)
        return value

    def _named_unit(self) -> Quantity:
        token = self._now
        unit = self._unit()
        if unit is None:
            if token.kind != "name":
                raise self._unexpected()
            raise CalculationError(f"unknown unit {token.text!r}")
        return unit

    def _atom(self) -> Quantity:
        token = self._next()
        if token.kind == "number":
            return Quantity(_number(token.text))
        if token.text in ("(", "["):
            value = self._expression()
            self._close(")" if token.text == "(" else "]")
            return value
        if token.kind == "name":
            return self._name(token)
        self._at -= 1
        raise self._unexpected()

    def _name(self, token: _Token) -> Quantity:
        if self._take("("):
            arguments = [] if self._now.text == ")" else self._argument()
            while self._take(","):
                arguments += self._argument()
            self._close()
            return functions.call(token.text.lower(), arguments)
        if token.text.lower() in functions.CONSTANTS:
            return Quantity(functions.CONSTANTS[token.text.lower()])
        self._at -= 1
        unit = self._unit()
        if unit is None:
            kind = "a function: write its argument in parentheses" if _is_function(token) else ""
            known = kind or "no unit, constant or function of the calculator"
            raise CalculationError(f"{token.text!r} is {known}")
        return unit

    def _argument(self) -> list[Quantity]:
        """Read an argument, or several in brackets: ``sum([1, 2, 3])``."""
        start = self._at
        if self._take("["):
            values = [self._expression()]
            while self._take(","):
                values.append(self._expression())
            self._close("]")
            if self._now.text in (",", ")"):
                return values
            self._at = start
        return [self._expression()]

    def _close(self, bracket: str = ")") -> None:
        if not self._take(bracket):
            if self._now.kind == "end":
                raise CalculationError("a parenthesis is not closed")
            raise self._unexpected()


def _number(text: str) -> Fraction:
    if text[:2].lower() in ("0x", "0b", "0o"):
        return Fraction(int(text, 0))
    digits, _, exponent = text.replace(",", "").replace("_", "").lower().partition("e")
    if len(digits) > MAX_DIGITS or len(exponent) > 6 or abs(int(exponent or 0)) > MAX_DIGITS:
        raise CalculationError(f"a number has more than {MAX_DIGITS} digits")
    number = Fraction(f"0{digits}" if digits.startswith(".") else digits.rstrip("."))
    return Fraction(checked(number * Fraction(10) ** int(exponent or 0)))


__all__ = ["CalculationError", "Quantity", "evaluate", "show"]
