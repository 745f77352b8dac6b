"""The key of a stage: what all that it depends on comes to. Equal keys promise equal outputs. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from builder.history.content import Content
from builder.oci.canonical import canonical_json
from builder.pipeline.stage import STAGE_FORMAT, ResolvedStage

Parts = Mapping[str, Any]
"""What a key is of, as plain JSON data."""


def key_parts(stage: ResolvedStage, inputs: Mapping[str, Content]) -> Parts:
    """What the key of a stage is of. `inputs` are the contents of its inputs, by target.

    Its name, its owner, what it needs of the machine and what it is held to change nothing of what it makes.
    """
    return {
        "format": STAGE_FORMAT,
        "arguments": list(stage.arguments),
        "inputs": {
            port.target: {"kind": inputs[port.target].kind, "sha256": inputs[port.target].sha256}
            for port in stage.inputs
        },
        "outputs": sorted(port.target for port in stage.outputs),
        "code": dict(stage.code.files),
        "parameters": dict(stage.parameters),
        "parameter-files": {
            path: hashlib.sha256(canonical_json(values)).hexdigest() for path, values in stage.parameter_files.items()
        },
        "seed": stage.seed,
        "environment": stage.environment_key,
        "platform": stage.platform,
        "variables": dict(stage.variables),
        "network": stage.network,
    }


def key_of(parts: Parts) -> str:
    """The key, hexadecimal."""
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def stage_key(stage: ResolvedStage, inputs: Mapping[str, Content]) -> str:
    """The key of a stage with these contents of its inputs, by target."""
    return key_of(key_parts(stage, inputs))
