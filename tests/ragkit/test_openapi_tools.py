"""Tools made from an OpenAPI document, against a server that remembers what it was sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from http_server import answer, serving

from ragkit.agent import Tool, ToolError
from ragkit.agent.tools import openapi_tools
from ragkit.errors import UsageError

SHOP = """
openapi: 3.0.3
info: {title: Shop, version: "1"}
servers: [{url: "https://evil.example/"}]
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
    get:
      operationId: getOrder
      summary: Show an order.
      description: With all its lines.
      parameters:
        - {name: fields, in: query, schema: {type: array, items: {type: string}}}
        - {name: tags, in: query, explode: false, schema: {type: array, items: {type: string}}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: deep, in: query, description: Whether to go on, schema: {type: boolean}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
        - {name: since, in: query, schema: {type: string, format: date, example: 2026-01-01}}
    delete: {operationId: "delete order!", responses: {}}
  /orders:
    post:
      operationId: addOrder
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: "#/components/schemas/Order"}}
  /login:
    post:
      requestBody:
        content: {application/x-www-form-urlencoded: {schema: {type: object}}}
  /health: {get: {}}
components:
  schemas:
    Order:
      type: object
      required: [id, item, count]
      properties:
        id: {type: string, readOnly: true}
        item: {type: string}
        count: {type: integer, minimum: 0, exclusiveMinimum: true}
        note: {type: string, nullable: true}
        parts: {type: array, items: {$ref: "#/components/schemas/Order"}}
      additionalProperties: false
