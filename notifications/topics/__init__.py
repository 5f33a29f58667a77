"""Live topics: their signed names."""
