"""Text recognition for scanned pages: RapidOCR, whose models come inside its package.

It reads Latin, Chinese and Japanese script, among others, and needs no network.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from ingest.errors import MissingExtraError
from ingest.loaders.pdf.characters import Fragment

_SCALE: Final = 200 / 72  # pixels per point: 200 dpi, what such models are trained on
_MOST_PIXELS: Final = 2400  # of the longer side; the models make larger pictures smaller
_LITTLE_TEXT: Final = 60
_FULL_PAGE: Final = 0.4
_MOST_OBJECTS: Final = 200


def needs_recognition(page: Any, characters: int) -> bool:
    """Whether a page is a picture of text: it has things drawn and no, or hardly any, characters."""
    from pypdfium2 import raw

    if characters > _LITTLE_TEXT:
        return False
    if not characters:
        return bool(raw.FPDFPage_CountObjects(page))
    area = page.get_width() * page.get_height()
    images = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2)
    for _, image in zip(range(_MOST_OBJECTS), images, strict=False):
        left, bottom, right, top = image.get_bounds()
        if (right - left) * (top - bottom) > _FULL_PAGE * area:
            return True
    return False


def recognise(page: Any) -> list[Fragment]:
    """Return the text that can be recognised on a page of pdfium's, line by line.

    Raises:
        MissingExtraError: RapidOCR is not installed.
    """
    engine = _engine()
    width, height = page.get_size()
    scale = min(_SCALE, _MOST_PIXELS / max(width, height, 1))
    bitmap = page.render(scale=scale)
    try:
        found = engine(bitmap.to_numpy()[:, :, :3])
    finally:
        bitmap.close()
    if found.boxes is None or found.txts is None:
        return []
    if not any(map(str.isalnum, "".join(found.txts))):  # boxes and lines that look like signs
        return []
    return _fragments(found.boxes, found.txts, scale, height)


@functools.cache
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise MissingExtraError("text recognition", "ocr") from error
    return RapidOCR(params={"Global.log_level": "critical"})


def _fragments(
    boxes: Any, texts: Sequence[str], scale: float, page_height: float
) -> list[Fragment]:
    """Turn corners in pixels into boxes in points, y upwards, of one height for one size of type.

    A recognised line is as high as its letters happen to be; what is made of lines later goes by
    the height of the font.
    """
    corners = [
        (
            float(box[:, 0].min()) / scale,
            page_height - float(box[:, 1].max()) / scale,
            float(box[:, 0].max()) / scale,
            page_height - float(box[:, 1].min()) / scale,
        )
        for box in boxes
    ]
    usual = median(top - bottom for _, bottom, _, top in corners)
    fragments = []
    for text, (left, bottom, right, top) in zip(texts, corners, strict=True):
        height = top - bottom
        if 0.7 * usual < height < 1.4 * usual:
            middle, height = (top + bottom) / 2, usual
            bottom, top = middle - height / 2, middle + height / 2
        fragments.append(Fragment(text, left, bottom, right, top))
    return fragments
