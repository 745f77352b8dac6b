"""What data about people look like: numbers that carry a check of their own, and forms that are told by shape. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from builder.records.scan.blocks import Wanted
from builder.records.scan.finding import Level


@dataclass(frozen=True, slots=True)
class PersonalRule:
    """One kind of data about people."""

    name: str
    what: str
    wanted: Wanted
    """Words are those of `shape`, which stand for every number of their form, or in the text itself."""
    check: Callable[[bytes], bool]
    """Whether what the pattern matches is one."""
    level: Level
    """Where there are `many` of them; else `low`."""
    many: int
    share: float = 0.0
    """Of all that the pattern matches, how much has to pass the check: numbers of other kinds pass it by chance."""


_SHAPE = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"9" * 10 + b"A" * 26)


def shape(text: bytes) -> bytes:
    """A text with `9` for each digit and `A` for each capital: numbers of one form are one word in it."""
    return text.translate(_SHAPE)


def luhn(digits: bytes) -> bool:
    """The check of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = (digit - 48) * (1 + position % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


_ISSUERS = re.compile(
    rb"4\d{12}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}"
)
_CARDS_OF_TESTS = b"""
4111111111111111 4242424242424242 4012888888881881 5555555555554444 5105105105105100 378282246310005 371449635398431
6011111111111117 6011000990139424 30569309025904 38520000023237 3530111333300000 4000056655665556 4222222222222
2223003122003222 5200828282828210 4000000000000002
"""
_KNOWN_CARDS = frozenset(_CARDS_OF_TESTS.split())
"""Of the documents of payment services, for tests."""


def is_card(text: bytes) -> bool:
    """Whether it is the number of a payment card."""
    digits = re.sub(rb"[ -]", b"", text)
    return (
        _ISSUERS.fullmatch(digits) is not None and digits not in _KNOWN_CARDS and len(set(digits)) > 3 and luhn(digits)
    )


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip
_IBANS_OF_DOCUMENTS = b"""
GB82WEST12345698765432 DE89370400440532013000 GB29NWBK60161331926819
FR1420041010050500013M02606 NL91ABNA0417164300 ES9121000418450200051332
"""
_KNOWN_IBANS = frozenset(_IBANS_OF_DOCUMENTS.split())


def is_iban(text: bytes) -> bool:
    """Whether it is the number of a bank account (ISO 13616)."""
    number = text.replace(b" ", b"")
    if number in _KNOWN_IBANS or _IBAN_LENGTHS.get(number[:2].decode("ascii", "replace")) != len(number):
        return False
    return int("".join(str(int(chr(char), 36)) for char in number[4:] + number[:4])) % 97 == 1


def is_nir(text: bytes) -> bool:
    """Whether it is a French number of social security: its key is 97 less the rest of the division by 97."""
    number = re.sub(rb"[ .]", b"", text)
    body, key = number[:13].replace(b"2A", b"19").replace(b"2B", b"18"), number[13:]
    return body.isdigit() and 97 - int(body) % 97 == int(key)


def is_dni(text: bytes) -> bool:
    """Whether it is a Spanish identity number: its letter is the rest of the division by 23."""
    number = text.replace(b"-", b"")
    digits = number[:-1].replace(b"X", b"0").replace(b"Y", b"1").replace(b"Z", b"2")
    return b"TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1] and digits != b"12345678"


_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def is_codice_fiscale(text: bytes) -> bool:
    """Whether it is an Italian tax code, by its last letter."""
    values = [char - 48 if char < 58 else char - 65 for char in text[:15]]
    total = sum(_ODD[value] if position % 2 == 0 else value for position, value in enumerate(values))
    return total % 26 == text[15] - 65


def is_cpf(text: bytes) -> bool:
    """Whether it is a Brazilian tax number, by its last two digits."""
    digits = [char - 48 for char in text if 48 <= char < 58]
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(digit * (length + 1 - position) for position, digit in enumerate(digits[:length]))
        if total * 10 % 11 % 10 != digits[length]:
            return False
    return True


def is_ssn(text: bytes) -> bool:
    """Whether it has the form of a number of the social security of the United States; it carries no check."""
    return text not in (b"078-05-1120", b"219-09-9999", b"123-45-6789")


_NOBODYS = re.compile(
    rb"(?i)@(?:[a-z0-9.-]{0,80}\.)?(?:example(?:\.[a-z]{2,6}){0,2}|test|invalid|localhost|"
    rb"domain\.(?:com|tld)|email\.com|"
    rb"users\.noreply\.github\.com)$|^(?:no-?reply|do-?not-?reply|info|support|contact|admin|hello|root|git|security|"
    rb"postmaster|webmaster|user|username|name|email|foo|test|john\.doe|jane\.doe)@"
)
_FILE_ENDINGS = re.compile(rb"(?i)\.(?:png|jpe?g|gif|svg|webp|css|js|ts|py|json|html?|md|txt|csv|gz|zip|so|dll|exe)$")


def is_email(text: bytes) -> bool:
    """Whether it is an address that may be somebody's."""
    return _NOBODYS.search(text) is None and _FILE_ENDINGS.search(text) is None


def is_phone(text: bytes) -> bool:
    """Whether it is a number as E.164 has them."""
    digits = re.sub(rb"\D", b"", text)
    if re.fullmatch(rb"\+\d{1,2}\.\d+", text):  # a number with a sign and decimals
        return False
    return 9 <= len(digits) <= 15 and len(set(digits)) > 3 and b"5550" not in digits and b"1234567" not in digits


_LEFT, _RIGHT = rb"(?<![A-Za-z0-9._+-])", rb"(?![A-Za-z0-9_]|[.-]\d)"


def _wanted(pattern: bytes, *words: bytes, lead: bytes = b"") -> Wanted:
    return Wanted(re.compile(pattern), words, re.compile(lead + rb"\Z") if lead else None)


_EMAIL = (
    rb"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}"
    rb"@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,18}(?![A-Za-z0-9-])"
)
_PHONE = rb"\+[1-9]\d{0,2}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
_CARD = rb"(?:(?:\d{4}[ -]?){3}\d{1,4}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})"
_IBAN = rb"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"
_NIR = rb"[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d"

PERSONAL_RULES = (
    PersonalRule(
        "email", "email addresses", _wanted(_EMAIL, b"@", lead=rb"[A-Za-z0-9._%+-]{1,64}"), is_email, "medium", 3
    ),
    PersonalRule("phone", "telephone numbers", _wanted(_LEFT + _PHONE + _RIGHT, b"+"), is_phone, "medium", 3, 0.5),
    PersonalRule(
        "payment-card", "numbers of payment cards",
        _wanted(_LEFT + _CARD + _RIGHT, b"9999999999999", b"9999 9999 9999", b"9999-9999-9999", b"9999 999999 99999"),
        is_card, "high", 1, 0.5,
    ),
    PersonalRule(
        "iban", "numbers of bank accounts (IBAN)", _wanted(_LEFT + _IBAN + _RIGHT, b"AA99"), is_iban, "high", 1, 0.3
    ),
    PersonalRule(
        "french-nir", "French numbers of social security",
        _wanted(_LEFT + _NIR + _RIGHT, b"9999999999", b"99999A9999", b"9 99 99 "), is_nir, "high", 1, 0.3,
    ),
    PersonalRule(
        "spanish-dni", "Spanish identity numbers",
        _wanted(
            _LEFT + rb"(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z]" + _RIGHT,
            b"99999999A", b"99999999-A", b"A9999999A", b"A9999999-A",
        ),
        is_dni, "high", 2, 0.5,
    ),
    PersonalRule(
        "italian-tax-code", "Italian tax codes",
        _wanted(_LEFT + rb"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]" + _RIGHT, b"AAAAAA99A99A999A"),
        is_codice_fiscale, "high", 1, 0.3,
    ),
    PersonalRule(
        "brazilian-cpf", "Brazilian tax numbers",
        _wanted(_LEFT + rb"\d{3}\.\d{3}\.\d{3}-\d{2}" + _RIGHT, b"999.999.999-99"), is_cpf, "high", 1, 0.5,
    ),
    PersonalRule(
        "us-ssn", "numbers of the social security of the United States",
        _wanted(_LEFT + rb"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}" + _RIGHT, b"999-99-9999"), is_ssn, "medium", 3,
    ),
)  # fmt: skip


def looks_personal(text: str) -> bool:
    """Whether a name of a column is data itself."""
    return any(rule.wanted.pattern.search(text.encode("utf-8", "replace")) for rule in PERSONAL_RULES)
