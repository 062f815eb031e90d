"""What people say of answers, kept as golden questions that ``ragkit eval`` measures with."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ragkit.errors import UsageError
from ragkit.server.question_routes import Earlier
from ragkit.server.sharing import BaseName, Server

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase

RIGHT, WRONG = "golden.jsonl", "wrong_answers.jsonl"


class RightPlace(BaseModel):
    """Where an answer stands."""

    model_config = ConfigDict(extra="forbid")
    path: str
    page: Annotated[int | None, Field(ge=1)] = None
    start: Annotated[int | None, Field(ge=0)] = None
    end: Annotated[int | None, Field(ge=0)] = None


class Feedback(BaseModel):
    """What somebody says of an answer, or of a passage."""

    model_config = ConfigDict(extra="forbid")
    question: str
    rating: Literal["right", "wrong"]
    history: list[Earlier] = Field(default_factory=list, max_length=200)
    answer: str = ""
    trace: str = ""
    relevant: list[RightPlace] = Field(
        default_factory=list, max_length=100, description="The passages that were right"
    )


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api", tags=["questions"])
    writing = threading.Lock()

    def keep(kb: KnowledgeBase, name: str, line: dict[str, Any]) -> None:
        data = json.dumps(line, ensure_ascii=False) + "\n"
        with writing, (kb.directory / name).open("a", encoding="utf-8") as file:
            file.write(data)

    @router.post("/feedback", status_code=201)
    async def say(said: Feedback, base: BaseName = None) -> dict[str, str]:
        """Keep what was right as a golden question, or what was wrong with its trace, in the base's folder."""
        server.require_writable()
        kb = server.base(base)
        server.checked(said.question)
        line: dict[str, Any] = {"id": uuid.uuid4().hex, "question": said.question}
        if said.history:
            line["history"] = [turn.model_dump() for turn in said.history]
        if said.rating == "wrong":
            line |= {"answer": said.answer, "trace": said.trace}
        elif not said.relevant:
            raise UsageError("say which passages were right: 'relevant' is empty")
        else:
            line["answerable"] = True
            line["relevant"] = [place.model_dump(exclude_none=True) for place in said.relevant]
            known = {place.path for place in said.relevant}
            for path in known:
                await server.workers.run(kb.locate, path)  # which says that there is none
        name = RIGHT if said.rating == "right" else WRONG
        await server.workers.run(keep, kb, name, line)
        return {"kept": name, "id": line["id"]}

    return router
