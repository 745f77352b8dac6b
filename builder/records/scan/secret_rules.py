"""What secrets look like: a pattern a kind, and what else must be true of what it matches. Pure.

Every quantifier of every pattern is bounded, so that reading takes time in proportion to what is read.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass

from builder.records.scan.blocks import Wanted
from builder.records.scan.finding import Level
from builder.records.scan.likeness import entropy, is_example, is_stand_in

Check = Callable[["re.Match[bytes]"], bool]


@dataclass(frozen=True, slots=True)
class SecretRule:
    """One kind of secret."""

    name: str
    what: str
    """What it is, for a message."""
    wanted: Wanted
    level: Level
    check: Check
    """What the pattern cannot tell; the last group is the secret."""


def _is_no_example(match: re.Match[bytes]) -> bool:
    return not is_example(match[match.lastindex or 0])


def _rule(
    name: str,
    what: str,
    words: str,
    pattern: bytes,
    level: Level = "high",
    check: Check = _is_no_example,
    lead: bytes = b"",
) -> SecretRule:
    """A rule whose pattern begins with one of `words`, which `|` is between, or with `lead` in front of one."""
    found = tuple(word.encode() for word in words.split("|"))
    wanted = Wanted(re.compile(pattern), found, re.compile(lead + rb"\Z") if lead else None)
    return SecretRule(name, what, wanted, level, check)


_KEY_BODY = re.compile(rb"[A-Za-z0-9+/]{40}")
_BETWEEN_LINES = re.compile(rb"\\+[nr]|[\s\"',+]")


def _has_key_body(match: re.Match[bytes]) -> bool:
    """Whether a key follows its header, and not the text of a document or a program."""
    behind = match.string[match.end() : match.end() + 1200].partition(b"-----")[0]
    found = _KEY_BODY.search(_BETWEEN_LINES.sub(b"", behind))
    return found is not None and entropy(found[0]) > 2.5


def _has_private_lines(match: re.Match[bytes]) -> bool:
    return b"Private-Lines: " in match.string[match.end() : match.end() + 6000]


def _is_signature(match: re.Match[bytes]) -> bool:
    """Whether the other parameters of a shared access signature stand in front."""
    front = match.string[max(0, match.start() - 600) : match.start()]
    return re.search(rb"(?:s[vepr]|st)=[^&;\s]{1,100}\Z|[?&;](?:s[vepr]|st)=", front) is not None and _is_no_example(
        match
    )


def _is_json_web_token(match: re.Match[bytes]) -> bool:
    head = match[0].partition(b".")[0]
    try:
        return b'"alg"' in urlsafe_b64decode(head + b"=" * (-len(head) % 4)) and entropy(match[1]) > 3
    except (ValueError, binascii.Error):
        return False


def _is_login(match: re.Match[bytes]) -> bool:
    try:
        user, colon, password = b64decode(match[1] + b"=" * (-len(match[1]) % 4)).partition(b":")
    except (ValueError, binascii.Error):
        return False
    return bool(user and colon and password) and not is_stand_in(password)


_COMMON_PASSWORDS = frozenset(
    (
        b"postgres",
        b"root",
        b"guest",
        b"admin",
        b"user",
        b"minioadmin",
        b"mysql",
        b"redis",
        b"rabbitmq",
        b"mongo",
        b"pass",
    )
)


def _is_password(match: re.Match[bytes]) -> bool:
    password = match[match.lastindex or 0]
    return not is_stand_in(password) and password.lower() not in _COMMON_PASSWORDS and len(set(password)) > 3


_RESERVED = re.compile(
    rb"[A-Za-z0-9.-]{0,80}(?:example(?:\.[a-z]{2,4}){0,2}|\.test|\.invalid|localhost)(?![A-Za-z0-9.-])"
)
"""Hosts that are nobody's (RFC 2606, RFC 6761)."""


def _is_password_in_url(match: re.Match[bytes]) -> bool:
    return _is_password(match) and not _RESERVED.match(match.string[match.end() - 1 : match.end() + 120])


def _is_amazons_secret(match: re.Match[bytes]) -> bool:
    secret = match[1]
    return not is_example(secret) and entropy(secret) >= 4.2 and not re.fullmatch(rb"[0-9a-f]{40}", secret)


_PEM = rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_SERVICES = (
    rb"postgres|postgresql|mysql|mariadb|mongodb|redis|rediss|amqp|amqps|mssql|oracle|clickhouse|snowflake|ftp|sftp"
)

_LOGIN = rb"://[^\s:@/\"'<>]{0,100}:([^\s@/\"'<>]{3,200})@[A-Za-z0-9\[_]"

