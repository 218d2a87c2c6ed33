"""The texts of a picture: set as outlines, so that what was measured is what is drawn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redclust.picture import labels
from redclust.picture.backend import FontProperties, Outline, font_folder, text_to_path
from redclust.picture.model import Kind, LabelBox, MapPicture
from redclust.picture.page import AREA_PT2, MARGIN_PT, Page
from redclust.picture.palette import INK, QUIET_INK, Colours, readable

Points = npt.NDArray[np.float64]

#: Of the page, under names: beyond that, nodes go unnamed. Communities' names count, but leave some.
NAMED_RATIO = 0.16
NODES_NAMED_RATIO_MIN = 0.06
TRIED_MAX = 1_500
#: Labels keep off this many of the biggest circles; the rest are dots in a crowd.
HEEDED_MAX = 5_000

_UNITS_PT: float = text_to_path.FONT_SCALE


@dataclass(frozen=True, slots=True)
class Word:
    """A text as outlines; its ink starts at 0, 0."""

    text: str
    outline: Outline
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """A word in its place; the halo reaches ``halo_pt`` beyond the ink, to the box."""

    word: Word
    box: LabelBox
    colour: Colours
    halo_pt: float


class Typesetter:
    """Sets text in matplotlib's own DejaVu Sans, literally: no markup, one line."""

    def __init__(self) -> None:
        self._faces = {
            bold: FontProperties(fname=font_folder() / f"DejaVuSans{'-Bold' if bold else ''}.ttf")
            for bold in (False, True)
        }

    def set(self, text: str, size_pt: float, *, bold: bool = False) -> Word | None:
        """None when there is nothing to see of ``text``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box
            found, codes = text_to_path.get_text_path(self._faces[bold], " ".join(text.split()), False)
        vertices: Points = np.asarray(found, dtype=np.float64).reshape(-1, 2) * (size_pt / _UNITS_PT)
        inked: Points = vertices[np.asarray(codes, dtype=np.uint8) != Outline.CLOSEPOLY]
        if not len(inked):
            return None
        # Rounded because an .svg spells every digit out.
        left, low = float(inked[:, 0].min()), float(inked[:, 1].min())
        outline = np.round(vertices - np.array([left, low]), 2)
        width, height = float(inked[:, 0].max()) - left, float(inked[:, 1].max()) - low
        return Word(text, Outline(outline, codes), width, height)


class Lettering:
    """All labels of a picture, placed by the constructor: headline, communities, countries, nodes by size."""

    def __init__(
        self,
        picture: MapPicture,
        page: Page,
        members: list[npt.NDArray[np.int64]],
        countries: list[npt.NDArray[np.int64]],
        community_colours: Colours,
    ) -> None:
        self.labels: list[Label] = []
        self._picture, self._page = picture, page
        self._type = Typesetter()
        edge = 0.6 * MARGIN_PT
        limits = (edge, edge, page.width - edge, page.height - edge)
        self._by_size = [int(node) for node in np.argsort(-page.radii, kind="stable")]
        big = self._by_size[:HEEDED_MAX]
        self._board = labels.Board(limits, page.points[big], page.radii[big])
        top = self._headline("title", picture.title, 21.0, page.height - MARGIN_PT + 4.0)
        self._headline("caption", picture.caption, 11.0, top - 9.0)
        self._name_communities(members, community_colours)
        self._name_countries(countries, community_colours)
        self._name_nodes()

    def _put(self, kind: Kind, word: Word, box: Points, colour: Colours, halo_pt: float) -> None:
        x0, y0, x1, y1 = np.round(box, 2).tolist()
        self.labels.append(Label(word, LabelBox(word.text, kind, x0, y0, x1, y1), colour, halo_pt))

    def _headline(self, kind: Kind, text: str, size_pt: float, top: float) -> float:
        """Set one line at the upper left, smaller where it is too long; returns its lower end."""
        bold, halo, room = kind == "title", 1.0, self._page.width - 2 * MARGIN_PT
        word = self._type.set(text, size_pt, bold=bold)
        if word is not None and word.width > room:
            word = self._type.set(text, size_pt * room / word.width, bold=bold)
        if word is None:
            return top
        box = np.array([MARGIN_PT, top - word.height, MARGIN_PT + word.width, top])
        box += [-halo, -halo, halo, halo]
        self._board.occupy(box)
        self._put(kind, word, box, INK if bold else QUIET_INK, halo)
        return float(box[1])

    def _name_communities(self, members: list[npt.NDArray[np.int64]], colours: Colours) -> None:
        order = sorted((c for c, group in enumerate(members) if len(group)), key=lambda c: -len(members[c]))
        for community in order:
            group = members[community]
            share = float(np.sqrt(len(group) / len(members[order[0]])))
            size = 10.0 + 14.0 * share if len(order) < 40 else 7.5 + 14.0 * share
            size = min(size, 9.0 + 3.0 * float(np.sqrt(len(group))))
            name, across = self._picture.community_names[community], self._page.points[group, 0]
            word = self._type.set(name, size, bold=True)
            if word is not None:
                # A name much wider than its ground is set smaller, within reason.
                room = 40.0 + float(np.quantile(across, 0.97) - np.quantile(across, 0.03))
                word = self._type.set(name, size * min(1.0, max(0.7, room / word.width)), bold=True)
            if word is None or word.width > 0.5 * self._page.width:
                continue
            halo = 2.0
            width, height = word.width + 2 * halo, word.height + 2 * halo
            places, cost = labels.within(self._page.points[group], width, height)
            box = self._board.place(places, width, height, cost, hidden_max=width * height)
            if box is not None:
                self._put("community", word, box, readable(colours[community]), halo)

    def _name_countries(self, countries: list[npt.NDArray[np.int64]], colours: Colours) -> None:
        """In the colour of their community, thinner than its name; by as many members as have room."""
        picture, halo = self._picture, 1.6
        for group in countries:
            leading = (
                ()
                if picture.country is None
                else picture.country_names.get(int(picture.country[group[0]]), ())
            )
            across = self._page.points[group, 0]
            room = 24.0 + float(np.quantile(across, 0.97) - np.quantile(across, 0.03))
            size = float(np.clip(5.5 + 0.55 * np.sqrt(len(group)), 7.5, 12.0))
            for n_named in range(len(leading), 0, -1):
                word = self._type.set(", ".join(leading[:n_named]), size)
                if word is None or (word.width > room and n_named > 1):
                    continue
                width, height = word.width + 2 * halo, word.height + 2 * halo
                places, cost = labels.within(self._page.points[group], width, height)
                box = self._board.place(places, width, height, cost, hidden_max=width * height)
                if box is not None:
                    self._put("country", word, box, readable(colours[picture.community[group[0]]]), halo)
                    break

    def _name_nodes(self) -> None:
        page, halo = self._page, 1.3
        taken = sum((b.x1 - b.x0) * (b.y1 - b.y0) for b in (label.box for label in self.labels))
        budget = max(NAMED_RATIO * AREA_PT2 - taken, NODES_NAMED_RATIO_MIN * AREA_PT2)
        written = {
            name
            for label in self.labels
            if label.box.kind == "country"
            for name in label.word.text.split(", ")
        }
        for node in self._by_size[:TRIED_MAX]:
            if self._picture.names[node] in written:
                continue
            radius = float(page.radii[node])
            word = self._type.set(self._picture.names[node], float(np.clip(6.4 + 0.34 * radius, 7.0, 13.0)))
            if word is None:
                continue
            width, height = word.width + 2 * halo, word.height + 2 * halo
            places, cost = labels.around(page.points[node], radius, width, height)
            box = self._board.place(places, width, height, cost, hidden_max=0.25 * width * height)
            if box is not None:
                self._put("node", word, box, INK, halo)
                budget -= width * height
                if budget < 0:
                    break
