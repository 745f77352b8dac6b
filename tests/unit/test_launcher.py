from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[2] / "templates" / "launcher.py"
DATA = bytes(range(256)) * 4096
CODE = "sha256:" + "3" * 64
SHOW = "import json,os,sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"


class Site:
    """A server of one file that can break off, move, refuse ranges or lie, and tells what was asked for."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.break_after: list[int] = []
        self.knows_ranges = True
        self.content = DATA
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        if request.path == "/moved":
            request.send_response(302)
            request.send_header("Location", "/file")
            request.end_headers()
            return
        if request.path != "/file":
            request.send_error(404)
            return
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.knows_ranges else 0
        body = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.break_after.pop(0)] if self.break_after else body)


@pytest.fixture
def site():
    site = Site()
    thread = threading.Thread(target=functools.partial(site.server.serve_forever, poll_interval=0.01))
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


class Bundle:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.interpreter: tuple[str, ...] = (sys.executable,)
        self.commands: dict[str, dict] = {}
        self.data: dict[str, dict] = {}
        self.model: dict | None = None
        for name in ("bundle", "out", "data", "app", "tmp"):
            (root / name).mkdir()

    def command(self, name: str, code: str | list[str], *arguments: str, **fields: object) -> None:
        run = [sys.executable, "-c", code, *arguments] if isinstance(code, str) else code
        self.commands[name] = {"run": run, **fields}

    def input(self, *urls: str, content: bytes = DATA, **fields: object) -> None:
        entry = {
            "path": "/data/train",
            "urls": list(urls),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
        self.data["train"] = entry | fields

    def popen(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        document = {"format": 1, "name": "penguins", "version": "3", "lock": "sha256:" + "1" * 64}
        document |= {"commands": self.commands, "data": self.data, "model": self.model, "code": CODE}
        (self.root / "bundle/bundle.json").write_text(json.dumps(document))
        launcher = self.root / "bundle/launcher.py"
        launcher.write_bytes(LAUNCHER.read_bytes())
        variables = {"PATH": os.environ["PATH"], "ENVBUILD_ROOT": str(self.root), "ENVBUILD_RETRY_WAIT": "0"}
        variables |= {"TMPDIR": str(self.root / "tmp")} | environment
        return subprocess.Popen(
            [*self.interpreter, "-I", str(launcher), *arguments],
            env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.popen(*arguments, **environment)
        output, errors = process.communicate()
        assert "Traceback" not in errors
        return subprocess.CompletedProcess((), process.returncode, output, errors)

    def record(self) -> dict:
        return json.loads((self.root / "out/run.json").read_text())


@pytest.fixture
def bundle(tmp_path):
    return Bundle(tmp_path)


def test_without_a_command_the_commands_are_listed_with_what_they_need(bundle):
    bundle.input()
    bundle.command(
        "train", ["python", "-m", "x y"], inputs=["train"], outputs=["model"], parameters={"a": {"b": 1}}, seed=7
    )
    bundle.command("serve", ["serve"], port=8080)
    result = bundle.run()
    assert result.returncode == 0
    for text in ("penguins 3", "train: python -m 'x y'", "/data/train", "/out/model", "a.b=1", "seed: 7", "port: 8080"):
        assert text in result.stdout
    assert "`docker run IMAGE COMMAND`; `docker run IMAGE --readme` prints more" in result.stdout.splitlines()[-1]
    assert "`envbuild run TARGET COMMAND`" in bundle.run(ENVBUILD_RUN="1").stdout.splitlines()[-1]
    assert bundle.run("--help").returncode == 0


def test_the_readme_is_printed_without_any_other_program(bundle):
    (bundle.root / "bundle/README.md").write_text("# Penguins\n\né\n", encoding="utf-8")
    assert bundle.run("--readme", PYTHONUTF8="1").stdout == "# Penguins\n\né\n"
    (bundle.root / "bundle/README.md").unlink()
    assert bundle.run("--readme").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "`train`"),
        (["train", "--param", "deepth=3"], "`depth`"),
        (["train", "--param", "depth=x"], "type int"),
        (["train", "--param", "depth"], "NAME=VALUE"),
        (["train", "--seed", "-1"], "4294967295"),
        (["train", "--frobnicate"], "unrecognized"),
    ],
)
def test_wrong_usage_is_2_and_says_what_was_meant(bundle, arguments, hint):
    bundle.command("train", "print(1)", parameters={"depth": 1})
    result = bundle.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert hint in result.stderr


def test_parameters_are_typed_like_their_defaults_and_reach_the_command_both_ways(bundle):
    defaults = {
        "depth": 1,
        "rate": 0.5,
        "deep": False,
        "name": "x",
        "layers": [1],
        "none": None,
        "group": {"a.b": {"c": 1}},
    }
    code = (
        "import os; print(open(os.environ['ENVBUILD_PARAMS']).read()); print(os.environ['ENVBUILD_PARAM_GROUP_A_B_C'])"
    )
    bundle.command("train", code, parameters=defaults)
    given = ["depth=3", "rate=1", "deep=true", "name=a=b", "layers=[1, 2]", "none=text", "group.a.b.c=5"]
    result = bundle.run("train", *(word for item in given for word in ("--param", item)))
    expected = {"depth": 3, "rate": 1.0, "deep": True, "name": "a=b", "layers": [1, 2], "none": "text"}
    body, _, variable = result.stdout.strip().rpartition("\n")
    assert json.loads(body) == expected | {"group": {"a.b": {"c": 5}}}
    assert variable == "5"
    assert bundle.record()["params"] == json.loads(body)
    assert list((bundle.root / "tmp").iterdir()) == []


def test_seed_arguments_environment_and_folder_reach_the_command(bundle):
    bundle.command("train", SHOW, "first", seed=7, port=80, environment={"MODE": "fast"})
    arguments, environment, folder = json.loads(bundle.run("train", "--seed", "9", "--", "--more", "--").stdout)
    assert arguments == ["first", "--more", "--"]
    assert environment["ENVBUILD_SEED"] == environment["PYTHONHASHSEED"] == "9"
    assert (environment["MODE"], environment["ENVBUILD_PORT"], environment["HOME"]) == ("fast", "80", "/tmp")
    assert environment["ENVBUILD_HOST"] == "0.0.0.0"
    assert environment["USER"]
    assert environment["LOGNAME"]
    assert folder == str(bundle.root / "app")


def test_no_shell_reads_a_command(bundle):
    bundle.commands = {"plain": {"run": ["printf", "%s|", "a b", "&&", "$HOME"]}}
    assert bundle.run("plain", "--", "d e").stdout == "a b|&&|$HOME|d e|"


@pytest.mark.parametrize("with_path", [True, False])
def test_a_file_that_is_not_executable_is_126_and_named_so(bundle, with_path):
    script = bundle.root / "app/train.sh"
    script.write_text("echo worked")
    bundle.command("train", [str(script) if with_path else script.name])
    result = bundle.run("train", PATH=f"{os.environ['PATH']}:{script.parent}")
    assert (result.returncode, result.stdout) == (126, "")
    assert f"`{script}`, which `train` runs, is not executable" in result.stderr
    assert "chmod +x" in result.stderr


def test_a_missing_program_is_127(bundle):
    bundle.command("train", ["no-such-program"])
    result = bundle.run("train")
    assert result.returncode == 127
    assert "no-such-program" in result.stderr


def test_model_is_the_given_one_then_the_new_one_then_the_packed_one(bundle):
    bundle.command("serve", "import os; print(os.environ.get('ENVBUILD_MODEL'))")
    assert bundle.run("serve").stdout == "None\n"
    (bundle.root / "model").mkdir()
    assert bundle.run("serve").stdout == "None\n"
    for name in ("model", "out/model"):
        (bundle.root / name).mkdir(exist_ok=True)
        (bundle.root / name / "weights").touch()
        assert bundle.run("serve").stdout == f"{bundle.root}/{name}\n"
    assert bundle.run("serve", ENVBUILD_MODEL="/mine").stdout == "/mine\n"


def test_children_are_ordinary_python_processes(bundle):
    (bundle.root / "app/mine.py").write_text("import sys; print(sys.flags.isolated)")
    bundle.command("train", [sys.executable, "-m", "mine"])
    assert bundle.run("train").stdout == "0\n"


def test_a_run_leaves_a_complete_record_without_secrets(bundle):
    bundle.input()
    (bundle.root / "data/train").write_bytes(DATA)
    code = "import os,sys; open(os.environ['ENVBUILD_OUT'] + '/metrics.json', 'w').write('[0.9]'); sys.exit(3)"
    bundle.command("train", code, inputs=["train"], seed=1)
    image = "sha256:" + "2" * 64
    assert bundle.run("train", "--", "x", TOKEN="hush", ENVBUILD_IMAGE_DIGEST=image).returncode == 3
    record = bundle.record()
    assert "hush" not in json.dumps(record)
    assert record["data"] == {
        "train": {"sha256": hashlib.sha256(DATA).hexdigest(), "size": len(DATA), "source": "present"}
    }
    expected = {"format": 1, "state": "finished", "command": "train", "arguments": ["x"], "seed": 1, "exit_code": 3}
    expected |= {"signal": None, "metrics": [0.9], "image": image, "lock": "sha256:" + "1" * 64}
    assert expected.items() <= record.items()
    assert record["start"] <= record["end"]
    assert record["start"].endswith("Z")
    assert record["duration"] >= 0
    assert sorted(path.name for path in (bundle.root / "out").iterdir()) == ["metrics.json", "run.json", "runs"]


def test_a_record_has_the_digests_of_what_the_run_wrote(bundle):
    (bundle.root / "out/old").write_bytes(b"of an earlier run")
    code = (
        "import os; out = os.environ['ENVBUILD_OUT']; os.makedirs(out + '/model/a')\n"
        "open(out + '/model/a/w', 'wb').write(b'ab'); open(out + '/model/b', 'wb').close()\n"
        "os.symlink('nowhere', out + '/model/c'); open(out + '/report', 'wb').write(b'x')"
    )
    bundle.command("train", code, outputs=["model", "report", "old", "none"])
    bundle.run("train")
    outputs = bundle.record()["outputs"]
    sha256 = {data: hashlib.sha256(data).hexdigest() for data in (b"ab", b"", b"x")}
    assert outputs.keys() == {"model", "report"}
    assert outputs["model"]["files"] == [["a/w", sha256[b"ab"], 2], ["b", sha256[b""], 0]]
    assert outputs["report"] == {
        "files": [["report", sha256[b"x"], 1]],
        "size": 1,
        "digest": "sha256:" + hashlib.sha256(f'[["report","{sha256[b"x"]}",1]]'.encode()).hexdigest(),
    }


def test_outputs_of_many_files_have_a_digest_and_no_list(bundle):
    code = (
        "import os; many = os.environ['ENVBUILD_OUT'] + '/many'; os.mkdir(many)\n"
        "for number in range(1001): open(f'{many}/{number}', 'w').close()"
    )
    bundle.command("train", code, outputs=["many"])
    bundle.run("train")
    many = bundle.record()["outputs"]["many"]
    assert (many["files"], many["size"]) == (None, 0)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", many["digest"])


def test_a_command_that_fails_has_no_outputs_in_its_record(bundle):
    code = "import os,sys; open(os.environ['ENVBUILD_OUT'] + '/model', 'w').close(); sys.exit(3)"
    bundle.command("train", code, outputs=["model"])
    bundle.run("train")
    assert bundle.record()["outputs"] == {}


def test_metrics_that_are_no_numbers_leave_a_record_that_is_json(bundle):
    code = "import os, sys; open(os.environ['ENVBUILD_OUT'] + '/metrics.json', 'w').write(sys.argv[1])"
    bundle.command("train", code, "[NaN, -Infinity, 1e999, 0.5, -1e999]")
    bundle.run("train")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    record = json.loads((bundle.root / "out/run.json").read_text(), parse_constant=refuse)
    assert record["metrics"] == ["NaN", "-Infinity", "Infinity", 0.5, "-Infinity"]


def test_metrics_of_an_earlier_run_are_not_recorded(bundle):
    (bundle.root / "out/metrics.json").write_text("{}")
    bundle.command("train", "pass")
    bundle.run("train")
    assert bundle.record()["metrics"] is None


def test_every_run_keeps_its_own_record(bundle):
    bundle.command("train", "pass")
    bundle.command("serve", "import sys; sys.exit(4)")
    starts = []
    for name in ("train", "serve"):
        bundle.run(name)
        starts.append(bundle.record()["start"])
    kept = sorted((bundle.root / "out/runs").iterdir())
    digits = [re.sub("[-:]", "", start) for start in starts]
    assert [path.name for path in kept] == [f"{digits[0]}-train.json", f"{digits[1]}-serve.json"]
    assert json.loads(kept[0].read_text())["exit_code"] == 0
    assert json.loads(kept[1].read_text()) == bundle.record()


def test_the_record_tells_packed_code_from_a_mounted_working_tree(bundle):
    bundle.command("train", "pass")
    for variables, expected in (({}, (CODE, False)), ({"ENVBUILD_CODE_MOUNTED": "1"}, (None, True))):
        bundle.run("train", **variables)
        assert (bundle.record()["code"], bundle.record()["code_mounted"]) == expected


def test_the_record_has_the_digest_of_the_packed_model_alone(bundle):
    digest = "sha256:" + "4" * 64
    bundle.command("serve", "pass")
    bundle.run("serve")
    assert bundle.record()["model"] is None
    bundle.model = {"path": "/model", "digest": digest}
    for name, expected in (("model", digest), ("out/model", None)):
        (bundle.root / name).mkdir()
        (bundle.root / name / "weights").touch()
        bundle.run("serve")
        assert bundle.record()["model"] == {"path": f"{bundle.root}/{name}", "digest": expected}


def test_a_killed_command_is_recorded_with_its_signal(bundle):
    bundle.command("train", "import os; os.kill(os.getpid(), 9)")
    assert bundle.run("train").returncode == 137
    assert (bundle.record()["exit_code"], bundle.record()["signal"]) == (137, "SIGKILL")


def in_own_mounts(bundle, *lines):
    """Start the launcher after shell commands, in a mount namespace, and list `/out` when it has ended."""
    unshare = ("unshare", "--user", "--map-root-user", "--mount")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow mount namespaces")
    script = [*lines, '"$@"', "code=$?", 'ls -A "$ENVBUILD_ROOT/out" >&2', "exit $code"]
    bundle.interpreter = (*unshare, "sh", "-c", "\n".join(script), "sh", sys.executable)


MOUNT = 'mount -t tmpfs -o size=64k none "$ENVBUILD_ROOT/out"'
FILL = 'head -c 1m /dev/zero >"$ENVBUILD_ROOT/out/filled" 2>/dev/null'


@pytest.mark.parametrize(("outputs", "code", "said"), [(["model"], 1, "error: "), ([], 3, "warning: ")])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing_behind(bundle, outputs, code, said):
    in_own_mounts(bundle, MOUNT, FILL)
    bundle.command("train", "import sys; print('worked'); sys.exit(3)", outputs=outputs)
    result = bundle.run("train")
    assert result.returncode == code
    assert ("worked" in result.stdout) == (code == 3)
    assert f"{said}the record of the run cannot be written" in result.stderr
    assert "No space left on device" in result.stderr
    assert result.stderr.splitlines()[-1] == "filled"


def test_a_disk_that_the_command_fills_does_not_change_its_exit_code(bundle):
    in_own_mounts(bundle, MOUNT)
    code = "import os,subprocess,sys; subprocess.run(['sh', '-c', sys.argv[1]]); sys.exit(7)"
    bundle.command("train", code, FILL, outputs=["model"])
    result = bundle.run("train")
    assert result.returncode == 7
    assert "the exit code of `train` is 7" in result.stderr
    assert result.stderr.splitlines()[-3:] == ["filled", "run.json", "runs"]


@pytest.mark.parametrize("mount", ["", MOUNT, MOUNT.replace("/out", "/out/model")])
def test_outputs_that_nothing_keeps_are_warned_of(bundle, mount):
    (bundle.root / "out/model").mkdir()
    in_own_mounts(bundle, mount)
    bundle.command("train", "pass", outputs=["model"])
    bundle.command("serve", "pass")
    assert ('-v "$PWD/out:/out"' in bundle.run("train").stderr) == (not mount)
    assert "lost" not in bundle.run("serve").stderr


def test_a_killed_run_stays_marked_as_running(bundle):
    bundle.command("train", "import os,signal; os.kill(os.getppid(), signal.SIGKILL)")
    assert bundle.run("train").returncode == -signal.SIGKILL
    assert bundle.record()["state"] == "running"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command_and_its_end_is_told(bundle, number):
    code = "import sys,time; print('up', flush=True); time.sleep(60)"
    bundle.command("train", f"import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); {code}")
    process = bundle.popen("train")
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    process.communicate()
    assert process.returncode == 128 + number
    assert bundle.record()["signal"] == number.name


def test_a_command_may_end_well_after_sigterm(bundle):
    code = "import signal,sys; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True); signal.pause()"
    bundle.command("serve", code)
    process = bundle.popen("serve")
    process.stdout.readline()
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_signals_reach_what_a_shell_has_started(bundle):
    waiting = f"{sys.executable} -c 'import signal; print(1, flush=True); signal.pause()'; exit 5"
    bundle.commands["train"] = {"run": ["sh", "-c", waiting]}
    process = bundle.popen("train")
    process.stdout.readline()
    process.terminate()
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


@pytest.fixture
def open_folder():
    """A folder that every user can walk into, which `tmp_path` is not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that somebody else cannot write to")
