"""What a program finds inside an image that no installer and no maintainer script ever ran in."""

from __future__ import annotations

import json

import pytest

from builder.lock.folder import read_lock

PIP = """
python: "3.13"
platforms: [linux/amd64]
pypi:
  requirements: [pip, requests]
"""
REPORT = """
import ctypes.util, importlib, importlib.metadata, json, locale, os, ssl, sys, sysconfig
names = "sklearn pandas numpy scipy joblib fastapi uvicorn pydantic pydantic_core".split()
for name in names:
    importlib.import_module(name)
print(json.dumps({
    "prefix": [sys.prefix, sys.base_prefix],
    "distributions": {d.name.lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()},
    "missing": [str(f) for d in importlib.metadata.distributions() for f in d.files or () if not f.locate().exists()],
    "authorities": ssl.create_default_context().cert_store_stats()["x509_ca"],
    "libraries": {name: ctypes.util.find_library(name) for name in ("c", "m", "gomp", "ssl", "z")},
    "locale": locale.setlocale(locale.LC_ALL, ""),
    "encoding": [sys.getfilesystemencoding(), locale.getpreferredencoding(False)],
    "home": os.environ.get("HOME"),
    "writable": [path for path in ("/", "/app", "/opt/env", "/bundle", "/usr", "/etc") if os.access(path, os.W_OK)],
    "tmp": oct(os.stat("/tmp").st_mode & 0o7777),
    "executable": sys.executable,
}))
"""


@pytest.fixture(scope="session")
def seen(docker, image):
    return json.loads(docker("run", "--rm", "--entrypoint", "python", image, "-c", REPORT).stdout)


def test_the_environment_is_a_venv_on_the_path(seen):
    assert seen["executable"] == "/opt/env/bin/python"
    assert seen["prefix"][0] == "/opt/env"
    assert seen["prefix"][1] != "/opt/env"


def test_every_locked_distribution_is_found_with_all_its_files(seen, projects):
    lock = read_lock(projects / "environments/sklearn/lock")
    platform = next(platform for platform in lock.platforms if str(platform) == "linux/amd64")
    assert seen["distributions"] == {wheel.name: wheel.version for wheel in lock.wheels[platform]}
    assert seen["missing"] == []


def test_tls_has_authorities_to_verify_with(seen):
    assert seen["authorities"] > 100


def test_libraries_are_found_by_name(seen):
    assert all(seen["libraries"].values()), seen["libraries"]


def test_the_locale_is_utf_8(seen):
    assert seen["locale"] == "C.UTF-8"
    assert seen["encoding"] == ["utf-8", "utf-8"] or seen["encoding"] == ["utf-8", "UTF-8"]


def test_home_is_a_place_to_write_to_and_the_rest_is_not(seen):
    assert seen["home"] == "/tmp"
    assert seen["tmp"] == "0o1777"
    assert seen["writable"] == []


def test_console_scripts_start(docker, image):
    assert "Running uvicorn" in docker("run", "--rm", "--entrypoint", "uvicorn", image, "--version").stdout


@pytest.fixture(scope="session")
def with_pip(docker, with_docker, tmp_path_factory):
    """An image of another suite and Python, with pip in it."""
    folder = tmp_path_factory.mktemp("with-pip")
    (folder / "environment.yaml").write_text(PIP)
    with_docker("lock", folder)
    built = with_docker("build", "--load", folder, "--json")
    return docker.identity(json.loads(built.stdout)["name"])


def test_pip_lists_and_checks(docker, with_pip):
    def pip(*arguments: str) -> str:
        line = ["run", "--rm", "--network", "none", "--entrypoint", "pip", with_pip]
        return docker(*line, "--disable-pip-version-check", *arguments).stdout

    listed = {entry["name"] for entry in json.loads(pip("list", "--format", "json"))}
    assert {"pip", "requests", "urllib3", "idna", "certifi"} <= listed
    assert "No broken requirements found" in pip("check")
    assert "Location: /opt/env/lib/python3.13/site-packages" in pip("show", "--files", "requests")


def test_pip_can_uninstall_by_the_record(docker, with_pip):
    code = """
import importlib.util, subprocess, sys
subprocess.run(["pip", "uninstall", "--yes", "requests"], check=True)
sys.exit(importlib.util.find_spec("requests") is not None)
"""
    docker("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "python", with_pip, "-c", code)
