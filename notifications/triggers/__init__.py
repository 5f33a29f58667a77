"""Rules that say who is told when a model changes."""
