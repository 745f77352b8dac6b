"""Reading maintainer scripts, and the verdict on packages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builder.errors import EnvbuildError
from builder.layers.system import DebFacts, system_files
from builder.layers.system.script_reader import Alternative, read_script

SHELL = "#!/bin/sh\nset -e\n"


def remainder(text: str, name: str = "postinst") -> tuple[str, ...]:
    return read_script(name, SHELL + text).remainder


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exit 0\n",
        "# rm -rf /\n",
        "# Automatically added by dh_installsystemd/13\nwhatever\n# End automatically added section\n",
        'case "$1" in\n configure)\n ;;\n abort-upgrade|abort-remove)\n  frobnicate\n ;;\n *)\n  exit 1\n ;;\nesac\n',
        'if [ "$1" = "triggered" ]; then\n  frobnicate\n  exit 0\nfi\n',
        'if [ "$1" = configure ] && [ -n "$2" ]; then\n  frobnicate\nfi\n',
        'if [ "$1" = "configure" -a -n "$2" ]; then\n  if x; then\n    frobnicate\n  fi\nfi\n',
        'if dpkg --compare-versions "$2" lt-nl 1.2; then\n  frobnicate\nelse\n  true\nfi\n',
        'dpkg-maintscript-helper rm_conffile /etc/a 1.0 -- "$@"\n',
        ". /usr/share/debconf/confmodule\ndb_version 2.0\ndb_get a/b\ndb_stop\n",
        "never_called() {\n  frobnicate\n}\n",
        "ldconfig\n",
        "if which update-menus >/dev/null 2>&1; then\n  update-menus\nfi\n",
    ],
)
def test_what_does_nothing_on_a_fresh_installation_is_understood(text: str) -> None:
    assert remainder(text) == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("frobnicate --all\n", "frobnicate --all"),
        ('case "$1" in\n configure)\n  frobnicate\n ;;\nesac\n', "frobnicate"),
        ('case "$1" in\n triggered)\n  :\n ;;\n *)\n  frobnicate\n ;;\nesac\n', "frobnicate"),
        ('if [ "$1" = configure ]; then\n  frobnicate\nfi\n', "frobnicate"),
        ('if [ "$1" = triggered ]; then\n  :\nelse\n  frobnicate\nfi\n', "frobnicate"),
        ('if [ "$1" = triggered ]; then\n  :\nelif [ -z "$2" ]; then\n  frobnicate\nfi\n', "frobnicate"),
        ('if [ "$1" = upgrade ] || [ "$1" = configure ]; then\n  frobnicate\nfi\n', "frobnicate"),
        ('if dpkg --compare-versions "$2" lt 1.2; then\n  frobnicate\nfi\n', "frobnicate"),
        ("if frobnicate; then\n  :\nfi\n", "if frobnicate"),
        ("do_it() {\n  frobnicate\n}\ndo_it\n", "frobnicate"),
        ('do_it() {\n  if [ "$1" = triggered ]; then\n    frobnicate\n  fi\n}\ndo_it triggered\n', "frobnicate"),
        ("echo $(frobnicate)\n", "echo $(frobnicate)"),
        ("echo text > /etc/file\n", "echo text > /etc/file"),
        ("cat > /etc/file <<EOF\nset -e\nEOF\n", "cat > /etc/file <<EOF"),
        (
            "update-alternatives --install /usr/bin/a a /usr/bin/$b 10\n",
            "update-alternatives --install /usr/bin/a a /usr/bin/$b 10",
        ),
        ("# Automatically added by dh_unheard_of/13\nfrobnicate\n# End automatically added section\n", "frobnicate"),
    ],
)
def test_what_is_not_understood_is_kept(text: str, line: str) -> None:
    assert remainder(text) == (line,)


def test_scripts_that_are_not_for_the_shell_are_not_understood() -> None:
    assert read_script("postinst", "#!/usr/bin/perl\n").remainder == ("#!/usr/bin/perl",)


def test_a_preinst_is_read_for_an_installation() -> None:
    text = 'case "$1" in\n install)\n  frobnicate\n ;;\n configure)\n  x\n ;;\nesac\n'
    assert remainder(text, "preinst") == ("frobnicate",)


def test_literal_alternatives_are_read_with_their_slaves() -> None:
    text = (
        "update-alternatives --quiet --install /usr/bin/pager pager \\\n  /usr/bin/less 77 \\\n"
        "  --slave /usr/share/man/man1/pager.1.gz pager.1.gz /usr/share/man/man1/less.1.gz || true\n"
        "update-alternatives --install /usr/bin/cc cc /usr/bin/gcc 20 \\\n  #--slave /a b /c\n"
    )
    reading = read_script("postinst", SHELL + text)
    manual = ("/usr/share/man/man1/pager.1.gz", "pager.1.gz", "/usr/share/man/man1/less.1.gz")
    assert reading.remainder == ()
    assert reading.alternatives == (
        Alternative("/usr/bin/pager", "pager", "/usr/bin/less", 77, (manual,)),
        Alternative("/usr/bin/cc", "cc", "/usr/bin/gcc", 20),
    )


def test_all_packages_that_need_a_script_are_named_at_once(make_facts: Callable[..., DebFacts]) -> None:
    facts = [
        make_facts("good", scripts={"postinst": SHELL}),
        make_facts("bash", scripts={"postinst": SHELL + "frobnicate\n"}),
        make_facts("one", "2.0", scripts={"postinst": SHELL + "frobnicate\n"}),
        make_facts("two", scripts={"preinst": SHELL + "defrobnicate\n"}),
        make_facts("three", files={"usr/share/glib-2.0/schemas/a.gschema.xml": b""}),
    ]
    with pytest.raises(EnvbuildError) as caught:
        system_files(facts, "amd64")
    assert [line.partition(":")[0] for line in caught.value.why] == ["`one` 2.0", "`three` 1.0-1", "`two` 1.0-1"]
    assert "frobnicate" in caught.value.why[0]
    assert "Leave the package out" in (caught.value.hint or "")


def test_a_package_is_there_once(make_facts: Callable[..., DebFacts]) -> None:
    with pytest.raises(EnvbuildError, match="there twice"):
        system_files([make_facts("a"), make_facts("a", "2.0")], "amd64")
