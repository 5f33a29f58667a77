"""Each change of what is stored, one transaction each, and reading it back."""