@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="there is no Python that every user may execute")
@pytest.mark.parametrize(("outputs", "code"), [(["model"], 1), ([], 0)])
def test_outputs_without_a_writable_folder_are_refused_before_the_work_starts(open_folder, outputs, code):
    bundle = Bundle(open_folder)
    bundle.command("train", ["echo", "worked"], outputs=outputs)
    bundle.interpreter = ("setpriv", "--reuid=47110", "--regid=47110", "--clear-groups", "/usr/bin/python3")
    result = bundle.run("train", TMPDIR="/tmp")
    assert result.returncode == code, result.stderr
    assert ("worked" in result.stdout) == (code == 0)
    assert ("mkdir -p out && docker run" in result.stderr) == (code == 1)
    assert ("--user $(id -u):$(id -g)" in result.stderr) == (code == 1)
    assert "docker" not in bundle.run("train", TMPDIR="/tmp", ENVBUILD_RUN="1").stderr
    assert not (open_folder / "out/run.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that somebody else cannot write to")
@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="there is no Python that every user may execute")
def test_data_that_has_no_place_to_be_fetched_to_names_both_flags(open_folder):
    bundle = Bundle(open_folder)
    bundle.input("http://127.0.0.1:1/file")
    bundle.command("train", ["echo", "worked"], inputs=["train"])
    bundle.interpreter = ("setpriv", "--reuid=47110", "--regid=47110", "--clear-groups", "/usr/bin/python3")
    result = bundle.run("train", TMPDIR="/tmp")
    assert (result.returncode, result.stdout) == (1, "")
    assert "-v FILE:/data/train:ro" in result.stderr
    assert f"--tmpfs {open_folder}/data" in result.stderr


