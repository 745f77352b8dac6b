"""A bill of materials of a bundle for one platform: CycloneDX 1.6 as JSON. Pure.

It has neither a time nor a random number: equal bundles have equal bills.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from builder.lock.document import Lock
from builder.oci.canonical import canonical_json, readable_json
from builder.oci.documents import Platform
from builder.records.iri import iri
from builder.records.licenses.expression import NOASSERTION, spdx
from builder.records.packages.listing import Package
from builder.records.packages.purl import RELEASES
from builder.records.record import Record
from builder.records.subject import Dataset, ModelPart, Subject

SBOM_FILE = "sbom.cdx.json"
MEDIA_TYPE = "application/vnd.cyclonedx+json"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:envbuild:sbom")
_TYPES = {"base": "container", "interpreter": "platform"}
_ROOT, _MODEL, _SYSTEM = "bundle", "model", "system"
"""References inside the document, beside the purls of packages."""


def sbom(subject: Subject, lock: Lock, platform: Platform, packages: Sequence[Package]) -> Record:
    """The bill of materials as a record."""
    root = _root(subject)
    suite = lock.document.platforms[platform].suite
    components = [
        *([_system(suite)] if suite else []),
        *map(_package, packages),
        *([_model(subject)] if subject.model else []),
        *map(_dataset, subject.datasets),
    ]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "envbuild"}]},
            "component": root,
            "properties": [_property("lock", str(lock.digest)), _property("platform", str(platform))],
        },
        "components": components,
        "dependencies": _dependencies(subject, packages, suite),
    }
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, canonical_json(document).decode())}"
    return Record(SBOM_FILE, "sbom", MEDIA_TYPE, readable_json(document))


def _root(subject: Subject) -> dict[str, Any]:
    component = {
        "type": "container",
        "bom-ref": _ROOT,
        "name": subject.name,
        "version": subject.version,
        "description": subject.description,
        "authors": [{"name": contact} for contact in subject.contacts],
        "licenses": _licenses(spdx(subject.license) or NOASSERTION, subject.license),
    }
    return {key: value for key, value in component.items() if value}


def _system(suite: str) -> dict[str, Any]:
    """The release of Debian: some scanners look up its packages only where it is named."""
    return {"type": "operating-system", "bom-ref": _SYSTEM, "name": "debian", "version": RELEASES.get(suite, suite)}


def _package(package: Package) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": _TYPES.get(package.kind, "library"),
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "hashes": [_hash(package.digest.hex)],
        "licenses": _licenses(package.license, package.stated.words),
        "properties": [_property("kind", package.kind)],
    }
    if package.kind == "interpreter":
        component["cpe"] = f"cpe:2.3:a:python:python:{package.version}:*:*:*:*:*:*:*"
    if package.url.startswith(("https://", "http://")):
        component["externalReferences"] = [{"type": "distribution", "url": iri(package.url)}]
    return {key: value for key, value in component.items() if value}


def _model(subject: Subject) -> dict[str, Any]:
    parts = subject.model
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": subject.name,
        "version": subject.version,
        "hashes": [_hash(parts[0].digest.hex)] if len(parts) == 1 else [],
        "licenses": _licenses(spdx(subject.license) or NOASSERTION, subject.license),
        "modelCard": _card(subject),
        "components": [_part(part) for part in parts],
    }
    return {key: value for key, value in component.items() if value}


def _card(subject: Subject) -> dict[str, Any]:
    families = [str(part.file.details.get("architecture", "")) for part in subject.model]
    parameters = {
        "modelArchitecture": next(filter(None, families), ""),
        "datasets": [{"ref": _data_ref(dataset)} for dataset in subject.datasets],
    }
    considerations = {"technicalLimitations": list(subject.limits)} if subject.limits else {}
    card = {"modelParameters": {key: value for key, value in parameters.items() if value}}
    return {**card, **({"considerations": considerations} if considerations else {})}


def _part(part: ModelPart) -> dict[str, Any]:
    file = part.file
    told = {"format": file.format, "parameters": file.parameters, "precision": file.precision}
    return {
        "type": "file",
        "bom-ref": f"{_MODEL}/{file.path}",
        "name": file.path,
        "hashes": [_hash(part.digest.hex)],
        "properties": [
            _property("size", str(file.size)),
            *(_property(name, str(value)) for name, value in sorted(told.items()) if value),
        ],
    }


def _dataset(dataset: Dataset) -> dict[str, Any]:
    entry = dataset.entry
    contents: dict[str, Any] = {"properties": [_property("path", f"/data/{dataset.name}")]}
    if dataset.place:
        contents["url"] = iri(dataset.place)
    data = {"type": "dataset", "name": dataset.name, "contents": contents, "description": dataset.description}
    component: dict[str, Any] = {
        "type": "data",
        "bom-ref": _data_ref(dataset),
        "name": dataset.name,
        "description": dataset.description,
        "hashes": [_hash(entry.digest.hex)] if entry.kind == "file" else [],
        "licenses": _licenses(spdx(dataset.license) or NOASSERTION, dataset.license),
        "data": [{key: value for key, value in data.items() if value}],
        "properties": [_property("kind", entry.kind)],
    }
    if entry.kind != "file":
        component["properties"].append(_property("manifest-sha256", entry.digest.hex))
    return {key: value for key, value in component.items() if value}


def _dependencies(subject: Subject, packages: Sequence[Package], suite: str) -> list[dict[str, Any]]:
    data = [_data_ref(dataset) for dataset in subject.datasets]
    model = [_MODEL] if subject.model else []
    roots = [package.purl for package in packages if package.is_root]
    system = [_SYSTEM] if suite else []
    edges = {_ROOT: [*system, *roots, *model, *data], **{package.purl: list(package.needs) for package in packages}}
    edges |= dict.fromkeys(model, data) | {ref: [] for ref in (*system, *data)}
    return [{"ref": ref, **({"dependsOn": sorted(set(needs))} if needs else {})} for ref, needs in edges.items()]


def _licenses(expression: str, words: str) -> list[dict[str, Any]]:
    """An expression where there is one, else what stands there as a name; nothing of nothing."""
    if expression != NOASSERTION:
        return [{"expression": expression, "acknowledgement": "declared"}]
    return [{"license": {"name": words, "acknowledgement": "declared"}}] if words else []


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"envbuild:{name}", "value": value}


def _data_ref(dataset: Dataset) -> str:
    return f"data/{dataset.name}"
