"""A bundle on a machine that has Docker and nothing else: the README's commands, and what goes wrong with them."""

from __future__ import annotations

import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PENGUIN = {"bill_length_mm": 46.5, "bill_depth_mm": 17.9, "flipper_length_mm": 192, "body_mass_g": 3500}
STRANGER = 12345
ME = f"{os.getuid()}:{os.getgid()}"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


def predict(address: str) -> dict[str, object]:
    body = json.dumps({"input": PENGUIN}).encode()
    request = urllib.request.Request(f"http://{address}/predictions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def status(address: str, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.fixture
def serving(docker, read_until):
    """Starts a server in a container, and gives its address and its id once it listens."""

    @contextmanager
    def serve(image: str, *options: str) -> Iterator[tuple[str, str]]:
        container = docker("run", "-d", "-p", "127.0.0.1::8080", *options, image, "serve").stdout.strip()
        try:
            with docker.start("logs", "-f", container) as logs:
                said = read_until(logs.stdout, "Uvicorn running on")
                logs.terminate()
            assert "Uvicorn running on" in said
            yield docker("port", container, "8080/tcp").stdout.split()[0], container
        finally:
            docker("rm", "-f", container)

    return serve


def of(folder: Path, user: int) -> Path:
    folder.chmod(0o755)
    os.chown(folder, user, user)
    return folder


@pytest.fixture
def out() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="envbuild-out-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_without_a_command_the_commands_are_listed(docker, image):
    listed = docker("run", "--rm", image).stdout
    for text in ("train", "serve", "/data/penguins", "regularisation", "8080"):
        assert text in listed


def test_trains_without_network(trained, bundle, image):
    record = json.loads((trained / "run.json").read_text())
    metrics = json.loads((trained / "metrics.json").read_text())
    assert (trained / "model/model.joblib").stat().st_uid == os.getuid()
    assert metrics["accuracy"] > 0.9
    assert (record["exit_code"], record["seed"], record["metrics"]) == (0, 7, metrics)
    assert record["image"] is None
    assert record["params"] == {"test_share": 0.25, "regularisation": 1.0, "iterations": 1000}


@pytest.mark.slow
def test_two_trainings_give_the_same_model(docker, image, trained, data, out):
    mounts = ["-v", f"{out}:/out", "-v", f"{data}:/data/penguins:ro"]
    docker("run", "--rm", "--network", "none", *mounts, "--user", ME, image, "train")
    assert (out / "model/model.joblib").read_bytes() == (trained / "model/model.joblib").read_bytes()


@pytest.mark.slow
def test_trains_with_a_root_that_cannot_be_written_to(docker, image, data, out):
    mounts = ["-v", f"{out}:/out", "-v", f"{data}:/data/penguins:ro"]
    docker("run", "--rm", "--read-only", "--network", "none", *mounts, "--user", ME, image, "train")
    assert (out / "metrics.json").exists()


@needs_root
def test_trains_under_any_user(docker, image, data, out):
    mounts = ["-v", f"{of(out, STRANGER)}:/out", "-v", f"{data}:/data/penguins:ro"]
    docker("run", "--rm", "--read-only", *mounts, "--user", f"{STRANGER}:{STRANGER}", image, "train")
    assert {path.stat().st_uid for path in out.rglob("*")} == {STRANGER}


@needs_root
def test_an_out_that_cannot_be_written_to_is_said_before_the_work(docker, image, data, out):
    mounts = ["-v", f"{of(out, 0)}:/out", "-v", f"{data}:/data/penguins:ro"]
    failed = docker("run", "--rm", *mounts, "--user", str(STRANGER), image, "train", code=1)
    assert "`/out`, which cannot be written by user 12345" in failed.stderr
    assert "--user $(id -u):$(id -g)" in failed.stderr
    assert failed.stdout == ""
    assert list(out.iterdir()) == []


def test_other_data_is_refused(docker, image, out, tmp_path):
    (tmp_path / "penguins.csv").write_text("species\nAdelie\n")
    mounts = ["-v", f"{out}:/out", "-v", f"{tmp_path / 'penguins.csv'}:/data/penguins:ro"]
    failed = docker("run", "--rm", *mounts, "--user", ME, image, "train", code=5)
    assert "the data `penguins` is another" in failed.stderr
    assert not (out / "metrics.json").exists()


def test_missing_data_is_said_with_the_mount_that_brings_it(docker, image, out):
    hidden = ["--tmpfs", "/data"]  # what is packed is below it
    failed = docker("run", "--rm", *hidden, "-v", f"{out}:/out", "--user", ME, image, "train", code=1)
    assert "-v FILE:/data/penguins:ro" in failed.stderr


def test_an_unknown_command_is_a_usage_error(docker, image):
    assert "Did you mean `train`?" in docker("run", "--rm", image, "trian", code=2).stderr


@pytest.mark.slow
def test_parameters_and_seed_are_taken_and_recorded(docker, image, data, out):
    mounts = ["-v", f"{out}:/out", "-v", f"{data}:/data/penguins:ro"]
    arguments = ["train", "--param", "regularisation=0.01", "--seed", "99"]
    docker("run", "--rm", *mounts, "--user", ME, image, *arguments)
    record = json.loads((out / "run.json").read_text())
    assert (record["params"]["regularisation"], record["seed"]) == (0.01, 99)


def test_serves_the_model_that_was_trained(serving, image, trained):
    with serving(image, "--user", ME, "-v", f"{trained}:/out") as (address, _):
        assert (status(address, "/livez"), status(address, "/readyz")) == (200, 200)
        answer = predict(address)
    assert answer["status"] == "succeeded"
    assert answer["output"]["species"] in ("Adelie", "Chinstrap", "Gentoo")
    assert sum(answer["output"]["probabilities"].values()) == pytest.approx(1, abs=0.001)


@pytest.mark.slow
def test_serves_with_a_root_that_cannot_be_written_to_under_any_user(serving, image, trained):
    trained.chmod(0o755)
    options = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    with serving(image, *options, "--user", str(STRANGER), "-v", f"{trained}:/out:ro") as (address, _):
        assert predict(address)["status"] == "succeeded"


def test_is_not_ready_without_a_model(serving, image):
    with serving(image) as (address, _):
        assert (status(address, "/livez"), status(address, "/readyz")) == (200, 503)


@pytest.mark.slow
def test_serves_the_packed_model_after_bundling_again(docker, serving, pack, copies, trained, tmp_path):
    project = copies / "examples/penguins"
    (project / "out").mkdir()
    (project / "out/model").symlink_to(trained / "model")
    bundle = pack(project, tmp_path)
    docker("load", "-i", bundle.file)
    with serving(docker.identity(bundle.name), "--read-only", "--network", "bridge") as (address, _):
        assert status(address, "/readyz") == 200
        assert predict(address)["status"] == "succeeded"


def test_stops_at_once_when_it_is_asked_to(docker, serving, image):
    with serving(image) as (_, container):
        docker("stop", "-t", "120", container)
        code = docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip()
    assert code in ("0", "143"), "137 would be a container that had to be killed"


@pytest.mark.slow
def test_a_stopped_command_is_recorded(docker, image, data, out, read_until):
    """A shell as the command: it waits for a child that ignores nothing."""
    mounts = ["-v", f"{out}:/out"]
    container = docker("run", "-d", *mounts, "--user", ME, image, "serve").stdout.strip()
    try:
        with docker.start("logs", "-f", container) as logs:
            read_until(logs.stdout, "Uvicorn running on")
            logs.terminate()
        docker("stop", "-t", "120", container)
    finally:
        docker("rm", "-f", container)
    record = json.loads((out / "run.json").read_text())
    assert (record["command"], record["state"]) == ("serve", "finished")


def test_no_image_of_a_bundle_runs_as_root(docker, image):
    user = docker("image", "inspect", "--format", "{{.Config.User}}", image).stdout.strip()
    assert user.partition(":")[0] not in ("", "0", "root")
    seen = docker("run", "--rm", "--entrypoint", "/opt/env/bin/python", image, "-c", "import os; print(os.getuid())")
    assert seen.stdout.strip() != "0"
