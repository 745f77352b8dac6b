"""Solving with rattler against the target's virtual packages, and asking channels for records of locked packages.

rattler runs in a process of its own, once for all targets. Its cache of indexes is in the store.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.lock.artifact import CondaPackage
from builder.lock.conda.channels import SUBDIRS, channel_urls
from builder.lock.conda.package_file import completed
from builder.lock.conda.pins import take_pins
from builder.lock.conda.records import package_of, with_dependencies
from builder.lock.conda.settings import CondaSettings, read_settings
from builder.lock.interface import CondaRequest, CondaTarget
from builder.lock.named_lines import with_places
from builder.oci.documents import Platform

_LINUX = "5.10"
"""The kernel that is taken for granted, as conda-lock does."""
_ARCHSPEC = {Platform("amd64"): "x86_64", Platform("arm64"): "aarch64"}
_LINES = 60
"""Of an explanation."""
_TOKEN = re.compile(r"(/t/)[^/\s'\"]+")
_LOGIN = re.compile(r"(?<=://)[^\s/@]+@")
_PASSED = re.compile(r"(?i)(PATH|HOME|LANG|LC_\w+|TMPDIR|TEMP|SSL_CERT_\w+|\w+_PROXY|PYTHONPATH|RUST_LOG)")
"""Which variables the process sees: none that changes what is chosen."""


@dataclass(frozen=True, slots=True)
class CondaSolver:
    """Chooses conda packages (a CondaResolver)."""

    variables: Mapping[str, str]
    """The environment variables of this process."""
    fetcher: Fetcher
    """Fetches packages of which a channel does not tell enough."""

    def __call__(self, request: CondaRequest) -> Mapping[Platform, tuple[CondaPackage, ...]]:
        """The packages by platform, sorted by name.

        Raises: EnvbuildError, with rattler's own explanation.
        """
        if request.sources.pins:
            return take_pins(request.sources.pins, self, self.fetcher)
        channels = [url for text in request.sources.channels for url in channel_urls(text)]
        question = {"targets": [_target(request, target) for target in request.targets]}
        answers = self.ask(question, channels + _further_channels(request, channels))["targets"]
        failures, found = dict[Platform, str](), dict[Platform, tuple[CondaPackage, ...]]()
        for target, answer in zip(request.targets, answers, strict=True):
            if "error" in answer:
                failures[target.platform] = _printable(answer["message"])
                continue
            subdirs = (SUBDIRS[target.platform], "noarch")
            packages = [package_of(record, subdirs) for record in answer["records"]]
            found[target.platform] = with_dependencies(completed(packages, self.fetcher))
        if failures:
            raise _explained(failures, request)
        return found

    def records(self, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What channels tell of names: for each of `channel`, `subdir` and `names`, `records` or `error`."""
        channels = [each["channel"] for each in wanted]
        return list(self.ask({"records": list(wanted)}, channels)["records"])

    def ask(self, question: Mapping[str, Any], channels: Sequence[str]) -> dict[str, Any]:
        """Rattler's answer.

        Raises: EnvbuildError, if it gives none.
        """
        settings = read_settings(self.variables)
        access = _Access.of(settings, channels, self.fetcher)
        whole = {
            **_mapped(question, access.local),
            "channels": [access.local.get(url, url) for url in dict.fromkeys(channels)],
            "mirrors": access.mirrors,
            "headers": access.headers,
            "offline": self.fetcher.offline,
            "cache": str(self._cache()),
        }
        finished = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-m", "builder.lock.conda.solver_process"],
            input=json.dumps(whole).encode(),
            env=self._environment(),
            capture_output=True,
            check=False,
        )
        if finished.returncode != 0:
            last = _clean(finished.stderr.decode("utf-8", "replace"), settings).strip().splitlines()[-1:]
            raise EnvbuildError("the conda solver broke off", last or f"its status is {finished.returncode}")
        text = _clean(finished.stdout.decode("utf-8", "replace"), settings)
        for canonical, local in access.local.items():
            text = text.replace(json.dumps(local)[1:-1], json.dumps(canonical)[1:-1])
        return dict(json.loads(text))

    def _environment(self) -> dict[str, str]:
        found = {name: value for name, value in self.variables.items() if _PASSED.fullmatch(name)}
        certificates = self.fetcher.mirrors.access.certificates
        return {**found, "SSL_CERT_FILE": certificates} if certificates else found

    def _cache(self) -> os.PathLike[str]:
        folder = self.fetcher.store.root / "conda" / "indexes"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


