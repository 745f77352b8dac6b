"""Small bundles that can be signed, keys for that, and what it takes to tamper with them."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from docker_registry import unavailable
from made_up_image import file, folder, image, layer

from builder.bundle.attached.attach import attach
from builder.bundle.attached.signing import sign_bundle
from builder.bundle.reading.reader import open_bundle
from builder.oci.archive import DockerEntry, archive_header, write_archive, write_layout
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_INDEX, Descriptor, Index, name_annotations, pinned_name
from builder.oci.layout import Layout
from builder.records.in_toto import IN_TOTO, PROVENANCE
from builder.records.signing.keys import PublicKey, generate, read_private
from builder.records.signing.signers import KeySigner, Signer
from builder.records.signing.statement import Statement

NAME = "toy:1"
MODEL = {"weights.bin": b"weights" * 100, "parts/a.bin": b"a" * 700, "parts-1.bin": b"b", "config.json": b"{}"}


def model_layer(files: dict[str, bytes] | None = None) -> bytes:
    """A layer with a model."""
    members = [folder("model"), folder("model/parts")]
    given = MODEL if files is None else files
    return layer(*members, *(file(f"model/{name}", data, 0o644) for name, data in sorted(given.items())))


def made_bundle(path: Path, extra: bytes = b"", files: dict[str, bytes] | None = None) -> Path:
    """A bundle of two platforms: a file where the name ends so, else a folder. `extra` makes it another."""
    layout = Layout(path.parent / f".{path.name}.layout")
    layout.create()
    base = layer(folder("usr"), file("usr/program", b"\x7fELF" + extra), file("usr/text", b"text " * 300, 0o644))
    images = [image([base, model_layer(files)], name, user="65532:65532") for name in ("amd64", "arm64")]
    for made in images:
        for digest, data in made.blobs.items():
            layout.path(digest).write_bytes(data)
    data = Index(tuple(made.descriptor for made in images)).to_bytes()
    top = Descriptor(MEDIA_TYPE_INDEX, layout.write(data), len(data), name_annotations(NAME))
    if path.suffix == ".tar":
        first = images[0].descriptor
        names = (NAME, pinned_name(NAME, first.digest))
        write_archive(path, layout, top, DockerEntry(layout.manifest(first), names))
    else:
        write_layout(path, layout, top)
    return path


def new_key(path: Path, algorithm: Any = "ecdsa-p256") -> tuple[KeySigner, PublicKey]:
    """A key that signs, and its public half."""
    public = generate(path, algorithm, None)
    return KeySigner(read_private(path, lambda: b"")), public


def sign(path: Path, signer: Signer) -> Path:
    """Sign a bundle where it is."""
    sign_bundle(open_bundle(path), path, signer)
    return path


def attach_provenance(path: Path, builder: str) -> None:
    """What a build attaches, as far as policies read it."""
    top = open_bundle(path).top
    statement = Statement((top.digest,), PROVENANCE, {"runDetails": {"builder": {"id": builder}}})
    attach(path, top, [Attachment(IN_TOTO, IN_TOTO, statement.to_bytes())])


def ssh_key(path: Path, principal: str = "alice@example.org", options: str = "") -> Path:
    """A new SSH key, and `path`.signers, which allows it."""
    try:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        unavailable("ssh-keygen is not installed")
    public = " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])
    signers = path.with_name(f"{path.name}.signers")
    signers.write_text(" ".join(filter(None, (principal, options, public))) + "\n")
    return signers


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same archive with its files changed, in the same form of tar."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    change(files)
    with open(path, "wb") as out:
        out.writelines(archive_header(name, len(data)) + data + bytes(-len(data) % 512) for name, data in files.items())
        out.write(bytes(1024))
    return path


def without_attached(files: dict[str, bytes]) -> None:
    """Take every attached record out of an archive's files, as if there never had been one."""
    index = json.loads(files["index.json"])
    index.pop("annotations", None)
    kept = Index(tuple(map(Descriptor.from_dict, index["manifests"])))
    files["index.json"] = kept.to_bytes()
    wanted = {"index.json", "oci-layout", "manifest.json"} | _below(files, kept.manifests)
    for name in set(files) - wanted:
        del files[name]


def _below(files: dict[str, bytes], entries: Sequence[Descriptor]) -> set[str]:
    found = set()
    for entry in entries:
        name = f"blobs/sha256/{entry.digest.hex}"
        found.add(name)
        document = json.loads(files[name])
        children = document.get("manifests") or []
        found |= _below(files, [Descriptor.from_dict(child) for child in children])
        if "config" in document:
            blobs = [document["config"], *document["layers"]]
            found |= {f"blobs/sha256/{Digest.parse(blob['digest']).hex}" for blob in blobs}
    return found


def replayed(source: Path, target: Path) -> Path:
    """Attach the signatures of one bundle to another."""
    from builder.bundle.attached.attach import attached

    bundle, other = open_bundle(source), open_bundle(target)
    records = [replace(record) for _, record in attached(bundle, bundle.top.digest)]
    attach(target, other.top, records)
    return target
