from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conda_channel import ChannelServer, Package, serve, write_channel

from builder.errors import EnvbuildError
from builder.oci.documents import Platform

AMD, ARM = Platform("amd64"), Platform("arm64")


def versions(packages: Any) -> dict[str, str]:
    return {name: package.version for name, package in packages.items()}


def wants(server: ChannelServer, *dependencies: str) -> dict[str, Any]:
    return {"channels": [f"{server.url}/channel"], "dependencies": list(dependencies)}


def test_each_platform_gets_packages_of_its_own_and_those_without_architecture(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*", "prefixed", "greeter", "old-format"))
    locked = place.lock()
    assert versions(locked[AMD]) == {
        "greeter": "1.0", "old-format": "1.0", "prefixed": "1.0", "python": "3.11.2", "small": "2.0",
    }  # fmt: skip
    assert versions(locked[ARM]) == versions(locked[AMD])
    assert [locked[platform]["prefixed"].subdir for platform in (AMD, ARM)] == ["linux-64", "linux-aarch64"]
    assert locked[ARM]["greeter"].subdir == "noarch"
    assert locked[AMD]["greeter"].url == f"{server.url}/channel/noarch/greeter-1.0-0.conda"
    assert locked[AMD]["greeter"].dependencies == ("python", "small")
    assert locked[AMD]["old-format"].license == "BSD-3-Clause"
    assert all(package.size and len(package.md5) == 32 for listed in locked.values() for package in listed.values())
    assert place.read().document.platforms[AMD].interpreter.path == "/opt/env/bin/python3.11"


def test_the_python_of_the_spec_decides_which_one_the_channel_brings(place: Any, server: Any) -> None:
    place.write(wants(server, "python"), python="3.10")
    assert versions(place.lock()[AMD]) == {"python": "3.10.9"}
    place.write(wants(server, "python 3.12.*"), python="3.10")
    with pytest.raises(EnvbuildError, match="cannot be solved for linux/amd64 and linux/arm64") as caught:
        place.lock()
    assert "3.10" in str(caught.value)


def test_equal_inputs_give_equal_bytes_on_another_machine(place: Any, server: Any, tmp_path: Path) -> None:
    place.write(wants(server, "python 3.11.*", "greeter", "prefixed"))
    place.lock()
    first = place.files
    for path in (place.folder / "lock").iterdir():
        path.unlink()
    place.store = tmp_path / "another-store"
    place.lock()
    assert place.files == first


def test_what_need_not_move_stays_and_upgrading_one_package_moves_it_alone(
    place: Any, channels: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "moving"
    old = [Package("python", "3.11.2"), Package("one", "1.0"), Package("two", "1.0"), Package("Three_3".lower(), "1.0")]
    write_channel(folder / "c", old)
    with serve(folder) as server:
        conda = {"channels": [f"{server.url}/c"], "dependencies": ["python", "one", "two", "three_3"]}
        place.write(conda)
        place.lock()
        new = [Package(name, version) for name in ("one", "two", "three_3") for version in ("1.1", "1.2")]
        write_channel(folder / "c", new)
        place.write({**conda, "dependencies": [*conda["dependencies"], "two >=1"]})
        assert versions(place.lock()[AMD]) == {"python": "3.11.2", "one": "1.0", "two": "1.0", "three_3": "1.0"}
        moved = place.lock("two")
        assert versions(moved[ARM]) == {"python": "3.11.2", "one": "1.0", "two": "1.2", "three_3": "1.0"}
        moved = place.lock("three-3==1.1")
        assert versions(moved[AMD]) == {"python": "3.11.2", "one": "1.0", "two": "1.2", "three_3": "1.1"}
        before = place.files
        assert not place.locked().changed
        assert place.files == before
        moved = place.lock(everything=True)
        assert versions(moved[AMD]) == {"python": "3.11.2", "one": "1.2", "two": "1.2", "three_3": "1.2"}


def test_a_package_that_nobody_locked_cannot_be_upgraded(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*"))
    place.lock()
    with pytest.raises(EnvbuildError, match="`pyton` is not in the lock"):
        place.lock("pyton")


def test_a_conflict_is_explained_by_the_solver_and_changes_no_file(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*", "careful"))
    place.lock()
    before = place.files
    place.write(wants(server, "python 3.11.*", "careful", "small >=2"))
    with pytest.raises(EnvbuildError) as caught:
        place.lock()
    text = str(caught.value)
    assert "the conda packages cannot be solved for linux/amd64 and linux/arm64" in text
    assert "careful 1.0 would constrain" in text
    assert "small <2" in text
    assert re.search(r"environment.yaml:\d+: `small >=2`", text)
    assert caught.value.hint == "Change one of the requirements that are named"
    assert "Traceback" not in text
    assert place.files == before


def test_a_package_for_one_platform_alone_fails_for_the_other_by_name(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*", "intel-only"))
    with pytest.raises(EnvbuildError, match="cannot be solved for linux/arm64") as caught:
        place.lock()
    assert "intel-only" in str(caught.value)


def test_selectors_choose_what_a_platform_gets(place: Any, server: Any) -> None:
    (place.folder / "environment.yml").write_text(
        f"channels: [{server.url}/channel, nodefaults]\n"
        "dependencies:\n  - python=3.11\n  - intel-only  # [linux64]\n  - old-format  # [aarch64]\n"
        "  - prefixed # [linux]\n"
    )
    place.write({"file": "environment.yml"})
    locked = place.lock()
    assert sorted(locked[AMD]) == ["intel-only", "prefixed", "python"]
    assert sorted(locked[ARM]) == ["old-format", "prefixed", "python"]


def test_virtual_packages_are_those_of_the_target(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*", "needs-new-glibc"))
    with pytest.raises(EnvbuildError, match="cannot be solved") as caught:
        place.lock()
    assert "__glibc" in str(caught.value)
    place.write(wants(server, "python 3.11.*", "needs-new-glibc"), base={"suite": "trixie"})
    assert "needs-new-glibc" in place.lock()[AMD]
    place.write(wants(server, "python 3.11.*", "needs-cuda"))
    with pytest.raises(EnvbuildError) as caught:
        place.lock()
    assert 'cuda: "12.8"' in str(caught.value.hint)
    place.write(wants(server, "python 3.11.*", "needs-cuda"), cuda="12.8")
    assert "needs-cuda" in place.lock()[AMD]
    place.write(wants(server, "python 3.11.*", "needs-cuda"), cuda="11.4")
    with pytest.raises(EnvbuildError, match="cannot be solved"):
        place.lock()


def test_variables_of_this_machine_do_not_change_what_is_chosen(
    place: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.99")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "13.0")
    place.write(wants(server, "python 3.11.*", "needs-cuda"))
    with pytest.raises(EnvbuildError, match="cannot be solved"):
        place.lock()


def test_the_first_channel_that_has_a_package_wins(place: Any, server: Any) -> None:
    team, whole = f"{server.url}/team", f"{server.url}/channel"
    place.write({"channels": [team, whole], "dependencies": ["python 3.11.*", "small"]})
    locked = place.lock()[AMD]
    assert (locked["small"].version, locked["small"].build, locked["small"].channel) == ("1.1", "team_0", team)
    place.write({"channels": [whole, team], "dependencies": ["python 3.11.*", "small", "only-team"]})
    assert place.lock(everything=True)[AMD]["small"].version == "2.0"
    place.write({"channels": [team, whole], "dependencies": ["python 3.11.*", "small >=2"]})
    with pytest.raises(EnvbuildError, match="cannot be solved") as caught:
        place.lock()
    assert "excluded" in str(caught.value)


def test_a_specification_may_name_its_channel(place: Any, server: Any) -> None:
    team, whole = f"{server.url}/team", f"{server.url}/channel"
    place.write({"channels": [whole], "dependencies": ["python 3.11.*", f"{team}::small"]})
    assert place.lock()[AMD]["small"].channel == team


def test_channels_may_be_folders_of_this_machine(place: Any, channels: Path) -> None:
    place.write({"channels": [f"file://{channels}/channel"], "dependencies": ["python 3.11.*", "small[version='<2']"]})
    locked = place.lock()[ARM]
    assert versions(locked) == {"python": "3.11.2", "small": "1.2"}
    assert locked["small"].url.startswith(f"file://{channels}/channel/noarch/")


def test_a_channel_that_is_not_there_is_told(place: Any, server: Any) -> None:
    place.write({"channels": [f"{server.url}/nothing"], "dependencies": ["python"]})
    with pytest.raises(EnvbuildError, match="cannot be solved") as caught:
        place.lock()
    assert f"{server.url}/nothing" in str(caught.value)
    assert caught.value.hint == "Check the name or the URL of the channel"


def test_an_unknown_package_is_told(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*", "smaal"))
    with pytest.raises(EnvbuildError) as caught:
        place.lock()
    assert re.search(r"environment.yaml:\d+: `smaal`", str(caught.value))
    assert "Check the name" in str(caught.value.hint)


def test_offline_the_indexes_that_are_known_are_enough(place: Any, server: Any) -> None:
    place.write(wants(server, "python 3.11.*", "small"))
    place.lock()
    before = place.files
    place.write(wants(server, "python 3.11.*", "greeter"))
    asked = len(server.requests)
    assert "greeter" in place.lock(offline=True)[AMD]
    assert len(server.requests) == asked
    place.write(wants(server, "python 3.11.*", "small"))
    place.lock(offline=True)
    assert place.files == before
    place.write({"channels": [f"{server.url}/team"], "dependencies": ["only-team"]})
    with pytest.raises(EnvbuildError, match="cannot be solved"):
        place.lock(offline=True)


def test_what_a_channel_does_not_tell_is_measured(place: Any, tmp_path: Path) -> None:
    folder = tmp_path / "silent"
    write_channel(folder / "c", [Package("python", "3.11.2"), Package("small", "1.0")])
    _rewrite(folder / "c", lambda record: [record.pop(key) for key in ("sha256", "md5", "size")])
    with serve(folder) as server:
        place.write({"channels": [f"{server.url}/c"], "dependencies": ["python", "small"]})
        package = place.lock()[AMD]["small"]
    data = (folder / "c" / "noarch" / "small-1.0-0.conda").read_bytes()
    import hashlib

    assert package.digest.hex == hashlib.sha256(data).hexdigest()
    assert package.md5 == hashlib.md5(data).hexdigest()
    assert package.size == len(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record.update(name="../evil"), "No candidates"),
        (lambda record: record.update(version="9.9"), "another version"),
        (lambda record: record.update(depends=["py\x1b[31mthon"]), "not a valid package name"),
    ],
)
def test_a_channel_that_tells_nonsense_is_refused(place: Any, tmp_path: Path, change: Any, reason: str) -> None:
    folder = tmp_path / "hostile"
    write_channel(folder / "c", [Package("python", "3.11.2"), Package("small", "1.0")])
    _rewrite(folder / "c", lambda record: change(record) if record["name"] == "small" else None)
    with serve(folder) as server:
        place.write({"channels": [f"{server.url}/c"], "dependencies": ["python", "small"]})
        with pytest.raises(EnvbuildError) as caught:
            place.lock()
    assert reason in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert not (place.folder / "lock").exists()


@pytest.mark.parametrize("content", [b"", b'{"packages": {"a": 1}}', b"[" * 100_000])
def test_an_index_that_is_none_is_an_error_of_the_channel(place: Any, tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "hostile"
    write_channel(folder / "c", [Package("python", "3.11.2")])
    for path in folder.glob("c/*/repodata.json*"):
        path.unlink()
        path.with_name("repodata.json").write_bytes(content)
    with serve(folder) as server:
        place.write({"channels": [f"{server.url}/c"], "dependencies": ["python"]})
        with pytest.raises(EnvbuildError) as caught:
            place.lock()
    assert "Traceback" not in str(caught.value)


def test_solving_does_not_break_off_when_it_is_repeated(place: Any, server: Any) -> None:
    from builder.lock.conda.solver import CondaSolver

    solver = CondaSolver({}, place.fetcher())
    target = {"subdir": "linux-64", "virtual": [["__glibc", "2.36", "0"]], "constraints": [], "kept": {}}
    question = {"targets": [{**target, "specs": ["greeter"]}]}
    answers = [json.dumps(solver.ask(question, [f"{server.url}/channel"])) for _ in range(5)]
    assert len(set(answers)) == 1
    assert "greeter" in answers[0]


def _rewrite(channel: Path, change: Any) -> None:
    """Change every record of an index."""
    for path in channel.glob("*/repodata.json"):
        document = json.loads(path.read_bytes())
        for record in document["packages.conda"].values():
            change(record)
        path.write_text(json.dumps(document))
        path.with_name("repodata.json.zst").unlink(missing_ok=True)


def test_kept_indexes_are_shown_and_pruned_with_everything(place: Any, server: Any) -> None:
    from builder.oci.store import Store

    place.write(wants(server, "python 3.11.*"))
    place.lock()
    store = Store(place.store)
    assert {part.name: part.size for part in store.usage()}["indexes of conda channels"] > 0
    store.prune(everything=True)
    assert {part.name: part.size for part in store.usage()}["indexes of conda channels"] == 0
