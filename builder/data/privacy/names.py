"""What the name of a column says about what is in it, in several languages. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_WORDS = """\
email: email, e mail, mail address, mailadresse, courriel, correo, posta elettronica, e post, epost, sahkoposti, 邮箱,
  電子郵件, メール, 이메일
phone: phone, telephone, phone number, phonenumber, mobile, mobile number, cell, cellphone, tel, fax, msisdn, telefon,
  telefonnummer, handy, handynummer, mobil, portable, telefono, movil, celular, cellulare, telefone, telefoon,
  telefoonnummer, puhelin, 电话, 手机, 電話, 전화
name: first name, firstname, fname, last name, lastname, lname, full name, fullname, middle name, given name,
  givenname, family name, surname, maiden name, person name, customer name, patient name, client name, user real name,
  employee name, student name, contact name, cardholder, card holder, account holder, next of kin, vorname, nachname,
  familienname, geburtsname, nom de famille, prenom, nombre, apellido, apellidos, nome completo, sobrenome, cognome,
  voornaam, achternaam, fornavn, etternavn, efternavn, fornamn, efternamn, etunimi, sukunimi, imie, nazwisko, jmeno,
  prijmeni, name, 姓名, 氏名, 이름
address: address, street, street address, address line, home address, postal address, billing address, shipping
  address, house number, adresse, anschrift, strasse, hausnummer, wohnort, rue, direccion, calle, domicilio,
  indirizzo, endereco, rua, adres, straat, adress, gata, osoite, ulica, 地址, 住所, 주소
birth-date: born, birth, birthdate, birth date, date of birth, dob, birthday, birth day, birth year, year of birth,
  birthyear, geburtsdatum, geburtstag, geburtsjahr, geb datum, date de naissance, date naissance, naissance, fecha de
  nacimiento, fecha nacimiento, nacimiento, data di nascita, data nascita, data de nascimento, nascimento,
  geboortedatum, fodselsdato, fodelsedatum, syntymaaika, data urodzenia, 出生日期, 生年月日, 생년월일
iban: iban, bank account, bank account number, account number iban, kontonummer, bankverbindung, rib, cuenta bancaria
payment-card: card number, cardnumber, credit card, creditcard, cc number, ccnum, debit card, pan number, kreditkarte,
  kartennummer, carte bancaire, numero carte, tarjeta, carta di credito
national-number: ssn, social security, social security number, national id, national insurance, nino, nhs, nhs number,
  tax id, taxpayer id, itin, sin, tfn, steuer id, steueridnr, steuernummer, sozialversicherungsnummer, svnr, ahv, ahv
  nummer, nir, numero securite sociale, numero de securite sociale, dni, nie, nif, codice fiscale, cpf, bsn,
  burgerservicenummer, rijksregisternummer, pesel, personnummer, fodselsnummer, hetu, henkilotunnus, cpr, rodne cislo,
  cnp, egn, oib, amka, tckn, tc kimlik, aadhaar, curp, rrn, id card, identity number, identity card, ausweisnummer,
  身份证, 身份证号, 주민등록번호, マイナンバー
passport: passport, passport number, passport no, passnummer, reisepass, passeport, pasaporte, passaporto, passaporte,
  paspoort, driver license, drivers license, driver licence, driving licence, fuhrerschein, permis de conduire, 护照
ip-address: ip, ip address, ipaddress, ip addr, ipaddr, client ip, remote addr, remote ip, source ip, src ip, x
  forwarded for, ipv4, ipv6
coordinates: gps, gps position, geo point, geolocation, latitude, longitude, lat, lon, lng, breitengrad, langengrad,
  latitud, longitud, coordinates, koordinaten
account: username, user name, login, login name, user id, userid, customer id, patient id, subject id, person id,
  employee id, member id, medical record number, mrn, benutzername, kundennummer, patientennummer, personalnummer,
  matrikelnummer, identifiant client, device id, advertising id, idfa, cookie id
gender: gender, sex, geschlecht, sexe, sexo, genero, sesso, genere, geslacht, kjonn, kon, sukupuoli, plec,
  性别, 性別, 성별
age: age, alter, edad, eta, idade, leeftijd, alder, ika, wiek, 年龄, 年齢, 나이
salary: salary, wage, wages, income, compensation, pay grade, annual income, gehalt, lohn, einkommen, salaire, revenu,
  salario, sueldo, ingresos, stipendio, reddito, renda, inkomen, loon, 工资, 収入