@pytest.mark.parametrize("path", ["/file", "/moved"])
def test_data_is_fetched_verified_and_put_in_its_place(bundle, site, path):
    bundle.input(site.url + path)
    bundle.command(
        "train", "import os; print(len(open(os.environ['ENVBUILD_DATA_TRAIN'], 'rb').read()))", inputs=["train"]
    )
    result = bundle.run("train")
    assert (result.returncode, result.stdout) == (0, f"{len(DATA)}\n")
    assert bundle.record()["data"]["train"]["source"] == "fetched"
    assert [path.name for path in (bundle.root / "data").iterdir()] == ["train"]


def test_a_server_that_never_gets_further_is_given_up(bundle, site):
    site.knows_ranges = False
    site.break_after = [5000, 1000] * 10
    bundle.input(site.url + "/file")
    bundle.command("train", "pass", inputs=["train"])
    result = bundle.run("train")
    assert result.returncode == 1
    assert len(site.ranges) == 5


def test_a_program_that_cannot_be_executed_is_126_and_recorded(bundle):
    broken = bundle.root / "app/broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    bundle.command("train", [str(broken)])
    assert bundle.run("train").returncode == 126
    assert bundle.record()["exit_code"] == 126


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(bundle, site, knows_ranges):
    site.break_after = [1000, 5000]
    site.knows_ranges = knows_ranges
    bundle.input(site.url + "/file")
    bundle.command("train", "pass", inputs=["train"])
    assert bundle.run("train").returncode == 0
    assert site.ranges == [None, "bytes=1000-", "bytes=6000-" if knows_ranges else "bytes=5000-"]


