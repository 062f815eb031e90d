"""A knowledge base over HTTP: its own API, OpenAI's, and a page in the browser."""

from ragkit.server.application import create_app
from ragkit.server.served import Served, ServeSettings

__all__ = ["ServeSettings", "Served", "create_app"]
