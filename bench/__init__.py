"""Measurements of this project: docs/performance.md and docs/scaling.md show what they find."""
