"""Tools: schemas from functions, checked arguments, bounded calls, results as text."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from ragkit import Tool, ToolError, UsageError, tool
from ragkit.events import Span, recording
from ragkit.llm.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(BaseModel):
    """Where."""

    city: str
    height: int = 0


@tool
def convert(amount: float, unit: Literal["km", "mi"] = "km") -> str:
    """Convert a distance
    between kilometres and miles.

    More about it.

    Args:
        amount: The distance,
            as a number.
        unit: What it is given in.
    """
    return f"{amount * 0.621371:.2f} mi" if unit == "km" else f"{amount / 0.621371:.2f} km"


# -- schemas ----------------------------------------------------------------------------------


def test_a_function_describes_itself() -> None:
    assert convert.name == "convert"
    assert convert.description == "Convert a distance between kilometres and miles."
    assert convert.parameters == {
        "type": "object",
        "properties": {
            "amount": {"type": "number", "description": "The distance, as a number."},
            "unit": {
                "type": "string",
                "enum": ["km", "mi"],
                "default": "km",
                "description": "What it is given in.",
            },
        },
        "required": ["amount"],
        "additionalProperties": False,
    }
    assert convert.schema.parameters == convert.parameters
    assert convert(10.0) == "6.21 mi"


def test_types_docstring_styles_and_annotations() -> None:
    def numpy_style(place: Place, tags: list[str] | None = None) -> None:
        """Go.

        Parameters
        ----------
        place : Place
            Where to.
        """

    def rest_style(model_config: int, schema: Annotated[str, "from the annotation"]) -> None:
        """Go.

        :param model_config: a name that pydantic reserves
        :param schema: overruled
        """

    def bounded(n: Annotated[int, Field(ge=1, le=3, description="few")]) -> int:
        return n

    parameters = tool(numpy_style).parameters
    assert parameters["properties"]["place"]["description"] == "Where to."
    assert parameters["$defs"]["Place"]["required"] == ["city"]
    properties = tool(rest_style).parameters["properties"]
    assert properties["model_config"]["description"] == "a name that pydantic reserves"
    assert properties["schema"]["description"] == "from the annotation"
    assert tool(bounded).parameters["properties"]["n"]["maximum"] == 3
    assert "4" in tool(bounded).call({"n": 4}).text


def test_options_methods_and_objects() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def add(self, n: int) -> int:
            """Add to it."""
            self.count += n
            return self.count

        def __call__(self, n: int) -> int:
            """Multiply."""
            return self.count * n

    counter = Counter()
    add = tool(counter.add)
    times = tool(name="times", description="Times.", timeout=None, confirm=True)(counter)
    assert add.call({"n": 2}).value == 2
    assert (times.name, times.description, times.timeout) == ("times", "Times.", None)
    assert times.call('{"n": 5}').value == 10
    assert times.needs_approval({})
    assert not add.needs_approval({})
    assert add.renamed("plus").name == "plus"


def test_approval_may_depend_on_the_arguments_and_is_needed_when_in_doubt() -> None:
    @tool(confirm=lambda arguments: arguments["amount"] > 100)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    assert not pay.needs_approval({"amount": 5})
    assert pay.needs_approval({"amount": 500})
    assert pay.needs_approval({})


def untyped(thing) -> None:  # type: ignore[no-untyped-def]
    pass


def unresolved(thing: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    pass


def variadic(*things: int) -> None:
    pass


def unspeakable(lock: threading.Thread) -> None:
    pass


class WithMethod:
    def method(self, n: int) -> int:
        return n


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "'thing' of tool 'untyped' has no type"),
        (unresolved, "cannot be resolved: name 'Missing'"),
        (variadic, r"takes \*things"),
        (unspeakable, "cannot be described in JSON"),
        (WithMethod.method, "bound method"),
    ],
)
def test_functions_that_no_model_could_call_are_refused(function: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tool(function)


@pytest.mark.parametrize(
    "options",
    [{"name": "no spaces"}, {"name": "x" * 65}, {"timeout": 0}, {"max_result_characters": 0}],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        tool(**options)(variadic_free)
    with pytest.raises(UsageError, match="a tool already"):
        tool(convert)


def variadic_free() -> str:
    return "ok"


def test_tools_described_elsewhere_are_checked_against_their_schema() -> None:
    parameters = {
        "properties": {"n": {"type": "integer"}, "deep": {"type": "object"}},
        "required": ["n"],
    }
    made = Tool.from_schema(
        lambda **given: given, name="raw", description="", parameters=parameters
    )
    assert made.call({"n": 1}).value == {"n": 1}
    assert 'n: "x" is not of type "integer"' in made.call({"n": "x"}).text
    assert '"n" is a required property' in made.call("").text
    for bad in ({"type": "array"}, {"properties": {"n": {"type": "whole"}}}):
        with pytest.raises(UsageError):
            Tool.from_schema(dict, name="raw", description="", parameters=bad)


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^(a+)+$"},
        {"pattern": r"^(?=.*b)(a+)+$"},
        {"pattern": r"^(?!b)(a|aa)+$"},
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False, "type": "object"},
    ],
)
def test_patterns_of_strangers_end(schema: dict[str, Any]) -> None:
    """With an engine that goes back, each runs longer than the universe, out of reach of Ctrl-C."""
    made = Tool.from_schema(
        dict, name="raw", description="", parameters={"properties": {"x": schema}}
    )
    text = "a" * 80 + "!"
    assert made.call({"x": {text: 1} if "type" in schema else text}).error


def test_schemas_of_strangers_reach_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"type": "integer"}')
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"not": deep}
    for bad in (
        {"$ref": (tmp_path / "x.json").as_uri()},
        {"$ref": "http://127.0.0.1:9/x.json"},
        {"pattern": "("},
        {"pattern": "(a{1000}){1000}{1000}"},
        deep,
    ):
        with pytest.raises(UsageError, match="not a JSON schema"):
            Tool.from_schema(
                dict, name="raw", description="", parameters={"properties": {"x": bad}}
            )


# -- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        '{"amount": 10}',
        '{"amount": "10"}',
        '```json\n{"amount": 10}\n```',
        "{'amount': 10, 'unit': 'km'}",
        '{"amount": 10,}',
        '"{\\"amount\\": 10}"',
        {"amount": 10},
    ],
)
def test_arguments_as_models_write_them(arguments: str | dict[str, Any]) -> None:
    assert convert.call(arguments).text == "6.21 mi"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "amount: is missing"),
        ("{}", "amount: is missing"),
        ('{"amount": "ten"}', "amount: Input should be a valid number"),
        ('{"amount": 1, "unit": "feet"}', "'km' or 'mi'"),
        ('{"amount": 1, "colour": 2}', "colour: there is no such parameter; there are: amount, u"),
        ('{"amount": 1', "not valid JSON"),
        ('Here you are: {"amount": 10}', "not valid JSON"),
        ('{"amount": 10} {"amount": 20}', "not valid JSON"),
        ("[1]", "must be one JSON object, not a list"),
        ("7", "not a number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"amount": "' + "x" * 10_000 + '"}', "…"),
    ],
)
def test_wrong_arguments_come_back_as_something_to_mend(arguments: str, told: str) -> None:
    result = convert.call(arguments)
    assert result.error
    assert told in result.text
    assert len(result.text) < 1_000


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_arguments_can_break_a_call(arguments: str) -> None:
    assert convert.call(arguments).error


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_is_read_as_it_is_whatever_is_in_its_strings(value: Any) -> None:
    text = json.dumps(value)
    assert read_json(text).value == value
    assert read_json(text).repairs == ()
    if isinstance(value, dict | list):
        assert read_json(f"```json\n{text}\n```").value == value


# -- results ----------------------------------------------------------------------------------


@dataclass
class Point:
    x: int


def endless() -> Iterator[int]:
    n = 0
    while True:
        yield n
        n += 1


ring: list[Any] = []
ring.append(ring)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "done"),
        (Point(1), '{"x":1}'),
        (Place(city="Ulm"), '{"city":"Ulm","height":0}'),
        ({"a": [1, float("nan")]}, '{"a":[1,"NaN"]}'),
        (b"\xff\x00", '"_wA="'),
        (object, "<class 'object'>"),
        (ring, "[[...]]"),
    ],
)
def test_results_are_text_for_the_model_and_the_value_for_the_program(
    value: Any, text: str
) -> None:
    def give() -> Any:
        return value

    result = tool(give).call("{}")
    assert text in result.text
    assert result.value is value
    assert not result.error


def test_a_huge_result_is_cut_with_a_note() -> None:
    @tool(max_result_characters=1_000)
    def huge() -> str:
        return "x" * 100_000_000

    result = huge.call("{}")
    assert len(result.text) < 1_100
    assert "the first 1,000 of 100,000,000 characters" in result.text
    assert not result.error


def test_an_endless_iterator_is_cut() -> None:
    def count() -> Iterator[int]:
        return endless()

    assert tool(count).call("{}").text.startswith("[0,1,2")


# -- failures ---------------------------------------------------------------------------------


def test_what_a_tool_raises_is_told() -> None:
    @tool
    def fail(how: str) -> None:
        if how == "own words":
            raise ToolError("the shop is closed on Mondays")
        if how == "exit":
            raise SystemExit(3)
        if how == "empty":
            raise KeyError
        raise ValueError("no such thing")

    assert fail.call({"how": "own words"}).text == "the shop is closed on Mondays"
    assert fail.call({"how": "?"}).text == "ValueError: no such thing"
    assert fail.call({"how": "exit"}).text == "SystemExit: 3"
    assert fail.call({"how": "empty"}).text == "KeyError"
    assert all(fail.call({"how": how}).error for how in ("own words", "exit", "?"))


def test_a_tool_that_never_returns_is_given_up() -> None:
    released = threading.Event()

    @tool(timeout=0.05)
    def stuck() -> None:
        released.wait(30)

    started = time.monotonic()
    result = stuck.call("{}")
    released.set()
    assert time.monotonic() - started < 10
    assert result.error
    assert result.text == "stuck did not finish within 0.05 seconds and was given up"


def test_async_tools_run_from_anywhere_and_are_cancelled_in_time() -> None:
    cancelled = threading.Event()

    @tool(timeout=0.05)
    async def sleepy(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "awake"

    @tool(timeout=None)
    async def inline() -> str:
        return "inline"

    assert sleepy.call({"seconds": 0}).text == "awake"
    assert "given up" in sleepy.call({"seconds": 30}).text
    assert cancelled.wait(10)

    async def application() -> str:
        return inline.call("{}").text

    assert asyncio.run(application()) == "inline"


def test_without_a_time_limit_a_tool_stays_in_its_thread() -> None:
    connection = sqlite3.connect(":memory:")

    @tool(timeout=None)
    def version() -> str:
        return str(connection.execute("SELECT sqlite_version()").fetchone()[0])

    assert version.call("{}").text == sqlite3.sqlite_version
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_tools_work_in_a_forked_process() -> None:
    assert convert.call({"amount": 10}).text == "6.21 mi"  # leaves an idle thread behind
    child = os.fork()
    if child == 0:
        os._exit(0 if convert.call({"amount": 10}).text == "6.21 mi" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- traces -----------------------------------------------------------------------------------


def test_each_call_is_a_span_with_what_happens_inside_as_its_children() -> None:
    @tool
    def outer(n: int) -> str:
        return convert.call({"amount": n}).text

    spans: list[Span] = []
    with recording(spans.append):
        outer.call('{"n": 10}')
        convert.call("nonsense")
    inner, root, failed = spans
    assert (root.name, root.kind, root.inputs, root.outputs) == (
        "outer",
        "tool",
        '{"n": 10}',
        "6.21 mi",
    )
    assert inner.parent == root.id
    assert failed.status == "error"
    assert failed.error is not None
    assert "not valid JSON" in failed.error
