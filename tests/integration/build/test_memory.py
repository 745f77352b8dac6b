"""A build takes little memory, however large a wheel is."""

from __future__ import annotations

import json
import subprocess
import sys

LIMIT = 300 << 20
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(json.dumps([code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""


def test_a_build_of_the_example_takes_less_than_300_mb(envbuild, project):
    line = [
        sys.executable,
        "-c",
        MEASURE,
        *envbuild.program,
        "build",
        str(project),
        "--platform",
        "linux/amd64",
        "--workers",
        "4",
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=True, **envbuild.command)
    code, peak = json.loads(done.stdout)
    assert code == 0, done.stderr
    assert peak < LIMIT, f"{peak / (1 << 20):.0f} MiB"
