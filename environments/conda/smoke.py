"""What this environment must be able to do; run inside its image."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

assert sys.prefix == "/opt/env"
left, right = np.random.default_rng(7).normal(size=(2, 40, 40))
assert np.allclose(np.linalg.inv(left) @ left @ right, right)
greeting = subprocess.run(["greet"], check=True, capture_output=True, text=True).stdout
assert greeting == "hello from conda\n", greeting
packages = {json.loads(path.read_text())["name"] for path in Path("/opt/env/conda-meta").glob("*.json")}
assert {"python", "numpy", "greeter", "small"} <= packages, packages
print("conda: ok")
