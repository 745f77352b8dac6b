"""Small source distributions, as their backends would pack them."""

from __future__ import annotations

import gzip
import io
import secrets
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from builder.lock.artifact import Sdist
from builder.oci.digest import Digest
from builder.oci.store import Store

C_EXTENSION = """\
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(ANSWER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tiny_ext", "", -1, methods};
PyMODINIT_FUNC PyInit_tiny_ext(void) { return PyModule_Create(&module); }
"""


def make_sdist(name: str, version: str, files: Mapping[str, str], kind: str = "tar.gz") -> tuple[str, bytes]:
    """The file's name and its bytes."""
    top = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents = {"PKG-INFO": metadata, **files}
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as zipped:
            for path, text in contents.items():
                zipped.writestr(f"{top}/{path}", text)
        return f"{top}.zip", buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in contents.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size, info.mode = len(text.encode()), 0o664
            archive.addfile(info, io.BytesIO(text.encode()))
    return f"{top}.tar.gz", gzip.compress(buffer.getvalue(), mtime=0)


def flit_project(name: str, version: str = "1.0", *requires: str, more: str = "") -> dict[str, str]:
    """The files of a project that flit builds."""
    module = name.replace("-", "_")
    listed = ", ".join(f'"{text}"' for text in requires)
    return {
        "pyproject.toml": (
            '[build-system]\nrequires = ["flit_core >=3.11,<4"]\nbuild-backend = "flit_core.buildapi"\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\ndescription = "Small"\nlicense = "MIT"\n'
            f'requires-python = ">=3.8"\ndependencies = [{listed}]\n{more}'
        ),
        f"{module}/__init__.py": f'"""Small."""\n__version__ = "{version}"\n',
    }


def extension_project(name: str = "tiny-ext", version: str = "1.0", answer: int = 42) -> dict[str, str]:
    """The files of a project with a module in C, which setuptools builds; its sources are found by a glob."""
    return {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=70"]\nbuild-backend = "setuptools.build_meta"\n',
        "setup.py": (
            "import glob\nfrom setuptools import Extension, setup\n"
            f'setup(name="{name}", version="{version}", ext_modules=[Extension("tiny_ext", glob.glob("src/*.c"))])\n'
        ),
        "src/tiny.c": C_EXTENSION.replace("ANSWER", str(answer)),
        **{f"src/part{number}.c": f"int part{number}(void) {{ return {number}; }}\n" for number in range(8)},
    }


def own_backend(code: str, requires: str = "") -> dict[str, str]:
    """The files of a project that brings its backend with it: `code` is the body of `build_wheel`."""
    body = "\n".join(f"    {line}" for line in code.splitlines())
    return {
        "pyproject.toml": (
            f'[build-system]\nrequires = [{requires}]\nbuild-backend = "backend"\nbackend-path = ["tools"]\n'
        ),
        "tools/backend.py": (
            "import os, sys, zipfile\n\n"
            "def pack(folder, name, files):\n"
            "    with zipfile.ZipFile(os.path.join(folder, name), 'w') as archive:\n"
            "        for path, text in files.items():\n"
            "            archive.writestr(path, text)\n"
            "    return name\n\n"
            f"def build_wheel(folder, config_settings=None, metadata_directory=None):\n{body}\n"
        ),
    }


def packed(name: str = "odd", version: str = "1.0", tag: str = "py3-none-any", requires: str = "") -> str:
    """The body of a backend that packs a whole wheel."""
    info = f"{name}-{version}.dist-info"
    return (
        f"info = {info!r}\n"
        f"metadata = 'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n' + {requires!r}\n"
        f"wheel = 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n'\n"
        f"files = {{info + '/METADATA': metadata, info + '/WHEEL': wheel, info + '/RECORD': '', '{name}.py': ''}}\n"
        f"return pack(folder, {f'{name}-{version}-{tag}.whl'!r}, files)"
    )


def stored_sdist(store: Store, folder: Path, name: str, version: str, files: Mapping[str, str], **more: str) -> Sdist:
    """An sdist in the store, and as a file that its URL names."""
    told = {**files, "told-apart": secrets.token_hex()}  # what was built by an earlier run must not be taken
    file, data = make_sdist(name, version, told, more.pop("kind", "tar.gz"))
    (folder / file).write_bytes(data)
    store.write(data)
    url = (folder / file).as_uri()
    return Sdist(name, version, file, Digest.of(data), len(data), url, subdirectory=more.get("subdirectory", ""))
