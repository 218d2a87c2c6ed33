"""How a graph is written: each form says what stands around the nodes and links, and how one of them looks.

An attribute without a value is left out (in csv: empty). Every form holds the same attributes under the
same names, and networkx reads each of them back.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

import orjson

from redclust.ops.graph.snapshot import number

SCHEMA = "redclust.graph.export/1"


class About(NamedTuple):
    """What an export says of itself; the counts let a reader notice a file that was cut."""

    nodes: int
    links: int
    computed_at: datetime | None


class NodeRow(NamedTuple):
    id: str
    name: str
    type: str
    val: float
    community: int | None
    community_label: str | None
    x: float | None
    y: float | None
    z: float | None


class LinkRow(NamedTuple):
    source: str
    target: str
    type: str
    val: float
    weight: float | None


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a graph as text: ``separator`` stands between nodes, and between links."""

    before_nodes: Callable[[About], str]
    node: Callable[[NodeRow], str]
    after_nodes: str
    before_links: str
    link: Callable[[LinkRow], str]
    after_links: str
    separator: str = ""


def _json(document: dict[str, Any]) -> str:
    return orjson.dumps(document, option=orjson.OPT_UTC_Z).decode()


def _present(row: NodeRow | LinkRow) -> dict[str, Any]:
    found = {key: value for key, value in row._asdict().items() if value is not None}
    found["val"] = number(row.val)
    return found


def _about(about: About) -> dict[str, Any]:
    return {"computed_at": about.computed_at, "nodes": about.nodes, "links": about.links}


def _json_head(about: About) -> str:
    head = {"schema": SCHEMA, "directed": False, "multigraph": False, "graph": _about(about)}
    return f'{_json(head)[:-1]},"nodes":[\n'


_JSON = Form(
    before_nodes=_json_head,
    node=lambda row: _json(_present(row)),
    after_nodes='\n],"links":[\n',
    before_links="",
    link=lambda row: _json(_present(row)),
    after_links="\n]}\n",
    separator=",\n",
)

_NDJSON = Form(
    before_nodes=lambda about: f"{_json({'kind': 'graph', 'schema': SCHEMA, **_about(about)})}\n",
    node=lambda row: f"{_json({'kind': 'node', **_present(row)})}\n",
    after_nodes="",
    before_links="",
    link=lambda row: f"{_json({'kind': 'link', **_present(row)})}\n",
    after_links="",
)


class _Echo:
    """A file that hands back what is written to it: `writerow` returns what `write` does."""

    def write(self, line: str) -> str:
        return line


_csv_line = cast(
    Callable[[Iterable[object]], str], csv.writer(cast(Any, _Echo()), lineterminator="\n").writerow
)

_CSV = Form(
    before_nodes=lambda _: _csv_line(NodeRow._fields),
    node=lambda row: _csv_line((*row[:3], number(row.val), *row[4:])),
    after_nodes="",
    before_links=_csv_line(LinkRow._fields),
    link=lambda row: _csv_line((*row[:3], number(row.val), row.weight)),
    after_links="",
)

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """Text for XML, in an element or in double quotes; what no XML 1.0 can hold becomes U+FFFD."""
    # Ids and nearly all names are identifiers, which hold nothing to escape.
    return text if text.isidentifier() else _NOT_XML.sub("\ufffd", text).translate(_ESCAPES)


#: The types of attributes in GraphML and GEXF; the rest is "string".
_XML_TYPES = {
    "val": "double",
    "community": "long",
    "x": "double",
    "y": "double",
    "z": "double",
    "weight": "double",
}
_NODE_ATTRIBUTES = NodeRow._fields[1:]
_LINK_ATTRIBUTES = LinkRow._fields[2:]


def _values(names: tuple[str, ...], values: tuple[Any, ...], template: str) -> str:
    """The attributes of a node that have a value, each written by ``template`` with its name and its text."""
    return "".join(
        template.format(name, escape(value) if isinstance(value, str) else value)
        for name, value in zip(names, values, strict=True)
        if value is not None
    )


