"""What values about people look like in a column: forms, and numbers that carry a check of their own. Pure.

The rules for what stands in text are those of the scan of files (`records.scan.personal_rules`); what is added here are
values that are a number and nothing else, which only a whole column can tell from other numbers.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from builder.records.scan.personal_rules import is_card, is_email, is_iban

CONFIDENTIAL, RESTRICTED = "confidential", "restricted"
ENOUGH = 6
"""Different values that have to pass: ten of eleven numbers fail a check, so six in a row pass by chance once in a
million columns."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data about people."""

    name: str
    what: str
    classification: str = CONFIDENTIAL
    attribute: bool = False
    """Whether it tells nobody from others by itself: a gender, an age."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a whole value of one kind looks like."""

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool]
    share: float = 0.8
    """Of the values that have the pattern, how many pass the check."""
    enough: int = ENOUGH
    alone: bool = True
    """Whether values are enough; else the column's name has to speak of the kind too."""
    country: str = ""


_KINDS = (
    Kind("email", "email addresses"),
    Kind("phone", "telephone numbers"),
    Kind("name", "names of people"),
    Kind("address", "postal addresses"),
    Kind("birth-date", "dates of birth"),
    Kind("iban", "numbers of bank accounts", RESTRICTED),
    Kind("payment-card", "numbers of payment cards", RESTRICTED),
    Kind("national-number", "national numbers of people", RESTRICTED),
    Kind("passport", "numbers of passports or licences", RESTRICTED),
    Kind("ip-address", "IP addresses"),
    Kind("coordinates", "positions of people", attribute=True),
    Kind("account", "identifiers of people"),
    Kind("gender", "gender", attribute=True),
    Kind("age", "age", attribute=True),
    Kind("salary", "income", attribute=True),
    Kind("health", "health", RESTRICTED, attribute=True),
    Kind("belief", "religion, opinion or orientation", RESTRICTED, attribute=True),
    Kind("origin", "origin or nationality", RESTRICTED, attribute=True),
    Kind("family", "marital status", attribute=True),
    Kind("postcode", "postal codes", attribute=True),
)
KINDS = {kind.name: kind for kind in _KINDS}


def _is_ip(text: str) -> bool:
    """Whether it is an address of the internet; a private one is nobody's."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _is_version(text: str) -> bool:
    return all(len(part) < 3 for part in text.split("."))


def _is_position(text: str) -> bool:
    first, second = (float(part) for part in re.split(r"[,; ]+", text.strip("()[] "), maxsplit=1))
    return abs(first) <= 90 and abs(second) <= 180


@cache
def _checker(module: str) -> Callable[[str], bool]:
    """The check of python-stdnum's module of a number."""
    found: Callable[[str], bool] = importlib.import_module(f"stdnum.{module}").is_valid
    return found


def _is_number(module: str, text: str) -> bool:
    try:
        return _checker(module)(text)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
        return False  # of numbers that nobody has, python-stdnum falls over some: places of birth without a county


def _pattern(text: str) -> re.Pattern[str]:
    """Digits are those of ASCII: checks know no others."""
    return re.compile(text, re.ASCII)


def _number(module: str, pattern: str, *, alone: bool = True, enough: int = ENOUGH, share: float = 0.8) -> Form:
    return Form(
        "national-number", _pattern(pattern), lambda text: _is_number(module, text), share, enough, alone,
        module.partition(".")[0].rstrip("_").upper(),
    )  # fmt: skip


