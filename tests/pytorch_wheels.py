"""PyTorch's wheels on loopback: an index a CUDA version and one of all, in HTML, without sizes and upload times."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from urllib.parse import quote

from simple_index import SimpleIndex
from wheels import make_wheel

X86, ARM = "linux_x86_64", "manylinux_2_28_aarch64"


@dataclass
class PyTorchWheels(SimpleIndex):
    """What a mirror of `https://download.pytorch.org/whl/` has."""

    wheels: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    """By the name of the index, as in `cu128`, and that of the project."""
    files_at: str = "/whl/"
    """Where its pages say that files are."""

    @property
    def root(self) -> str:
        """What stands for PyTorch's own address."""
        return f"http://{self.host}/whl/"

    def build(self, name: str, version: str, tag: str, *requires: str, platform: str = X86, python: str = "311") -> str:
        """A wheel for a CUDA version; its name."""
        project = name.replace("-", "_")
        tags = f"cp{python}-cp{python}-{platform}"
        file = f"{project}-{version}+{tag}-{tags}.whl"
        self.wheels.setdefault((tag, name), {})[file] = make_wheel(project, f"{version}+{tag}", tags, requires)
        return file

    def add_for(self, tag: str, name: str, version: str, *requires: str) -> str:
        """A wheel that is the same on every index; its name."""
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        data = make_wheel(name.replace("-", "_"), version, "py3-none-any", requires)
        self.wheels.setdefault((tag, name), {})[file] = data
        return file

    def answer(self, path: str) -> tuple[str, bytes] | None:
        match path.strip("/").split("/"):
            case ["whl", "torch"]:
                return self._list([tag for tag, name in self.wheels if name == "torch"], "torch")
            case ["whl", tag, name] if (tag, name) in self.wheels:
                return self._list([tag], name)
            case ["whl", tag, quoted]:
                return self._file(tag, quoted.replace("%2B", "+"))
        return None

    def _file(self, tag: str, name: str) -> tuple[str, bytes] | None:
        files = {
            file: data for (known, _), files in self.wheels.items() if known == tag for file, data in files.items()
        }
        if name.endswith(".metadata") and (data := files.get(name.removesuffix(".metadata"))):
            return "text/plain", _metadata(data)
        return ("application/octet-stream", files[name]) if name in files else None

    def _list(self, tags: list[str], name: str) -> tuple[str, bytes]:
        anchors = [
            f'<a href="{self.files_at}{tag}/{quote(file)}#sha256={hashlib.sha256(data).hexdigest()}" '
            f'data-core-metadata="sha256={hashlib.sha256(_metadata(data)).hexdigest()}">{file}</a><br/>\n'
            for tag in tags
            for file, data in self.wheels[tag, name].items()
        ]
        return "text/html", "".join(["<!DOCTYPE html><html><body>", *anchors, "</body></html>"]).encode()


def _metadata(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))
