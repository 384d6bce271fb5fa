"""Scenarios: what happens at the premises of a rig, when, and what must come of it, in stepped time."""
