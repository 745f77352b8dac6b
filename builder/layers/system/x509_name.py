"""The hash of a certificate's subject by which OpenSSL finds it in a folder (`X509_NAME_hash`, `openssl rehash`).

Owns a walk over the DER of one certificate (X.690; RFC 5280, 4.1) as far as its subject, and OpenSSL's canonical form
of a name (`crypto/x509/x_name.c`): values as UTF-8 in lower case, without spaces around them, single spaces inside.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from builder.errors import EnvbuildError

_SEQUENCE, _SET, _UTF8 = 0x30, 0x31, 0x0C
_VERSION = 0xA0
_ENCODINGS = {
    0x0C: "utf-8",
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String, as OpenSSL reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)
_SPACES = re.compile("[ \t\n\v\f\r]+")


def certificate_of(pem: bytes, name: str) -> bytes:
    """The DER of the one certificate in a PEM file.

    Raises: EnvbuildError, naming it, if there is not exactly one.
    """
    blocks = _PEM.findall(pem)
    try:
        (block,) = blocks
        return base64.b64decode(b"".join(block.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise EnvbuildError(f"`{name}` is not one certificate in PEM form", f"{len(blocks)} are in it") from error


def subject_hash(certificate: bytes, name: str) -> str:
    """The eight hexadecimal digits for the subject of a certificate in DER.

    Raises: EnvbuildError, naming it, if it is not well-formed.
    """
    try:
        subject = _subject(certificate)
        canonical = b"".join(_canonical_set(content) for _, content in _elements(subject))
    except (ValueError, IndexError) as error:
        raise EnvbuildError(f"The certificate `{name}` is not well-formed", str(error)) from error
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _subject(certificate: bytes) -> bytes:
    """The content of the subject's SEQUENCE: of TBSCertificate the fifth field after the optional version."""
    _, outer, _ = _element(certificate, 0)
    _, signed, _ = _element(outer, 0)
    fields = _elements(signed)
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    tag, subject = fields[4]
    if tag != _SEQUENCE:
        raise ValueError("its subject is not a sequence")
    return subject


def _canonical_set(content: bytes) -> bytes:
    """One relative distinguished name; the parts of a SET OF are sorted by their encodings."""
    parts = []
    for tag, attribute in _elements(content):
        (kind_tag, kind), (value_tag, value) = _elements(attribute)
        if value_tag in _ENCODINGS:
            value_tag, value = _UTF8, _canonical_text(value.decode(_ENCODINGS[value_tag]))
        parts.append(_encode(tag, _encode(kind_tag, kind) + _encode(value_tag, value)))
    return _encode(_SET, b"".join(sorted(parts)))


def _canonical_text(text: str) -> bytes:
    stripped = _SPACES.sub(" ", text.strip(" \t\n\v\f\r"))
    return "".join(character.lower() if character.isascii() else character for character in stripped).encode()


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    elements = []
    start = 0
    while start < len(data):
        tag, content, start = _element(data, start)
        elements.append((tag, content))
    return elements


def _element(data: bytes, start: int) -> tuple[int, bytes, int]:
    """The tag and content at `start`, and where the next element begins."""
    tag, length, begin = data[start], data[start + 1], start + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of several bytes")
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= 4:
            raise ValueError("a length that DER does not allow")
        length, begin = int.from_bytes(data[begin : begin + count], "big"), begin + count
    if begin + length > len(data):
        raise ValueError("an element that goes beyond the end")
    return tag, data[begin : begin + length], begin + length


def _encode(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
