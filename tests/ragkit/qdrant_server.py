"""What ragkit asks of a Qdrant server, answered on loopback by Qdrant's own engine in this process.

The wire is the server's REST interface as far as it is used; what stores, filters and searches is the
engine that the server is made of. Not the server's: its collections are one shard each, unguarded.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import qdrant_edge as edge

_PATH = re.compile(r"/collections/([^/?]+)(/[^?]*)?")


class QdrantServer:
    """Attributes: ``url``; ``key``, which requests must bear; ``faults``, statuses to answer next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards: dict[str, Any] = {}
        self.lock = threading.Lock()
        self.key = ""
        self.faults: list[int] = []
        self.asked = 0
        self.url = ""

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Answer one request: a status, and the result or the reason."""
        self.asked += 1
        if self.faults:
            return self.faults.pop(0), "for now"
        if key != self.key:
            return 401, "must provide an API key"
        match = _PATH.fullmatch(path)
        assert match, path
        name, rest = match[1], match[2] or ""
        with self.lock:
            if rest == "" and method == "DELETE":
                self.delete(name)
                return 200, True
            if rest == "" and method == "PUT":
                if name in self.shards:
                    return 409, "it exists"
                vectors = edge.EdgeVectorParams(
                    size=body["vectors"]["size"], distance=edge.Distance.Dot
                )
                assert body["vectors"]["distance"] == "Dot"
                place = self.folder / name
                place.mkdir(parents=True)
                self.shards[name] = edge.EdgeShard.create(
                    str(place), edge.EdgeConfig(vectors={"": vectors})
                )
                return 200, True
            if name not in self.shards:
                return 404, f"Not found: Collection `{name}` doesn't exist!"
            return 200, self.points(self.shards[name], method + rest, body)

    def points(self, shard: Any, request: str, body: dict[str, Any]) -> Any:
        """Answer what is asked of the points of a collection."""
        if request == "PUT/index":
            kind = edge.PayloadSchemaType.Integer
            shard.update(edge.UpdateOperation.create_field_index(body["field_name"], kind))
        elif request == "PUT/points" and "batch" in body:
            batch = body["batch"]
            rows = zip(batch["ids"], batch["vectors"], batch["payloads"], strict=True)
            shard.update(edge.UpdateOperation.upsert_points([edge.Point(*row) for row in rows]))
        elif request == "PUT/points":
            points = [edge.Point(p["id"], p["vector"], p["payload"]) for p in body["points"]]
            shard.update(edge.UpdateOperation.upsert_points(points))
        elif request == "POST/points/delete" and "points" in body:
            shard.update(edge.UpdateOperation.delete_points(body["points"]))
        elif request == "POST/points/delete":
            stale = _filter(body["filter"])
            shard.update(edge.UpdateOperation.delete_points_by_filter(stale))
        elif request == "POST/points/count":
            return {"count": shard.count(edge.CountRequest(exact=True))}
        elif request == "POST/points":
            found = shard.retrieve(body["ids"], True, False)
            return [{"id": point.id, "payload": point.payload} for point in found]
        elif request == "POST/points/query":
            found = shard.query(
                edge.QueryRequest(
                    limit=body["limit"],
                    query=edge.Query.Nearest(body["query"]["nearest"]),
                    filter=_filter(body["filter"]),
                )
            )
            points = [{"id": p.id, "version": 0, "score": p.score} for p in found]
            return {"points": points}
        else:
            raise AssertionError(f"not answered here: {request} {body!r}")
        return {"operation_id": 1, "status": "completed"}

    def delete(self, name: str) -> None:
        """Delete a collection, as an operator may at any time."""
        shard = self.shards.pop(name, None)
        if shard is not None:
            shard.close()
            shutil.rmtree(self.folder / name)


def _filter(given: dict[str, Any]) -> Any:
    return edge.Filter(
        **{kind: [_condition(one) for one in some] for kind, some in given.items() if some}
    )


def _condition(given: dict[str, Any]) -> Any:
    if "has_id" in given:
        return edge.HasIdCondition(set(given["has_id"]))
    limits = {key: float(value) for key, value in given["range"].items() if value is not None}
    return edge.FieldCondition(given["key"], range=edge.RangeFloat(**limits))


@contextmanager
def qdrant_server(folder: Path) -> Iterator[QdrantServer]:
    """Serve on a free port of loopback."""
    server = QdrantServer(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            key = self.headers.get("api-key", "")
            status, result = server.answer(self.command, self.path.partition("?")[0], key, body)
            told = "ok" if status == 200 else {"error": result}
            data = json.dumps({"time": 0.0, "status": told, "result": result}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        for name in list(server.shards):
            server.delete(name)