def test_the_next_url_is_tried(bundle, site, tmp_path):
    (tmp_path / "copy").write_bytes(DATA)
    bundle.input(site.url + "/gone", "http://127.0.0.1:1/", "s3://bucket/x", (tmp_path / "copy").as_uri())
    bundle.command("train", "pass", inputs=["train"])
    assert bundle.run("train").returncode == 0


def test_data_that_cannot_be_had_names_url_and_flag_but_no_secret(bundle, site):
    bundle.input(site.url + "/gone?token=hush", "s3://user:hush@bucket/file")
    bundle.command("train", ["echo", "worked"], inputs=["train"])
    result = bundle.run("train")
    assert (result.returncode, result.stdout) == (1, "")
    assert "-v FILE:/data/train:ro" in result.stderr
    assert f"{site.url}/gone: HTTP status 404" in result.stderr
    assert "hush" not in result.stderr


@pytest.mark.parametrize("fields", [{}, {"size": None}, {"sha256": None}])
def test_wrong_mounted_data_is_refused(bundle, fields):
    bundle.input(**fields)
    (bundle.root / "data/train").write_bytes(DATA[1:])
    bundle.command("train", ["echo", "worked"], inputs=["train"])
    result = bundle.run("train")
    assert (result.returncode, result.stdout) == (5, "")
    assert "-v FILE:/data/train:ro" in result.stderr
    assert "--data train=FILE" in bundle.run("train", ENVBUILD_RUN="1").stderr


