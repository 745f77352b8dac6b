"""Two gigabytes of weights are packed without being held in memory, and without a second copy in the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIZE = 2 << 30
LIMIT = 200 << 20
PACK = """
import json, resource, sys
from pathlib import Path
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Directory
from builder.layers.join import write_plain_layer
from builder.oci.archive import ArchiveReader, write_archive
from builder.oci.documents import MEDIA_TYPE_CONFIG, MEDIA_TYPE_MANIFEST, Descriptor, Manifest
from builder.oci.store import Store
source, folder = map(Path, sys.argv[1:])
store = Store(folder / "store")
store.create()
tree = FileTree([FileEntry.on_disk("model/weights.bin", source)])
layer = write_plain_layer(store, [Directory("model")], tree)
config = Descriptor(MEDIA_TYPE_CONFIG, store.write(b"{}"), 2)
data = Manifest(config, (layer.descriptor,)).to_bytes()
top = Descriptor(MEDIA_TYPE_MANIFEST, store.write(data), len(data))
write_archive(folder / "bundle.tar", store, top, None)
whole = ArchiveReader(folder / "bundle.tar").has(layer.descriptor.digest, layer.descriptor.size)
kept = sum(part.size for part in store.usage())
print(json.dumps([whole, kept, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


def test_packing_weights_needs_little_memory_and_no_second_copy(tmp_path: Path) -> None:
    source = tmp_path / "weights.bin"
    source.touch()
    os.truncate(source, SIZE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", PACK, str(source), str(tmp_path)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    whole, kept, peak = json.loads(done.stdout)
    assert whole
    assert kept < 1 << 20
    assert peak < LIMIT
    assert (tmp_path / "bundle.tar").stat().st_size > SIZE
