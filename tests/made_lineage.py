"""Work that was done and what came of it, of the tests' own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from made_runs import finished_run

from builder.history.content import Content
from builder.history.record import Code
from builder.lineage.images import keep_bundle, keep_image
from builder.lineage.sources import of_bundle
from builder.oci.canonical import canonical_json
from builder.oci.store import Store

ANNA = {"name": "Anna", "email": "anna@example.org"}


def digest(text: str) -> str:
    """The hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def file(text: str, name: str = "file") -> Content:
    """A file that holds a text."""
    return Content.of_file(name, digest(text), len(text))


def folder(**files: str) -> Content:
    """A folder of files that hold texts."""
    return Content.of_folder([(name, digest(text), len(text)) for name, text in files.items()])


def stage(
    root: Path, number: int, name: str, data: dict[str, Content], outputs: dict[str, Content], **more: Any
) -> Path:
    """The folder of the run of a stage."""
    values = {
        "id": f"20260101T00000{number}Z-{name}-00000{number}",
        "kind": "stage",
        "command": name,
        "start": f"2026-01-01T00:00:0{number}.000Z",
        "data": data,
        "outputs": outputs,
        "who": ANNA,
        "owner": f"owner of {name}",
        "why": "",
        "code": Code(f"sha256:{digest('all ' + name)}", {f"{name}.py": digest(name)}, "imports"),
        "params": {"rate": 0.1},
    }
    return finished_run(root, **values | more)


def pipeline(root: Path) -> dict[str, Path]:
    """Three stages: raw data, a folder of two files, a model that is made of one of them, and its metrics."""
    clean, model = folder(a="a", b="b"), folder(weights="w", config="c")
    return {
        "ingest": stage(root, 1, "ingest", {"raw": file("raw")}, {"clean": clean}),
        "train": stage(root, 2, "train", {"clean/a": file("a")}, {"model": model}),
        "evaluate": stage(root, 3, "evaluate", {"model": model, "clean": clean}, {"metrics.json": file("0.5")}),
    }


def stages_lock() -> dict[str, Any]:
    """The lock of the same stages, without their runs."""
    clean, model = folder(a="a", b="b"), folder(weights="w", config="c")

    def entry(inputs: dict[str, Content], outputs: dict[str, Content], name: str, run: str | None = None) -> Any:
        parts = {
            "arguments": ["python", f"{name}.py"],
            "inputs": {target: {"kind": one.kind, "sha256": one.sha256} for target, one in inputs.items()},
            "code": {f"{name}.py": digest(name)},
            "parameters": {"rate": 0.1},
            "seed": 7,
            "platform": "linux/amd64",
            "environment": "e" * 64,
        }
        key = hashlib.sha256(canonical_json(parts)).hexdigest()
        brief = {path: one.to_dict() | {"files": None} for path, one in outputs.items()}
        return {"key": key, "parts": parts, "outputs": brief, "run": run, "contracts": {}}

    return {
        "version": 1,
        "stages": {
            "ingest": entry({"/data/raw": file("raw")}, {"clean": clean}, "ingest"),
            "train": entry({"/app/clean": clean}, {"model": model}, "train"),
        },
    }


def packed(store: Store) -> tuple[str, str]:
    """An image with the model and a bundle of it, as the store remembers them: their hexadecimal digests."""
    document = {
        "model": {"files": [{"path": "weights", "digest": f"sha256:{digest('w')}", "size": 1}]},
        "data": {"terms": {"sha256": digest("terms"), "size": 5}},
        "code": f"sha256:{digest('code')}",
        "lock": f"sha256:{digest('lock')}",
    }
    image, bundle = digest("image"), digest("bundle")
    keep_image(store, of_bundle(document, f"sha256:{image}", "churn:1.0"))
    keep_bundle(store, "churn:1.0", f"sha256:{bundle}", {"linux/amd64": f"sha256:{image}"})
    return image, bundle
