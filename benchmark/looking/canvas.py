"""A page of pictures and texts, written as PNG or as SVG from one list of what lies on it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from html import escape

from vidsal.loaders.inspect.drawing import Picture
from vidsal.loaders.inspect.marks import INK, PAPER, font


@dataclass
class Canvas:
    """What lies on a page; later things lie above earlier ones.

    Attributes:
        width, height: in pixels.
    """

    width: int
    height: int
    _pictures: list[tuple[float, float, Picture]] = field(default_factory=list)
    _texts: list[tuple[float, float, str, int]] = field(default_factory=list)

    def picture(self, x: float, y: float, picture: Picture) -> None:
        """Lay a PIL image down, its upper left corner at (x, y)."""
        self._pictures.append((x, y, picture))

    def text(self, x: float, y: float, text: str, size: int) -> None:
        """Write a line, the middle of its left edge at (x, y)."""
        self._texts.append((x, y, text, size))

    def image(self) -> Picture:
        """Return the page as a PIL image."""
        from PIL import Image, ImageDraw

        page = Image.new("RGB", (self.width, self.height), PAPER)
        draw = ImageDraw.Draw(page)
        for x, y, picture in self._pictures:
            page.paste(picture, (round(x), round(y)))
        for x, y, text, size in self._texts:
            draw.text((x, y), text, fill=INK, font=font(size), anchor="lm")
        return page

    def png(self) -> bytes:
        """Return the page as PNG."""
        return _png(self.image())

    def svg(self) -> bytes:
        """Return the page as SVG: pictures as they are, texts as texts."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="DejaVu Sans, Verdana, sans-serif">',
            f'<rect width="100%" height="100%" fill="rgb{PAPER}"/>',
        ]
        for x, y, picture in self._pictures:
            data = base64.b64encode(_png(picture)).decode("ascii")
            parts.append(
                f'<image x="{round(x)}" y="{round(y)}" width="{picture.width}" height="{picture.height}" '
                f'href="data:image/png;base64,{data}"/>'
            )
        for x, y, text, size in self._texts:
            length = font(size).getlength(text)  # the viewer's font may be wider
            parts.append(
                f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="rgb{INK}" dominant-baseline="central" '
                f'textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
            )
        return "\n".join([*parts, "</svg>", ""]).encode("utf-8")


def _png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
