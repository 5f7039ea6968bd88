"""A matplotlib figure goes in; an inline SVG whose colours and fonts are those of the page comes out.

Colours are written as the hexadecimal values of ``COLOURS`` and become CSS variables, so that one drawing
serves light and dark pages. A cloud of points is one path of round dots, not an element per point: about ten
bytes each. The same figure is the same text in every process.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["COLOURS", "Cloud", "new_figure", "placeholder", "points_path", "styled", "to_svg"]

P = ParamSpec("P")
T = TypeVar("T")

COLOURS: Mapping[str, str] = {  # CSS variable -> the stand-in that is drawn; the page gives the real ones
    "ink": "#101112",
    "muted": "#606162",
    "grid": "#d0d1d2",
    "shade": "#e0e1e2",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
}
POINTS_PER_INCH = 72
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 12.0,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": 12.0,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": COLOURS["grid"],
    "ytick.color": COLOURS["grid"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "xtick.labelsize": 12.0,
    "ytick.labelsize": 12.0,
    "text.color": COLOURS["ink"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "text.parse_math": False,
    "figure.dpi": POINTS_PER_INCH,
}


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Points in data coordinates of ``axes``, drawn where the artist with the same ``name`` stands."""

    name: str
    axes: Axes
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: str
    width: float = 2.6
    opacity: float = 1.0


def new_figure(width: float, height: float) -> Figure:
    """``width`` x ``height`` in CSS pixels; transparent."""
    figure = Figure(
        figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), dpi=POINTS_PER_INCH, layout="constrained"
    )
    FigureCanvasSVG(figure)
    return figure


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Decorator: ``draw`` runs with the report's style."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def placeholder(axes: Axes, name: str) -> None:
    """Stands for a Cloud in the drawing order."""
    axes.plot([], [], gid=name)


def points_path(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[str, int]:
    """(path of dots at a tenth of a pixel, dots in it); points on the same place are one dot."""
    places = np.unique(np.stack([np.rint(x * 10), np.rint(y * 10)], axis=1).astype(np.int64), axis=0)
    if len(places) == 0:
        return "", 0
    steps = np.diff(places, axis=0, prepend=np.zeros((1, 2), np.int64))
    return "".join(f"m{_tenths(dx)} {_tenths(dy)}h0" for dx, dy in steps.tolist()), len(places)


def _tenths(value: int) -> str:
    return f"{value / 10:g}"


def to_svg(figure: Figure, *, name: str, label: str, clouds: tuple[Cloud, ...] = ()) -> str:
    """``name`` makes the ids unique in the page; ``label`` is what a screen reader says."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    height = figure.get_figheight() * POINTS_PER_INCH
    for cloud in clouds:
        at = cloud.axes.transData.transform(np.stack([cloud.x, cloud.y], axis=1))
        path, _ = points_path(at[:, 0], height - at[:, 1])
        dots = (
            f'<path d="{path}" style="fill:none;stroke:{COLOURS[cloud.colour]};stroke-width:{cloud.width};'
            f'stroke-linecap:round;stroke-opacity:{cloud.opacity}"/>'
        )
        stands = rf'<g id="{cloud.name}"\s*(?:/>|>.*?</g>)'
        found = re.search(stands, text, re.DOTALL)
        if found is not None:
            text = text[: found.start()] + dots + text[found.end() :]
    return _embed(text, name, label)


def _embed(text: str, name: str, label: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    head = f'<svg viewBox="{box.group(1) if box else ""}" role="img" aria-label="{escaped}">'
    text = re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", text)
    text = re.sub(r"font-family: [^;\"]+", "font-family: inherit", text)
    text = re.sub(r"font: (\d[^;\"]*?px) [^;\"]+", r"font-size: \1; font-family: inherit", text)
    for variable, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r"\n\s*", "\n", text).strip()
