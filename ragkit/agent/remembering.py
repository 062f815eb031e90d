"""What an agent's memory brings back before a run, and keeps after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragkit.errors import RagkitError
from ragkit.llm.chat_model import ChatModel, Message, ToolCall

if TYPE_CHECKING:
    from ragkit.agent.outcome import AgentResult
    from ragkit.memory.memory import Memory

_MEMORY_SHARE = 0.25


def recall_messages(
    memory: Memory | None, model: ChatModel, question: str, notices: list[str]
) -> tuple[list[Message], int]:
    """Return what was said before, then the question, then notes as if a tool had returned them.

    Args:
        memory: What recalls, in a quarter of the model's window.
        model: Whose window it is.
        question: What is asked.
        notices: Takes a sentence where the memory cannot be read.

    Returns:
        The messages, and the question's index among them.
    """
    asked = Message("user", question)
    if memory is None:
        return [asked], 0
    try:
        recall = memory.recall(question, max_tokens=int(_MEMORY_SHARE * model.context_window))
    except RagkitError as error:
        notices.append(f"the memory could not be read: {error}")
        return [asked], 0
    messages = [*recall.turns, asked]
    if recall.notes:
        call = ToolCall("recalled", "recall_memory", "{}")
        notes = "\n".join(f"- ({note.kind}) {note.text}" for note in recall.notes)
        messages += [
            Message("assistant", "", (call,)),
            Message("tool", notes, tool_call_id=call.id),
        ]
    return messages, len(recall.turns)


def keep_turn(
    memory: Memory | None, question: str, result: AgentResult[Any], notices: list[str]
) -> None:
    """Let the memory keep what was asked and answered; a sentence says where it cannot."""
    if memory is None:
        return
    try:
        memory.remember(question, result.text, trace=result.trace)
    except RagkitError as error:
        notices.append(f"the memory could not be written: {error}")
