"""Loading PDF files: :func:`load_pdf`."""

from ingest.loaders.pdf.loader import load_pdf

__all__ = ["load_pdf"]
