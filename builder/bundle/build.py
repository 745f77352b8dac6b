"""Building a project's images: an environment, and on it layers of model, code and documents.

The small layers are on top, in the order in which they change least often, so that an edited line moves kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builder.bundle.inside.described import describe, license_notes, package_records, project_records
from builder.bundle.inside.documents import Contents, bundle_files, bundle_json
from builder.bundle.inside.lineage import lineage_record, remember
from builder.bundle.inside.origin import Origin, latest_origin
from builder.bundle.inside.promises import ALL, Checking, with_promises
from builder.bundle.inside.scan import with_scan
from builder.bundle.parts.code import code_files, content_digest
from builder.bundle.parts.data import Packing, packed_data
from builder.bundle.parts.layers import own_layers
from builder.bundle.parts.model import packed_model, recognised
from builder.bundle.parts.parameters import read_parameters
from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.image.absent import bring
from builder.image.base import base_directories, base_places
from builder.image.config import bundle_config
from builder.image.kept import Image, kept_image, write_image
from builder.image.skeleton import CODE
from builder.image.workshop import Workshop
from builder.layers.files import FileEntry
from builder.lock.data.document import read_bytes
from builder.lock.data.locking import entries, lock_folder
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_INDEX, Descriptor, Index, Platform, name_annotations
from builder.oci.registry.reference import Reference
from builder.oci.store import Store
from builder.plan import Plan, make_plan
from builder.records.packages.listing import Package
from builder.records.packages.store import packages_of
from builder.records.record import Record
from builder.spec import LoadedProject


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a project is packed, and what is asked of it."""

    packing: Packing = "default"
    """Which data are in its images."""
    checking: Checking = ALL
    """Which data must keep what is promised of them."""
    origin: Origin | None = None
    """The run that the model is of, where one is named: else the newest that wrote just these files."""


USUAL = Choice()


@dataclass(frozen=True, slots=True)
class Built:
    """Images of one name, one a platform, in the store."""

    name: str
    """The name with its tag: `penguins:1.0`."""
    index: Descriptor
    """Of the index over the platforms."""
    images: tuple[Image, ...]
    """Sorted by platform."""
    attached: Descriptor | None = None
    """The list of what is attached to them, which is in the store too."""
    notes: tuple[str, ...] = ()
    """What whoever builds it should be told."""

    @property
    def top(self) -> Descriptor:
        """What names the result: the image where there is one platform, else the index."""
        return self.images[0].descriptor if len(self.images) == 1 else self.index

    @property
    def digest(self) -> str:
        """Of what names the result."""
        return str(self.top.digest)

    @property
    def reference(self) -> str:
        """Name and digest in one: `penguins@sha256:…`."""
        return f"{self.name.rpartition(':')[0]}@{self.digest}"

    @property
    def elsewhere(self) -> dict[Digest, Reference]:
        """Layers of bases that the store need not have, and the repositories that have them."""
        return {digest: place for image in self.images for digest, place in image.elsewhere.items()}


def complete(built: Built, workshop: Workshop) -> None:
    """Have every layer in the store, those of bases too.

    Raises: EnvbuildError, if one cannot be had; DigestMismatchError.
    """
    bring((layer for image in built.images for layer in image.manifest.layers), built.elsewhere, workshop)


