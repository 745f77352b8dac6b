"""A fuzzer of what reads bundles, led by what code is reached: `python fuzz_bundles.py PART FOLDER -max_total_time=60`.

PART is `archive`, `layer` or `document`; what is found is written where libFuzzer writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["builder.oci", "builder.bundle"]):
    import bundle_readers

READ = {
    "archive": (bundle_readers.read_archive, "a.tar"),
    "layer": (bundle_readers.read_layer, "a"),
    "document": (bundle_readers.read_document, "a"),
}


def main() -> None:
    """Fuzz one part, from a well-formed seed."""
    part, folder = sys.argv[1], Path(sys.argv[2])
    read, name = READ[part]
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    (corpus / "seed").write_bytes(bundle_readers.SEEDS[part])
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], lambda data: read(folder / name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