_DATE6 = r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
FORMS = (
    Form("email", _pattern(r"[^@\s<>\"'*]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-z]{2,18}"),
         lambda text: is_email(text.encode()), 0.5, 1),
    Form("iban", _pattern(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"),
         lambda text: is_iban(text.encode("ascii", "replace")), 0.5, 1),
    Form("payment-card", _pattern(r"(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{1,4}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})"),
         lambda text: is_card(text.encode()), 0.5, 1),
    Form("phone", _pattern(r"\(\d{3}\) ?\d{3}-\d{4}|[2-9]\d\d-[2-9]\d\d-\d{4}"), lambda text: "555-01" not in text),
    Form("phone", _pattern(r"0\d{1,4}[ /-]\d{2,4}(?:[ -]?\d{2,4}){1,3}|0\d(?:[ .]\d\d){4}"), lambda _: True),
    Form("phone", _pattern(r"(?:\+|00)?[\d ()./-]{7,24}"),
         lambda text: 7 <= sum(letter.isdecimal() for letter in text) <= 15, 0.5, 1, alone=False),
    Form("ip-address", _pattern(r"\d{1,3}(?:\.\d{1,3}){3}"), lambda text: _is_ip(text) and not _is_version(text),
         0.4),
    Form("ip-address", _pattern(r"[0-9a-fA-F]{1,4}:[0-9a-fA-F:]{3,34}"), _is_ip),
    Form("coordinates", _pattern(r"[(\[]?-?\d{1,2}\.\d{4,15}[,; ] ?-?\d{1,3}\.\d{4,15}[)\]]?"), _is_position),
    _number("us.ssn", r"(?!000|666|9)\d{3}-\d{2}-\d{4}"),
    _number("us.ssn", r"\d{9}", alone=False),
    _number("fr.nir", r"[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", enough=4),
    _number("es.dni", r"\d{8}-?[A-HJ-NP-TV-Z]"),
    _number("es.nie", r"[XYZ]\d{7}-?[A-HJ-NP-TV-Z]"),
    _number("it.codicefiscale", r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", enough=2),
    _number("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", enough=3),
    _number("br.cpf", r"\d{11}", share=0.9),
    _number("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", share=0.97),
    Form("national-number", _pattern(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"),
         lambda _: True, country="GB"),
    _number("de.idnr", r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"),
    _number("nl.bsn", r"\d{9}", alone=False),
    _number("be.nn", rf"{_DATE6}\d{{5}}|\d\d\.\d\d\.\d\d-\d{{3}}\.\d\d", enough=4),
    _number("pl.pesel", r"\d\d[0189]\d[0-3]\d{6}|\d\d[23]\d[0-3]\d{6}"),
    _number("se.personnummer", rf"(?:19|20)?{_DATE6}[-+]?\d{{4}}"),
    _number("no.fodselsnummer", r"[0-3]\d[01]\d{3} ?\d{5}", enough=4),
    _number("fi.hetu", r"[0-3]\d[01]\d{3}[-+A-FYXWVU]\d{3}[0-9A-Y]", enough=3),
    _number("pt.nif", r"[123]\d{8}", alone=False),
    _number("ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d{2}", enough=3),
    _number("cz.rc", r"\d{6}/\d{3,4}"),
    _number("ro.cnp", rf"[1-8]{_DATE6}\d{{6}}"),
    _number("bg.egn", r"\d\d[0-5]\d[0-3]\d{5}", share=0.95),
    _number("hr.oib", r"\d{11}", share=0.95),
    _number("ee.ik", rf"[3-6]{_DATE6}\d{{4}}"),
    _number("tr.tckimlik", r"[1-9]\d{10}", share=0.95),
    _number("za.idnr", rf"{_DATE6}\d{{4}}[01]\d\d"),
    _number("in_.aadhaar", r"[2-9]\d{3} ?\d{4} ?\d{4}", share=0.95),
    _number("cn.ric", r"\d{6}(?:19|20)\d{9}[\dX]", enough=4),
    _number("kr.rrn", rf"{_DATE6}-?[1-8]\d{{6}}"),
    _number("mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d", enough=3),
    _number("ca.sin", r"[1-9]\d{2} \d{3} \d{3}|[1-9]\d{2}-\d{3}-\d{3}"),
    _number("ca.sin", r"[1-9]\d{8}", alone=False),
    _number("au.tfn", r"\d{9}|\d{3} \d{3} \d{3}", alone=False),
    _number("il.idnr", r"\d{9}", alone=False),
)  # fmt: skip

_TEXT_GENDERS = """
m f w d x u male female man woman other nonbinary diverse unknown mann frau mannlich weiblich männlich divers homme
femme masculin féminin hombre mujer masculino femenino uomo donna maschio femmina v h 0 1 2 9 男 女
"""
_GENDERS = frozenset(_TEXT_GENDERS.split())
_DATES = (
    r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}(?:[T ].*)?|(?:18|19|20)\d\d(?:\.0)?|(?:19|20)\d{6}|"
    r"\d{1,2}[ -][^\W\d_]{3,10}\.?[ -]\d{2,4}"
)
_FITTING = {
    "email": r".*@.*",
    "phone": r"[+\d ()./x-]{5,30}(?:\.0)?",
    "name": r"[^\d@_/\\]{1,80}",
    "address": r"(?=.*[^\W\d_]).{1,200}",
    "birth-date": _DATES,
    "age": r"\d{1,3}(?:\.\d+)?(?:[-+]\d{0,3})?",
    "ip-address": r"(?=.*[.:])[0-9a-fA-F.:]{3,45}",
    "coordinates": r"[(\[]?-?\d{1,3}(?:\.\d+)?(?:[,; ]+-?\d{1,3}\.\d+)?[)\]]?",
    "iban": r"(?=.*\d)[A-Za-z]{0,2}[\dA-Za-z ]{5,40}",
    "payment-card": r"[\d*xX -]{4,25}",
    "national-number": r"(?=.*\d)[\dA-Za-z .*/+-]{4,25}",
    "passport": r"[\dA-Za-z -]{5,20}",
    "account": r".{1,80}",
    "postcode": r"[\dA-Za-z -]{3,10}(?:\.0)?",
}
_FITS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _FITTING.items()}
"""Whether a value may be of the kind that the column's name speaks of."""


def fits(kind: str, text: str) -> bool:
    """Whether a value may be of a kind that the column's name speaks of; of kinds that can be anything, always."""
    if kind == "gender":
        return text.lower() in _GENDERS
    return kind not in _FITS or _FITS[kind].fullmatch(text) is not None
