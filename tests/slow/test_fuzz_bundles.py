"""What reads bundles, fuzzed by atheris, which is led by the code that is reached."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="`pip install envbuild[fuzz]` brings it where there are wheels of it")
TESTS = Path(__file__).parents[1]
SECONDS = int(os.environ.get("ENVBUILD_FUZZ_SECONDS", "60"))


@pytest.mark.parametrize("part", ["archive", "layer", "document"])
def test_no_input_gets_more_out_of_a_reader_than_an_error(part: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TESTS / "slow/fuzz_bundles.py", part, tmp_path, f"-max_total_time={SECONDS}", "-timeout=30",
         "-rss_limit_mb=2048", f"-artifact_prefix={tmp_path}/"],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
