"""``python -m redclust``."""

from redclust.cli import main

main()
