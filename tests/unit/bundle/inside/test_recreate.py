"""Laying a project out again from bundles that nobody has vouched for. The right ones are built in tests/e2e."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from made_bundles import bundle_of, documents, write_folder
from made_up_image import file, folder, layer, link

from builder.bundle.inside.recreate import recreate
from builder.bundle.reading.contents import Files
from builder.bundle.reading.reader import open_bundle, read_document
from builder.errors import EnvbuildError
from builder.oci.store import Store

SPEC = b'environment: {python: "3.11"}\n'
COPIES = (("app", "recreated/p"), ("bundle/envbuild.yaml", "recreated/p/envbuild.yaml"))

DEEP = (
    *(folder("/".join(["app", *"12345"[:depth]])) for depth in range(1, 6)),
    link("app/1/2/3/4/5/away", "../" * 4 + "x"),
)
"""A link that leads to `app/1/x`, and out of where it is laid out if that is less deep."""
DEEP_FOLDER = (*DEEP[:-1], link("app/1/2/3/4/5/up", "../" * 2))


def laid_out(root: Path, code: Sequence, copies: Sequence[tuple[str, str]] = COPIES) -> Path:
    """What becomes of a bundle with this code and recipe; the folder that it is laid out in."""
    recipe = {"project": "recreated/p", "options": [], "copies": [list(pair) for pair in copies]}
    layers = {
        "code": layer(folder("app"), *code),
        "bundle documents": documents({"envbuild.yaml": SPEC}, recreate=recipe),
    }
    bundle = open_bundle(write_folder(root / "bundle", bundle_of(layers)))
    image = bundle.images[min(bundle.images)]
    store = Store(root / "store")
    store.create()
    target = root / "target"
    target.mkdir()
    recreate(bundle, Files(bundle.layout, image, whole=False), read_document(bundle.layout, image), target, store)
    return target


def test_what_is_code_and_something_else_besides_is_there_once(tmp_path):
    code = (file("app/a.py", b"1", 0o644), file("app/envbuild.yaml", SPEC, 0o644), link("app/b.py", "a.py"))
    target = laid_out(tmp_path, code)
    project = target / "recreated/p"
    assert (project / "envbuild.yaml").read_bytes() == SPEC
    assert (project / "b.py").resolve() == (project / "a.py").resolve()
    assert (target / "recreated/.gitignore").read_text() == ""


def test_what_is_no_code_is_ignored_where_globs_look_for_code(tmp_path):
    copies = (*COPIES, ("bundle/bundle.json", "recreated/p/out/a *[b]!.json"))
    ignored = (laid_out(tmp_path, (file("app/a.py"),), copies) / "recreated/.gitignore").read_text()
    assert ignored.splitlines() == ["/p/envbuild.yaml", "/p/out/a\\ \\*\\[b\\]\\!.json"]


@pytest.mark.parametrize(
    ("code", "copies"),
    [
        ((file("app/envbuild.yaml", b"other"),), COPIES),
        ((link("app/envbuild.yaml", "a.py"), file("app/a.py", SPEC)), COPIES),
        ((file("app/a.py"),), (*COPIES, ("app/a.py", "recreated/p/a.py"))),
        ((file("app/a.py"),), (*COPIES, ("bundle/none", "recreated/p/none"))),
        ((file("app/a.py"),), (("app", "recreated/p"),)),
        ((link("app/away", "../../../.."),), COPIES),
        ((link("app/away", "/tmp"),), (*COPIES, ("bundle/bundle.json", "recreated/p/away/x"))),
        ((folder("app/p"), link("app/p/up", "..")), (*COPIES, ("bundle/bundle.json", "recreated/p/p/up/p/up/x/../y"))),
        ((file("app/../../etc/x"),), COPIES),
        (DEEP, (("app/1/2/3/4/5", "recreated/p"), COPIES[1])),
        (DEEP, (("app/1/2/3/4/5/away", "recreated/p/model.bin"), COPIES[1])),
        (DEEP, (("app/1/2/3/4/5/away", "recreated/p"), COPIES[1])),
        (DEEP, (*COPIES, ("app/1/2/3/4/5/away", "recreated/.gitignore"))),
        ((file("app/a.py"),), (*COPIES, ("bundle/bundle.json", "recreated/.git/x"))),
        ((link("app/a", "b"), link("app/b", "a")), COPIES),
        (DEEP, (("app/1/2/3/4/5/away", "recreated/q"), ("bundle/bundle.json", "recreated/q/../new/x"), *COPIES)),
        (DEEP_FOLDER, (("app/1/2/3/4/5/up", "recreated/q"), ("bundle/bundle.json", "recreated/q/new/x"), *COPIES)),
    ],
    ids=range(17),
)
def test_what_is_contradictory_missing_or_leads_out_is_refused_and_nothing_is_outside(tmp_path, code, copies):
    before = set(tmp_path.parent.iterdir())
    (tmp_path / "x").write_bytes(SPEC)
    with pytest.raises(EnvbuildError):
        laid_out(tmp_path, code, copies)
    assert set(tmp_path.parent.iterdir()) == before
    assert (tmp_path / "x").read_bytes() == SPEC
    assert {path.name for path in tmp_path.iterdir()} <= {"bundle", "store", "target", "x"}


def test_a_bundle_without_a_recipe_says_so(tmp_path):
    layers = {"bundle documents": documents({"envbuild.yaml": SPEC})}
    bundle = open_bundle(write_folder(tmp_path / "bundle", bundle_of(layers)))
    image = bundle.images[min(bundle.images)]
    with pytest.raises(EnvbuildError, match="does not say how it is recreated"):
        recreate(bundle, Files(bundle.layout, image, whole=False), {}, tmp_path, Store(tmp_path))
