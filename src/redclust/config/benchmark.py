"""From where on a question of ``benchmark graph`` is too slow."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from redclust.config.base import Section

_Limit = Annotated[float, Field(gt=0)] | None


class BenchmarkSettings(Section):
    """How many milliseconds (median) `benchmark graph` lets a question take; empty: any."""

    top_100_ms: _Limit = Field(default=None, description="The 100 biggest nodes.")
    top_1000_ms: _Limit = Field(default=None, description="The 1,000 biggest nodes.")
    top_10000_ms: _Limit = Field(default=None, description="The 10,000 biggest nodes.")
    top_20000_ms: _Limit = Field(default=1000, description="The 20,000 biggest nodes.")
    subreddits_ms: _Limit = Field(default=None, description="The 1,000 biggest subreddits.")
    links_ms: _Limit = Field(default=None, description="50,000 links among the 20,000 biggest nodes.")
    map_ms: _Limit = Field(default=1000, description="These nodes and links together.")
    map_document_ms: _Limit = Field(default=None, description="The same as JSON that the server writes.")
    neighbourhood_ms: _Limit = Field(default=None, description="What one node is linked to.")
    page_ms: _Limit = Field(default=None, description="The 100 nodes that follow one.")
    search_ms: _Limit = Field(default=None, description="Nodes whose names begin so.")
