"""Answers from passages: extractive or by a language model, with citations that are checked."""

from __future__ import annotations

from ragkit.answer.chain import answer_stream

__all__ = ["answer_stream"]
