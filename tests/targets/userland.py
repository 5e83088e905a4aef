"""A private AArch64 Linux under qemu: an emulator, Debian's Python and NumPy in one folder.

Making it needs apt-get, dpkg-deb, tar and the package servers; no root, no Docker, no chroot. Nothing is installed on the machine.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_SUITE, _PYTHON = "bookworm", "3.11"
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR = "http://deb.debian.org/debian"
_EMULATOR = "qemu-aarch64-static"
_PACKAGES = (f"python{_PYTHON}-minimal", f"libpython{_PYTHON}-stdlib", "libstdc++6", "zlib1g")
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")

_APT = """
APT::Architecture "{machine}";
APT::Architectures {{ "{machine}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "{user}";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Debug::NoLocking "1";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
"""


class UserlandError(Exception):
    """What the machine lacks to make the userland."""


def _run(*command: str | Path, environment: dict[str, str] | None = None, folder: Path | None = None) -> None:
    settings = os.environ | (environment or {})
    done = subprocess.run([str(part) for part in command], env=settings, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise UserlandError(f"{' '.join(str(part) for part in command)}: exit status {done.returncode}: {text[-600:]}")


def _fetch_packages(folder: Path, machine: str, names: tuple[str, ...], *, with_dependencies: bool) -> list[Path]:
    """Downloads Debian packages of an architecture with a package manager state of their own."""
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_MIRROR} {_SUITE} main\n")
    user = "root" if os.getuid() == 0 else ""
    (folder / "apt.conf").write_text(_APT.format(machine=machine, folder=folder, user=user))
    environment = {"APT_CONFIG": str(folder / "apt.conf")}
    _run("apt-get", "-qq", "--error-on=any", "update", environment=environment)
    archives = folder / "cache" / "archives"
    how = ["--yes", "--download-only", "install"] if with_dependencies else ["download"]
    _run("apt-get", "-qq", *how, *names, environment=environment, folder=archives)
    return sorted(archives.glob("*.deb"))


def _unpack(package: Path, folder: Path, *members: str) -> None:
    archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=True).stdout
    command = ["tar", "--extract", "--keep-directory-symlink", "--directory", str(folder), *members]
    subprocess.run(command, input=archive, check=True)


@dataclass(frozen=True)
class Userland:
    """The emulator and a root folder that holds Python and, in `site`, NumPy."""

    emulator: Path
    root: Path

    @property
    def site(self) -> Path:
        return self.root / "site"

    def command(self, cpu: str, *arguments: str | Path) -> list[str]:
        """The command that runs Python with `arguments` on an emulated processor, such as cortex-a72."""
        python = self.root / "usr" / "bin" / f"python{_PYTHON}"
        return [str(part) for part in (self.emulator, "-cpu", cpu, "-L", self.root, python, *arguments)]

    def environment(self, *paths: Path) -> dict[str, str]:
        """The environment for `command`, with `paths` to import from."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_", "JITLITE_", "NUMBA_", "PYTEST"))}
        searched = os.pathsep.join(str(path) for path in (self.site, *paths))
        return kept | {"PYTHONHOME": str(self.root / "usr"), "PYTHONPATH": searched, "PYTHONDONTWRITEBYTECODE": "1"}


def _find_emulator(folder: Path, scratch: Path) -> Path:
    installed = shutil.which(_EMULATOR) or shutil.which("qemu-aarch64")
    if installed:
        return Path(installed)
    machine = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    (package,) = _fetch_packages(scratch / "host", machine, ("qemu-user-static",), with_dependencies=False)
    _unpack(package, folder, f"./usr/bin/{_EMULATOR}")
    return folder / "usr" / "bin" / _EMULATOR


def build_userland(folder: Path) -> Userland:
    """Makes the userland in `folder`, or finds it there; UserlandError says what is missing."""
    stamp = f"{_SUITE} {_PYTHON} {' '.join(_PACKAGES)} numpy {version('numpy')}\n"
    ready, root = folder / "ready", folder / "root"
    if ready.exists() and ready.read_text().splitlines(keepends=True)[:1] == [stamp]:
        return Userland(Path(ready.read_text().splitlines()[1]), root)
    absent = [name for name in ("apt-get", "dpkg", "dpkg-deb", "tar") if shutil.which(name) is None]
    absent += [] if _KEYS.exists() else [f"{_KEYS} (package debian-archive-keyring)"]
    if absent:
        raise UserlandError(f"Debian's tools are required to make an AArch64 userland, missing: {', '.join(absent)}")
    shutil.rmtree(folder, ignore_errors=True)
    scratch = folder.resolve() / "downloads"
    for name in (root, scratch):
        name.mkdir(parents=True)
    emulator = _find_emulator(folder.resolve(), scratch)
    for package in _fetch_packages(scratch / "arm64", "arm64", _PACKAGES, with_dependencies=True):
        _unpack(package, root)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", _PYTHON]
    platforms = [part for name in _PLATFORMS for part in ("--platform", name)]
    _run(*pip, *platforms, "--dest", scratch / "wheels", f"numpy=={version('numpy')}")
    for wheel in (scratch / "wheels").glob("*.whl"):
        _run(sys.executable, "-m", "zipfile", "--extract", wheel, root / "site")
    shutil.rmtree(scratch)
    ready.write_text(f"{stamp}{emulator}\n")
    return Userland(emulator, root)
