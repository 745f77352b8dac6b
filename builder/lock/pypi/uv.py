"""Resolving with uv, run as a process once a target; its answer is narrowed to one wheel a package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Source
from builder.fetch.mirrors import without_credentials_in
from builder.lock.artifact import Wheel
from builder.lock.interface import Request, Target
from builder.lock.pypi.pylock import wheel_from_index
from builder.lock.pypi.tags import marker_environment, supported_tags
from builder.oci.digest import Digest

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageWheel, Pylock

_PASSED = re.compile(
    r"(?!UV_|RUST_LOG).*|UV_(DEFAULT_INDEX|INDEX.*|EXTRA_INDEX_URL|CACHE_DIR|NO_CACHE|NATIVE_TLS|SYSTEM_CERTS|HTTP_.*|"
    r"KEYRING_PROVIDER|INSECURE_HOST|OFFLINE|CONCURRENT_.*|REQUEST_TIMEOUT|CREDENTIALS_DIR)"
)
"""Which variables uv sees: those that say how to reach an index, none that changes what it chooses."""


def uv_program() -> str:
    """The path of the uv that is installed beside this package. Not for several threads at once.

    Raises: EnvbuildError, if there is none.
    """
    from uv import find_uv_bin

    try:
        return str(find_uv_bin())
    except FileNotFoundError as error:
        raise EnvbuildError("uv is not there", str(error), "Install envbuild anew; it brings uv with it") from error


@dataclass(frozen=True, slots=True)
class UvResolver:
    """Resolves with uv (a PythonResolver)."""

    variables: Mapping[str, str]
    """The environment variables of this process."""
    program: str
    """The path of uv."""
    fetcher: Fetcher
    """Learns the size of a wheel whose index does not say it."""

    def __call__(self, request: Request, target: Target) -> tuple[Wheel, ...]:
        """The wheels, sorted by name.

        Raises: EnvbuildError, with uv's own explanation.
        """
        from packaging.pylock import PylockSelectError

        requirements = tuple(line.text for line in request.sources.requirements)
        if not requirements:
            return ()
        pylock = self._compile(requirements, target, request.exclude_newer)
        tags = supported_tags(target.python, target.machine, target.glibc)
        environment = marker_environment(target.python, target.machine)
        try:
            selected = tuple(pylock.select(environment=environment, tags=tags))  # type: ignore[arg-type]
        except PylockSelectError as error:
            raise EnvbuildError(f"the Python packages cannot be had for {target.platform}", str(error)) from error
        return tuple(sorted(self._wheel(package, choice, target) for package, choice in selected))

    def _compile(self, requirements: tuple[str, ...], target: Target, exclude_newer: str | None) -> Pylock:
        from packaging.pylock import Pylock

        with tempfile.TemporaryDirectory(prefix="envbuild-") as folder:
            (Path(folder) / "requirements").write_text("\n".join(requirements) + "\n", encoding="utf-8")
            command = [
                self.program, "pip", "compile", "requirements", "--output-file", "pylock.toml",
                "--format", "pylock.toml", "--no-header", "--no-config", "--quiet", "--only-binary", ":all:",
                "--python", sys.executable, "--python-version", target.python,
                "--python-platform", f"{target.machine}-manylinux_2_{min(target.glibc[1], 40)}",
            ]  # fmt: skip
            if exclude_newer:
                command += ["--exclude-newer", exclude_newer]
            finished = subprocess.run(
                command,
                cwd=folder,
                env=self._variables(),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            if finished.returncode != 0:
                causes, hint = _explanation(finished.stderr)
                raise EnvbuildError(f"the Python packages cannot be resolved for {target.platform}", causes, hint)
            return Pylock.from_dict(tomllib.loads((Path(folder) / "pylock.toml").read_text("utf-8")))

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in self.variables.items() if _PASSED.fullmatch(name)}
        if "PIP_INDEX_URL" in kept and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & kept.keys():
            kept["UV_DEFAULT_INDEX"] = kept["PIP_INDEX_URL"]
        return kept

    def _wheel(self, package: Package, choice: object, target: Target) -> Wheel:
        from packaging.pylock import PackageWheel

        name, version = package.name, str(package.version)
        if not isinstance(choice, PackageWheel) or choice.url is None:
            raise EnvbuildError(
                f"`{name}` {version} has no wheel on an index for {target.platform}", "only wheels are taken"
            )
        sha256 = choice.hashes.get("sha256")
        if sha256 is None:
            raise EnvbuildError(
                f"`{name}` {version} has no sha256 on its index", hint="Use an index that gives sha256 (PEP 503, 691)"
            )
        size = choice.size if choice.size is not None else self._measure(choice, Digest(sha256))
        return wheel_from_index(name, version, _file_name(choice), choice.url, Digest(sha256), size)

    def _measure(self, choice: PackageWheel, digest: Digest) -> int:
        source = Source(digest, None, (str(choice.url),), _file_name(choice))
        return os.stat(self.fetcher.blob(source)).st_size


def _file_name(choice: PackageWheel) -> str:
    return choice.name or str(choice.url).rpartition("/")[2].partition("#")[0]


def _explanation(text: str) -> tuple[list[str], str | None]:
    """The causes and hints in uv's message, without credentials: continuation lines stay with their cause."""
    causes: list[str] = []
    hints: list[str] = []
    for line in without_credentials_in(text).splitlines():
        content = line.strip()
        if content.startswith("hint:"):
            hints.append(content.removeprefix("hint:").strip())
        elif line.startswith(" " * 9) and causes:
            causes[-1] += "\n" + line.removeprefix(" " * 9).rstrip()
        elif content:
            causes.append(re.sub(r"^(error|cause):\s*", "", content))
    return causes, "; ".join(hints) or None