@pytest.mark.parametrize("content", [DATA[:-1] + b"x", DATA + b"x"])
def test_wrong_fetched_data_is_refused_and_not_left_behind(bundle, site, content):
    site.content = content
    bundle.input(site.url + "/file")
    bundle.command("train", ["echo", "worked"], inputs=["train"])
    result = bundle.run("train")
    assert (result.returncode, result.stdout) == (5, "")
    assert list((bundle.root / "data").iterdir()) == []


def folder_input(bundle, files, *urls):
    rows = sorted([path, hashlib.sha256(data).hexdigest(), len(data)] for path, data in files.items())
    digest = hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
    bundle.input(*urls, kind="folder", sha256=digest, size=sum(map(len, files.values())))
    lock = {"version": 1, "data": {"train": {"kind": "folder", "files": rows}}}
    (bundle.root / "bundle/data.lock.json").write_text(json.dumps(lock))
    bundle.command("train", "pass", inputs=["train"])


def fill(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


FOLDER = {"a.csv": b"1", "b/c d.csv": b"22"}


def test_a_mounted_folder_is_verified_file_by_file(bundle):
    folder_input(bundle, FOLDER)
    fill(bundle.root / "data/train", {**FOLDER, ".DS_Store": b"", ".ipynb_checkpoints/a.csv": b"x"})
    assert bundle.run("train").returncode == 0
    digest = bundle.data["train"]["sha256"]
    assert bundle.record()["data"]["train"] == {"sha256": digest, "size": 3, "source": "present"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"a.csv": b"2"}, "the data `train/a.csv` is another: its SHA-256 is"),
        ({"a.csv": b"222"}, "the data `train/a.csv` is another: its size is 3 instead of 1"),
        ({"d": b""}, "the data `train` is another: `d` does not belong there"),
        ({"b/c d.csv": None}, "the data `train` is another: `b/c d.csv` is missing"),
    ],
)
def test_a_folder_with_other_files_is_refused(bundle, change, said):
    folder_input(bundle, FOLDER)
    fill(bundle.root / "data/train", {path: data for path, data in (FOLDER | change).items() if data is not None})
    finished = bundle.run("train")
    assert finished.returncode == 5
    assert said in finished.stderr
    assert "-v FOLDER:/data/train:ro" in finished.stderr


