"""Settings of an installation: `ferryman.toml` in its data directory, every key optional.

A section for each role, its keys those of the role's settings; an unknown key or a bad value is an error that
names both. Passwords may stand in a file of their own (`password_file`).
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ferryman.cli.wiring import Configuration
from ferryman.contracts.roles import TRANSPORT_HTTPS, TRANSPORT_SMS
from ferryman.contracts.routes import ROLES
from ferryman.errors import InputError
from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.database_settings import DatabaseSettings
from ferryman.platform.journal_settings import JournalSettings
from ferryman.platform.observe import MetricsSettings
from ferryman.platform.retention import RetentionSettings
from ferryman.rest_api.settings import OIDCSettings, RESTSettings
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.records import SRSettings
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_sms.settings import SMPPSettings, accounts_of

FILE = "ferryman.toml"
SECTIONS = (
    "sm_sr",
    "sm_dp",
    "smpp",
    "https",
    "soap",
    "rest",
    "bus",
    "database",
    "metrics",
    "journal",
    "retention",
    "log",
)
_SECRETS = ("password", "password_file")
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything in the file."""

    data: Path
    sm_sr: SRSettings = field(default_factory=SRSettings)
    sm_dp: DPSettings = field(default_factory=DPSettings)
    smpp: SMPPSettings | tuple[SMPPSettings, ...] | None = None
    https: HTTPSSettings | None = None
    soap: SOAPSettings | None = None
    rest: RESTSettings | None = None
    bus: BusSettings = field(default_factory=BusSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    metrics: MetricsSettings | None = None
    journal: JournalSettings = field(default_factory=JournalSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    log_level: str = "warning"
    log_format: str = "console"

    def configuration(self) -> Configuration:
        """For an installation with its transports."""
        return Configuration(
            data=self.data,
            sm_sr=self.sm_sr,
            sm_dp=self.sm_dp,
            smpp=self.smpp,
            https=self.https,
            soap=self.soap,
            rest=self.rest,
            database=self.database,
            journal=self.journal,
            retention=self.retention,
        )

    def without_transports(self) -> Configuration:
        """For a command that only looks at or changes records."""
        # The transports are somewhere else, not absent: what waits for them must go on waiting.
        inside = frozenset(ROLES) - {TRANSPORT_SMS, TRANSPORT_HTTPS}
        soap = None if self.soap is None else dataclasses.replace(self.soap, listen=False)
        return Configuration(
            data=self.data,
            sm_sr=self.sm_sr,
            sm_dp=self.sm_dp,
            soap=soap,
            rest=None if self.rest is None else dataclasses.replace(self.rest, listen=False),
            roles=inside,
            database=self.database,
            journal=self.journal,
            retention=self.retention,
        )


def load(data: Path) -> Settings:
    """Read the file of a data directory; the defaults when there is none. Raises InputError."""
    path = data / FILE
    if not path.exists():
        return Settings(data)
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(str(path), f"is not readable TOML: {problem}") from None
    for name in content:
        if name not in SECTIONS or not isinstance(content[name], dict):
            raise InputError(name, f"is no section of {FILE}; there are {', '.join(SECTIONS)}")
    log = _log(content.get("log", {}))
    return Settings(
        data=data,
        sm_sr=_section(content, "sm_sr", SRSettings),
        sm_dp=_sm_dp(content, data),
        smpp=_smpp(content["smpp"], data) if "smpp" in content else None,
        https=_section(content, "https", HTTPSSettings) if "https" in content else None,
        soap=_soap(content, data) if "soap" in content else None,
        rest=_rest(content, data) if "rest" in content else None,
        bus=_with_folder(_section(content, "bus", BusSettings), data) if "bus" in content else BusSettings(),
        database=_section(content, "database", DatabaseSettings),
        metrics=_section(content, "metrics", MetricsSettings) if "metrics" in content else None,
        journal=_section(content, "journal", JournalSettings),
        retention=_section(content, "retention", RetentionSettings),
        log_level=log["level"],
        log_format=log["format"],
    )


def _section[T](content: dict[str, Any], name: str, kind: type[T]) -> T:
    values = content.get(name, {})
    known = _fields(kind)
    for key in values:
        if key not in known:
            raise InputError(f"{name}.{key}", f"is no setting; there are {', '.join(sorted(known))}")
    try:
        return msgspec.convert(values, type=kind, strict=True)
    except msgspec.ValidationError as problem:
        raise InputError(name, str(problem).replace("$.", f"{name}.").replace(" - at `", ", at `")) from None


def _fields(kind: type[Any]) -> frozenset[str]:
    if dataclasses.is_dataclass(kind):
        return frozenset(f.name for f in dataclasses.fields(kind))
    return frozenset(kind.__struct_fields__)


def _sm_dp(content: dict[str, Any], data: Path) -> DPSettings:
    """Names of files are relative to the data directory."""
    settings = _section(content, "sm_dp", DPSettings)
    file = str(data / settings.hook_ca_file) if settings.hook_ca_file else ""
    return msgspec.structs.replace(settings, hook_ca_file=file)


def _smpp(section: dict[str, Any], data: Path) -> SMPPSettings | tuple[SMPPSettings, ...]:
    """One account; or those of `[[smpp.accounts]]`, for which the section's other keys are the defaults."""
    shared = dict(section)
    listed = shared.pop("accounts", None)
    if listed is None:
        return _section({"smpp": _with_files(shared, "smpp", data)}, "smpp", SMPPSettings)
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InputError("smpp.accounts", "is a list of tables, each under [[smpp.accounts]]")
    accounts = []
    for number, one in enumerate(listed, 1):
        name = f"smpp.accounts.{one.get('name', number)}"
        own_secret = not one.keys().isdisjoint(_SECRETS)
        values = {key: value for key, value in shared.items() if key not in _SECRETS or not own_secret} | one
        try:
            accounts.append(_section({name: _with_files(values, name, data)}, name, SMPPSettings))
        except InputError as problem:
            if problem.field.startswith(name):
                raise
            raise InputError(problem.field.replace("smpp", name, 1), problem.rule) from None
    return accounts_of(accounts)


def _with_files(section: dict[str, Any], name: str, data: Path) -> dict[str, Any]:
    """Names of files are relative to the data directory; the password's file is read."""
    values = dict(section)
    for key in ("tls_ca_file", "tls_certificate_file", "tls_key_file"):
        if isinstance(values.get(key), str) and values[key]:
            values[key] = str(data / values[key])
    file = values.pop("password_file", None)
    if file is not None:
        path = data / str(file)
        try:
            values["password"] = path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise InputError(f"{name}.password_file", f"{path} cannot be read") from None
    return values


def _with_folder(bus: BusSettings, data: Path) -> BusSettings:
    """Names of files are relative to the data directory."""
    ca_file = str(data / bus.ca_file) if bus.ca_file else ""
    return msgspec.structs.replace(bus, credentials=str(data / bus.credentials), ca_file=ca_file)


def _soap(content: dict[str, Any], data: Path) -> SOAPSettings:
    """Names of files are relative to the data directory."""
    soap = _section(content, "soap", SOAPSettings)
    return dataclasses.replace(
        soap,
        certificate_file=str(data / soap.certificate_file),
        key_file=str(data / soap.key_file),
        ca_file=str(data / soap.ca_file) if soap.ca_file else "",
    )


def _rest(content: dict[str, Any], data: Path) -> RESTSettings:
    """Names of files are relative to the data directory."""
    values = dict(content["rest"])
    oidc = values.pop("oidc", None)
    rest = _section({"rest": values}, "rest", RESTSettings)
    return dataclasses.replace(
        rest,
        webhook_ca_file=str(data / rest.webhook_ca_file) if rest.webhook_ca_file else "",
        oidc=None if oidc is None else _oidc(oidc, data),
        certificate_file=str(data / rest.certificate_file) if rest.certificate_file else "",
        key_file=str(data / rest.key_file) if rest.key_file else "",
    )


def _oidc(section: dict[str, Any], data: Path) -> OIDCSettings:
    """The client's secret is read from its file."""
    values = dict(section)
    file = values.get("client_secret_file")
    if file:
        try:
            values["client_secret"] = (data / str(file)).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise InputError("rest.oidc.client_secret_file", f"{file} cannot be read") from None
    return _section({"rest.oidc": values}, "rest.oidc", OIDCSettings)


def _log(section: dict[str, Any]) -> dict[str, str]:
    values = {"level": "warning", "format": "console"} | section
    if set(values) != {"level", "format"}:
        raise InputError("log", "there are only the settings level and format")
    if values["level"] not in LEVELS:
        raise InputError("log.level", f"must be one of {', '.join(LEVELS)}")
    if values["format"] not in ("console", "json"):
        raise InputError("log.format", "must be console or json")
    return values
