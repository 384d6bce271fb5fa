"""``python -m rigs`` is ``smets1``."""

from rigs.cli import main

main()