def test_a_file_in_place_of_a_folder_is_refused(bundle):
    folder_input(bundle, FOLDER)
    (bundle.root / "data/train").write_bytes(b"1")
    assert "is a file, and a folder is expected" in bundle.run("train").stderr


def test_a_folder_is_fetched_from_the_first_url_that_it_can_be_read_from(bundle, tmp_path):
    folder_input(bundle, FOLDER, "s3://bucket/folder/", f"file://{tmp_path}/origin/")
    fill(tmp_path / "origin", FOLDER)
    finished = bundle.run("train")
    assert finished.returncode == 0, finished.stderr
    assert "fetching train/b/c d.csv from file://" in finished.stderr
    assert "from s3:" not in finished.stderr
    assert (bundle.root / "data/train/b/c d.csv").read_bytes() == b"22"
    assert bundle.record()["data"]["train"]["source"] == "fetched"


def test_a_folder_that_is_fetched_in_part_is_not_left_behind(bundle, tmp_path):
    folder_input(bundle, FOLDER, f"file://{tmp_path}/origin/")
    fill(tmp_path / "origin", {"a.csv": b"1", "b/c d.csv": b"33"})
    assert bundle.run("train").returncode == 5
    assert list((bundle.root / "data").iterdir()) == []


def test_what_a_lock_names_is_data_whatever_it_is_called(bundle):
    folder_input(bundle, {".DS_Store": b"1"})
    fill(bundle.root / "data/train", {".DS_Store": b"1", "Thumbs.db": b""})
    assert bundle.run("train").returncode == 0


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_packed_data_are_verified_as_mounted_ones_are(bundle, kind):
    if kind == "folder":
        folder_input(bundle, FOLDER)
        fill(bundle.root / "data/train", FOLDER)
    else:
        bundle.input()
        bundle.command("train", "pass", inputs=["train"])
        (bundle.root / "data/train").write_bytes(DATA)
    bundle.data["train"]["packed"] = True
    assert bundle.run("train").returncode == 0
    assert bundle.record()["data"]["train"]["source"] == "packed"
    place = bundle.root / "data/train"
    (place / "a.csv" if kind == "folder" else place).write_bytes(b"2")
    assert bundle.run("train").returncode == 5


