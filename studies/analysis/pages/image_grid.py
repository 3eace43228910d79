"""Draw images and maps in a grid with captions, as a PNG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from skipsearch.trainers.data.arrays import Array

INK, MUTED, WRONG, PAPER = (32, 32, 36), (110, 110, 118), (196, 30, 30), (255, 255, 255)
SIZE, LINE, GAP = 13, 17, 10  # of letters, lines, and between cells, in pixels
# matplotlib's viridis and inferno (CC0) at nine stops, interpolated linearly in between
VIRIDIS = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")
INFERNO = ("000004", "210c4a", "57106e", "8a226a", "bc3754", "e45a31", "f98e09", "f9cb35", "fcffa4")


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture and the lines of its caption.

    It is scaled to the side of the grid's cells. `wrong` marks a misclassified image with a red
    frame and a red caption.
    """

    pixels: Array  # uint8 (H, W, 3), H = W
    lines: tuple[str, ...] = ()
    wrong: bool = False
    smooth: bool = False  # enlarge bilinearly; otherwise pixels stay squares


def shown(image_HWC: Array) -> Array:
    """Return a grey (H, W, 1) or coloured (H, W, 3) image as (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(image_HWC, (*image_HWC.shape[:2], 3)))


def coloured(map_HW: Array, most: float, colours: Sequence[str] = VIRIDIS) -> Array:
    """Colour a map by a scale from 0 to `most`; returns uint8 (H, W, 3)."""
    stops = np.array([[int(one[i : i + 2], 16) for i in (0, 2, 4)] for one in colours])
    place = np.clip(map_HW / (most or 1.0), 0, 1)
    parts = [np.interp(place, np.linspace(0, 1, len(stops)), stops[:, i]) for i in range(3)]
    colours_HWC: Array = np.rint(np.stack(parts, axis=-1)).astype(np.uint8)
    return colours_HWC


def overlaid(image_HWC: Array, map_HW: Array, side: int) -> Array:
    """Blend a heat map (0 to 1) over its image, both scaled to (side, side).

    The map's share of a pixel grows from 0.25 to 0.70 with its value.
    """
    image = np.asarray(_enlarged(shown(image_HWC), side, smooth=False), np.float64)
    grey = Image.fromarray(map_HW.astype(np.float32)).resize(
        (side, side), Image.Resampling.BILINEAR
    )
    heat = np.asarray(grey, np.float64)
    share = 0.25 + 0.45 * np.clip(heat, 0, 1)[..., None]
    mixed = (1 - share) * image + share * coloured(heat, 1.0, INFERNO)
    return np.rint(mixed).astype(np.uint8)


def grid(
    rows: Sequence[Sequence[Cell]], titles: Sequence[str], side: int, heading: str = ""
) -> Image.Image:
    """Draw rows of cells, of equal length, under one title per column and an optional heading."""
    high = side + LINE * max(len(cell.lines) for row in rows for cell in row) + GAP
    lines = [wrapped(title, side) for title in titles]
    top = GAP + (LINE + 6) * bool(heading) + LINE * max(map(len, lines)) + 4
    width = GAP + (side + GAP) * len(titles)
    sheet = Image.new("RGB", (width, top + high * len(rows) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    if heading:
        draw.text((GAP, GAP), fitting(heading, width - 2 * GAP, SIZE + 2), INK, _font(SIZE + 2))
    for column, texts in enumerate(lines):
        for number, text in enumerate(texts):
            y = top - 4 - LINE * (len(texts) - number)
            draw.text((GAP + (side + GAP) * column, y), text, INK, _font(SIZE))
    for place, row in enumerate(rows):
        for column, cell in enumerate(row):
            x, y = GAP + (side + GAP) * column, top + high * place
            sheet.paste(_enlarged(cell.pixels, side, smooth=cell.smooth), (x, y))
            if cell.wrong:
                draw.rectangle((x - 3, y - 3, x + side + 2, y + side + 2), outline=WRONG, width=2)
            for number, text in enumerate(cell.lines):
                ink = WRONG if cell.wrong else INK if number == 0 else MUTED
                at = (x, y + side + 4 + LINE * number)
                draw.text(at, fitting(text, side, SIZE), ink, _font(SIZE))
    return sheet


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """Join the sheets vertically, aligned at the left."""
    size = max(one.width for one in sheets), sum(one.height for one in sheets)
    whole, y = Image.new("RGB", size, PAPER), 0
    for one in sheets:
        whole.paste(one, (0, y))
        y += one.height
    return whole


def png(sheet: Image.Image) -> bytes:
    """Encode the sheet as a PNG file."""
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def fitting(text: str, width: float, size: int) -> str:
    """Shorten the text with an ellipsis to at most `width` pixels at a font size of `size`."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrapped(text: str, width: float) -> list[str]:
    """Break the text at blanks into lines of at most `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(SIZE).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [fitting(line, width, SIZE) for line in lines]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _enlarged(pixels: Array, side: int, *, smooth: bool) -> Image.Image:
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), how)
