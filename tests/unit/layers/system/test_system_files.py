"""The files that are made in place of maintainer scripts."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Directory
from builder.layers.system import DebFacts, system_directories, system_files
from builder.layers.system.x509_name import certificate_of, subject_hash

MakeFacts = Callable[..., DebFacts]


def made(*facts: DebFacts, architecture: str = "amd64") -> dict[str, FileEntry]:
    entries = system_files(facts, architecture)
    FileTree(entries)
    return {entry.path: entry for entry in entries}


def test_every_image_has_links_accounts_and_folders(make_facts: MakeFacts) -> None:
    entries = made()
    assert {path: entry.target for path, entry in entries.items() if entry.target} == {
        "bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin",
        "var/lock": "/run/lock", "var/run": "/run",
    }  # fmt: skip
    assert b"root:*:0:0:" in entries["etc/passwd"].data
    assert entries["etc/group"].data.endswith(b"nonroot:*:65532:\n")
    directories = system_directories([], "amd64")
    assert Directory("home/nonroot", 0o700, 65532, 65532) in directories
    assert Directory("tmp", 0o1777) in directories
    assert list(directories) == sorted(directories)


def test_links_are_left_to_the_package_that_ships_them(make_facts: MakeFacts) -> None:
    links = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin"}
    assert not made(make_facts("base-files", links=links)).keys() & links.keys()
    assert "lib64" not in made(architecture="arm64")


def test_files_do_not_depend_on_the_order_of_packages(make_facts: MakeFacts) -> None:
    facts = [
        make_facts(
            name,
            scripts={"postinst": f"#!/bin/sh\nupdate-alternatives --install /usr/bin/x x /usr/bin/{name} 5\n"},
            listed=[f"usr/bin/{name}"],
        )
        for name in ("a", "b", "c")
    ]
    expected = system_files(facts, "amd64")
    random.Random(3).shuffle(facts)
    assert system_files(facts, "amd64") == expected


def test_accounts_come_from_the_masters_and_have_shadows_where_passwd_is(make_facts: MakeFacts) -> None:
    masters = {
        "usr/share/base-passwd/passwd.master": b"root:*:0:0:root:/root:/bin/bash\nbin:*:2:2:bin:/bin:/usr/bin/sh\n",
        "usr/share/base-passwd/group.master": b"root:*:0:\nstaff:*:50:\n",
    }
    plain = made(make_facts("base-passwd", files=masters))
    assert plain["etc/passwd"].data.splitlines()[1:] == [
        b"bin:*:2:2:bin:/bin:/usr/bin/sh",
        b"nonroot:*:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin",
    ]
    assert "etc/shadow" not in plain
    shadowed = made(make_facts("base-passwd", files=masters), make_facts("passwd"))
    assert shadowed["etc/passwd"].data.startswith(b"root:x:0:0:")
    assert shadowed["etc/shadow"].data.splitlines()[0] == b"root:*::0:99999:7:::"
    assert (shadowed["etc/shadow"].mode, shadowed["etc/shadow"].gid) == (0o640, 42)


def test_system_accounts_get_the_highest_free_numbers(make_facts: MakeFacts) -> None:
    section = "#!/bin/sh\n# Automatically added by dh_installsysusers/14.5\nx\n# End automatically added section\n"
    lines = b'# text\ng _ssh -\nu daemon2 - "A daemon" /var/lib/x /bin/false\nu fixed 77 - - -\nm a b\n'
    entries = made(make_facts("pkg", scripts={"postinst": section}, files={"usr/lib/sysusers.d/pkg.conf": lines}))
    assert [
        line for line in entries["etc/passwd"].data.decode().splitlines() if "root" not in line and "nobody" not in line
    ] == [
        "daemon2:*:998:998:A daemon:/var/lib/x:/bin/false",
        "fixed:*:77:77::/:/usr/sbin/nologin",
    ]
    assert "_ssh:*:999:" in entries["etc/group"].data.decode()


def test_the_alternative_of_the_highest_priority_that_exists_is_taken(make_facts: MakeFacts) -> None:
    def package(name: str, priority: int, *, exists: bool = True) -> DebFacts:
        slave = f"--slave /usr/bin/also also /usr/bin/also.{name}"
        call = f"update-alternatives --install /bin/tool tool /usr/bin/{name} {priority} {slave}"
        listed = [f"usr/bin/{name}", f"usr/bin/also.{name}"] if exists else []
        return make_facts(name, scripts={"postinst": f"#!/bin/sh\n{call}\n"}, listed=listed)

    entries = made(package("low", 10), package("high", 20), package("ghost", 99, exists=False))
    assert {path: entry.target for path, entry in entries.items() if "tool" in path or "also" in path} == {
        "usr/bin/tool": "/etc/alternatives/tool",
        "etc/alternatives/tool": "/usr/bin/high",
        "usr/bin/also": "/etc/alternatives/also",
        "etc/alternatives/also": "/usr/bin/also.high",
    }


def test_shells_are_listed_as_written_and_where_they_lie(make_facts: MakeFacts) -> None:
    files = {"usr/share/debianutils/shells": b"# text\n/bin/sh\n"}
    dash = make_facts("dash", files={"usr/share/debianutils/shells.d/dash": b"/bin/dash#\n"})
    assert made(make_facts("debianutils", files=files), dash)["etc/shells"].data == (
        b"# text\n/bin/sh\n/usr/bin/sh\n/bin/dash\n/usr/bin/dash\n"
    )
    assert made(make_facts("bash"))["usr/bin/sh"].target == "bash"
    assert "usr/bin/sh" not in made(make_facts("bash"), make_facts("dash", listed=["usr/bin/sh"]))


def test_packages_are_listed_for_scanners(make_facts: MakeFacts) -> None:
    entries = made(make_facts("libc6", "2.36-9"))
    assert entries["var/lib/dpkg/status.d/libc6"].data == b"Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n"


def test_small_scripts_are_followed(make_facts: MakeFacts) -> None:
    base = (
        "#!/bin/sh\n  install_from_default motd /etc/motd\n  install_directory var/mail 2775 mail\n"
        "  ensure_file_owner_mode /var/log/btmp root:utmp 660\n"
    )
    netbase = "#!/bin/sh\n\tcat > /etc/networks <<-EOF\n\t\tloopback\t127.0.0.0\n\tEOF\n"
    tzdata = '#!/bin/sh\n    echo "$TIMEZONE" > "$DPKG_ROOT/etc/timezone"\n'
    facts = [
        make_facts("base-files", scripts={"postinst": base}, files={"usr/share/base-files/motd": b"hello\n"}),
        make_facts("netbase", scripts={"postinst": netbase}),
        make_facts("tzdata", scripts={"postinst": tzdata}),
        make_facts("python3.13-minimal", scripts={"postinst": "localsite=/usr/local/lib/python3.13/dist-packages\n"}),
        make_facts(
            "libpam-runtime", files={"usr/share/pam/common-auth": b"# a\n$auth_primary\n# b\n$auth_additional\n"}
        ),
    ]
    entries = made(*facts)
    assert entries["etc/motd"].data == b"hello\n"
    assert (entries["var/log/btmp"].mode, entries["var/log/btmp"].gid) == (0o660, 43)
    assert entries["etc/networks"].data == b"loopback\t127.0.0.0\n"
    assert (entries["etc/localtime"].target, entries["etc/timezone"].data) == (
        "/usr/share/zoneinfo/Etc/UTC",
        b"Etc/UTC\n",
    )
    assert entries["etc/pam.d/common-auth"].data == b"# a\nauth\t[success=1 default=ignore]\tpam_unix.so nullok\n# b\n"
    directories = system_directories(facts, "amd64")
    assert Directory("var/mail", 0o2775, 0, 8) in directories
    assert Directory("usr/local/lib/python3.13/dist-packages") in directories


NAMES = [
    "/C=CH/O=Example  Ltd/CN= Root   CA ",
    "/CN=ÉCOLE Publique/O=STRASSE",
    "/C=DE/O=Org+OU=Unit/CN=x",
    "/CN=a@b.example/emailAddress=Root@Example.COM",
]


def _make_certificate(folder: Path, subject: str, *options: str) -> bytes:
    path = folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:1024",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-out",
        str(path),
        "-subj",
        subject,
        "-days",
        "2",
        *options,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return path.read_bytes()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="`openssl` is not installed")
@pytest.mark.parametrize("subject", NAMES)
@pytest.mark.parametrize("options", [(), ("-utf8",)])
def test_subjects_are_hashed_as_openssl_does(tmp_path: Path, subject: str, options: tuple[str, ...]) -> None:
    pem = _make_certificate(tmp_path, subject, *options)
    command = ["openssl", "x509", "-noout", "-hash", "-in", str(tmp_path / "certificate.pem")]
    expected = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert subject_hash(certificate_of(pem, "a"), "a") == expected


@pytest.mark.skipif(shutil.which("openssl") is None, reason="`openssl` is not installed")
def test_certificates_are_bundled_listed_and_linked_in_bytewise_order(make_facts: MakeFacts, tmp_path: Path) -> None:
    one, two = (_make_certificate(tmp_path, subject) for subject in ("/CN=One", "/CN=One"))
    files = {
        "usr/share/ca-certificates/mozilla/b (x).crt": one,
        "usr/share/ca-certificates/mozilla/Z.crt": two.rstrip(b"\n"),
        "usr/share/ca-certificates/mozilla/c.crt": one,
    }
    entries = made(make_facts("ca-certificates", files=files))
    assert entries["etc/ssl/certs/ca-certificates.crt"].data == two + one + one
    assert entries["etc/ca-certificates.conf"].data.endswith(b"#\nmozilla/Z.crt\nmozilla/b (x).crt\nmozilla/c.crt\n")
    links = {
        path.removeprefix("etc/ssl/certs/"): entry.target
        for path, entry in entries.items()
        if path.startswith("etc/ssl") and entry.target
    }
    digits = subject_hash(certificate_of(one, "one"), "one")
    assert links == {
        "Z.pem": "/usr/share/ca-certificates/mozilla/Z.crt",
        "b_=x=.pem": "/usr/share/ca-certificates/mozilla/b (x).crt",
        "c.pem": "/usr/share/ca-certificates/mozilla/c.crt",
        f"{digits}.0": "Z.pem",
        f"{digits}.1": "b_=x=.pem",
    }


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x03\x30\x01\x00", b"\x30\x84\xff\xff\xff\xff", b"\x1f\x1f" * 9, b"\x30\x80\x00\x00"]
)
def test_malformed_certificates_are_named(data: bytes) -> None:
    with pytest.raises(EnvbuildError, match=r"`bad\.crt` is not well-formed"):
        subject_hash(data, "bad.crt")
    with pytest.raises(EnvbuildError, match=r"`bad\.crt` is not one certificate"):
        certificate_of(data, "bad.crt")