@pytest.mark.parametrize("path", ["../a.csv", "/a.csv", "b/../../a.csv", "./a.csv", ""])
def test_no_file_of_a_folder_is_written_outside_of_it(bundle, tmp_path, path):
    folder_input(bundle, {path: b"1"}, f"file://{tmp_path}/origin/")
    finished = bundle.run("train")
    assert finished.returncode == 1
    assert "does not tell the files of `train`" in finished.stderr
    assert list((bundle.root / "data").iterdir()) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/etc/passwd"}, {"path": "/data/../etc"}, {"path": 3}, {"urls": "http:"}, {"urls": [3]},
        {"size": "1"}, {"size": -1}, {"sha256": 3},
    ],
)  # fmt: skip
def test_data_that_lead_elsewhere_are_refused_before_anything_is_done(bundle, fields):
    bundle.input(**fields)
    bundle.command("train", "pass", inputs=["train"])
    finished = bundle.run("train")
    assert (finished.returncode, "Traceback" in finished.stderr) == (1, False)
    assert "is not as it should be: `train` in `data`" in finished.stderr


@pytest.mark.parametrize(
    "fields",
    [
        {"run": "sh -c true"}, {"run": []}, {"inputs": ["../x"]}, {"inputs": ["other"]}, {"outputs": ["../x"]},
        {"outputs": "model"}, {"parameters": [1]}, {"environment": [1]},
    ],
)  # fmt: skip
def test_a_command_that_is_none_is_refused(bundle, fields):
    bundle.command("train", ["true"])
    bundle.commands["train"] |= fields
    finished = bundle.run("train")
    assert (finished.returncode, "Traceback" in finished.stderr) == (1, False)
    assert "is not as it should be: `train` in `commands`" in finished.stderr


