"""Runs inside datacontract-cli's own environment: each contract that is named, and what came of its rules, as JSON.

A contract's data are found relative to its folder.
"""

import contextlib
import json
import os
import sys
from pathlib import Path


def checked(file: Path) -> list[dict[str, str]]:
    """What came of each rule."""
    from datacontract.data_contract import DataContract

    os.chdir(file.parent)
    run = DataContract(data_contract_file=file.name).test()
    return [
        {"type": each.type, "field": each.field or "", "result": each.result.value if each.result else "none"}
        for each in run.checks
    ]


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answers = {name: checked(Path(name)) for name in sys.argv[1:]}
    print(json.dumps(answers))
