from __future__ import annotations

import pytest

from builder.records.licenses import names
from builder.records.licenses.debian_copyright import copyright_license
from builder.records.licenses.expression import NOASSERTION, spdx
from builder.records.licenses.names import classified_license, debian_license, stated_license

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


@pytest.mark.parametrize("table", ["_CLASSIFIERS", "_ALIASES", "_DEBIAN"])
def test_tables_name_licences_that_spdx_has(table: str) -> None:
    for expression in getattr(names, table).values():
        assert spdx(expression) == expression


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("BSD 3-Clause License", "BSD-3-Clause"),
        ("mit", "MIT"),
        ("BSD", NOASSERTION),
        ("GPL", NOASSERTION),
        ("Dual License", NOASSERTION),
        ("", NOASSERTION),
    ],
)
def test_a_few_words_mean_a_licence_only_where_they_mean_one(text: str, meant: str) -> None:
    assert stated_license(text) == meant


@pytest.mark.parametrize(
    ("classifiers", "meant"),
    [
        (["OSI Approved :: MIT License"], "MIT"),
        (["OSI Approved", "OSI Approved :: MIT License"], "MIT"),
        (["OSI Approved :: MIT License", "OSI Approved :: ISC License (ISCL)"], NOASSERTION),
        (["OSI Approved :: BSD License"], NOASSERTION),
        (["OSI Approved :: Apache Software License"], NOASSERTION),
        (["Other/Proprietary License"], NOASSERTION),
        ([], NOASSERTION),
    ],
    ids=range(7),
)
def test_classifiers_mean_a_licence_only_where_there_is_one_and_it_has_a_version(
    classifiers: list[str], meant: str
) -> None:
    assert classified_license([f"License :: {one}" for one in classifiers]) == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Expat", "MIT"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("public-domain", "LicenseRef-Debian-public-domain"),
        ("GPL-3+ with Bison exception", "LicenseRef-Debian-GPL-3-with-Bison-exception"),
        ("GPL-9+", "LicenseRef-Debian-GPL-9"),
        ("§$%", "LicenseRef-Debian-unnamed"),
    ],
)
def test_debians_names_become_those_of_spdx_or_references_to_the_text(name: str, meant: str) -> None:
    assert debian_license(name) == meant
    assert spdx(meant) == meant


def copyright_of(*licenses: str) -> str:
    return FORMAT + "".join(f"\nFiles: {number}/*\nLicense: {line}\n text\n" for number, line in enumerate(licenses))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (copyright_of("Expat"), "MIT"),
        (copyright_of("Expat", "Expat", "ISC"), "ISC AND MIT"),
        (copyright_of("GPL-2+ or Artistic", "Expat"), "(GPL-2.0-or-later OR Artistic-1.0) AND MIT"),
        (copyright_of("GPL-2+ or Artistic, and ISC"), "(GPL-2.0-or-later OR Artistic-1.0) AND ISC"),
        (copyright_of("Expat and ISC or Zlib"), "MIT AND ISC OR Zlib"),
        (copyright_of("Perl and ISC"), "(Artistic-1.0-Perl OR GPL-1.0-or-later) AND ISC"),
        (FORMAT + "License: Expat\n\nLicense: ISC\n text\n", "MIT"),
        (FORMAT.replace("https", "http") + "\r\nFiles: *\r\nLicense: Zlib\r\n", "Zlib"),
        ("This package is under the GPL.\nLicense: Expat\n", NOASSERTION),
        (FORMAT, NOASSERTION),
        (copyright_of("word " * 500), NOASSERTION),
        (copyright_of(*(f"Own-{number}" for number in range(501))), NOASSERTION),
        ("", NOASSERTION),
    ],
    ids=range(13),
)
def test_a_copyright_file_asks_for_the_licences_of_all_its_files(text: str, meant: str) -> None:
    found = copyright_license(text)
    assert found == meant
    assert found == NOASSERTION or spdx(found) == found
