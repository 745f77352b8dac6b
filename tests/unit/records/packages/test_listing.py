from __future__ import annotations

from made_locks import AMD64, made_deb, made_lock, made_wheel
from made_subjects import made_packages

from builder.oci.digest import Digest
from builder.records.packages.listing import list_packages, locked_artifacts
from builder.records.packages.stated import LicenseText, Stated
from builder.spec import Environment

TEXT = LicenseText("usr/share/doc/lib-base/copyright", Digest("e" * 64), 7)


def test_what_packages_need_are_packages_of_the_list() -> None:
    debs = [made_deb("python3.11", "3.11.2", "libc6"), made_deb("libc6")]
    wheels = [made_wheel("pandas", "2.0", "numpy"), made_wheel("numpy", "2.0")]
    lock = made_lock(Environment(), wheels, debs)
    stated = {one.digest: Stated() for one in locked_artifacts(lock, AMD64)}
    packages = {one.name: one for one in list_packages(lock, AMD64, stated)}
    assert list(packages) == ["libc6", "python3.11", "numpy", "pandas"]
    assert packages["python3.11"].needs == (packages["libc6"].purl,)
    assert packages["pandas"].needs == tuple(sorted((packages["numpy"].purl, packages["python3.11"].purl)))
    assert [name for name, one in packages.items() if one.is_root] == ["python3.11", "pandas"]


def test_a_deb_without_documentation_says_what_the_one_says_that_it_refers_to() -> None:
    debs = [made_deb("lib-base"), made_deb("lib1"), made_deb("lib2")]
    lock = made_lock(Environment(), [], debs)
    stated = {
        debs[0].digest: Stated("MIT", "", (TEXT,), source="src"),
        debs[1].digest: Stated(elsewhere="lib-base", source="lib-src 2"),
        debs[2].digest: Stated(elsewhere="not-there"),
    }
    packages = {one.name: one for one in list_packages(lock, AMD64, stated)}
    assert (packages["lib1"].license, packages["lib1"].stated.texts) == ("MIT", (TEXT,))
    assert packages["lib1"].purl.endswith("upstream=lib-src%402")
    assert packages["lib2"].license == "NOASSERTION"


def test_a_base_and_an_interpreter_are_packages_too() -> None:
    _, packages = made_packages(base=True)
    assert [one.kind for one in packages][:2] == ["base", "interpreter"]
    base, interpreter = packages[:2]
    assert (base.license, base.name) == ("NOASSERTION", "team/python")
    wheels = [one for one in packages if one.kind == "python"]
    assert all(interpreter.purl in one.needs for one in wheels)