health: diagnosis, disease, icd, icd10, icd 10, blood type, blood group, blood pressure, medication, disability,
  allergy, allergies, hiv, pregnancy, pregnant, diagnose, krankheit, blutgruppe, diagnostic, maladie, diagnostico,
  enfermedad, diagnosi, malattia, 诊断, 病名
belief: religion, religious affiliation, political party, political opinion, party affiliation, trade union, union
  membership, sexual orientation, konfession, gewerkschaft, 宗教
origin: ethnicity, ethnic group, ethnic origin, race, nationality, citizenship, country of birth, place of birth,
  birthplace, staatsangehorigkeit, nationalitat, geburtsort, nationalite, nacionalidad, nazionalita, 国籍, 民族
family: marital status, marital, civil status, familienstand, situation familiale, estado civil, stato civile, 婚姻
postcode: postcode, post code, postal code, zip, zip code, zipcode, plz, postleitzahl, code postal, codigo postal,
  cap, cep, postnummer, 邮编, 郵便番号
"""
"""Phrases by the kind of data that they name; written without accents, in small letters, a blank between words."""

_TEXT_PERSONS = """
customer client patient person user employee student contact member applicant owner passenger guest driver subject
participant respondent buyer seller kunde kunden personne patienten kontakt mitarbeiter cliente paciente holder his
her their own my your primary secondary home work private no number nr num id code value str text raw key main new old
group band bracket class level years year at in of the a is and to field col column
"""
_PERSONS = frozenset(_TEXT_PERSONS.split())
"""Words that may stand beside one of an ambiguous phrase."""
_TEXT_OTHERS = """
product item company firm business brand store shop city country file column table feature event order invoice model
car vehicle house housing building school bank hotel restaurant movie film song game team project server host domain
class category test dummy isbn issn ean gtin upc sku siren siret imei barcode memory mac url web template page wine
flower animal species median mean avg average count total sum min max rate ratio percent pct std share population has
"""
_OTHERS = frozenset(_TEXT_OTHERS.split())
"""Words that say that it is about something else than a person."""
_TEXT_AMBIGUOUS = """
name cell tel mobile portable nombre lat lon lng cap cep age alter eta sex kon sin pan race zip rue rib nir nie dob
nif cnp egn oib street mobil login ip address income birth
"""
_AMBIGUOUS = frozenset(_TEXT_AMBIGUOUS.split())
"""Phrases that are taken only among words that fit."""


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters without accents: `customerEMail_2` has `customer`, `e`, `mail`."""
    split = re.sub(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name[:200])
    plain = unicodedata.normalize(
        "NFKD", split.replace("ß", "ss").replace("ø", "o").replace("Ø", "o").replace("ł", "l")
    )
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(word for word in re.split(r"[\W_]+|\d+(?!\d)", unicodedata.normalize("NFC", letters).lower()) if word)


@cache
def _phrases() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Kinds with their phrases, the longest first."""
    lines = (line.partition(": ") for line in _WORDS.replace("\n  ", " ").splitlines())
    found = [(kind, tuple(phrase.split())) for kind, _, text in lines for phrase in text.split(", ")]
    return tuple(sorted(found, key=lambda each: -len(" ".join(each[1]))))


def kind_by_name(name: str) -> tuple[str, str] | None:
    """The kind that a column's name speaks of, and the words that say so; None if it says nothing."""
    words = words_of(name)
    if not words or _OTHERS.intersection(words):
        return None
    for kind, phrase in _phrases():
        rest = _without(words, phrase)
        if rest is None:
            continue
        shown = " ".join(phrase)
        if shown not in _AMBIGUOUS or _PERSONS.issuperset(rest):
            return kind, shown
    return None


def is_about_something_else(name: str) -> bool:
    """Whether a name says that the column is not about a person: `product_isbn`."""
    return bool(_OTHERS.intersection(words_of(name)))


def _without(words: tuple[str, ...], phrase: tuple[str, ...]) -> tuple[str, ...] | None:
    """The other words of a name that has a phrase; None if it has not."""
    if not phrase[0].isascii():
        return () if phrase[0] in "".join(words) else None
    for start in range(len(words) - len(phrase) + 1):
        if words[start : start + len(phrase)] == phrase:
            return words[:start] + words[start + len(phrase) :]
    return None
