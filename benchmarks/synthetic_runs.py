"""A project with many runs that nobody made: `python benchmarks/synthetic_runs.py FOLDER COUNT`."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from builder.history.content import Content
from builder.history.crate import CRATE_FILE, crate_json
from builder.history.layout import RECORD_FILE
from builder.history.record import Code, Commit, Log, RunRecord
from builder.oci.canonical import readable_json


def made_runs(count: int, seed: int = 7) -> Iterator[RunRecord]:
    """Runs of a stage and a command, one a minute, with forty parameters and ten metrics each; always the same."""
    chance = random.Random(seed)
    for number in range(count):
        yield _made(number, chance)


def write_runs(root: Path, count: int) -> None:
    """Write them below a project's folder, every tenth with a tag."""
    for number, record in enumerate(made_runs(count)):
        folder = root / "runs" / record.id
        folder.mkdir(parents=True)
        data = readable_json(record.to_dict())
        (folder / RECORD_FILE).write_bytes(data)
        (folder / CRATE_FILE).write_bytes(crate_json(record, folder, data))
        if number % 10 == 0:
            (folder / "tags.json").write_bytes(readable_json({"format": 1, "tags": [f"batch-{number // 100}"]}))


def _made(number: int, chance: random.Random) -> RunRecord:
    day, minute = divmod(number, 1440)
    start = f"2026-{1 + day // 28:02}-{1 + day % 28:02}T{minute // 60:02}:{minute % 60:02}:00.000Z"
    command = chance.choice(["train", "features"])
    digest = hashlib.sha256(str(number // 50).encode()).hexdigest()
    return RunRecord(
        id=f"{start[:10].replace('-', '')}T{start[11:19].replace(':', '')}Z-{command}-{number:06x}",
        kind="stage" if command == "features" else "command",
        command=command,
        state="finished",
        start=start,
        project="churn",
        version="1.0",
        run=("python", "-m", f"churn.{command}"),
        params={
            "lr": chance.choice([0.1, 0.03, 0.01]),
            "model": {f"p{one}": chance.random() for one in range(30)},
            "names": {f"n{one}": f"value-{chance.randrange(100)}" for one in range(9)},
        },
        seed=chance.randrange(5),
        data={"train": Content("file", digest, 1000, (("train.csv", digest, 1000),))},
        code=Code(f"sha256:{digest}", {f"src/churn/m{one}.py": digest for one in range(10)}, "imports"),
        commit=Commit(digest[:40], dirty=number % 7 == 0),
        environment="sklearn",
        lock=f"sha256:{digest}",
        image=f"sha256:{digest}",
        platform="linux/amd64",
        who={"name": "Ada", "email": "ada@example.com"},
        metrics={"auc": chance.random(), **{f"m{one}": chance.random() for one in range(9)}},
        outputs={"model": Content("file", digest, 5000, (("model.bin", digest, 5000),))},
        log=Log("log.txt", 100),
        end=start,
        duration=chance.random() * 1000,
        peak_memory=chance.randrange(1 << 32),
        exit_code=0 if number % 20 else 1,
        host={"cpu": "made up", "cpus": 4, "memory": 1 << 34, "kernel": "6.1", "engine": "embedded"},
    )


if __name__ == "__main__":
    write_runs(Path(sys.argv[1]), int(sys.argv[2]))
