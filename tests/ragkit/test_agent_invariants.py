"""What holds for agents whatever models write and tools return."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit import Agent, PromptTooLongError, RunState, tool
from ragkit.agent import react
from ragkit.llm import Message, ToolCall
from ragkit.llm.context_window import fit
from ragkit.testing import ScriptedModel


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"<{word}>"


LABELS = ["Thought:", "Action:", "Action Input:", "Observation:", "Final Answer:", "look_up", "{"]
REPLIES = st.lists(
    st.sampled_from([*LABELS, "\n", '{"word": "x"}', "**", "```json", "<tool_call>", "</think>"])
    | st.text(max_size=20),
    max_size=12,
).map(" ".join)


@given(REPLIES)
def test_every_reply_is_calls_an_answer_or_a_fault(reply: str) -> None:
    turn = react.parse(reply, [look_up.schema], "c1")
    for call in turn.calls:
        assert call.id == "c1"
    assert isinstance(turn.text, str)
    constrained = react.parse_step(reply, [look_up.schema], "c1")
    assert isinstance(constrained.text, str)


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_what_is_written_for_the_model_reads_as_the_same_call(
    word: str, more: dict[str, str]
) -> None:
    call = ToolCall("c1", "look_up", json.dumps({"word": word, **more}))
    (message,) = react.render([Message("assistant", "I look.", (call,))], "nonce")[:1]
    (read,) = react.parse(message.content, [look_up.schema], "c1").calls
    assert (read.name, json.loads(read.arguments)) == (call.name, json.loads(call.arguments))


@settings(max_examples=50, deadline=None)
@given(st.lists(REPLIES, min_size=1, max_size=6), st.booleans())
def test_every_run_ends_with_a_text(replies: list[str], native: bool) -> None:
    model = ScriptedModel(*replies, *["Final Answer: done"] * 30, native_tools=native)
    result = Agent(model, tools=[look_up]).run("?")
    assert result.text.strip()
    assert result.output == result.text
    assert RunState.from_json(result.state.to_json()) == result.state


def conversation(sizes: list[tuple[int, int]], earlier: int) -> tuple[list[Message], int]:
    messages = [Message("system", "You help.")]
    messages += [
        Message("user" if n % 2 == 0 else "assistant", "earlier words " * 20)
        for n in range(2 * earlier)
    ]
    messages.append(Message("user", "the question"))
    asked = len(messages) - 1
    for number, (calls, words) in enumerate(sizes):
        made = tuple(ToolCall(f"c{number}_{n}", "look_up", "{}") for n in range(calls))
        messages.append(Message("assistant", "thought", made))
        messages += [Message("tool", "word " * words, tool_call_id=call.id) for call in made]
    return messages, asked


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 600)), max_size=6),
    st.integers(0, 3),
    st.integers(30, 4_000),
)
def test_what_is_fitted_fits_and_stays_a_conversation(
    sizes: list[tuple[int, int]], earlier: int, room: int
) -> None:
    messages, asked = conversation(sizes, earlier)
    try:
        fitted = fit(messages, room, question=asked, model="tiny").messages
    except PromptTooLongError:
        # Only what must stay is left then: system, question, and the latest step cut short.
        assert room < 2_000
        return
    assert fitted[0] == messages[0]
    assert messages[asked] in fitted
    made: set[str] = set()
    for message in fitted:
        made |= {call.id for call in message.tool_calls}
        assert message.tool_call_id is None or message.tool_call_id in made
    answered = {message.tool_call_id for message in fitted if message.role == "tool"}
    assert made == answered
    if sum(len(message.content) + 200 for message in messages) <= room:
        assert list(fitted) == messages


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.booleans())
def test_no_result_ever_stands_in_a_message_of_user_or_system(
    results: list[str], constrained: bool
) -> None:
    marked: list[str] = [f"§{number}§ {text}" for number, text in enumerate(results)]
    messages = [Message("system", "s"), Message("user", "q")]
    for number, text in enumerate(marked):
        call = ToolCall(f"c{number}", "look_up", "{}")
        messages += [
            Message("assistant", "", (call,)),
            Message("tool", text, tool_call_id=call.id),
        ]
    rendered: tuple[Any, ...] = react.render(messages, "nonce", constrained=constrained)
    for message in rendered:
        if message.role != "assistant":
            assert "§" not in message.content
    assert all(any(f"§{n}§" in m.content for m in rendered) for n in range(len(marked)))
    assert [m.role for m in rendered] == ["system", "user", "assistant", "user"]
