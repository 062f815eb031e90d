"""Hundreds of questions at once: how long they take, and how long the event loop is held up.

A server on loopback, in a process of its own, plays the language model: it waits before its reply, or
sends so many tokens a second.

    python bench/async_load.py                 # 50 `aask` of a second each; 100 and 500 `astream`
    python bench/async_load.py --streams 200
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ragkit import Answer, KnowledgeBase, TextDelta

SENTENCES = (
    "The night ferry leaves at 23:40 from pier 6.",
    "Cars have to be there half an hour before.",
    "A cabin for two costs 48 euros, breakfast included.",
    "Dogs travel in a kennel on the upper deck.",
)
WORDS = " ".join(f"{sentence[:-1]} [1]." for sentence in SENTENCES).split(" ")
FERRY = "# Ferry\n\n" + " ".join(SENTENCES) + "\n"
QUESTION = "When does the night ferry leave?"


async def _reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = (
            int(head.split("content-length: ")[1].split("\r\n")[0])
            if "content-length" in head
            else 0
        )
        body = json.loads(await reader.readexactly(size) or b"{}")
        if not body:
            data = b'{"object": "list", "data": [{"id": "m", "max_model_len": 8192}]}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))
            return
        slow, per_second = str(body["model"]).split("-")[1:]
        await asyncio.sleep(float(slow))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        )
        began = time.monotonic()
        for number, word in enumerate(WORDS):
            delta = {"choices": [{"index": 0, "delta": {"content": word + " "}}]}
            writer.write(b"data: %s\n\n" % json.dumps(delta).encode())
            await writer.drain()
            if float(per_second):
                wait = began + (number + 1) / float(per_second) - time.monotonic()
                await asyncio.sleep(max(0.0, wait))
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        writer.write(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(end).encode())
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def serve(port: Any) -> None:
    """Play the model until the process is ended."""

    async def run() -> None:
        server = await asyncio.start_server(_reply, "127.0.0.1", 0, backlog=2000)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(run())


async def lag(samples: list[float]) -> None:
    """Note how late the event loop comes back to somebody who wants 5 ms of rest."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        samples.append((time.perf_counter() - began - 0.005) * 1000)


async def asked(kb: KnowledgeBase, count: int) -> dict[str, Any]:
    """Many whole answers by a model that takes a second."""
    began = time.perf_counter()
    answers = await asyncio.gather(
        *(kb.aask(QUESTION, model="openai:m-1-0", cache=False) for _ in range(count))
    )
    good = sum("23:40" in answer.text and not answer.degraded for answer in answers)
    return {"aask": count, "right": good, "seconds": round(time.perf_counter() - began, 2)}


async def streamed(kb: KnowledgeBase, count: int, per_second: float) -> dict[str, Any]:
    """Many streams of a model that sends so many tokens a second."""
    samples: list[float] = []
    watching = asyncio.create_task(lag(samples))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def one() -> bool:
        pieces = 0
        async for event in kb.astream(QUESTION, model=f"openai:m-0-{per_second:g}", cache=False):
            pieces += isinstance(event, TextDelta)
            if isinstance(event, Answer):
                return "23:40" in event.text and not event.degraded and pieces > 1
        return False

    began = time.perf_counter()
    good = sum(await asyncio.gather(*(one() for _ in range(count))))
    seconds = time.perf_counter() - began
    watching.cancel()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    percentiles = statistics.quantiles(samples, n=100) if len(samples) > 100 else [0.0] * 99
    return {
        "astream": count,
        "right": good,
        "seconds": round(seconds, 2),
        "least_seconds": round(len(WORDS) / per_second, 2),
        "lag_p50_ms": round(percentiles[49], 1),
        "lag_p99_ms": round(percentiles[98], 1),
        "kB_each": round((after - before) / count),
    }


def main() -> None:
    """Measure, and print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--asks", type=int, default=50)
    parser.add_argument("--streams", type=int, nargs="*", default=[100, 500])
    parser.add_argument("--per-second", type=float, default=20.0)
    given = parser.parse_args()
    port = multiprocessing.Value("i", 0)
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    with tempfile.TemporaryDirectory() as folder:
        base_url = f"http://127.0.0.1:{port.value}/v1"
        with KnowledgeBase(Path(folder) / "kb", base_url=base_url) as kb:
            kb.add(FERRY, path="ferry.md")
            kb.ask(QUESTION, model="openai:m-0-0", cache=False)

            async def run() -> None:
                print(json.dumps(await asked(kb, given.asks)), flush=True)
                for count in given.streams:
                    print(json.dumps(await streamed(kb, count, given.per_second)), flush=True)

            asyncio.run(run())
    server.terminate()


if __name__ == "__main__":
    main()
