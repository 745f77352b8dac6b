"""Pages of a simple index (PEP 691), made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SHA256 = "ab" * 32


def json_page(*files: Mapping[str, Any], version: str = "1.1") -> bytes:
    return json.dumps({"meta": {"api-version": version}, "name": "pure", "files": files}).encode()


def entry(file_name: str = "pure-1.0-py3-none-any.whl", **more: Any) -> dict[str, Any]:
    return {"filename": file_name, "url": f"../../files/{file_name}", "hashes": {"sha256": SHA256}, **more}
