"""Measuring a knowledge base with golden sets: what is found, what is answered, what is refused."""