_HINTS = (
    (
        r"error sending request|timed out|dns error|retries",
        "Check the network, the proxy settings (`HTTPS_PROXY`) and the URL of the channel",
    ),
    (r"could not find subdir|\b404\b", "Check the name or the URL of the channel"),
    (
        r"\b40[13]\b",
        "Give credentials of the channel in netrc, `.condarc` or `RATTLER_AUTH_FILE`",
    ),
    (
        r"No candidates were found",
        "Check the name, the version and the channels: the first channel that has a package is the only one for it",
    ),
    ("", "Change one of the requirements that are named"),
)
"""What to do, by what rattler's message holds; the first that fits."""


@dataclass(frozen=True, slots=True)
class _Access:
    """How this machine reaches channels."""

    mirrors: dict[str, list[str]]
    headers: list[tuple[str, str]]
    """The Authorization header below a URL."""
    local: dict[str, str]
    """Channels that are a folder of this machine here."""

    @classmethod
    def of(cls, settings: CondaSettings, channels: Sequence[str], fetcher: Fetcher) -> _Access:
        mirrors, local, headers = dict[str, list[str]](), dict[str, str](), list[tuple[str, str]]()
        for url in dict.fromkeys(channels):
            asked = [other.rstrip("/") for other in settings.candidates(f"{url}/")]
            if asked[0].startswith("file:") and asked[0] != url:
                local[url] = asked[0]
            elif asked != [url]:
                mirrors[url] = asked
            for place in asked:
                header = settings.header(f"{place}/") or fetcher.authorization(f"{place}/")
                if header and urlsplit(place).scheme in ("http", "https"):
                    headers.append((f"{place}/", header))
        return cls(mirrors, headers, local)


def _target(request: CondaRequest, target: CondaTarget) -> dict[str, Any]:
    virtual = [
        ("__unix", "0", "0"),
        ("__linux", _LINUX, "0"),
        ("__glibc", f"{target.glibc[0]}.{target.glibc[1]}", "0"),
        ("__archspec", "1", _ARCHSPEC[target.platform]),
        *([("__cuda", target.cuda, "0")] if target.cuda else []),
    ]
    constraints = [f"{name} =={version}" for name, version in request.versions.items()]
    if request.python:
        constraints.append(f"python {request.python}.*")
    return {
        "subdir": SUBDIRS[target.platform],
        "virtual": virtual,
        "specs": [line.text for line in request.sources.dependencies.get(target.platform, ())],
        "constraints": constraints,
        "kept": {package.name: package.digest.hex for package in request.kept.get(target.platform, ())},
    }


def _further_channels(request: CondaRequest, channels: Sequence[str]) -> list[str]:
    """Channels that single specifications name and the list does not; they come last."""
    lines = (line.text for lines in request.sources.dependencies.values() for line in lines)
    named = (text.partition("::")[0] for text in lines if "::" in text)
    return [url for url in dict.fromkeys(named) if url not in channels]


def _mapped(question: Mapping[str, Any], local: Mapping[str, str]) -> dict[str, Any]:
    """The question with folders of this machine in place of channels that are there."""
    text = json.dumps(dict(question))
    for canonical, folder in local.items():
        for end in ('"', "::"):
            text = text.replace(json.dumps(canonical)[1:-1] + end, json.dumps(folder)[1:-1] + end)
    return dict(json.loads(text))


def _clean(text: str, settings: CondaSettings) -> str:
    """Without what this machine keeps to itself."""
    for secret in settings.secrets:
        text = text.replace(secret, "****")
    return _TOKEN.sub(r"\1****", _LOGIN.sub("", text))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)


def _explained(failures: Mapping[Platform, str], request: CondaRequest) -> EnvbuildError:
    """One error for all platforms; the explanation once where they have the same."""
    names = " and ".join(map(str, failures))
    lines: list[str] = []
    for text in dict.fromkeys(failures.values()):
        where = [str(platform) for platform, message in failures.items() if message == text]
        shown = [line for line in text.strip().splitlines() if line.strip()][:_LINES]
        first = shown[0] if len(where) == len(failures) else f"{' and '.join(where)}: {shown[0]}"
        lines.append("\n".join([first, *shown[1:]]))
    text = "\n".join(failures.values())
    hint = next(hint for pattern, hint in _HINTS if re.search(pattern, text))
    if "__cuda" in text and not any(target.cuda for target in request.targets):
        hint = 'If the hosts have a GPU, say which CUDA their driver supports: `cuda: "12.8"`'
    asked = [line for platform in failures for line in request.sources.dependencies.get(platform, ())]
    return with_places(EnvbuildError(f"the conda packages cannot be solved for {names}", lines, hint), asked)
