"""From memberships to a map: overlap, weights, communities, layout, labels; arrays in and arrays out."""
