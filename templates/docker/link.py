"""Link conda packages into a prefix, without network: `link.py FOLDER PREFIX`, with `packages.json` in the folder."""

import asyncio
import json
import os
import sys
from pathlib import Path

from rattler import RepoDataRecord, install

NOT_KEPT = ("extracted_package_dir", "link", "package_tarball_full_path")  # they name folders of this build


async def link(packages, folder, prefix):
    """Make the prefix hold just these packages; scripts that they bring for this are run."""
    records = [await RepoDataRecord.from_package_archive(folder / package["fn"]) for package in packages]
    cache = folder / "cache"
    await install(records, target_prefix=prefix, cache_dir=cache, execute_link_scripts=True, show_progress=False)


def tell_origin(packages, prefix):
    """Let the records of the packages say where they are from by the lock, so that conda knows them."""
    wanted = {package["fn"]: package for package in packages}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        record = {key: value for key, value in json.loads(path.read_text()).items() if key not in NOT_KEPT}
        record.update({"constrains": record.get("constrains", []), **wanted[record["fn"]]})
        record["files"].sort()
        record["paths_data"]["paths"].sort(key=lambda entry: entry["_path"])
        path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        path.chmod(0o644)
    (prefix / "conda-meta/history").touch()
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # backups would leave the prefix out


def settle_modes(prefix):
    """Let a file be writable by its owner alone, and executable by all or by nobody."""
    for path in prefix.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def main(folder, prefix):
    """Link, then leave without the interpreter's own way of ending, in which rattler's threads may abort it."""
    if prefix.exists():
        sys.exit(f"{prefix} is there already: another image has to link")
    packages = json.loads((folder / "packages.json").read_text())
    asyncio.run(link(packages, folder, prefix))
    tell_origin(packages, prefix)
    settle_modes(prefix)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
