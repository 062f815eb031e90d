"""Many questions at once in one event loop, beside the server that answers them: nothing may block."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ragkit import Answer, KnowledgeBase, Sources, TextDelta
from ragkit.testing import HashEmbedder, ScriptedModel

FERRY = "The night ferry leaves at 23:40 from pier 6."
REPLY = "The night ferry leaves at 23:40 from pier 6 [1]."
QUESTION = "When does the night ferry leave?"


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), api_key="any") as kb:
        kb.add(FERRY, path="ferry.txt")
        yield kb


class Server:
    """A language model in the caller's own loop. ``wanted`` questions have to be there at once."""

    def __init__(self, wanted: int) -> None:
        self.asked = self.left = 0
        self.wanted = wanted
        self.all_there, self.gone = asyncio.Event(), asyncio.Event()
        self.url = ""

    async def reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if head.startswith("get"):
            data = b'{"object": "list", "data": [{"id": "m", "max_model_len": 8192}]}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))
            writer.close()
            return
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        await reader.readexactly(size)
        self.asked += 1
        if self.asked == self.wanted:
            self.all_there.set()
        waiting = asyncio.ensure_future(self.all_there.wait())
        hung_up = asyncio.ensure_future(reader.read())
        await asyncio.wait([waiting, hung_up], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if hung_up.done():
            self.gone.set()
            writer.close()
            return
        hung_up.cancel()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        )
        for word in REPLY.split(" "):
            delta = {"choices": [{"index": 0, "delta": {"content": f"{word} "}}]}
            writer.write(b"data: %s\n\n" % json.dumps(delta).encode())
            await writer.drain()
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        writer.write(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(end).encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(wanted: int) -> AsyncIterator[Server]:
    made = Server(wanted)
    server = await asyncio.start_server(made.reply, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield made


def asking(kb: KnowledgeBase, url: str) -> KnowledgeBase:
    return KnowledgeBase(kb.directory, embedder=HashEmbedder(), base_url=url, api_key="any")


def test_many_answers_are_awaited_at_once(kb: KnowledgeBase) -> None:
    async def run() -> list[Answer]:
        async with serving(wanted=20) as server:
            with asking(kb, server.url) as base:
                asked = (base.aask(QUESTION, model="openai:m", cache=False) for _ in range(20))
                return await asyncio.wait_for(asyncio.gather(*asked), 60)

    for answer in asyncio.run(run()):
        assert "23:40" in answer.text
        assert answer.degraded == ()
        assert answer.citations[0].path == "ferry.txt"


def test_a_stream_gives_sources_then_text_then_the_answer(kb: KnowledgeBase) -> None:
    async def run() -> list[object]:
        async with serving(wanted=1) as server:
            with asking(kb, server.url) as base:
                return [e async for e in base.astream(QUESTION, model="openai:m", cache=False)]

    first, *pieces, last = asyncio.run(run())
    assert isinstance(first, Sources)
    assert isinstance(last, Answer)
    assert len(pieces) > 1
    assert all(isinstance(piece, TextDelta) for piece in pieces)


@pytest.mark.parametrize("how", ["aask", "astream"])
def test_cancelling_ends_the_request(kb: KnowledgeBase, how: str) -> None:
    async def run() -> None:
        async with serving(wanted=2) as server:  # the second never comes
            with asking(kb, server.url) as base:

                async def asked() -> None:
                    if how == "aask":
                        await base.aask(QUESTION, model="openai:m", cache=False)
                    else:
                        async for _ in base.astream(QUESTION, model="openai:m", cache=False):
                            pass

                task = asyncio.create_task(asked())
                while not server.asked:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.wait_for(server.gone.wait(), 30)

    asyncio.run(run())


def test_a_model_that_blocks_holds_up_a_thread_and_not_the_loop(kb: KnowledgeBase) -> None:
    free = threading.Event()

    class Blocking(ScriptedModel):
        def stream(self, *given, **named):  # type: ignore[no-untyped-def]
            assert free.wait(30), "the loop was held up"
            yield from super().stream(*given, **named)

    async def run() -> Answer:
        task = asyncio.create_task(kb.aask(QUESTION, model=Blocking(REPLY)))
        await asyncio.sleep(0.05)
        free.set()
        return await task

    assert "23:40" in asyncio.run(run()).text


def test_a_conversation_is_awaited_and_kept(kb: KnowledgeBase) -> None:
    async def run() -> None:
        chat = kb.chat("quay")
        assert "23:40" in (await chat.aask(QUESTION)).text
        assert [type(e) async for e in chat.astream("And from which pier?")][-1] is Answer

    asyncio.run(run())
    assert len(kb.turns("quay")) == 4


def test_a_search_is_awaited(kb: KnowledgeBase) -> None:
    assert [hit.path for hit in asyncio.run(kb.asearch("night ferry"))] == ["ferry.txt"]