"""


def tools_of(document: Any, url: str = "http://127.0.0.1:9/v1", **options: Any) -> dict[str, Tool]:
    return {tool.name: tool for tool in openapi_tools(document, base_url=url, **options)}


def test_each_operation_becomes_a_tool() -> None:
    tools = tools_of(SHOP)
    assert list(tools) == ["getOrder", "delete_order", "addOrder", "post__login", "get__health"]
    order = tools["getOrder"]
    assert order.description == "Show an order. With all its lines."
    assert order.parameters["required"] == ["id"]
    assert "Authorization" not in order.parameters["properties"]
    assert order.parameters["properties"]["deep"]["description"] == "Whether to go on"
    assert [name for name, tool in tools.items() if tool.needs_approval({})] == [
        "delete_order",
        "addOrder",
        "post__login",
    ]
    body = tools["addOrder"].parameters["properties"]["body"]
    assert body["required"] == ["item", "count"]
    assert body["properties"]["parts"]["items"] == {}  # an order in an order


def test_the_document_may_be_a_path_a_text_or_data(tmp_path: Path) -> None:
    import yaml

    data = yaml.safe_load(SHOP.replace("example: 2026-01-01", "example: x"))
    (tmp_path / "shop.json").write_text(json.dumps(data), encoding="utf-8")
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    names = list(tools_of(SHOP))
    for document in (
        data,
        json.dumps(data),
        tmp_path / "shop.json",
        str(tmp_path / "shop.yaml"),
    ):
        assert list(tools_of(document)) == names


def test_requests_are_made_as_described() -> None:
    with serving(
        lambda handler, asked: answer(handler, "{}", content_type="application/json")
    ) as server:
        tools = tools_of(SHOP, f"{server.url}/v1", headers={"X-Key": "hunter2"})
        result = tools["getOrder"].call(
            {
                "id": "a/b c?d#e%",
                "fields": ["x", "y z"],
                "tags": ["p", "q"],
                "filter": {"state": "open"},
                "deep": True,
                "X-Trace": "t1",
            }
        )
        assert not result.error, result.text
        asked = server.asked[0]
        assert asked.method == "GET"
        assert asked.path == (
            "/v1/orders/a%2Fb%20c%3Fd%23e%25?fields=x&fields=y+z&tags=p%2Cq"
            "&filter%5Bstate%5D=open&deep=true"
        )
        assert asked.headers["x-trace"] == "t1"
        assert asked.headers["x-key"] == "hunter2"
        assert "hunter2" not in result.text

        tools["addOrder"].call({"body": {"item": "bücher", "count": 2, "note": None}})
        asked = server.asked[1]
        assert (asked.method, asked.path) == ("POST", "/v1/orders")
        assert json.loads(asked.body) == {"item": "bücher", "count": 2, "note": None}
        assert asked.headers["content-type"] == "application/json"

        tools["post__login"].call({"body": {"user": "a b", "again": True}})
        assert server.asked[2].body == b"user=a+b&again=true"
        assert server.asked[2].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("getOrder", {}, '"id" is a required property'),
        ("getOrder", {"id": 5}, '5 is not of type "string"'),
        ("getOrder", {"id": "1", "deep": "perhaps"}, 'is not of type "boolean"'),
        ("getOrder", {"id": "1", "evil": 1}, "'evil' was unexpected"),
        ("getOrder", {"id": ".."}, "part of a path"),
        ("getOrder", {"id": "."}, "part of a path"),
        ("getOrder", {"id": "../admin"}, "part of a path"),
        ("getOrder", {"id": "x/../../admin"}, "part of a path"),
        ("getOrder", {"id": "..%2fadmin"}, "part of a path"),
        ("getOrder", {"id": "..\\admin"}, "part of a path"),
        ("getOrder", {"id": ""}, "part of a path"),
        ("getOrder", {"id": "1", "X-Trace": "a\r\nHost: evil"}, "in a header"),
        ("addOrder", {}, '"body" is a required property'),
        ("addOrder", {"body": {"item": "x", "count": 0}}, "body.count: 0 is less than or equal"),
        ("addOrder", {"body": {"item": "x", "count": 1, "price": 0}}, "'price' was unexpected"),
    ],
)
def test_wrong_arguments_are_not_sent(name: str, arguments: dict[str, Any], reason: str) -> None:
    with serving(lambda handler, asked: answer(handler)) as server:
        result = tools_of(SHOP, server.url)[name].call(arguments)
        assert result.error
        assert reason in result.text
        assert not server.asked


def test_nothing_is_sent_but_below_the_base() -> None:
    def away(handler: Any, _: Any) -> None:
        answer(handler, status=302, Location="/other")

    with serving(away) as server:
        with pytest.raises(ToolError, match="not on the allow-list"):
            tools_of(SHOP, f"{server.url}/v1")["get__health"]()
        assert [asked.path for asked in server.asked] == ["/v1/health"]


def test_some_operations_only() -> None:
    assert list(tools_of(SHOP, operations=["addOrder", "get_/health"])) == [
        "addOrder",
        "get__health",
    ]
    with pytest.raises(UsageError, match="no operation 'nothing'"):
        tools_of(SHOP, operations=["nothing"])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "neither JSON nor YAML"),
        ("a: [\n", "neither JSON nor YAML"),
        ("a: &x [1]\nb: *x\n", "aliases are not read"),
        ("- 1\n- 2\n", "is not an object"),
        ("/nowhere/api.json", "cannot be read"),
        ({"swagger": "2.0"}, "the version of this one is 2.0"),
        ({}, "the version of this one is none"),
        ({"openapi": "3.1.0"}, "describes no operation"),
        (
            {"openapi": "3.1.0", "paths": {"/{x}": {"get": {}}}},
            "its path has x, which is not described",
        ),
        (
            {"openapi": "3.1.0", "paths": {"/x": {"$ref": "http://evil.example/x.json"}}},
            "outside the document",
        ),
        (
            {"openapi": "3.1.0", "paths": {"/x": {"get": {"parameters": [{"$ref": "#/a"}]}}}},
            "the document has no '#/a'",
        ),
        (
            {
                "openapi": "3.1.0",
                "a": {"$ref": "#/b"},
                "b": {"$ref": "#/a"},
                "paths": {"/x": {"get": {"parameters": [{"$ref": "#/a"}]}}},
            },
            "leads in circles",
        ),
        (
            {
                "openapi": "3.1.0",
                "paths": {
                    "/x": {"put": {"requestBody": {"required": True, "content": {"image/png": {}}}}}
                },
            },
            "its body is image/png, not JSON",
        ),
    ],
)
def test_documents_of_no_use(document: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        openapi_tools(document, base_url="https://api.example.com")


@pytest.mark.parametrize("url", ["api.example.com", "https://a@b/", "https://x.example/?a=b"])
def test_a_base_must_be_a_url(url: str) -> None:
    with pytest.raises(UsageError, match="base_url"):
        openapi_tools(SHOP, base_url=url)


def test_schemas_that_grow_without_end_are_cut() -> None:
    kinds = {
        f"S{n}": {
            "type": "object",
            "properties": {f"p{m}": {"$ref": f"#/components/schemas/S{m}"} for m in range(12)},
        }
        for n in range(12)
    }
    document = {
        "openapi": "3.1.0",
        "components": {"schemas": kinds},
        "paths": {
            "/x": {
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/S0"}}
                        }
                    }
                }
            }
        },
    }
    (tool,) = openapi_tools(document, base_url="https://api.example.com")
    assert len(json.dumps(dict(tool.parameters))) < 300_000
