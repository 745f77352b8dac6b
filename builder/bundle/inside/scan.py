"""Which files of a project, a folder or an image are scanned, and what is kept of it: no file is looked at twice.

Verdicts are kept in the store by the digest of a file (or of a layer) and the revision of the rules.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from builder.bundle.inside.documents import Contents
from builder.bundle.inside.recorded import RUN_ROLE
from builder.bundle.parts.code import code_files, model_files
from builder.errors import EnvbuildError
from builder.image.kept import kept_value
from builder.image.skeleton import BUNDLE, CODE, DATA, MODEL
from builder.layers.files import FileEntry, Kind
from builder.oci.layout import CHUNK
from builder.oci.store import Store
from builder.records.scan.file_scan import Role, ScannedFile, scan_file
from builder.records.scan.finding import RULES, FileVerdict, Finding
from builder.records.scan.report import Report, make_report
from builder.records.scan.statement import scan_record
from builder.spec import LoadedProject
from builder.spec.project import Allowance

_RECORDS = "scans"


def with_scan(contents: Contents, loaded: LoadedProject, store: Store) -> Contents:
    """What goes into a bundle, with the record of its scan.

    Raises: CheckFailedError, if something was found that must not go in and that the spec does not allow.
    """
    report = scan_contents(contents, loaded, store)
    report.check(f"`{loaded.file}` has something in it that must not be packed")
    record = scan_record(report, allowances_of(loaded), places_of(loaded))
    return replace(contents, records=(*contents.records, record), notes=(*contents.notes, *report.notes))


def scan_contents(contents: Contents, loaded: LoadedProject, store: Store) -> Report:
    """The scan of what goes into a bundle. Paths are those of the project."""
    places = places_of(loaded)
    files = [
        *(_of_entry(entry, "code") for entry in contents.code),
        *(_of_entry(entry, "model", places.get(MODEL, MODEL)) for entry in contents.model),
        *(
            _of_entry(replace(entry, path=moved_back(entry.path, places)), "data")
            for one in contents.packed
            for entry in one.files
        ),
        *_documents(contents, loaded),
    ]
    return scan_files([file for file in files if file is not None], store, allowances_of(loaded))


def scan_project(loaded: LoadedProject, store: Store) -> Report:
    """The scan of a project as it is, locked or not: of its code, and of model, data and documents that are there."""
    folder, project = loaded.folder, loaded.project
    always = frozenset(command.params for command in project.commands.values() if command.params)
    files = [_of_entry(entry, "code") for entry in code_files(folder, project.code, always)]
    if project.model and project.model.path:
        place = places_of(loaded)[MODEL]
        files += [_of_entry(entry, "model", place) for entry in model_files(folder, project.model.path)]
    names = [loaded.file, *([folder / project.model.card] if project.model and project.model.card else [])]
    files += [_on_disk(os.path.relpath(path, folder), path, "documents") for path in names]
    for data in project.data.values():
        if data.is_path and "*" not in data.url and (folder / data.url).exists():
            files += _below(folder / data.url, data.url, "data")
    return scan_files([file for file in files if file is not None], store, allowances_of(loaded))


def scan_folder(path: Path, store: Store) -> Report:
    """The scan of any file, or of all files of a folder but those of its own repository and of virtual environments."""
    return scan_files(list(_below(path, "" if path.is_dir() else path.name, "code")), store, ())


def scan_files(files: Sequence[ScannedFile], store: Store, allowances: Sequence[Allowance]) -> Report:
    """The scan of files whose paths are those that allowances name."""
    own = own_modules(file.name for file in files if file.role == "code")
    verdicts = [own_imports(kept_verdict(file, store), own) for file in files]
    return make_report(verdicts, [file.name for file in files], counted(files), allowances)


def kept_verdict(file: ScannedFile, store: Store, sha256: str = "") -> FileVerdict:
    """The verdict on a file: the one that is kept of its bytes, or a new one.

    Raises: EnvbuildError, if it cannot be read.
    """
    try:
        digest = sha256 or file.sha256 or _sha256(file)
        key = {"scan": RULES, "sha256": digest, "name": file.name, "role": file.role}
        return FileVerdict.from_value(kept_value(store, _RECORDS, key, lambda: scan_file(file).to_value()))
    except OSError as error:
        raise EnvbuildError(f"`{file.name}` cannot be read", error.strerror or str(error)) from error


def allowances_of(loaded: LoadedProject) -> tuple[Allowance, ...]:
    """What the spec allows."""
    return loaded.project.scan.allow if loaded.project.scan else ()


def places_of(loaded: LoadedProject) -> dict[str, str]:
    """Which path of the project each folder of the image is of; the most special first."""
    project = loaded.project
    data = {f"{DATA}/{name}": entry.url for name, entry in sorted(project.data.items()) if entry.is_path}
    path = project.model.path if project.model else None
    model = {MODEL: posixpath.normpath(path)} if path else {}
    if path and (loaded.folder / path).is_file():
        model = {MODEL: posixpath.dirname(posixpath.normpath(path)) or "."}
    return {**data, **model, CODE: ".", BUNDLE: "."}


def counted(files: Iterable[ScannedFile]) -> dict[str, tuple[int, int]]:
    """How many files there are of each role, and their bytes."""
    result: dict[str, tuple[int, int]] = {}
    for file in files:
        number, size = result.get(file.role, (0, 0))
        result[file.role] = number + 1, size + file.size
    return result


def own_modules(paths: Iterable[str]) -> frozenset[str]:
    """The modules that code at these paths has."""
    tops = (path.removeprefix("src/").partition("/")[0] for path in paths if path.endswith(".py"))
    return frozenset(top.removesuffix(".py") for top in tops) - {""}


def own_imports(verdict: FileVerdict, own: frozenset[str]) -> FileVerdict:
    """A verdict in which imports of the project's own code, which is packed and scanned itself, are no alarm."""

    def judged(finding: Finding) -> Finding:
        if finding.rule != "pickle-unknown-import" or finding.subject.partition(".")[0] not in own:
            return finding
        message = f"loading it uses `{finding.subject}` of the project's own code"
        return replace(finding, rule="pickle-own-import", level="low", message=message)

    return replace(verdict, findings=tuple(map(judged, verdict.findings)))


