"""Answers from passages: extractive or by a language model, with citations that are checked."""
