"""Write a greeting to /out."""

import os
from pathlib import Path

(Path(os.environ["ENVBUILD_OUT"]) / "greeting").write_text("hello\n")
print("hello")
