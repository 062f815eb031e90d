"""Loading HTML files: :func:`load_html`."""

from ingest.loaders.html.page import load_html

__all__ = ["load_html"]
