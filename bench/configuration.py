"""Configuration files of nginx with values between two @."""

from pathlib import Path


def configuration(template: Path, home: Path, **values: object) -> Path:
    """Write a configuration into a directory that nginx has to itself, and return its path."""
    text = template.read_text()
    for name, value in {"HOME": home, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    path = home / "nginx.conf"
    path.write_text(text)
    return path