@pytest.mark.parametrize("digest", ["that of other files", "none"])
def test_a_bundle_that_does_not_tell_the_files_of_a_folder_is_an_error(bundle, digest):
    folder_input(bundle, FOLDER)
    fill(bundle.root / "data/train", FOLDER)
    if digest == "none":
        (bundle.root / "bundle/data.lock.json").write_text("{}")
    else:
        bundle.data["train"]["sha256"] = "a" * 64
    finished = bundle.run("train")
    assert finished.returncode == 1
    assert "does not tell the files of `train`" in finished.stderr


def test_orphans_are_reaped_by_process_1(bundle):
    unshare = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow process namespaces")
    code = """
import os, subprocess, time
subprocess.run(["sh", "-c", "(exit 0) & (exec 3>&-; read x < /dev/null) & exit 0"])
states = None
while states is None or "Z" in states:
    states = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            states.append(open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[0])
        except FileNotFoundError:
            pass
print("clean")
"""
    bundle.command("train", code)
    bundle.interpreter = (*unshare, sys.executable)
    assert bundle.run("train").stdout == "clean\n"


def test_a_bundle_of_another_format_is_refused(bundle, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"format": 2}')
    result = bundle.run("train", ENVBUILD_BUNDLE=str(other))
    assert result.returncode == 1
    assert "format 1" in result.stderr


def test_a_signal_before_the_command_starts_ends_the_launcher(bundle, tmp_path):
    fifo = tmp_path / "bundle.fifo"
    os.mkfifo(fifo)
    process = bundle.popen("train", ENVBUILD_BUNDLE=str(fifo))
    with contextlib.closing(open(fifo, "w")):  # returns once the launcher reads it
        process.terminate()
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", ["launcher", "stage_launcher"])
@pytest.mark.parametrize(
    ("members", "of"),
    [
        pytest.param("{own}\n77", "container", id="a-group-of-its-own"),
        pytest.param("0\n{own}", "largest process", id="others-from-outside"),
        pytest.param("", "largest process", id="the-group-above-all"),
        pytest.param("77", "largest process", id="another-group"),
    ],
)
def test_the_peak_of_memory_is_of_a_group_only_where_that_is_the_containers_own(name, members, of, tmp_path):
    module = runpy.run_path(str(LAUNCHER.with_name(f"{name}.py")))
    (tmp_path / "procs").write_text(members.format(own=os.getpid()))
    (tmp_path / "peak").write_text("123456")
    peak_memory = module["peak_memory"]
    peak_memory.__globals__["CONTROL_GROUPS"] = ((str(tmp_path / "peak"), str(tmp_path / "procs")),)
    told = peak_memory(*([True] if name == "stage_launcher" else []))
    assert told["peak_memory_of"] == of
    assert (told["peak_memory"] == 123456) == (of == "container")


def test_a_stage_ends_as_it_did_where_that_cannot_be_told_and_by_a_signal_without_a_name(tmp_path):
    program = f"import os; os.kill(os.getpid(), {signal.SIGRTMIN + 1})"
    order = {
        "name": "train", "arguments": [sys.executable, "-c", program], "environment": {}, "own_group": False,
        "result": str(tmp_path / "result.json"),
    }  # fmt: skip
    (tmp_path / "order.json").write_text(json.dumps(order))
    line = [sys.executable, "-I", str(LAUNCHER.with_name("stage_launcher.py")), str(tmp_path / "order.json")]
    assert subprocess.run(line, check=False).returncode == 128 + signal.SIGRTMIN + 1
    assert json.loads((tmp_path / "result.json").read_text())["signal"] == f"SIG{signal.SIGRTMIN + 1}"
    (tmp_path / "result.json.part").mkdir()
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGRTMIN + 1
    assert done.stderr == "error: how the stage `train` ended cannot be told: Is a directory\n"
