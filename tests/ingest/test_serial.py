"""Documents go to JSON and come back the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.document import Block, Document, Page, Section
from ingest.serial import document_from_dict, document_to_dict

offsets = st.integers(min_value=0, max_value=1 << 40)
# JSON text in UTF-8 has no place for lone surrogates; no loader lets one through.
texts = st.text(max_size=30)

documents = st.builds(
    Document,
    text=texts,
    format=texts,
    title=st.none() | texts,
    pages=st.lists(st.builds(Page, offsets, offsets, offsets), max_size=3).map(tuple),
    sections=st.lists(
        st.builds(Section, st.lists(texts, max_size=3).map(tuple), offsets, offsets, offsets),
        max_size=3,
    ).map(tuple),
    blocks=st.lists(
        st.builds(
            Block,
            st.sampled_from(["heading", "paragraph", "list_item", "table", "code"]),
            offsets,
            offsets,
            st.none() | offsets,
        ),
        max_size=3,
    ).map(tuple),
    metadata=st.dictionaries(texts, texts, max_size=3),
    warnings=st.lists(texts, max_size=3).map(tuple),
    encoding=st.none() | texts,
)


@given(documents)
def test_round_trip_is_exact(document: Document) -> None:
    dumped = json.dumps(document_to_dict(document))
    assert document_from_dict(json.loads(dumped)) == document


@given(documents)
def test_what_comes_back_is_hashable_where_it_was(document: Document) -> None:
    back = document_from_dict(json.loads(json.dumps(document_to_dict(document))))
    assert hash(back.blocks) == hash(document.blocks)
    assert hash(back.sections) == hash(document.sections)
    assert hash(back.pages) == hash(document.pages)
