"""Tool calls in plain text, for models that make none by themselves: Thought, Action, Observation.

The form is that of "ReAct: Synergizing Reasoning and Acting in Language Models" (Yao et al., 2022)
with the input of an action as JSON. Where replies can be held to a schema, each step is one JSON
object instead. Either way the conversation is kept in the same messages as native tool calls, and
only written differently for the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragkit.agent.text_calls import calls_in
from ragkit.llm.chat_model import Message, ToolCall, ToolSchema
from ragkit.llm.fence import defuse, fenced
from ragkit.llm.json_text import object_schema, read_json

STOP = ("\nObservation:", "Observation:")
GO_ON = "Go on."

_LABEL = re.compile(
    r"^[ \t>*_#-]*(thought|action[ _]input|action|observation|final[ _]answer)"
    r"[ \t]*[*_]*[ \t]*[:：][ \t]*[*_]*[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_CALL_FORM = re.compile(r"([\w .-]+?)\s*[(\[](.*)[)\]]\s*\Z", re.DOTALL)
_FINISH = {"finalanswer", "finish", "none", "answer"}

_INSTRUCTIONS = """\
You can use these tools:

{tools}

Work in steps. In each step write exactly this and then stop:

Thought: what you need to find out or do next
Action: the name of one tool
Action Input: its arguments as one JSON object

You will then be given the line "Observation:" with what the tool returned. Never write it \
yourself. When you know enough, write instead:

Thought: why you know enough
Final Answer: the answer for the user"""

_CONSTRAINED = """\
You can use these tools:

{tools}

Reply with one JSON object. To use a tool:
{{"thought": "why", "action": "name of the tool", "action_input": {{its arguments}}}}
You will then be told the observation: what the tool returned. When you know enough, reply:
{{"thought": "why", "final_answer": "the answer for the user"}}"""

REMINDER = (
    "Your reply had neither an action nor a final answer. Write either the lines 'Action:' and "
    "'Action Input:', or the line 'Final Answer:'."
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a reply comes down to: calls to make, or (without any) the answer in ``text``.

    ``fault`` tells the model what to mend, where the reply was neither.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    fault: str | None = None


def instructions(tools: Sequence[ToolSchema], *, constrained: bool) -> str:
    """Tell a model which tools there are and how to use them."""
    described = "\n".join(
        f"- {tool.name}: {defuse(tool.description) or 'no description'}\n"
        f"  arguments: {defuse(json.dumps(dict(tool.parameters), ensure_ascii=False))}"
        for tool in tools
    )
    return (_CONSTRAINED if constrained else _INSTRUCTIONS).format(tools=described)


def render(
    messages: Iterable[Message], nonce: str, *, constrained: bool = False
) -> tuple[Message, ...]:
    """Write calls and results as text.

    What the model wrote and what its tools returned becomes one message of the assistant, so that
    results stand in no message of the user, and roles alternate as many chat templates demand.
    """
    rendered: list[Message] = []
    transcript: list[str] = []

    def flush() -> None:
        if transcript:
            rendered.append(Message("assistant", "\n".join(transcript)))
            transcript.clear()

    for message in messages:
        if message.role == "assistant":
            transcript += _as_step(message, constrained)
        elif message.role == "tool":
            transcript.append(f"Observation:\n{fenced(message.content, nonce)}")
        else:
            flush()
            if rendered and rendered[-1].role == message.role == "user":
                joined = f"{rendered.pop().content}\n\n{message.content}"
                message = Message("user", joined)
            rendered.append(message)
    if transcript:
        flush()
        rendered.append(Message("user", GO_ON))
    return tuple(rendered)


def _as_step(message: Message, constrained: bool) -> list[str]:
    if not message.tool_calls:
        if constrained:
            return [json.dumps({"final_answer": message.content}, ensure_ascii=False)]
        return [f"Final Answer: {message.content}"]
    lines: list[str] = []
    thought = message.content
    for call in message.tool_calls:
        if constrained:
            try:
                given = json.loads(call.arguments)
            except ValueError:
                given = call.arguments
            step = {"thought": thought, "action": call.name, "action_input": given}
            lines.append(json.dumps(step, ensure_ascii=False))
        else:
            lines += [f"Thought: {thought}"] if thought else []
            lines += [f"Action: {call.name}", f"Action Input: {call.arguments}"]
        thought = ""
    return lines


def parse(text: str, tools: Sequence[ToolSchema], call_id: str) -> Turn:
    """Find the first action of a reply, or else its final answer.

    What follows a line "Observation:" is the model's invention and not read. Labels may be in
    any case and in bold; the input may be missing, fenced, or plain text where the tool takes a
    single argument. A reply without any label is taken for the answer.
    """
    written = written_turn(text, tools, call_id)
    if written is not None:
        return written
    matches = list(_LABEL.finditer(text))
    labels = [match.group(1).lower().replace("_", " ") for match in matches]
    if "observation" in labels:
        cut = labels.index("observation")
        text = text[: matches[cut].start()]
        matches, labels = matches[:cut], labels[:cut]
    ends = [*(match.start() for match in matches[1:]), len(text)]
    bodies = [text[match.end() : end].strip() for match, end in zip(matches, ends, strict=False)]
    opening = text[: matches[0].start()].strip() if matches else text.strip()
    for index, label in enumerate(labels):
        if label == "final answer":
            return Turn(text[matches[index].end() :].strip())
        if label == "action":
            if bodies[index].lstrip("`").lstrip().startswith(("json", "{")):
                one = _from_object(bodies[index], tools, call_id)
                if one is not None and one.calls:
                    return one
            thought = "\n".join(
                part for part in (opening, *(bodies[i] for i in range(index) if bodies[i])) if part
            )
            given = next(
                (bodies[i] for i in range(index + 1, len(labels)) if labels[i] == "action input"),
                None,
            )
            return _action(bodies[index], given, thought, tools, call_id)
    found = _from_object(text, tools, call_id)
    if found is not None:
        return found
    if labels:
        return Turn("\n".join(part for part in (opening, *bodies) if part), fault=REMINDER)
    return Turn(text.strip())


def written_turn(text: str, tools: Sequence[ToolSchema], call_id: str) -> Turn | None:
    """Find calls that a model wrote in the form of its own family, whichever it was asked for."""
    written = calls_in(text, lambda name: _named(name, tools) is not None)
    if written is None:
        return None
    calls: list[ToolCall] = []
    for place, (name, given) in enumerate(written.calls):
        tool = _named(name, tools)
        own = call_id if place == 0 else f"{call_id}_{place + 1}"
        calls.append(ToolCall(own, tool.name if tool else name, _arguments(given, tool)))
    return Turn(written.before, tuple(calls))


def step_schema(
    tools: Sequence[ToolSchema], *, answer: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the JSON schema of one step: a call of one of ``tools``, or the final answer.

    Args:
        tools: What may be called.
        answer: Schema of the answer; default: any text.
    """
    thought = {"type": "string"}
    definitions: dict[str, Any] = {}
    options: list[dict[str, Any]] = []

    def inlined(schema: Mapping[str, Any], owner: str) -> dict[str, Any]:
        # References point to the root of a schema, which is another one here.
        text = json.dumps(dict(schema)).replace("#/$defs/", f"#/$defs/{owner}.")
        own: dict[str, Any] = json.loads(text)
        for name, definition in own.pop("$defs", {}).items():
            definitions[f"{owner}.{name}"] = definition
        return own

    for tool in tools:
        parameters = inlined(tool.parameters, tool.name)
        options.append(
            object_schema(thought=thought, action={"const": tool.name}, action_input=parameters)
        )
    final = {"type": "string"} if answer is None else inlined(answer, "answer")
    options.append(object_schema(thought=thought, final_answer=final))
    schema: dict[str, Any] = {"anyOf": options} if tools else options[0]
    return {**schema, "$defs": definitions} if definitions else schema


