"""OpenSSF's own tool takes the signatures that envbuild makes of models."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from signed_bundles import MODEL, made_bundle, new_key

from builder.bundle.attached.signing import model_signature, sign_bundle
from builder.bundle.reading.reader import open_bundle


@pytest.fixture(scope="module")
def model_signing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, in an environment of its own: it needs more than envbuild does."""
    folder = tmp_path_factory.mktemp("tools") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "model-signing==1.1.1", "pyOpenSSL"], check=True, timeout=600)
    return folder / "bin" / "model_signing"


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A folder with a model, its signature and the public key."""
    signer, _ = new_key(tmp_path / "key")
    bundle = made_bundle(tmp_path / "toy.tar")
    found = model_signature(sign_bundle(open_bundle(bundle), bundle, signer))
    (tmp_path / "model.sig").write_bytes(found.data)
    for name, data in MODEL.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    return tmp_path


def verify(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    line = [program, "verify", "key", "model", "--signature", "model.sig", "--public_key", "key.pub"]
    return subprocess.run([*map(str, line)], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_model_that_was_signed_is_taken(model_signing, signed):
    told = verify(model_signing, signed)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("change", ["changed", "added", "removed", "renamed"])
def test_another_model_is_refused(model_signing, signed, change):
    model = signed / "model"
    if change == "changed":
        (model / "weights.bin").write_bytes(b"others")
    elif change == "added":
        (model / "more.bin").write_bytes(b"")
    elif change == "removed":
        (model / "parts" / "a.bin").unlink()
    else:
        shutil.move(model / "config.json", model / "settings.json")
    assert verify(model_signing, signed).returncode != 0