def build_environments(name: str, lock: Lock, platforms: Sequence[Platform], workshop: Workshop) -> Built:
    """The environment's images, one a platform.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from builder.image.build import build_platforms

    images = build_platforms([make_plan(lock, platform) for platform in sorted(platforms)], workshop)
    return index_images(workshop.store, f"{name}:latest", images)


def build_project(
    loaded: LoadedProject,
    lock: Lock,
    platforms: Sequence[Platform],
    workshop: Workshop,
    choice: Choice = USUAL,
) -> Built:
    """The project's images, one a platform.

    Raises: EnvbuildError, DigestMismatchError.
    """
    contents = gather(loaded, lock, workshop.fetcher, choice)
    plans = [make_plan(lock, platform) for platform in sorted(platforms)]
    packages = {plan.platform: packages_of(lock, plan.platform, workshop) for plan in plans}
    notes = (*license_notes(loaded.project, packages), *contents.notes)
    build = _Build(loaded, lock, contents, packages, plans, workshop)
    images = [build.image(plan) for plan in plans]
    built = index_images(workshop.store, f"{loaded.name}:{loaded.project.version}", images)
    remember(
        workshop.store, built.name, images, bundle_json(loaded.project, loaded.name, lock, contents), contents.data
    )
    return replace(built, notes=notes)


def gather(loaded: LoadedProject, lock: Lock, fetcher: Fetcher, choice: Choice = USUAL) -> Contents:
    """What of the project's folder goes into its bundle, and the weights and data that it names by URL.

    `lock` is the current one of its environment.

    Raises: EnvbuildError, if a glob matches nothing, a file cannot be packed, or data or model are not locked;
        CheckFailedError, if a scan finds what must not be packed, or data break their contract; NotMeasuredError, if
        that could not be checked.
    """
    project, folder = loaded.project, loaded.folder
    files = {name: command.params for name, command in project.commands.items() if command.params}
    code = code_files(folder, project.code, frozenset(files.values()))
    data = entries(loaded)
    model = packed_model(loaded, data.model, fetcher, choice.origin.model if choice.origin else None)
    card = project.model.card if project.model else None
    shared = loaded.environment.file if loaded.environment.file != loaded.file else None
    origin = choice.origin or latest_origin(loaded, model)
    contents = Contents(
        code,
        model,
        {name: read_parameters(folder / path) for name, path in files.items()},
        content_digest(code),
        content_digest(model) if model else None,
        (folder / card).read_bytes() if card else None,
        loaded.file.read_bytes(),
        shared.read_bytes() if shared else None,
        data,
        packed_data(loaded, data.data, choice.packing, fetcher),
        read_bytes(lock_folder(loaded)),
        {path: (loaded.environment.file.parent / path).read_bytes() for path in lock.document.inputs},
        records=_of_model(loaded, model, origin, fetcher.store),
        run=origin.told_now if origin else None,
        model_files=recognised(model),
    )
    contents = with_promises(contents, loaded, fetcher, choice.checking)
    described = project_records(describe(loaded, contents), loaded, lock, contents)
    return with_scan(replace(contents, records=(*contents.records, *described)), loaded, fetcher.store)


def _of_model(
    loaded: LoadedProject, model: Sequence[FileEntry], origin: Origin | None, store: Store
) -> tuple[Record, ...]:
    """The run that made the model, and what else was done for it, as far as that is known."""
    lineage = lineage_record(loaded, model, origin, store)
    return (*([origin.record()] if origin else []), *([lineage] if lineage else []))


@dataclass(frozen=True, slots=True)
class _Build:
    """One run of the builder over a project."""

    loaded: LoadedProject
    lock: Lock
    contents: Contents
    packages: Mapping[Platform, Sequence[Package]]
    plans: Sequence[Plan]
    """Of its environment, one a platform."""
    workshop: Workshop

    def image(self, plan: Plan) -> Image:
        """The image of a platform, made where it is not in the store yet."""
        documents = self._documents(plan.platform)
        key = {
            "plan": plan.key,
            "code": str(self.contents.code_digest),
            "model": str(self.contents.model_digest),
            "documents": str(content_digest(documents)),
        }
        return kept_image(self.workshop.store, key, lambda: self._made(plan, documents), base_places(plan.base))

    def _documents(self, platform: Platform) -> tuple[FileEntry, ...]:
        """Those that all platforms have in common, and what is said of the packages of this one."""
        subject, store = describe(self.loaded, self.contents), self.workshop.store
        of_packages = package_records(subject, self.lock, platform, self.packages[platform], store)
        contents = replace(self.contents, records=(*self.contents.records, *of_packages))
        return bundle_files(self.loaded.project, self.loaded.name, self.lock, contents)

    def _made(self, plan: Plan, documents: Sequence[FileEntry]) -> Image:
        environment = self._environment(plan)
        settled, below = base_directories(plan.base), len(environment.layers)
        layers = own_layers(self.workshop.store, self.contents, documents, settled, below)
        config = bundle_config(
            environment.config,
            [(name, layer.diff_id) for name, layer in layers],
            image_labels(self.loaded),
            image_variables(self.contents),
            image_ports(self.loaded),
        )
        made = (*environment.layers, *(layer for _, layer in layers))
        return write_image(self.workshop.store, made, config, environment.elsewhere)

    def _environment(self, plan: Plan) -> Image:
        """Those of all platforms are made at once; the second time, they are in the store."""
        from builder.image.build import build_platforms  # slow, and not needed where the image is there

        return build_platforms(self.plans, self.workshop)[self.plans.index(plan)]


def image_labels(loaded: LoadedProject) -> dict[str, str]:
    """What a project's image is called, for its labels."""
    project = loaded.project
    labels = {"org.opencontainers.image.title": loaded.name, "org.opencontainers.image.version": project.version}
    told = {
        "description": project.description,
        "licenses": project.license,
        "authors": ", ".join(project.contacts),
    }
    return labels | {f"org.opencontainers.image.{name}": text for name, text in told.items() if text}


def image_ports(loaded: LoadedProject) -> list[int]:
    """The ports that a project's commands listen on."""
    return [command.port for command in loaded.project.commands.values() if command.port]


def image_variables(contents: Contents) -> dict[str, str]:
    """Where Python finds the project's modules: `src` first where the code has one."""
    has_src = any(entry.path.startswith("src/") for entry in contents.code)
    return {"PYTHONPATH": f"/{CODE}/src:/{CODE}" if has_src else f"/{CODE}"}


def index_images(store: Store, name: str, images: Sequence[Image]) -> Built:
    """Images of one name, one a platform, with an index over them in the store."""
    if not images:
        raise EnvbuildError("no platform is to be built")
    data = Index(tuple(image.descriptor for image in images)).to_bytes()
    index = Descriptor(MEDIA_TYPE_INDEX, store.write(data), len(data), name_annotations(name))
    return Built(name, index, tuple(images))
