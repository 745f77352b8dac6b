"""Names of licences that others use, as SPDX expressions: only where a name means one licence. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.records.licenses.expression import NOASSERTION, spdx

_CLASSIFIER = "License :: "
_CLASSIFIERS = {
    "OSI Approved :: Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "OSI Approved :: Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "OSI Approved :: Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "OSI Approved :: European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "OSI Approved :: European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "OSI Approved :: GNU Affero General Public License v3": "AGPL-3.0-only",
    "OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "OSI Approved :: GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "OSI Approved :: GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "OSI Approved :: GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "OSI Approved :: GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "OSI Approved :: ISC License (ISCL)": "ISC",
    "OSI Approved :: MIT License": "MIT",
    "OSI Approved :: MIT No Attribution License (MIT-0)": "MIT-0",
    "OSI Approved :: Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
    "OSI Approved :: Universal Permissive License (UPL)": "UPL-1.0",
    "OSI Approved :: Zero-Clause BSD (0BSD)": "0BSD",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
}
"""The trove classifiers that name one version of one licence (PEP 639 lists those that do not)."""

_ALIASES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "the apache license version 2.0": "Apache-2.0",
    "2-clause bsd license": "BSD-2-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "simplified bsd license": "BSD-2-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd-3-clause license": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "gplv2+": "GPL-2.0-or-later",
    "gplv3+": "GPL-3.0-or-later",
    "isc license": "ISC",
    "lgplv2+": "LGPL-2.0-or-later",
    "lgplv3+": "LGPL-3.0-or-later",
    "expat": "MIT",
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mozilla public license 2.0": "MPL-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense": "Unlicense",
}
"""Full names and usual spellings, in lower case and without commas."""

_DEBIAN = {
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0",
    "artistic-1": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "freebsd": "BSD-2-Clause",
    "perl": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "python": "Python-2.0",
    "qpl": "QPL-1.0",
}
"""The short names of Debian's machine-readable copyright files that are not SPDX's (format 1.0, section 7.1)."""
_DEBIAN_GNU = re.compile(r"(AGPL|LGPL|GPL|GFDL)(-NIV)?-(\d)(?:\.(\d))?(?:\.0)?(\+?)", re.IGNORECASE)


def stated_license(text: str) -> str:
    """The expression that a few words mean; `NOASSERTION`, if they may mean several things."""
    words = " ".join(text.split())
    return spdx(words) or _ALIASES.get(words.lower().replace(",", ""), NOASSERTION)


def classified_license(classifiers: Iterable[str]) -> str:
    """The licence that trove classifiers name; `NOASSERTION`, if it is not one."""
    named = {one.removeprefix(_CLASSIFIER) for one in classifiers if one.startswith(_CLASSIFIER)} - {"OSI Approved"}
    return _CLASSIFIERS.get(named.pop(), NOASSERTION) if len(named) == 1 else NOASSERTION


def debian_license(name: str) -> str:
    """What a short name of Debian's copyright files means.

    A name that has no meaning for SPDX becomes a reference to the text beside it: `LicenseRef-Debian-public-domain`.
    """
    gnu = _DEBIAN_GNU.fullmatch(name)
    known = _gnu(gnu) if gnu else _DEBIAN.get(name.lower(), name)
    return spdx(known) or "LicenseRef-Debian-" + (re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "unnamed")[:100]


def _gnu(match: re.Match[str]) -> str:
    family, invariants, major, minor, later = match.groups()
    kind = "-no-invariants" if invariants else ""
    return f"{family}-{major}.{minor or 0}{kind}-{'or-later' if later else 'only'}"