def bytes_of(data: bytes) -> Callable[[], io.BufferedReader]:
    """Opens bytes that are in memory."""
    return lambda: io.BufferedReader(io.BytesIO(data))


def _of_entry(entry: FileEntry, role: Role, folder: str = "") -> ScannedFile | None:
    """A file that is packed; None of a link or an empty folder."""
    if entry.kind is not Kind.FILE:
        return None
    name = posixpath.normpath(posixpath.join(folder, entry.path))
    if entry.source is None:
        return ScannedFile(name, role, len(entry.data), bytes_of(entry.data))
    return _on_disk(name, entry.source, role, entry.size, entry.digest.hex if entry.digest else "")


def _on_disk(name: str, path: Path, role: Role, size: int | None = None, sha256: str = "") -> ScannedFile:
    length = path.stat().st_size if size is None else size
    text = os.fsencode(name).decode(errors="backslashreplace")  # a name on disk may be no text
    return ScannedFile(text, role, length, lambda: open(path, "rb"), path, sha256)


def _documents(contents: Contents, loaded: LoadedProject) -> Iterator[ScannedFile]:
    """What a person wrote of the documents: those that are made from it and from packages have nothing else in them."""
    project = loaded.project
    card = project.model.card if project.model else None
    given = {
        loaded.file.name: contents.spec,
        **({card: contents.card} if card and contents.card is not None else {}),
        **({"environment.yaml": contents.environment} if contents.environment is not None else {}),
        **contents.inputs,
        **{record.path: record.data for record in contents.records if record.role == RUN_ROLE},
    }
    for name, data in given.items():
        yield ScannedFile(posixpath.normpath(name), "documents", len(data), bytes_of(data))


def moved_back(path: str, places: Mapping[str, str]) -> str:
    """Where in the project a path of the image is; `places` as `places_of` gives them."""
    for prefix, place in places.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return posixpath.normpath(posixpath.join(place, path[len(prefix) + 1 :]))
    return path


def _below(path: Path, name: str, role: Role) -> Iterator[ScannedFile]:
    """A file, or every regular file below a folder; links are not followed."""
    if path.is_file():
        yield _on_disk(name or path.name, path, role)
        return
    for folder, folders, files in os.walk(path):
        here = posixpath.join(name, os.path.relpath(folder, path))
        kept = (".git", ".venv") if role == "code" and folder == str(path) else ()
        folders[:] = sorted(each for each in folders if each not in kept and each != "__pycache__")
        for each in sorted(files):
            file = Path(folder) / each
            if file.is_file() and not file.is_symlink():
                yield _on_disk(posixpath.normpath(posixpath.join(here, each)), file, role)


def _sha256(file: ScannedFile) -> str:
    checksum = hashlib.sha256()
    with file.open() as stream:
        while data := stream.read(CHUNK):
            checksum.update(data)
    return checksum.hexdigest()
