"""What records are told of a project's bundle, and the records that come of it.

Those of packages are of one platform. Images that Docker builds have none of them: their base brings other packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from builder.bundle.inside.documents import Contents, data_place
from builder.bundle.inside.promised import dataset_facts, promise_records, promises_by_data
from builder.bundle.inside.recorded import metrics_of
from builder.bundle.parts.code import file_digest
from builder.lock.document import Lock
from builder.oci.documents import Descriptor, Platform
from builder.oci.store import Store
from builder.records.card import check_card, made_card
from builder.records.croissant import croissant
from builder.records.licenses.collection import license_records
from builder.records.licenses.rules import LicenseRules, enforce, judge
from builder.records.packages.listing import Package
from builder.records.packages.stated import LicenseText
from builder.records.record import TEXT, Record
from builder.records.sbom import sbom
from builder.records.subject import Dataset, ModelPart, Subject
from builder.spec import LoadedProject, Project


def describe(loaded: LoadedProject, contents: Contents) -> Subject:
    """The bundle as records see it. Raises: EnvbuildError, if a file of the model cannot be read."""
    project = loaded.project
    files = {entry.path: entry for entry in contents.model}
    model = (ModelPart(file, file_digest(files[file.path])) for file in contents.model_files)
    return Subject(
        loaded.name,
        project.version,
        project.description,
        project.license,
        project.contacts,
        project.limits,
        tuple(_dataset(loaded, contents, name) for name in sorted(project.data)),
        tuple(sorted(model, key=lambda part: part.file.path)),
        contents.card is not None,
        metrics_of(contents.run) if contents.run else {},
        tuple(sorted(contents.run["data"])) if contents.run else (),
    )


def project_records(subject: Subject, loaded: LoadedProject, lock: Lock, contents: Contents) -> Iterator[Record]:
    """What is said of data and model, whatever the platform.

    Raises: EnvbuildError, if the project's model card cannot be loaded.
    """
    if contents.card is not None and loaded.project.model:
        check_card(contents.card, str(loaded.project.model.card))
    names = {wheel.name for wheels in lock.wheels.values() for wheel in wheels}
    names |= {package.name for packages in lock.conda.values() for package in packages}
    yield from filter(None, [croissant(subject), made_card(subject, names)])
    if contents.promises:
        yield from promise_records(contents.promises, subject)


def package_records(
    subject: Subject, lock: Lock, platform: Platform, packages: Sequence[Package], store: Store
) -> Iterator[Record]:
    """What is said of the packages of one platform's image: bill of materials, licences and their texts.

    Raises: DigestMismatchError, if a text in the store was damaged.
    """

    def read(text: LicenseText) -> bytes:
        return store.read(Descriptor(TEXT, text.digest, text.size))

    yield sbom(subject, lock, platform, packages)
    yield from license_records(packages, read)


def license_notes(project: Project, packages: Mapping[Platform, Sequence[Package]]) -> tuple[str, ...]:
    """Hold the packages to the project's rules; what to tell where nothing is known of a licence.

    Raises: CheckFailedError, NotMeasuredError, as `enforce` does.
    """
    if project.licenses is None:
        return ()
    rules = LicenseRules(project.licenses.deny, project.licenses.allow, project.licenses.ignore)
    unknown = enforce(rules, [judge(rules, str(platform), found) for platform, found in sorted(packages.items())])
    if not unknown:
        return ()
    named = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
    return (f"the licences of these packages are not known, and were not held to `licenses.deny`: {named}",)


def _dataset(loaded: LoadedProject, contents: Contents, name: str) -> Dataset:
    reference, entry = loaded.project.data[name], contents.data.data[name]
    packed = next((one.files for one in contents.packed if one.name == name), ())
    source = packed[0].source if entry.kind == "file" and packed else None
    opened = partial(_open, source) if source else None
    dataset = Dataset(name, entry, data_place(entry), reference.description, reference.license, opened)
    promise = promises_by_data(contents.promises).get(name)
    return dataset_facts(dataset, promise) if promise else dataset


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
