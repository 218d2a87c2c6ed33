"""``graph``: looking at the graph that precalc made, taking it out, drawing it."""