def _graphml_head(about: About) -> str:
    keys = "".join(
        f'<key id="{element}_{name}" for="{element}" attr.name="{name}" '
        f'attr.type="{_XML_TYPES.get(name, "string")}"/>\n'
        for element, names in (("node", _NODE_ATTRIBUTES), ("edge", _LINK_ATTRIBUTES))
        for name in names
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
        f"{keys}"
        '<graph edgedefault="undirected" '
        f'parse.nodes="{about.nodes}" parse.edges="{about.links}" parse.order="nodesfirst">\n'
    )


def _graphml_node(row: NodeRow) -> str:
    data = _values(_NODE_ATTRIBUTES, (row.name, row.type, number(row.val), *row[4:]), _GRAPHML_VALUE)
    return f'<node id="{escape(row.id)}">{data}</node>\n'


def _graphml_link(row: LinkRow) -> str:
    weight = "" if row.weight is None else f'<data key="edge_weight">{row.weight}</data>'
    return (
        f'<edge source="{escape(row.source)}" target="{escape(row.target)}">'
        f'<data key="edge_type">{row.type}</data>'
        f'<data key="edge_val">{number(row.val)}</data>{weight}</edge>\n'
    )


_GRAPHML_VALUE = '<data key="node_{}">{}</data>'
_GRAPHML = Form(
    before_nodes=_graphml_head,
    node=_graphml_node,
    after_nodes="",
    before_links="",
    link=_graphml_link,
    after_links="</graph>\n</graphml>\n",
)

#: In GEXF a node's name is its label, and its place and a link's weight stand outside the attributes.
_GEXF_NODE_ATTRIBUTES = ("type", "val", "community", "community_label")
_GEXF_LINK_ATTRIBUTES = ("type", "val")
_GEXF_VALUE = '<attvalue for="{}" value="{}"/>'


def _gexf_attributes(element: str, names: tuple[str, ...]) -> str:
    lines = "".join(
        f'<attribute id="{name}" title="{name}" type="{_XML_TYPES.get(name, "string")}"/>\n' for name in names
    )
    return f'<attributes class="{element}" mode="static">\n{lines}</attributes>\n'


def _gexf_head(about: About) -> str:
    modified = f' lastmodifieddate="{about.computed_at:%Y-%m-%d}"' if about.computed_at else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gexf xmlns="http://www.gexf.net/1.2draft" '
        'xmlns:viz="http://www.gexf.net/1.2draft/viz" version="1.2">\n'
        f"<meta{modified}><creator>redclust</creator></meta>\n"
        '<graph mode="static" defaultedgetype="undirected">\n'
        f"{_gexf_attributes('node', _GEXF_NODE_ATTRIBUTES)}{_gexf_attributes('edge', _GEXF_LINK_ATTRIBUTES)}"
        f'<nodes count="{about.nodes}">\n'
    )


def _gexf_node(row: NodeRow) -> str:
    values = _values(
        _GEXF_NODE_ATTRIBUTES, (row.type, number(row.val), row.community, row.community_label), _GEXF_VALUE
    )
    position = ""
    if row.x is not None and row.y is not None:
        position = f'<viz:position x="{row.x}" y="{row.y}" z="{row.z or 0.0}"/>'
    return (
        f'<node id="{escape(row.id)}" label="{escape(row.name)}">'
        f"<attvalues>{values}</attvalues>{position}</node>\n"
    )


def _gexf_link(row: LinkRow) -> str:
    source, target = escape(row.source), escape(row.target)
    weight = "" if row.weight is None else f' weight="{row.weight}"'
    return (
        f'<edge id="{source}-{target}" source="{source}" target="{target}"{weight}><attvalues>'
        f'<attvalue for="type" value="{row.type}"/><attvalue for="val" value="{number(row.val)}"/>'
        "</attvalues></edge>\n"
    )


_GEXF = Form(
    before_nodes=_gexf_head,
    node=_gexf_node,
    after_nodes="</nodes>\n",
    before_links="<edges>\n",
    link=_gexf_link,
    after_links="</edges>\n</graph>\n</gexf>\n",
)

FORMS = {"json": _JSON, "ndjson": _NDJSON, "graphml": _GRAPHML, "gexf": _GEXF, "csv": _CSV}
