"""The commands that read bundles, as command lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_bundles import COMMAND, bundle_of, documents, write_file, write_folder
from made_up_image import file, folder, layer, link

from builder.cli.inspect import step_lines
from builder.oci.digest import Digest
from builder.oci.layout import Layout


def record(path: str, data: bytes) -> dict[str, Any]:
    return {
        "path": path,
        "role": "readme",
        "mediaType": "text/markdown",
        "digest": str(Digest.of(data)),
        "size": len(data),
    }


def made(train: bytes = b"print(1)", readme: bytes = b"hello", **fields: Any) -> Any:
    return bundle_of(
        {
            "model": layer(folder("model"), file("model/weights", b"w" * 5000)),
            "code": layer(folder("app"), file("app/train.py", train, 0o644), link("app/same", "train.py")),
            "bundle documents": documents(
                {"README.md": readme}, records=[record("README.md", b"hello")], code=str(Digest.of(train)), **fields
            ),
        }
    )


@pytest.fixture(params=["file", "folder"])
def bundle(request: pytest.FixtureRequest, work: Path) -> str:
    """A bundle in the current folder."""
    return str((write_file if request.param == "file" else write_folder)(work / "a.tar", made()).relative_to(work))


def test_ls_lists_a_folder_or_all_below_it(bundle: str, envbuild: Any) -> None:
    assert envbuild("ls", bundle)[1].split() == ["/app", "/bundle", "/model"]
    assert envbuild("ls", bundle, "app")[1].split() == ["/app/same", "/app/train.py"]
    assert "/app/train.py" in envbuild("ls", bundle, "-R")[1].split()
    assert envbuild("ls", bundle, "/app", "-l")[1].splitlines() == [
        "lrw-r--r--     0     0            0  /app/same -> train.py",
        "-rw-r--r--     0     0            8  /app/train.py",
    ]
    (row,) = json.loads(envbuild("ls", bundle, "/model/weights", "--json")[1])
    assert (row["path"], row["type"], row["mode"], row["size"]) == ("/model/weights", "file", "100755", 5000)


def test_cat_prints_a_file_and_follows_links(bundle: str, envbuild: Any) -> None:
    assert envbuild("cat", bundle, "/app/same") == (0, "print(1)", "")
    code, out, error = envbuild("cat", bundle, "app/other")
    assert (code, out) == (1, "")
    assert "`app/other` is not in the image" in error
    assert envbuild("cat", bundle, "app")[0] == 1


def test_unpack_writes_what_is_named(bundle: str, envbuild: Any, work: Path) -> None:
    code, out, _ = envbuild("unpack", bundle, "-o", "out", "--only", "model", "--only", "code")
    assert (code, out.strip()) == (0, "out")
    assert sorted(path.name for path in (work / "out").iterdir()) == ["code", "model"]
    assert envbuild("unpack", bundle, "-o", "out")[0] == 1
    assert envbuild("unpack", bundle, "-o", "x", "--only", "root", "--only", "model")[0] == 2
    found = json.loads(envbuild("unpack", bundle, "-o", "all", "--json")[1])
    assert (found["files"], found["left-out"], found["absent-layers"]) == (5, [], 0)


def test_diff_says_what_changed_the_digest(bundle: str, envbuild: Any, work: Path) -> None:
    write_file(work / "b.tar", made(b"print(2)", commands={"train": COMMAND | {"seed": 7}}))
    code, out, _ = envbuild("diff", bundle, "b.tar")
    assert code == 0
    assert "it changed by code" in out
    assert "+ train: seed  7" in out
    assert "~ train.py" in out
    assert envbuild("diff", bundle, "b.tar", "--exit-code")[0] == 1
    assert envbuild("diff", bundle, bundle, "--exit-code")[0] == 0
    found = json.loads(envbuild("diff", bundle, "b.tar", "--json")[1])
    assert [cause["part"] for cause in found["digest"]["because"]] == ["code", "documents"]
    assert found["move"] == sum(one["size"] for one in found["layers"]["linux/amd64"]["after"])
    markdown = envbuild("diff", bundle, "b.tar", "--markdown")[1]
    assert "| + | commands | `train: seed` |  | `7` |" in markdown
    assert envbuild("diff", bundle, "b.tar", "--markdown", "--json")[0] == 2


def test_inspect_checks_each_record(bundle: str, envbuild: Any, work: Path) -> None:
    code, out, _ = envbuild("inspect", bundle, "--records")
    assert code == 0
    assert "record    readme  README.md" in out
    assert "fetches   nothing" in out
    write_file(work / "b.tar", made(readme=b"hellO"))
    code, out, error = envbuild("inspect", "b.tar", "--records")
    assert code == 5
    assert "NOT as `bundle.json` says" in out
    assert "`/bundle/README.md` is missing, or not what" in error


def test_names_that_are_commands_to_a_terminal_are_not_printed_as_such(work: Path, envbuild: Any) -> None:
    write_file(work / "b.tar", bundle_of({"code": layer(file("app/a\x1b[2J\nb\u202egpj"))}))
    for words in (("-R",), ("-R", "-l"), ("-R", "--json")):
        out = envbuild("ls", "b.tar", *words)[1]
        assert not {"\x1b", "\u202e"} & set(out)
    assert envbuild("ls", "b.tar", "app")[1].count("\n") == 1


def test_a_large_bundle_is_inspected_and_compared_without_reading_its_blobs(
    work: Path, envbuild: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of a gigabyte as a hole: whoever read them whole would find that their digest is another."""
    from dataclasses import replace

    from builder.oci.documents import Manifest

    for number in range(2):
        one = made(str(number).encode())
        manifest = Manifest.from_bytes(one.blobs[one.descriptor.digest])
        weights = replace(manifest.layers[0], size=1 << 30, digest=Digest.of(b"weights"))
        data = replace(manifest, layers=(weights, *manifest.layers[1:])).to_bytes()
        top = replace(one.descriptor, digest=Digest.of(data), size=len(data))
        place = write_folder(work / f"large{number}", type(one)(top, {**one.blobs, top.digest: data}))
        with open(Layout(place).path(weights.digest), "wb") as hole:
            hole.truncate(1 << 30)
    opened: list[int] = []
    real = Layout.open

    def watched(layout: Layout, digest: Digest) -> Any:
        opened.append(layout.path(digest).stat().st_size)
        return real(layout, digest)

    monkeypatch.setattr(Layout, "open", watched)
    assert "1.1 GB" in envbuild("inspect", "large0", "--records", "--layers")[1]
    assert "it changed by code" in envbuild("diff", "large0", "large1")[1]
    assert opened
    assert max(opened) < 1 << 20


def test_what_a_module_reads_is_called_as_the_output_that_it_is() -> None:
    first = {"name": "ingest", "inputs": {}, "outputs": {"out/raw.csv": {"sha256": "1"}}}
    second = {"name": "lag", "inputs": {"in/table.csv": {"sha256": "1"}}, "outputs": {"out/b": {"sha256": "2"}}}
    assert list(step_lines([first, second])) == [
        "made by   ingest: nothing -> out/raw.csv",
        "made by   lag: out/raw.csv -> out/b",
    ]
