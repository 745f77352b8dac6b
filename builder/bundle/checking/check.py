"""Everything that can be said of an image in one reading: its own promises, the specification, and its lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from builder.bundle.checking.subject import Subject
from builder.bundle.form import BUNDLE_FILE, LOCK_PREFIX
from builder.bundle.parts.code import listing_digest
from builder.errors import EnvbuildError
from builder.image.contents.compare import compare
from builder.image.contents.layers import kinds_of, packages_of
from builder.image.contents.wanted import WANTED
from builder.image.skeleton import CODE, DATA, MODEL
from builder.lock.data.entry import LockedFile, manifest_digest
from builder.lock.document import LOCK_FILE, Lock
from builder.lock.folder import parse_lock
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest
from builder.oci.layer_rules import SYMBOLIC_LINK
from builder.oci.problems import Problem
from builder.oci.validate import Checked, Question, Scans, one_by_one, validate

NO_LOCK = "it has no lock inside, and none was given with `--lock`"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of checking."""

    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    packages: Mapping[str, int] = field(default_factory=dict)
    """How many packages of each kind were compared with the lock, in all images."""
    lock: str = ""
    """The digest of the lock that the contents were compared with; empty if they were not."""
    not_compared: str = ""
    """Why the contents of some image were not compared."""
    left_out: str = ""
    """What of an image could not be compared."""
    images: tuple[Checked, ...] = ()
    """Those that are whole, and the files in them."""


def check(subject: Subject, lock: Lock | None = None, scans: Scans = one_by_one) -> Verdict:
    """Check an image, and compare what is in it with `lock`, or else with the lock that it carries."""
    report = validate(subject.layout, subject.roots, Question(WANTED, packages_of, scans))
    verdict = Verdict((*report.problems, *subject.docker_problems()), report.notes, images=report.images)
    if not report.images and not report.problems:
        return _with(verdict, not_compared="it holds no image")
    for image in report.images:
        verdict = _compared(verdict, image, lock)
    return verdict


def _compared(verdict: Verdict, image: Checked, lock: Lock | None) -> Verdict:
    """The verdict with what came of comparing one more image."""
    inside, problems = _inside(image)
    chosen = lock or inside
    if chosen is None:
        problems += _project_problems(image, chosen, inside)
        return _with(verdict, problems, not_compared="" if problems else NO_LOCK)
    comparison = compare(image, chosen)
    if comparison.not_compared:
        return _with(verdict, comparison.problems, comparison.not_compared)
    problems += _project_problems(image, chosen, inside)
    counts = {kind: verdict.packages.get(kind, 0) + count for kind, count in comparison.packages.items()}
    found = _with(verdict, [*problems, *comparison.problems])
    left_out = found.left_out or comparison.left_out
    notes = (*verdict.notes, *comparison.notes)
    return replace(found, notes=notes, packages=counts, lock=str(chosen.digest), left_out=left_out)


def _with(verdict: Verdict, problems: Sequence[Problem] = (), not_compared: str = "") -> Verdict:
    return replace(
        verdict,
        problems=(*verdict.problems, *problems),
        not_compared=verdict.not_compared or not_compared,
    )


def _inside(image: Checked) -> tuple[Lock | None, list[Problem]]:
    """The lock that an image carries, and what is wrong with it."""
    prefix = LOCK_PREFIX.encode()
    there = [path for path, _ in image.files.below(prefix.rstrip(b"/"))]
    if not there:
        return None, []
    files = {
        path.removeprefix(prefix).decode(errors="replace"): data
        for path in there
        if (data := image.files.content(path)) is not None
    }
    try:
        if LOCK_FILE not in files:
            raise EnvbuildError("it is not complete", f"`{LOCK_FILE}` is missing")
        return parse_lock(files, "the image"), []
    except EnvbuildError as error:
        return None, [Problem("contents", f"`/{LOCK_PREFIX}` cannot be read: {error}", path=LOCK_PREFIX)]


def _project_problems(image: Checked, lock: Lock | None, inside: Lock | None) -> Iterator[Problem]:
    """Where `bundle.json` says something else than is there."""
    if lock and inside and lock.digest != inside.digest:
        yield Problem("contents", f"the lock inside is {inside.digest}, not {lock.digest}", path=LOCK_PREFIX)
    data = image.files.content(BUNDLE_FILE.encode())
    if data is None:
        return
    try:
        document = parse_json(data, f"`/{BUNDLE_FILE}`")
    except EnvbuildError as error:
        yield Problem("contents", str(error), path=BUNDLE_FILE)
        return
    document = document if isinstance(document, dict) else {}
    model = document.get("model")
    told = {"lock": document.get("lock"), CODE: document.get("code")}
    told |= {MODEL: model.get("digest")} if isinstance(model, dict) else {}
    found = {"lock": str(lock.digest) if lock else told["lock"], CODE: _digest(image, CODE, "code")}
    found[MODEL] = _digest(image, MODEL, "model")
    for name, digest in told.items():
        if digest != found[name]:
            what = f"`/{BUNDLE_FILE}` says that {'the lock' if name == 'lock' else f'`/{name}`'} is {digest}"
            yield Problem("contents", f"{what}, and it is {found[name]}", path=BUNDLE_FILE if name == "lock" else name)
    yield from _data_problems(image, document.get("data"))


def _data_problems(image: Checked, told: object) -> Iterator[Problem]:
    """Where packed data are others than `bundle.json` says, or something else lies beside them."""
    kinds = kinds_of(image.config, len(image.manifest.layers))
    files = {
        path.decode(errors="replace").removeprefix(f"{DATA}/"): placed.node
        for path, placed in image.files.below(DATA.encode())
        if kinds[placed.layer] == "data" or not any(kinds)
    }
    for name, entry in told.items() if isinstance(told, dict) else ():
        if not isinstance(entry, dict) or not entry.get("packed"):
            continue
        below = {path: files.pop(path) for path in list(files) if path == name or path.startswith(f"{name}/")}
        if entry.get("kind", "file") == "file":
            digest = below[name].checksum.hex() if name in below else "missing"
        else:
            rows = [(path.removeprefix(f"{name}/"), node) for path, node in below.items()]
            digest = manifest_digest(
                sorted(LockedFile(path, Digest(node.checksum.hex() or "0" * 64), node.size) for path, node in rows)
            ).hex
        if digest != entry.get("sha256"):
            what = f"`/{BUNDLE_FILE}` says that `/{DATA}/{name[:100]}` is {entry.get('sha256')}"
            yield Problem("contents", f"{what}, and it is {digest}", path=f"{DATA}/{name}")
    for path in sorted(files) if any(kinds) else ():
        yield Problem("contents", f"`{DATA}/{path[:200]}` is in the layers of data, and is none", path=f"{DATA}/{path}")


def _digest(image: Checked, folder: str, kind: str) -> str:
    """The digest of the files that the project's own layer puts into a folder; of all where others made the layers."""
    kinds = kinds_of(image.config, len(image.manifest.layers))
    return str(
        listing_digest(
            (
                path.decode(errors="replace").removeprefix(f"{folder}/"),
                0o644 if placed.node.kind == SYMBOLIC_LINK else placed.node.mode,
                "symlink" if placed.node.kind == SYMBOLIC_LINK else "file",
                placed.node.link.decode(errors="replace"),
                placed.node.checksum.hex(),
            )
            for path, placed in image.files.below(folder.encode())
            if kinds[placed.layer] == kind or not any(kinds)
        )
    )