SECRET_RULES: tuple[SecretRule, ...] = (
    _rule("private-key", "a private key", "-----BEGIN ", _PEM, check=_has_key_body),
    _rule(
        "private-key", "a private key of PuTTY", "PuTTY-User-Key-File-",
        rb"PuTTY-User-Key-File-[23]: ", check=_has_private_lines,
    ),
    _rule("private-key", "a secret key of age", "AGE-SECRET-KEY-1", rb"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _rule(
        "aws-access-key", "an access key id of AWS", "AKIA|ASIA",
        rb"(?<![A-Za-z0-9/+_])((?:AKIA|ASIA)[A-Z2-7]{16})(?![A-Za-z0-9/+=_])", "medium",
    ),
    _rule(
        "aws-secret-key", "a secret access key of AWS",
        "aws|AWS|Aws|SecretAccessKey|secret_access_key|SECRET_ACCESS_KEY",
        rb"(?i:aws[a-z_. ]{0,20}secret[a-z_. ]{0,20}|secret_?access_?key)[\"']?[\s]{0,4}[:=]{1,2}[\s]{0,4}[\"']?"
        rb"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])", check=_is_amazons_secret,
    ),
    _rule(
        "gcp-service-account", "the key file of a service account of Google Cloud", '"private_key_id"',
        rb"\"private_key_id\"[\s]{0,8}:[\s]{0,8}\"([0-9a-f]{40})\"",
    ),
    _rule(
        "gcp-api-key", "an API key of Google", "AIza",
        rb"(?<![A-Za-z0-9_-])(AIza[0-9A-Za-z_-]{35})(?![0-9A-Za-z_-])",
    ),
    _rule("gcp-oauth-secret", "an OAuth client secret of Google", "GOCSPX-", rb"(GOCSPX-[A-Za-z0-9_-]{28})(?![\w-])"),
    _rule("azure-storage-key", "an account key of Azure Storage", "AccountKey=", rb"AccountKey=([A-Za-z0-9+/]{86}==)"),
    _rule(
        "azure-sas", "a shared access signature of Azure", "?sig=|&sig=|;sig=",
        rb"[?&;]sig=([A-Za-z0-9%+/]{43,70})(?:=|%3[Dd])", check=_is_signature,
    ),
    _rule(
        "azure-client-secret", "a client secret of Azure", "8Q~|7Q~",
        rb"(?<![A-Za-z0-9_.~-])([A-Za-z0-9_.~]{3}[78]Q~[A-Za-z0-9_.~-]{31,34})(?![A-Za-z0-9_.~-])",
        lead=rb"[A-Za-z0-9_.~]{3}",
    ),
    _rule(
        "github-token", "a token of GitHub", "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        rb"(?<![A-Za-z0-9_])(gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?![A-Za-z0-9])",
    ),
    _rule(
        "gitlab-token", "a token of GitLab", "glpat-|gldt-|glrt-|glcbt-|glptt-",
        rb"(?<![A-Za-z0-9_])(gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,64})(?![A-Za-z0-9_-])",
    ),
    _rule(
        "slack-token", "a token of Slack", "xox|xapp-",
        rb"(?<![A-Za-z0-9])(xox[abeoprs]-(?:[0-9A-Za-z]{1,20}-){1,4}[0-9A-Za-z]{16,80}|xapp-\d-[A-Z0-9]{9,12}-[0-9]{9,16}-[0-9a-f]{40,80})"
        rb"",
    ),
    _rule(
        "slack-webhook", "a webhook of Slack", "hooks.slack.com",
        rb"hooks\.slack\.com/(?:services|workflows)/(T[A-Z0-9]{6,12}/[AB][A-Z0-9]{6,12}/[A-Za-z0-9]{20,30})",
    ),
    _rule(
        "discord-webhook", "a webhook of Discord", "discord.com/api|discordapp.com/api",
        rb"discord(?:app)?\.com/api/webhooks/\d{15,21}/([\w-]{60,80})",
    ),
    _rule(
        "stripe-key", "a key of Stripe", "sk_live_|rk_live_",
        rb"(?<![A-Za-z0-9])([sr]k_live_[0-9a-zA-Z]{20,128})(?![A-Za-z0-9])",
    ),
    _rule(
        "stripe-key", "a test key of Stripe", "sk_test_|rk_test_",
        rb"(?<![A-Za-z0-9])([sr]k_test_[0-9a-zA-Z]{20,128})(?![A-Za-z0-9])", "medium",
    ),
    _rule(
        "anthropic-key", "a key of Anthropic", "sk-ant-",
        rb"(?<![A-Za-z0-9])(sk-ant-[a-z]{3,6}\d\d-[A-Za-z0-9_-]{80,120})(?![A-Za-z0-9_-])",
    ),
    _rule(
        "openai-key", "a key of OpenAI", "sk-",
        rb"(?<![A-Za-z0-9])(sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200})(?![A-Za-z0-9_-])",
    ),
    _rule(
        "huggingface-token", "a token of Hugging Face", "hf_|api_org_",
        rb"(?<![A-Za-z0-9_])((?:hf_|api_org_)[A-Za-z]{34})(?![A-Za-z0-9_])",
    ),
    _rule("replicate-token", "a token of Replicate", "r8_", rb"(?<![A-Za-z0-9_])(r8_[A-Za-z0-9]{37})(?![A-Za-z0-9_])"),
    _rule("groq-key", "a key of Groq", "gsk_", rb"(?<![A-Za-z0-9_])(gsk_[A-Za-z0-9]{52})(?![A-Za-z0-9_])"),
    _rule(
        "databricks-token", "a token of Databricks", "dapi",
        rb"(?<![A-Za-z0-9_])(dapi[a-f0-9]{32}(?:-\d)?)(?![A-Za-z0-9_])",
    ),
    _rule(
        "pypi-token", "a token of PyPI", "pypi-Ag",
        rb"(pypi-Ag(?:EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,1000})",
    ),
    _rule("npm-token", "a token of npm", "npm_", rb"(?<![A-Za-z0-9_])(npm_[A-Za-z0-9]{36})(?![A-Za-z0-9_])"),
    _rule("npm-token", "a login of npm", ":_auth", rb":_auth(?:Token)?[ ]{0,2}=[ ]{0,2}([A-Za-z0-9+/=_-]{16,400})"),
    _rule(
        "docker-token", "a token of Docker Hub", "dckr_pat_",
        rb"(?<![A-Za-z0-9_])(dckr_pat_[A-Za-z0-9_-]{24,32})(?![\w-])",
    ),
    _rule(
        "digitalocean-token", "a token of DigitalOcean", "dop_v1_|doo_v1_|dor_v1_",
        rb"(?<![A-Za-z0-9_])(do[por]_v1_[a-f0-9]{64})(?![a-f0-9])",
    ),
    _rule("sendgrid-key", "a key of SendGrid", "SG.", rb"(?<![A-Za-z0-9])(SG\.[\w-]{20,24}\.[\w-]{39,50})(?![\w-])"),
    _rule(
        "shopify-token", "a token of Shopify", "shpat_|shpca_|shppa_|shpss_",
        rb"(?<![A-Za-z0-9])(shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})(?![A-Za-z0-9])",
    ),
    _rule(
        "vault-token", "a token of Vault", "hvs.|hvb.",
        rb"(?<![A-Za-z0-9_.])(hv[sb]\.[A-Za-z0-9_-]{24,200})(?![\w-])",
    ),
    _rule(
        "telegram-token", "a token of a Telegram bot", ":AA",
        rb"(?<![A-Za-z0-9])(\d{8,10}:AA[A-Za-z0-9_-]{33})(?![\w-])", lead=rb"\d{8,10}",
    ),
    _rule(
        "json-web-token", "a JSON Web Token", "eyJ",
        rb"(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{10,1500}\.eyJ[A-Za-z0-9_-]{4,4000}\.([A-Za-z0-9_-]{20,800})", "medium",
        _is_json_web_token,
    ),
    _rule(
        "docker-login", "a login for a container registry", '"auth"',
        rb"\"auth\"[\s]{0,8}:[\s]{0,8}\"([A-Za-z0-9+/]{8,400}={0,2})\"", check=_is_login,
    ),
    _rule(
        "netrc-login", "a login of a netrc file", "machine",
        rb"machine[\s]{1,9}[^\s]{1,200}[\s]{1,9}login[\s]{1,9}[^\s]{1,200}[\s]{1,9}password[\s]{1,9}([^\s]{4,200})",
        check=_is_password,
    ),
    _rule(
        "kubernetes-credential", "a credential of a kubeconfig", "client-key-data",
        rb"client-key-data[\"']?:[\s]{0,4}[\"']?([A-Za-z0-9+/]{80,8000})", check=lambda match: entropy(match[1]) > 3,
    ),
    _rule(
        "database-url", "a URL with the password of a database", "://",
        rb"(?<![A-Za-z0-9])(?:" + _SERVICES + rb")(?:\+[a-z0-9_]{1,20})?" + _LOGIN,
        check=_is_password_in_url, lead=rb"[a-z0-9_+]{2,32}",
    ),
    _rule(
        "basic-auth-url", "a URL with a password", "://",
        rb"(?<![A-Za-z0-9])(?:https?|git|ssh|svn|wss?|ldaps?|smtps?)(?:\+[a-z]{1,10})?" + _LOGIN,
        check=_is_password_in_url, lead=rb"[a-z0-9_+]{2,32}",
    ),
)  # fmt: skip