def parse_step(text: str, tools: Sequence[ToolSchema], call_id: str) -> Turn:
    """Read a step that was held to :func:`step_schema`; anything else as :func:`parse` does."""
    return _from_object(text, tools, call_id) or parse(text, tools, call_id)


def _from_object(text: str, tools: Sequence[ToolSchema], call_id: str) -> Turn | None:
    if "{" not in text:
        return None
    try:
        step = read_json(text).value
    except ValueError:
        return None
    if not isinstance(step, Mapping):
        return None
    thought = str(step.get("thought") or "")
    if step.get("final_answer") is not None:
        return Turn(_text_of(step["final_answer"]))
    for name_key, input_key in (
        ("action", "action_input"),
        ("name", "arguments"),
        ("name", "parameters"),
    ):
        if input_key not in step and (name_key, input_key) != ("action", "action_input"):
            continue
        name = step.get(name_key)
        if isinstance(name, str) and (_named(name, tools) or "action_input" in step):
            return _action(name, _text_of(step.get(input_key)), thought, tools, call_id)
    return None


def _text_of(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _action(
    action: str, given: str | None, thought: str, tools: Sequence[ToolSchema], call_id: str
) -> Turn:
    first, _, rest = action.strip().partition("\n")
    name = first.strip().strip("`*_\"'").rstrip(".;,:").strip()
    if given is None and rest.strip():
        given = rest
    if given is None and _named(name, tools) is None:
        written = _CALL_FORM.match(action.strip().strip("`*"))
        if written is not None:
            name, given = written.group(1).strip(), written.group(2)
    if _plain(name) in _FINISH and _named(name, tools) is None:
        return Turn((given or thought).strip())
    tool = _named(name, tools)
    arguments = _arguments((given or "").strip(), tool)
    return Turn(thought, (ToolCall(call_id, tool.name if tool else name, arguments),))


def _arguments(given: str, tool: ToolSchema | None) -> str:
    """Return an action's input as JSON; plain text is the one argument of a tool that has one."""
    value: Any
    try:
        value = read_json(given).value if given else {}
    except ValueError:
        value = given.strip("`").strip()
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    only = _only_parameter(tool)
    if only is None:
        return given or "{}"
    if isinstance(value, str):
        value = value.removeprefix(f"{only}=").strip().strip("\"'")
    return json.dumps({only: value}, ensure_ascii=False)


def _only_parameter(tool: ToolSchema | None) -> str | None:
    if tool is None:
        return None
    names = list(tool.parameters.get("properties", {}))
    required = list(tool.parameters.get("required", ()))
    candidates = required if len(required) == 1 else names
    return candidates[0] if len(candidates) == 1 else None


def _named(name: str, tools: Sequence[ToolSchema]) -> ToolSchema | None:
    """Find a tool, however the model spelt it."""
    return next((tool for tool in tools if tool.name == name), None) or next(
        (tool for tool in tools if _plain(tool.name) == _plain(name)), None
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
