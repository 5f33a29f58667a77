"""What broadcasts cost in the database and on a server's loop: `python -m bench.broadcasts`."""

Row = tuple[str, str, str]
"""What was measured, the figure, and the target if there is one."""
