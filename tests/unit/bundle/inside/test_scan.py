"""Which files of projects, folders and images are scanned, what stops, and what is kept of it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from data_projects import DataProject
from made_bundles import bundle_of, documents, write_folder
from made_plans import made_lock
from made_up_image import file, folder, layer

import builder.bundle.inside.scan
from builder.bundle.build import gather
from builder.bundle.checking.scan_layers import scan_image
from builder.bundle.inside.scan import scan_folder, scan_project
from builder.bundle.reading.reader import open_bundle
from builder.errors import CheckFailedError, DigestMismatchError, EnvbuildError
from builder.oci.store import Store
from builder.records.record import Record
from builder.records.scan.report import Report
from builder.records.scan.statement import SCAN_FILE, recorded_scan, scan_record

TOKEN = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"
LEAK = f"TOKEN = '{TOKEN}'\n".encode()
CALL = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."
PEOPLE = b"id,mail\n" + b"".join(b"%d,anna.%d@mail.de\n" % (n, n) for n in range(20))


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    made = DataProject(tmp_path / "project", tmp_path / "store")
    made.file("src/a.py", b"x = 1\n")
    return made


def found(report: Report) -> list[tuple[str, str, bool]]:
    return [(one.finding.path, one.finding.rule, one.stops) for one in report.found]


def packed(project: DataProject, **fields: Any) -> list[Record]:
    loaded = project.spec(**{"code": ["src/**"], **fields})
    if fields.get("data"):
        project.lock()
    return list(gather(loaded, made_lock(), project.fetcher).records)


def the_record(records: list[Record]) -> dict[str, Any]:
    (record,) = (record for record in records if record.path == SCAN_FILE)
    return json.loads(record.data)


def test_code_model_data_and_documents_that_are_packed_are_looked_at(project: DataProject) -> None:
    project.file("src/leak.py", LEAK)
    project.file("out/model/a.pkl", CALL)
    project.file("people.csv", PEOPLE)
    project.file("CARD.md", b"# Card\n\n" + LEAK)
    with pytest.raises(CheckFailedError) as caught:
        packed(project, model={"path": "out/model", "card": "CARD.md"}, data={"people": {"url": "people.csv"}})
    assert caught.value.exit_code == 3
    assert caught.value.why == (
        "CARD.md:3: a token of GitHub (`github-token`, high)",
        "out/model/a.pkl: loading it uses `os.system` (`pickle-dangerous-import`, high)",
        "src/leak.py:1: a token of GitHub (`github-token`, high)",
        "people.csv:2 (column mail): email addresses: 20 in 20 rows (`personal-email`, medium)",
    )
    assert TOKEN not in str(caught.value.to_dict())
    assert "scan: {allow: [{rule: github-token, path: CARD.md" in (caught.value.hint or "")


def test_what_is_not_packed_is_not_looked_at(project: DataProject) -> None:
    project.file("notes/leak.py", LEAK)
    project.file("src/secret.txt", LEAK)
    project.file(".envbuildignore", b"secret.txt\n")
    assert the_record(packed(project))["levels"] == {"high": 0, "medium": 0, "low": 0}


def test_a_secret_in_the_spec_itself_is_found(project: DataProject) -> None:
    with pytest.raises(CheckFailedError, match="must not be packed"):
        packed(project, description=f"with {TOKEN}")


def test_an_allowance_with_a_reason_lets_it_pass_and_is_in_the_record(project: DataProject) -> None:
    project.file("src/deep/leak.py", LEAK)
    allow = {"rule": "github-token", "path": "src/**", "reason": "revoked in May"}
    record = the_record(packed(project, scan={"allow": [allow]}))
    assert record["allowances"] == [allow]
    (finding,) = record["findings"]
    assert finding | {"advice": ""} == {
        "rule": "github-token", "level": "high", "path": "src/deep/leak.py", "line": 1, "message": "a token of GitHub",
        "allowed": True, "reason": "revoked in May", "advice": "",
    }  # fmt: skip
    assert record["levels"] == {"high": 0, "medium": 0, "low": 0}
    assert TOKEN[4:] not in json.dumps(record)


@pytest.mark.parametrize(
    "allow",
    [
        {"rule": "gitlab-token", "path": "src/**"},
        {"rule": "github-token", "path": "src/*.txt"},
        {"rule": "*", "path": "**"},
    ],
    ids=["another rule", "another path", "any rule"],
)
def test_an_allowance_for_something_else_lets_nothing_pass(project: DataProject, allow: dict[str, str]) -> None:
    project.file("src/leak.py", LEAK)
    with pytest.raises(CheckFailedError):
        packed(project, scan={"allow": [{**allow, "reason": "x"}]})


def test_an_allowance_that_nothing_needs_is_told(project: DataProject) -> None:
    allow = {"rule": "github-token", "path": "src/**", "reason": "x"}
    loaded = project.spec(code=["src/**"], scan={"allow": [allow]})
    notes = gather(loaded, made_lock(), project.fetcher).notes
    assert notes == ("`scan.allow`: nothing of `github-token` was found in `src/**`",)


def test_the_record_is_the_same_each_time(project: DataProject) -> None:
    project.file("src/b.py", b"y = 1\n")
    assert packed(project) == packed(project)
    assert the_record(packed(project))["scanned"]["code"] == {"files": 2, "bytes": 12}


def test_a_low_finding_is_told_and_stops_nothing(project: DataProject) -> None:
    project.file("one.csv", b"id,mail\n1,anna.schmidt@mail.de\n")
    loaded = project.spec(code=["src/**"], data={"one": {"url": "one.csv"}})
    project.lock()
    notes = gather(loaded, made_lock(), project.fetcher).notes
    assert notes == ("one.csv:2 (column mail): email addresses: 1 in 1 rows (`personal-email`, low)",)


def test_a_pickle_of_the_projects_own_classes_is_low_and_one_of_others_is_not(project: DataProject) -> None:
    project.file("src/own/thing.py", b"class Thing: ...\n")
    for module, stops in (("own.thing", False), ("other.thing", True)):
        project.file("out/model/a.pkl", b"\x80\x04c" + module.encode() + b"\nThing\n)\x81.")
        report = scan_project(project.spec(code=["src/**"], model={"path": "out/model"}), project.store)
        assert [one.stops for one in report.found] == [stops]


def test_what_was_not_looked_at_is_told(project: DataProject) -> None:
    project.file("table.parquet", b"PAR1" + bytes(100))
    record = the_record(packed(project, data={"table": {"url": "table.parquet"}}))
    assert record["notMeasured"] == [{"path": "table.parquet", "reason": "personal data: Parquet is not read"}]
    assert recorded_scan(scan_record_of(record)).not_measured == (
        "`table.parquet`: personal data: Parquet is not read",
    )


def scan_record_of(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def test_no_file_is_looked_at_twice(project: DataProject, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    original = builder.bundle.inside.scan.scan_file

    def counted(file: Any) -> Any:
        looked.append(file.name)
        return original(file)

    monkeypatch.setattr(builder.bundle.inside.scan, "scan_file", counted)
    project.file("src/b.py", LEAK)
    loaded = project.spec(code=["src/**"])
    first = scan_project(loaded, project.store)
    assert sorted(looked) == ["envbuild.yaml", "src/a.py", "src/b.py"]
    looked.clear()
    assert scan_project(loaded, project.store) == first
    project.file("src/a.py", b"x = 2\n")
    scan_project(loaded, project.store)
    assert looked == ["src/a.py"]
    monkeypatch.setattr(builder.bundle.inside.scan, "RULES", 1000)
    looked.clear()
    scan_project(loaded, project.store)
    assert len(looked) == 3
    kept = b"".join(path.read_bytes() for path in (project.store.root / "records").rglob("*.json"))
    assert TOKEN[4:].encode() not in kept


def test_weights_of_a_format_without_code_are_not_read(project: DataProject, monkeypatch: pytest.MonkeyPatch) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path = project.file("out/model/a.safetensors", len(header).to_bytes(8, "little") + header)
    with open(path, "r+b") as stream:
        stream.truncate(3 << 30)
    monkeypatch.setattr(
        builder.bundle.inside.scan, "_sha256", lambda file: "0" * 64 if file.size > 1 << 30 else file.name
    )
    report = scan_project(project.spec(code=["src/**"], model={"path": "out/model"}), project.store)
    assert not report.found
    assert report.scanned["model"] == (1, 3 << 30)


def test_a_folder_is_looked_at_but_for_its_own_repository(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.create()
    place = tmp_path / "folder"
    for path, data in (
        (".git/config", LEAK),
        (".venv/x.py", LEAK),
        ("lib/.git/config", b"[core]"),
        ("a/.env", b"X=" + TOKEN.encode()),
    ):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    (place / "link").symlink_to(place / ".git/config")
    report = scan_folder(place, store)
    assert sorted({(path, rule) for path, rule, _ in found(report)}) == [
        ("a/.env", "env-file"), ("a/.env", "github-token"), ("lib/.git/config", "git-folder"),
    ]  # fmt: skip
    assert found(scan_folder(place / "a/.env", store))[0][0] == ".env"


def opened(tmp_path: Path, layers: dict[str, bytes], **options: Any) -> Any:
    bundle = open_bundle(write_folder(tmp_path / "bundle", bundle_of(layers, **options)))
    store = Store(tmp_path / "store")
    store.create()
    return bundle.layout, bundle.images[min(bundle.images)], store


def test_the_layers_that_a_project_put_on_its_environment_are_looked_at(tmp_path: Path) -> None:
    layers = {
        "Python: numpy 2.0": layer(folder("opt"), file("opt/env/lib/x.py", LEAK)),
        "model": layer(folder("model"), file("model/a.pkl", CALL)),
        "code": layer(folder("app"), file("app/src/leak.py", b"\n" + LEAK)),
    }
    place = opened(tmp_path, layers)
    own = found(scan_image(*place))
    assert own == [("app/src/leak.py", "github-token", True), ("model/a.pkl", "pickle-dangerous-import", True)]
    assert found(scan_image(*place, all_layers=True)) == [*own, ("opt/env/lib/x.py", "github-token", True)]
    assert scan_image(*place).found[0].finding.line == 2


def test_a_file_that_a_higher_layer_deletes_is_found_and_so_told(tmp_path: Path) -> None:
    layers = {
        "code": layer(folder("app"), file("app/.env", LEAK), file("app/keys/k.py", LEAK)),
        "RUN b": layer(folder("app"), file("app/.wh..env"), folder("app/keys"), file("app/keys/.wh..wh..opq")),
    }
    report = scan_image(*opened(tmp_path, layers))
    assert {(one.finding.path, one.finding.place) for one in report.found} == {
        ("app/.env", "deleted in a higher layer"), ("app/keys/k.py", "deleted in a higher layer"),
    }  # fmt: skip


def test_what_the_record_inside_allows_is_allowed_with_its_reason(tmp_path: Path, project: DataProject) -> None:
    project.file("out/model/a.pkl", CALL)
    project.file("src/leak.py", LEAK)
    allow = [
        {"rule": "github-token", "path": "src/leak.py", "reason": "revoked"},
        {"rule": "pickle-dangerous-import", "path": "out/model/*", "reason": "for a demonstration"},
    ]
    records = packed(project, model={"path": "out/model"}, scan={"allow": allow})
    (record,) = (record for record in records if record.path == SCAN_FILE)
    layers = {
        "model": layer(folder("model"), file("model/a.pkl", CALL)),
        "code": layer(folder("app"), folder("app/src"), file("app/src/leak.py", LEAK), file("app/src/new.py", LEAK)),
        "bundle documents": documents({SCAN_FILE: record.data}),
    }
    report = scan_image(*opened(tmp_path / "x", layers))
    assert {one.finding.path: one.reason for one in report.found} == {
        "app/src/leak.py": "revoked", "app/src/new.py": "", "model/a.pkl": "for a demonstration",
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'{"format": 1}', b'{"format": 1, "allowances": [{"rule": 1}], "places": {}}', b'{"allowances": 5}'],
)
def test_a_record_inside_that_is_not_as_it_should_be_is_refused(data: bytes, tmp_path: Path) -> None:
    layers = {"bundle documents": documents({SCAN_FILE: data})}
    with pytest.raises(EnvbuildError, match=r"scan\.json"):
        scan_image(*opened(tmp_path, layers))


def test_a_layer_whose_bytes_are_others_is_refused(tmp_path: Path) -> None:
    layout, image, store = opened(tmp_path, {"code": layer(folder("app"), file("app/a.py", b"x = 1\n" * 100))})
    blob = layout.path(image.layers[0].descriptor.digest)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    with pytest.raises((DigestMismatchError, EnvbuildError)):
        scan_image(layout, image, store)


def test_an_archive_of_weights_in_a_layer_is_looked_into_and_leaves_no_file_behind(tmp_path: Path) -> None:
    from scan_corpus.serialised import zipped

    weights = zipped({"a/data.pkl": CALL, "a/data/0": bytes(1000)})
    large = pickle.dumps(bytes(10 << 20)) + CALL
    layers = {"model": layer(folder("model"), file("model/a.pt", weights), file("model/b.pkl", large))}
    layout, image, store = opened(tmp_path, layers)
    report = scan_image(layout, image, store)
    assert [path for path, _, _ in found(report)] == ["model/a.pt", "model/b.pkl"]
    assert not list(store.temporary.iterdir())


def test_a_layer_is_read_once_and_its_verdict_kept(tmp_path: Path) -> None:
    layout, image, store = opened(tmp_path, {"code": layer(folder("app"), file("app/a.py", LEAK))})
    first = scan_image(layout, image, store)
    layout.path(image.layers[0].descriptor.digest).write_bytes(bytes(image.layers[0].descriptor.size))
    assert scan_image(layout, image, store) == first


def test_the_empty_report_has_a_record_too() -> None:
    record = scan_record(Report(), (), {})
    assert json.loads(record.data)["findings"] == []
