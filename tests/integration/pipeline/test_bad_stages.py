"""What can be wrong with declared stages: each told with the file, the line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_stages import HEAD, StagesProject

from builder.spec.reader import SpecError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagesProject:
    project = StagesProject.make(tmp_path)
    monkeypatch.chdir(project.folder)
    project.write(
        {
            "data/raw.csv": "a\n",
            "params.yaml": "train: {rate: 0.1}\n",
            "bad.yaml": "a: [1\n",
            "list.json": "[1]",
            "src/train.py": "import util\n",
            "src/util.py": "",
            "promise.yaml": "x\n",
        }
    )
    return project


_CASES = {
    "circle": (
        "a: {run: echo, inputs: [out/b], outputs: [out/a]}\nb: {run: echo, inputs: [out/a], outputs: [out/b]}",
        "`stages.a.inputs`: stages wait for each other: `a` reads `out/b` of `b`, `b` reads `out/a` of `a`",
    ),
    "reads-its-own": (
        "a: {run: echo, inputs: [out], outputs: [out/a]}",
        "`stages.a.inputs`: it reads `out`, and writes it or a part of it",
    ),
    "one-output": (
        "a: {run: echo, outputs: [out/x]}\nb: {run: echo, outputs: [./out//x/]}",
        "`stages.b.outputs`: `out/x` is an output of the stage `a` too",
    ),
    "inside": (
        "a: {run: echo, outputs: [out/x/y]}\nb: {run: echo, outputs: [out/x]}",
        "`stages.a.outputs`: `out/x/y` is inside `out/x`, an output of `b`",
    ),
    "inside-its-own": (
        "a: {run: echo, outputs: [out], metrics: [out/m.json]}",
        "`stages.a.outputs`: `out/m.json` is inside `out`, another output of it",
    ),
    "missing-input": (
        "a: {run: echo, inputs: [data/rwa.csv], outputs: [x]}",
        (
            "`stages.a.inputs`: `data/rwa.csv` is not there, no stage writes it, and it is no name under `data` "
            "(did you mean `data/raw.csv`?)"
        ),
    ),
    "over-the-spec": (
        "a: {run: echo, outputs: [envbuild.yaml]}",
        "`stages.a.outputs`: `envbuild.yaml` would be written over `envbuild.yaml`, the project itself",
    ),
    "over-locks": ("a: {run: echo, outputs: [lock/x]}", "would be written over `lock`, the project's locks"),
    "over-runs": ("a: {run: echo, outputs: [runs]}", "would be written over `runs`, the records of runs"),
    "over-git": ("a: {run: echo, outputs: [.git/hooks]}", "would be written over `.git`, the repository"),
    "over-data": ("a: {run: echo, outputs: [data]}", "would be written over `data/raw.csv`, the data `raw`"),
    "over-params": (
        "a: {run: echo, outputs: [params.yaml]}\nb: {run: echo, params: params.yaml}",
        "would be written over `params.yaml`, the parameters of `b`",
    ),
    "over-contract": (
        "a: {run: echo, inputs: [data/raw.csv], outputs: [promise.yaml], contracts: {data/raw.csv: promise.yaml}}",
        "would be written over `promise.yaml`, the contract of `a`",
    ),
    "over-code": (
        "a: {run: python src/train.py, outputs: [src]}",
        "`stages.a.outputs`: `src` would be written over `src/train.py`, which it runs",
    ),
    "runs-an-output": (
        "a: {run: echo, outputs: [src]}\nb: {run: python src/train.py}",
        "`stages.b.run`: it needs `src/train.py`, which the stage `a` writes (Put it among `inputs`)",
    ),
    "missing-script": (
        "a: {run: python src/trian.py}",
        "`stages.a.run`: the file `src/trian.py` is not there (did you mean `src/train.py`?)",
    ),
    "glob": ("a: {run: echo, code: ['lib/**']}", "`stages.a.code`: no file matches `lib/**`"),
    "script-not-declared": (
        "a: {run: python src/train.py, code: [src/util.py]}",
        "`stages.a.code`: `src/train.py`, which it runs, is not among these files",
    ),
    "missing-key": (
        "a: {run: echo, params: {params.yaml: [train.rate, train.raet]}}",
        "`stages.a.params.params.yaml[1]`: the parameter `train.raet` is not there (did you mean `train.rate`?)",
    ),
    "missing-params": ("a: {run: echo, params: no.yaml}", "`stages.a.params`: the file `no.yaml` is not there"),
    "params-out": ("a: {run: echo, params: ../x.yaml}", "`stages.a.params`: `../x.yaml` cannot be a path"),
    "no-yaml": ("a: {run: echo, params: bad.yaml}", "`stages.a.params`: the parameters in"),
    "no-mapping": ("a: {run: echo, params: list.json}", "are no mapping"),
    "no-keys": ("a: {run: echo, params: {params.yaml: all}}", "a list of the keys that it reads is expected"),
    "no-port": (
        "a: {run: echo, inputs: [data/raw.csv], contracts: {data/rwa.csv: promise.yaml}}",
        (
            "`stages.a.contracts.data/rwa.csv`: `data/rwa.csv` is neither an input nor an output of it "
            "(did you mean `data/raw.csv`?)"
        ),
    ),
    "no-contract": (
        "a: {run: echo, inputs: [data/raw.csv], contracts: {data/raw.csv: no.yaml}}",
        "the file `no.yaml` is not there",
    ),
    "no-environment": (
        "a: {run: echo, environment: envs/train}",
        "`stages.a.environment`: `envs/train` has no `environment.yaml`",
    ),
    "module": ("a: {uses: modules/x}", "`stages.a.uses`: modules are not taken here"),
    "quote": ('a: {run: "echo \'x"}', "`stages.a.run`: a quote in it is not closed"),
    "shell": ("a: {run: a && b}", "`stages.a.run`: `&&` would be an argument: there is no shell"),
    "metrics": ("a: {run: echo, metrics: [m.yaml]}", "`stages.a.metrics[0]`: `m.yaml` is no file of metrics"),
    "control": ('a: {run: echo, outputs: ["x\\ty"]}', "it has control characters"),
    "outside": ("a: {run: echo, outputs: [../x]}", "is not a path inside the project"),
    "all-of-it": ("a: {run: echo, outputs: [.]}", "`.` cannot be a path in an image"),
}


@pytest.mark.parametrize("case", _CASES)
def test_what_is_wrong_is_told_with_its_line(project: StagesProject, case: str) -> None:
    stages, message = _CASES[case]
    head = HEAD + ("data: {raw: {url: data/raw.csv}}\n" if case == "over-data" else "")
    project.declare(stages, head)
    with pytest.raises(SpecError) as caught:
        project.resolve()
    line = len(head.splitlines()) + 1  # of the key `stages`
    told = next(text for text in caught.value.why if message in text)
    assert told.startswith(("envbuild.yaml:",))
    assert int(told.split(":")[1]) > line


def test_all_that_is_wrong_is_told_together(project: StagesProject) -> None:
    project.declare(
        """
        a: {run: python no.py, inputs: [no.csv], params: no.yaml, environment: no}
        b: {run: echo, inputs: [nothing.csv]}
        """
    )
    with pytest.raises(SpecError) as caught:
        project.resolve()
    assert len(caught.value.problems) == 5
    assert [problem.line for problem in caught.value.problems] == [4, 4, 4, 4, 5]
