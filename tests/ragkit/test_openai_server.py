"""OpenAI's own client, asking ``ragkit serve``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import openai
import pytest

from ragkit import KnowledgeBase
from ragkit.errors import ModelError
from ragkit.testing import ScriptedModel
from tests.ragkit.serving import served

FERRY = (
    "# Ferry\n\nThe night ferry leaves at 23:40 from pier 6.\n\n## Fares\n\nA car costs 31 euros.\n"
)
QUESTION = "When does the night ferry leave?"


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    docs = tmp_path / "docs"
    (docs / "Größe").mkdir(parents=True)
    (docs / "Größe" / "ferry #1.md").write_text(FERRY, encoding="utf-8")
    (docs / "cafe.txt").write_text("The café opens at eight.", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(docs)
        yield kb


@pytest.fixture
def web(kb: KnowledgeBase) -> Iterator[httpx.Client]:
    with served(kb) as client:
        yield client


@pytest.fixture
def client(web: httpx.Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{web.base_url}/v1", api_key="any", max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def test_a_completion_cites_with_annotations_and_places(
    client: openai.OpenAI, kb: KnowledgeBase
) -> None:
    found = client.chat.completions.create(model="ragkit", messages=[user(QUESTION)])
    choice = found.choices[0]
    content = choice.message.content or ""
    assert "23:40" in content
    assert choice.finish_reason == "stop"
    (annotation,) = choice.message.annotations or ()
    cited = annotation.url_citation
    assert content[cited.start_index : cited.end_index] == "[1]"
    own = choice.model_extra["ragkit"]  # type: ignore[index]
    citation = own["citations"][0]
    address = urlsplit(cited.url)
    assert address.path == "/documents/Gr%C3%B6%C3%9Fe/ferry%20%231.md"
    places = parse_qs(address.fragment)
    assert (places["start"], places["end"]) == ([str(citation["start"])], [str(citation["end"])])
    assert kb.text(citation["path"])[citation["start"] : citation["end"]] == citation["quote"]
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="ragkit", messages=[user(QUESTION)])
    chunks = list(
        client.chat.completions.create(
            model="ragkit",
            messages=[user(QUESTION)],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    last = chunks[-2].choices[0]
    assert last.finish_reason == "stop"
    annotations = last.delta.model_extra["annotations"]  # type: ignore[index]
    assert [one["url_citation"]["title"] for one in annotations] == ["Größe/ferry #1.md"]
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


def test_earlier_messages_are_the_conversation(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="ragkit",
        messages=[
            {"role": "system", "content": "You are a pirate."},
            user([{"type": "text", "text": "How much is a car on the ferry?"}]),
            {"role": "assistant", "content": "A car costs 31 euros."},
            user("And when does the night one leave?"),
        ],
        temperature=0.3,
    )
    assert "23:40" in (found.choices[0].message.content or "")


def test_a_filter_and_a_refusal(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="ragkit",
        messages=[user(QUESTION)],
        extra_body={"ragkit": {"where": {"path": "cafe.txt"}}},
    )
    own = found.choices[0].model_extra["ragkit"]  # type: ignore[index]
    assert own["refused"] or not own["sure"]
    assert "23:40" not in (found.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "last message"),
        ({"messages": [user("")]}, "is empty"),
        ({"messages": [user([{"type": "image_url", "image_url": {"url": "x"}}])]}, "image_url"),
        ({"messages": [user("x")], "n": 2}, "n must be 1"),
        ({"messages": [user("x")], "tools": [{"type": "function"}]}, "tools of the client"),
        ({"messages": [user("x")], "ragkit": {"unknown": 1}}, "unknown"),
        ({"messages": [user("x")], "ragkit": {"where": {"date": "soon"}}}, "soon"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_asked_is_an_error_of_openais_form(
    client: openai.OpenAI, asked: dict[str, Any], said: str, stream: bool
) -> None:
    with pytest.raises(openai.APIStatusError, match=said) as raised:
        found = client.chat.completions.create(
            model="ragkit", messages=[], extra_body=asked, stream=stream
        )
        list(found)
    assert raised.value.status_code == 400


def test_a_model_that_is_not_there(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-5"):
        client.chat.completions.create(model="gpt-5", messages=[user("x")])


def test_a_model_that_dies_on_the_way_is_said(tmp_path: Path) -> None:
    model = ScriptedModel(["The night ", ModelError("the model is gone")])
    with KnowledgeBase(tmp_path / "kb", model=model) as kb:
        kb.add(FERRY, path="ferry.md")
        with served(kb) as web:
            base_url = f"{web.base_url}/v1"
            with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
                chunks = list(
                    client.chat.completions.create(
                        model="ragkit", messages=[user(QUESTION)], stream=True
                    )
                )
    own = chunks[-1].choices[0].model_extra["ragkit"]  # type: ignore[index]
    assert any("gone" in said for said in own["degraded"])


def test_a_response_searches_files_and_cites_them(client: openai.OpenAI) -> None:
    found = client.responses.create(model="ragkit", input=QUESTION)
    search, message = found.output
    assert search.type == "file_search_call"
    assert search.queries == [QUESTION]
    assert search.results
    assert search.results[0].file_id == "Größe/ferry #1.md"
    assert "23:40" in found.output_text
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    annotation = part.annotations[0]
    assert annotation.type == "file_citation"
    assert annotation.filename == "ferry #1.md"
    assert found.output_text[: annotation.index].endswith("[1]")
    assert found.model_extra["ragkit"]["citations"]  # type: ignore[index]


def test_a_streamed_response_has_all_events_in_order(client: openai.OpenAI) -> None:
    with client.responses.stream(model="ragkit", input=QUESTION) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == sorted(
        {event.sequence_number for event in events}
    )
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    for kind in ("response.file_search_call.completed", "response.output_text.done"):
        assert kind in kinds
    assert "23:40" in final.output_text


def test_a_response_goes_on_from_one_before(client: openai.OpenAI) -> None:
    first = client.responses.create(model="ragkit", input="How much is a car on the night ferry?")
    second = client.responses.create(
        model="ragkit", input="And when does it leave?", previous_response_id=first.id
    )
    assert "23:40" in second.output_text
    assert client.responses.retrieve(second.id).output_text == second.output_text
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError, match="no response"):
        client.responses.create(model="ragkit", input="x", previous_response_id=first.id)


def test_models_are_listed(kb: KnowledgeBase) -> None:
    with (
        served(kb, models=("ollama:qwen3",)) as web,
        openai.OpenAI(base_url=f"{web.base_url}/v1", api_key="any") as client,
    ):
        assert [one.id for one in client.models.list()] == ["ragkit", "extractive", "ollama:qwen3"]
        assert client.models.retrieve("ollama:qwen3").owned_by == "ragkit"


def test_embeddings_are_those_of_the_base(client: openai.OpenAI, kb: KnowledgeBase) -> None:
    texts = ["the night ferry", "eight o'clock"]
    found = client.embeddings.create(model="ragkit", input=texts)  # the client asks for base64
    same = kb._base.question_embedder().embed(texts, kind="passage")
    assert np.allclose([one.embedding for one in found.data], same, atol=1e-6)
    assert found.usage.total_tokens > 0
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="ragkit", input="x", dimensions=7)


def test_a_base_is_a_vector_store(client: openai.OpenAI) -> None:
    (store,) = client.vector_stores.list()
    assert (store.id, store.file_counts.completed) == ("default", 2)
    assert client.vector_stores.retrieve("default").status == "completed"
    found = client.vector_stores.search("default", query=QUESTION, max_num_results=1)
    assert [one.file_id for one in found] == ["Größe/ferry #1.md"]
    only: Any = {"type": "eq", "key": "path", "value": "cafe.txt"}
    for filters in (
        only,
        {"type": "and", "filters": [only, {"type": "eq", "key": "type", "value": "text"}]},
    ):
        found = client.vector_stores.search("default", query=QUESTION, filters=filters)
        assert {one.file_id for one in found} == {"cafe.txt"}
    with pytest.raises(openai.BadRequestError, match="'or'"):
        client.vector_stores.search("default", query="x", filters={"type": "or", "filters": [only]})
