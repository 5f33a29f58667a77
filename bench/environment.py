"""What the peers need, installed under var/bench/ and nowhere else.

A Python environment for those from PyPI, a directory of Node packages, and nginx with nchan
unpacked from Debian's packages. What cannot be installed is left out, and its peer says why.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.servers import ROOT

HOME = ROOT / "var/bench"
PYTHON = HOME / "venv/bin/python"
NODE_MODULES = HOME / "node/node_modules"
NGINX_ROOT = HOME / "nginx"
NGINX = NGINX_ROOT / "usr/sbin/nginx"
NCHAN = NGINX_ROOT / "usr/lib/nginx/modules/ngx_nchan_module.so"
INSTALL_SECONDS = 300


def install() -> None:
    """Install what is missing; print what could not be installed."""
    for is_there, put in (
        (has_package("django_eventstream"), _install_python),
        ((NODE_MODULES / "socket.io").exists(), _install_node),
        (NGINX.exists() and NCHAN.exists(), _install_nginx),
    ):
        if not is_there:
            try:
                put()
            except (OSError, subprocess.SubprocessError) as exc:
                sys.stderr.write(f"{put.__name__}: {exc}\n")


def has_package(name: str) -> bool:
    """Return whether the peers' environment has a package, by the name of its directory."""
    return any((HOME / "venv").glob(f"lib/python*/site-packages/{name}*"))


def versions(*packages: str, python: str | Path = sys.executable) -> str:
    """Return the versions of packages of this environment or another, and of its Python."""
    code = (
        "import sys; from importlib.metadata import version; "
        "print(*(f'{name} {version(name)}' for name in sys.argv[1:]), "
        "f'Python {sys.version.split()[0]}', sep=', ')"
    )
    return subprocess.check_output([str(python), "-c", code, *packages], text=True).strip()


def _install_python() -> None:
    # What the peers share with this project has the same version, so that both run on the same.
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    HOME.mkdir(parents=True, exist_ok=True)
    constraints = HOME / "constraints.txt"
    constraints.write_text(subprocess.check_output(freeze, text=True, timeout=INSTALL_SECONDS))
    _run("-m", "venv", HOME / "venv", program=sys.executable)
    options = ("--quiet", "--disable-pip-version-check", "-c", constraints)
    _run("-m", "pip", "install", *options, "-r", ROOT / "requirements-bench.txt", program=PYTHON)


def _install_node() -> None:
    home = HOME / "node"
    home.mkdir(parents=True, exist_ok=True)
    (home / "package.json").write_text('{"private": true}')
    packages = ("socket.io@4", "@socket.io/redis-adapter@8", "redis@6")
    _run("install", "--no-audit", "--no-fund", *packages, program="npm", cwd=home)


def _install_nginx() -> None:
    packages = HOME / "debian"
    packages.mkdir(parents=True, exist_ok=True)
    _run("download", "nginx", "libnginx-mod-nchan", program="apt-get", cwd=packages)
    for each in packages.glob("*.deb"):
        _run("-x", each, NGINX_ROOT, program="dpkg-deb")


def _run(*options: str | Path, program: str | Path, cwd: Path = ROOT) -> None:
    command = [str(program), *map(str, options)]
    sys.stderr.write(f"$ {' '.join(command)}\n")
    subprocess.run(command, cwd=cwd, check=True, timeout=INSTALL_SECONDS, stdout=sys.stderr)
