"""The calculator: right, exact, bounded, and never Python."""

from __future__ import annotations

import json
import math
import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.agent import ToolError
from ragkit.agent.tools import calculator


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1+1", "2"),
        ("200*40*.01", "80"),
        ("0.1+0.2", "0.3"),
        ("1/3+1/3+1/3", "1"),
        ("1/3", "0.333333333333333"),
        ("2/3*3", "2"),
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("2^-2^2", "0.0625"),
        ("2**10", "1024"),
        ("7//2", "3"),
        ("-7 % 3", "2"),
        ("17 mod 5", "2"),
        ("01 + 007.50", "8.5"),
        ("1,234,567.89 * 2", "2469135.78"),
        ("max(1,234)", "234"),
        ("$1,200 - 15%", "1020"),
        ("15% of 80", "12"),
        ("200 + 10%", "220"),
        ("200 - 10%", "180"),
        ("10%", "0.1"),
        ("10% + 5%", "0.15"),
        ("20% off 50", "40"),
        ("100*(1+5%)", "105"),
        ("50% of 30% of 200", "30"),
        ("1/4 of 80", "20"),
        ("3 × 4 ÷ 2 − 1", "5"),
        ("3 x 4", "12"),
        ("2(3+4)(5)", "70"),
        ("5² + √16", "29"),
        ("3+4=", "7"),
        ("5!", "120"),
        ("12 plus 3 times 4 minus 10 divided by 5", "22"),
        ("3 squared + 2 to the power of 3", "17"),
        ("math.sqrt(16) + math.pi - math.pi", "4"),
        ("sum([1,234, 5])", "240"),
        ("max([1, 2], 3)", "3"),
        ("mean([2, 4] )", "3"),
        ("[1 + 2] * {3 + 4}", "21"),
        ("sqrt([4 + 5] * 4)", "6"),
        ("sqrt(16)", "4"),
        ("sqrt(2)^2", "2"),
        ("8^(1/3)", "2"),
        ("sin(pi)", "0"),
        ("sin(30 deg)", "0.5"),
        ("log10(1000)", "3"),
        ("log(8, 2)", "3"),
        ("ln(e)", "1"),
        ("round(2.5)", "3"),
        ("round(2.675, 2)", "2.68"),
        ("round(-1234.5, -2)", "-1200"),
        ("median(3, 1, 2)", "2"),
        ("comb(5, 2) + gcd(12, 18)", "16"),
        ("0x1F + 0b11", "34"),
        ("1e30/7", "1.42857142857143e+29"),
        ("5 ft 11 in to cm", "180.34 cm"),
        ("90 km/h * 20 min", "30 km"),
        ("100 km / 2 h", "50 km/h"),
        ("5 km + 300 m", "5.3 km"),
        ("72 F to C", "22.2222222222222 °C"),
        ("0 °C in °F", "32 °F"),
        ("1 GB / 100 Mb", "80"),
        ("2 in in cm", "5.08 cm"),
        ("3 m^2 to cm^2", "30000 cm^2"),
        ("sqrt(9 m^2)", "3 m"),
        ("max(1 km, 999 m)", "1 km"),
    ],
)
def test_values(expression: str, value: str) -> None:
    assert calculator(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("2+", "a value is missing"),
        ("(2", "not closed"),
        ("(2]", "did not expect ']'"),
        ("[1, 2]", "did not expect ','"),
        ("2)", "did not expect ')'"),
        ("1 2", "did not expect '2'"),
        ("1/0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("0^-1", "negative power"),
        ("sqrt(-1)", "no real"),
        ("(-8)^0.5", "no real"),
        ("ln(0)", "no real value"),
        ("5 kg + 3 m", "do not measure the same"),
        ("5 kg to m", "cannot be expressed in m"),
        ("20 C * 2 C", "only be converted"),
        ("foo(1)", "unknown function 'foo'"),
        ("sqrt", "in parentheses"),
        ("sqrt(1, 2)", "takes 1 arguments"),
        ("What is 3?", "'What' is no unit"),
        ("__import__('os')", "cannot read '_'"),
        ("().__class__", "cannot read '.'"),
        ("open('/etc/passwd')", "cannot read"),
        ("9**9**9", "more than 4000 digits"),
        ("9^9^9^9^9", "more than 4000 digits"),
        ("1e999999999", "more than 4000 digits"),
        ("factorial(100000)", "from 0 to 1000"),
        ("exp(1000)", "too large"),
        ("comb(10^9, 5*10^8)", "up to 10000"),
        ("(" * 5_000, "longer than 4000"),
        ("(" * 1_000, "nested more than"),
        ("2" + "^2" * 500, "powers of powers"),
        ("lcm(" + ",".join(f"10^300+{i}" for i in range(20)) + ")", "4000 digits"),
    ],
)
def test_refusals(expression: str, reason: str) -> None:
    with pytest.raises(ToolError, match=r"cannot calculate") as caught:
        calculator(expression)
    assert reason in str(caught.value)


def test_a_model_is_told_what_is_wrong() -> None:
    result = calculator.call({"expression": "2 +* 3"})
    assert result.error
    assert "did not expect '*' at position 4" in result.text
    assert calculator.call('{"expression": "2 + 3"}').text == "5"


_numbers = st.one_of(
    st.integers(-(10**9), 10**9), st.decimals(-10_000, 10_000, places=3, allow_nan=False)
)


@given(st.lists(st.tuples(_numbers, st.sampled_from("+-*/")), min_size=1, max_size=8), _numbers)
def test_agrees_with_exact_arithmetic(terms: list[tuple[object, str]], last: object) -> None:
    text = "".join(f"({number}){operator}" for number, operator in terms) + f"({last})"
    # An independent reading: products first, then sums, over fractions.
    total, product, sign, pending = Fraction(0), Fraction(1), 1, "*"
    for number, operator in [*terms, (last, "+")]:
        value = Fraction(str(number))
        if pending == "/" and value == 0:
            with pytest.raises(ToolError, match="division by zero"):
                calculator(text)
            return
        product = product * value if pending == "*" else product / value
        if operator in "+-":
            total += sign * product
            product, sign, pending = Fraction(1), (1 if operator == "+" else -1), "*"
        else:
            pending = operator
    assert math.isclose(Fraction(calculator(text)), total, rel_tol=1e-14, abs_tol=0)


@given(st.text(max_size=60))
def test_any_text_ends_in_a_value_or_a_reason(text: str) -> None:
    try:
        assert calculator(text)
    except ToolError as error:
        assert str(error)


@given(st.text("0123456789.+-*/%^()! ,eEoxfinkmt°√π", max_size=40))
def test_anything_like_arithmetic_ends_in_a_value_or_a_reason(text: str) -> None:
    try:
        assert calculator(text)
    except ToolError as error:
        assert str(error)


def test_measured_expressions() -> None:
    data = os.environ.get("RAGKIT_EVAL_DATA", str(Path(__file__).parents[3] / "shared" / "eval"))
    path = Path(data, "arithmetic.jsonl")
    if not path.exists():
        pytest.skip("the evaluation data is not here")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wrong = [
        line["expression"]
        for line in lines
        if not math.isclose(Fraction(calculator(line["expression"])), Fraction(line["value"]))
    ]
    assert not wrong
