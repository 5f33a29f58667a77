"""What the peers need, installed under var/bench/ and nowhere else.

A Python environment for those from PyPI, a directory of Node packages, and nginx with nchan
unpacked from Debian's packages. What cannot be installed is left out, and its peer says why.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.support.servers import ROOT

HOME = ROOT / "var/bench"
PYTHON = HOME / "venv/bin/python"
NODE_MODULES = HOME / "node/node_modules"
NGINX_ROOT = HOME / "nginx"
NGINX = NGINX_ROOT / "usr/sbin/nginx"
NCHAN = NGINX_ROOT / "usr/lib/nginx/modules/ngx_nchan_module.so"
NODE_PACKAGES = ("socket.io@4", "@socket.io/redis-adapter@8", "redis@6")
DEBIAN_PACKAGES = ("nginx", "libnginx-mod-nchan")
INSTALL_SECONDS = 300


def install() -> None:
    """Install what is missing; say what could not be."""
    HOME.mkdir(parents=True, exist_ok=True)
    for is_there, put in (
        (PYTHON.exists() and has_package("django_eventstream"), _install_python),
        ((NODE_MODULES / "socket.io").exists(), _install_node),
        (NGINX.exists() and NCHAN.exists(), _install_nginx),
    ):
        if not is_there:
            try:
                put()
            except (OSError, subprocess.SubprocessError) as exc:
                sys.stderr.write(f"{put.__name__}: {exc}\n")


def has_package(name: str) -> bool:
    """Tell whether the peers' environment has a package, by the name of its directory."""
    return any((HOME / "venv").glob(f"lib/python*/site-packages/{name}*"))


def versions(*packages: str) -> str:
    """Return the versions of packages of this environment, and of Python."""
    return ", ".join([*(f"{name} {version(name)}" for name in packages), _python()])


def python_versions(*packages: str) -> str:
    """Return the versions of packages of the peers' environment."""
    code = (
        "import sys; from importlib.metadata import version as v; "
        "print(', '.join(f'{name} {v(name)}' for name in sys.argv[1:]))"
    )
    command = [str(PYTHON), "-c", code, *packages]
    return f"{subprocess.check_output(command, text=True).strip()}, {_python()}"


def _python() -> str:
    return f"Python {sys.version.split()[0]}"


def _install_python() -> None:
    # What the peers share with this project has the same version, so that both run on the same.
    constraints = HOME / "constraints.txt"
    frozen = _output([sys.executable, "-m", "pip", "freeze", "--exclude-editable"])
    constraints.write_text(frozen)
    _run([sys.executable, "-m", "venv", str(HOME / "venv")])
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-c", str(constraints), "-r", str(ROOT / "requirements-bench.txt")])


def _install_node() -> None:
    home = HOME / "node"
    home.mkdir(exist_ok=True)
    (home / "package.json").write_text('{"private": true}')
    _run(["npm", "install", "--no-audit", "--no-fund", *NODE_PACKAGES], cwd=home)


def _install_nginx() -> None:
    packages = HOME / "debian"
    packages.mkdir(exist_ok=True)
    _run(["apt-get", "download", *DEBIAN_PACKAGES], cwd=packages)
    for each in packages.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(each), str(NGINX_ROOT)])


def _run(command: list[str], cwd: Path = ROOT) -> None:
    sys.stderr.write(f"$ {' '.join(command)}\n")
    subprocess.run(command, cwd=cwd, check=True, timeout=INSTALL_SECONDS, stdout=sys.stderr)


def _output(command: list[str]) -> str:
    return subprocess.check_output(command, text=True, timeout=INSTALL_SECONDS)
