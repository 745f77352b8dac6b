"""The packages that are in the images of a bundle, as databases of vulnerabilities know them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from builder.fetch.project_name import normalised
from builder.layers.system.facts import parse_paragraph
from builder.oci.layer_stack import LayerStack
from builder.oci.validate import Checked
from builder.records.policy.rules import InstalledPackages
from builder.records.vulnerabilities.affected import DEBIAN, PYPI, Package

_STATUS_D, _STATUS = b"var/lib/dpkg/status.d", b"var/lib/dpkg/status"
_OS_RELEASE = b"usr/lib/os-release"
_METADATA = re.compile(rb"opt/env/lib/python[^/]+/site-packages/[^/]+\.dist-info/METADATA")
_CONDA = re.compile(rb"opt/env/conda-meta/[^/]+\.json")
_FIELD = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


def installed_packages(images: Iterable[Checked]) -> InstalledPackages:
    """What is installed in images, each package once: what the package managers' own files in them say."""
    packages: set[Package] = set()
    unknown: list[str] = []
    conda = 0
    for image in images:
        paths = [path for path, _ in image.files.below(b"opt/env")]
        packages |= {one for path in paths if _METADATA.fullmatch(path) for one in _python(image.files, path)}
        conda += sum(1 for path in paths if _CONDA.fullmatch(path))
        debian = list(_debian(image.files))
        release = _release(image.files) if debian else ""
        if debian and not release:
            what = f"the image for {image.config.platform} does not say which release of Debian its packages are of"
            unknown.append(f"{what}, of which there are {len(debian)}")
        packages |= {Package(f"{DEBIAN}:{release}", name, version) for name, version in debian if release}
    return InstalledPackages(frozenset(packages), conda, tuple(sorted(set(unknown))))


def _python(files: LayerStack, path: bytes) -> Iterator[Package]:
    head = (files.content(path) or b"").decode("utf-8", "replace").partition("\n\n")[0]
    fields = dict(_FIELD.findall(head))
    if fields.keys() >= {"Name", "Version"}:
        yield Package(PYPI, normalised(fields["Name"]), fields["Version"])


def _debian(files: LayerStack) -> Iterator[tuple[str, str]]:
    """Source packages and their versions (deb-control(5), `Source`): that is what advisories name."""
    top = files.find(_STATUS_D, follow=False)
    names = sorted((top.entries if top else None) or {})
    texts = [files.content(_STATUS_D + b"/" + name) or b"" for name in names if not name.endswith(b".md5sums")]
    texts += re.split(rb"\n\s*\n", files.content(_STATUS) or b"")
    for text in texts:
        fields = parse_paragraph(text.decode("utf-8", "replace").strip("\n"))
        if fields.get("package") and fields.get("status", "install ok installed").endswith(" installed"):
            source = _SOURCE.match(fields.get("source", "")) or _SOURCE.match(fields["package"])
            if source is not None:
                yield source[1], source[2] or fields.get("version", "")


def _release(files: LayerStack) -> str:
    """The number of Debian's release; empty where the image does not tell, or is of another distribution."""
    text = (files.content(_OS_RELEASE) or b"").decode("utf-8", "replace")
    fields = {
        name: value.strip().strip("\"'") for name, _, value in (line.partition("=") for line in text.splitlines())
    }
    return fields.get("VERSION_ID", "") if fields.get("ID") == "debian" else ""
