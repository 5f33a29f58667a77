"""Declared rules that notify users when a model changes."""
