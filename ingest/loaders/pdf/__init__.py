"""Loading PDF files: :func:`load_pdf`."""

from ingest.loaders.pdf.file import load_pdf

__all__ = ["load_pdf"]
