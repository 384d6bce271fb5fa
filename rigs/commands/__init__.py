"""What the commands of ``smets1`` do, one module each; ``rigs.cli`` is how they are called."""
