"""The profile of a device that was read: what it told over what is assumed of its kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from emulator.cosem.model import AssociationSpec
from firmware_profiles import files, loader
from firmware_profiles.prepayment import PAYMENT_CLASSES
from firmware_profiles.schema import Service
from firmware_profiles.writing import toml_text
from protocols import obis
from protocols.dlms.axdr import Data
from protocols.dlms.datetime import UNSPECIFIED
from protocols.dlms.enums import Conformance, Mechanism
from rigs.client import ClientError
from rigs.learning.objects import Drafter, Form, name_text, unfit
from rigs.learning.rights import access_groups
from rigs.learning.survey import ASSOCIATION_CLASS, Key, Survey, View
from rigs.read_options import AUTHENTICATION
from rigs.reader import Listed

LEARNT, ASSUMED = "learnt", "assumed"
CURRENT = Key(ASSOCIATION_CLASS, obis.parse("0-0:40.0.0"))
_CLOCK = Key(8, obis.parse("0-0:1.0.0"))
_HDLC = Key(23, obis.parse("0-0:22.0.0"))
_IMAGE = Key(18, obis.parse("0-0:44.0.0"))
_SWITCH = Key(70, obis.parse("0-0:96.3.10"))
_LIMITER = Key(71, obis.parse("0-0:17.0.0"))
_OPTICAL = Key(19, obis.parse("0-0:20.0.0"))
_FASTEST = 6
_NAME = Key(1, obis.parse("0-0:42.0.0"))
_BAUD = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_ELECTRICITY, _GAS = 1, 7
_HUB_CLASSES = frozenset((101, 102, 103, 104, 9900, 9901, 9902, 9904))
_MECHANISMS: dict[int, str] = {number: name for name, number in loader.MECHANISMS.items()}
_REPLACED = ("identity", "provenance", "access", "association", "object")
_ACCOUNT = ("prepayment", "display", "token")
_SERVICES: tuple[str, ...] = Service.__args__  # type: ignore[attr-defined]
_OURS = 0xFFFF
"""Octets of the longest APDU that we say we take."""
_MONEY = frozenset(("account", "credit", "charge", "tokens", "price"))
_PLAIN = re.compile(r"[ -~]{1,64}")


@dataclass(frozen=True, slots=True)
class Learnt:
    """A profile that was learnt: its tables, its text, how many objects of which form, and what is not as it was."""

    kind: str
    base: str
    tables: dict[str, Any]
    text: str
    forms: Counter[Form]
    notes: list[str]


def kind_of(found: Survey) -> str:
    """Which kind of device it is by its objects: a hub has those of the HAN, a gas meter names of medium 7."""
    keys = found.objects
    if any(key.class_id in _HUB_CLASSES for key in keys):
        return "hub"
    mediums = Counter(key.logical_name[0] for key in keys)
    return "gas" if mediums[_GAS] > mediums[_ELECTRICITY] else "electricity"


def learn(name: str, found: Survey, kind: str = "", base: str = "") -> Learnt:
    """The profile of a device, checked as ``smets1 profiles check`` does; ``name`` stands in errors.

    ``base`` is the profile that says what cannot be read, by default ``KIND-base``; ``kind`` is found from the objects
    where neither is given. Raises ClientError for a kind or base that do not go together and ProfileError.
    """
    if base and kind and files.read(base).identity.kind != kind:
        raise ClientError(f"--base {base}: a profile of kind {files.read(base).identity.kind}, not {kind}")
    kind = kind or (files.read(base).identity.kind if base else kind_of(found))
    writer = _Writer(found, kind, base or f"{kind}-base")
    tables = writer.tables()
    try:
        loader.check_tables(name, tables)
    except files.ProfileError:
        # What is there of an account is not one that the emulator can keep: its objects are only stored.
        if "prepayment" not in tables:
            raise
        tables = writer.without_account()
        loader.check_tables(name, tables)
    forms = Counter(draft.form for draft in writer.drafts.values())
    return Learnt(kind, writer.base, tables, _header(found, writer, forms) + toml_text(tables), forms, writer.notes)


def _header(found: Survey, writer: _Writer, forms: Counter[Form]) -> str:
    clients = ", ".join(f"{view.client.options.client} ({view.client.name})" for view in found.views)
    counts = ", ".join(f"{forms[form]} {form.value}" for form in Form if forms[form])
    lines = [
        f"Learnt from a device as client {clients} sees it at server SAP {found.server}; the rest is {writer.base}'s.",
        f"Objects: {counts}. A live one is backed by the emulator, others keep the values that were read.",
        *(f"Not as it was: {note}" for note in writer.notes),
    ]
    return "".join(f"# {' '.join(line.split())}\n" for line in lines) + "\n"


class _Writer:
    def __init__(self, found: Survey, kind: str, base: str) -> None:
        self.found = found
        self.kind = kind
        self.base = base
        self.notes = list(found.notes)
        self._base = files.merged(base)
        self._learnt: set[str] = set()
        self._associations = {view.client.name: self._association(view) for view in found.views}
        specs = [
            AssociationSpec(name, table["client"], obis.parse(table["logical_name"]), (1,), 0, 0, 1024, 1024)
            for name, table in self._associations.items()
        ]
        self._drafter = Drafter(base, specs, found.values)
        objects = found.objects
        if CURRENT not in objects:
            # Without it no client could read the list again.
            hidden = Listed(ASSOCIATION_CLASS, 1, CURRENT.logical_name, {2: 1}, ())
            objects[CURRENT] = [hidden]
            for view in found.views:
                view.objects[CURRENT] = hidden
            self.notes.append("the current association, 0-0:40.0.0, is listed, which the device leaves out of its list")
        self.drafts = {key: self._drafter.draft(key, listed) for key, listed in objects.items()}
        while reduced := list(unfit(self.drafts)):
            for draft in reduced:
                self.drafts[draft.key] = self._drafter.reduced(draft)

    # -- whole tables ------------------------------------------------------------------------------------------------

    def tables(self) -> dict[str, Any]:
        """All tables of the profile."""
        kept = {key: value for key, value in self._base.items() if key not in _REPLACED}
        tables: dict[str, Any] = {"identity": self._identity(), "provenance": {}, **kept}
        if not self._has_account(kept):
            return self.without_account()
        return self._completed(tables)

    def without_account(self) -> dict[str, Any]:
        """The same for a device of which the account and the application on the HAN are not known."""
        gone = (*_REPLACED, *_ACCOUNT, "zigbee", "joining")
        kept = {key: value for key, value in self._base.items() if key not in gone}
        for draft in list(self.drafts.values()):
            money = draft.table.get("source", "").partition(".")[0] in (
                "account",
                "credit",
                "charge",
                "tokens",
                "price",
            )
            if draft.form is not Form.STORED and (money or draft.key.class_id in PAYMENT_CLASSES):
                self.drafts[draft.key] = self._drafter.reduced(draft)
        if any(key in self._base for key in _ACCOUNT):
            self.notes.append("it keeps no account, and has no application on the HAN")
        return self._completed({"identity": self._identity(), "provenance": {}, **kept})

    def _has_account(self, kept: Mapping[str, Any]) -> bool:
        """Whether all parts of the base's account were found, where the base has one."""
        if "prepayment" not in kept:
            return True
        sources = {draft.table.get("source", "") for draft in self.drafts.values()}
        collections = cast("list[list[str]]", kept["prepayment"]["collections"])
        return all(f"credit.{credit}" in sources and f"charge.{charge}" in sources for credit, charge, _ in collections)

    def _completed(self, tables: dict[str, Any]) -> dict[str, Any]:
        groups, members = access_groups(self.drafts, self.found.views)
        self._limits(tables)
        self._parts(tables)
        self._logs(tables)
        self._quirks(tables)
        tables["access"] = groups
        tables["association"] = self._settled()
        tables["object"] = {draft.text: draft.table | {"access": members[key]} for key, draft in self.drafts.items()}
        tables["provenance"] = self._provenance(tables)
        return tables

    def _provenance(self, tables: Mapping[str, Any]) -> dict[str, str]:
        told = {"access", "association", "object"}
        found = {key: LEARNT if key in told else ASSUMED for key in tables if key != "provenance"}
        found |= dict.fromkeys(sorted(self._learnt), LEARNT)
        for draft in self.drafts.values():
            if draft.form is Form.LIVE and "source" in draft.table:
                found[f"object.{draft.text}.source"] = ASSUMED
        return found

    # -- associations ------------------------------------------------------------------------------------------------

    def _association(self, view: View) -> dict[str, Any]:
        client = view.client.options.client
        known = cast("dict[str, dict[str, Any]]", self._base["association"])
        like = next((table for table in known.values() if table["client"] == client), {})
        auth = AUTHENTICATION[view.client.options.auth]
        return {
            "client": client,
            "logical_name": self._object_of(client) or like.get("logical_name") or self._free(client),
            "mechanism": _MECHANISMS[Mechanism(auth)],
            "contexts": ["ln-ciphered" if view.client.ciphered else "ln"],
            "conformance": [
                word for word in _SERVICES if Conformance[word.upper().replace("-", "_")] in view.conformance
            ],
            "max_receive_pdu": min(max(view.max_pdu or 0xFFFF, 64), 0xFFFF),
            "max_send_pdu": min(max(view.longest or like.get("max_send_pdu", view.max_pdu) or 0xFFFF, 64), 0xFFFF),
            "policy": like.get("policy", 0),
            "suite": view.client.options.suite,
            "challenge_octets": like.get("challenge_octets", 16),
            **({"security_setup": like["security_setup"]} if "security_setup" in like else {}),
        }

    def _object_of(self, client: int) -> str | None:
        """Logical name of the association object that says it is of this client."""
        for attribute, data in self.found.values.items():
            if attribute.class_id != ASSOCIATION_CLASS or attribute.index != 3 or not data.elements:
                continue
            if attribute.logical_name != CURRENT.logical_name and data.elements[0].value == client:
                return name_text(attribute.logical_name)
        return None

    def _free(self, client: int) -> str:
        """A logical name that no association object has."""
        place = next(at for at, view in enumerate(self.found.views) if view.client.options.client == client)
        return f"0-0:40.0.{128 + place}"

    def _settled(self) -> dict[str, dict[str, Any]]:
        """The associations with what their objects and their security setups tell."""
        for table in self._associations.values():
            own = Key(ASSOCIATION_CLASS, obis.parse(table["logical_name"]))
            info = self._data(own, 5)
            longest = info.elements[2].value if info is not None and len(info.elements) > 2 else None
            if isinstance(longest, int) and longest < _OURS:  # what its own client is told of is what it proposed
                table["max_send_pdu"] = max(longest, 64)
            reference = self._data(own, 9)
            if reference is not None and isinstance(reference.value, bytes) and any(reference.value):
                table["security_setup"] = name_text(reference.value)
            setup = table.get("security_setup")
            if setup is None:
                continue
            key = Key(64, obis.parse(setup))
            if key not in self.drafts:
                del table["security_setup"]
                continue
            policy = self._number(key, 2)
            if policy is not None:
                table["policy"] = policy
        return self._associations

    # -- what a device is ----------------------------------------------------------------------------------------------

    def _identity(self) -> dict[str, str]:
        told: dict[str, str] = {}
        for source, name in (("identity.make", "make"), ("identity.model", "model"), ("firmware.version", "version")):
            for draft in self.drafts.values():
                if draft.table.get("source") == source and (text := self._text(draft.key, 2)):
                    told[name] = text
        sign_on = self.found.identification
        flag = sign_on.flag_id.upper() if sign_on is not None else (self._text(_NAME, 2) or "")[:3].upper()
        if re.fullmatch(r"[A-Z]{3}", flag):
            told["flag_id"] = flag
        self._learnt |= {f"identity.{name}" for name in told}
        return {**cast("dict[str, str]", self._base["identity"]), **told, "kind": self.kind}

    def _parts(self, tables: dict[str, Any]) -> None:
        """Settings of parts that objects show."""
        for index, name in ((3, "time_zone_minutes"), (7, "dst_deviation_minutes")):
            self._set(tables, "clock", name, self._number(_CLOCK, index))
        for index, name in ((5, "dst_begin"), (6, "dst_end")):
            data = self._data(_CLOCK, index)
            if data is not None and isinstance(data.value, bytes) and len(data.value) == len(UNSPECIFIED):
                self._set(tables, "clock", name, data.value.hex().upper())
        enabled = self._data(_CLOCK, 8)
        self._set(tables, "clock", "dst_enabled", None if enabled is None else bool(enabled.value))
        self._set(tables, "image", "block_size", self._number(_IMAGE, 2))
        self._set(tables, "supply", "control_mode", self._number(_SWITCH, 4))
        for index, name in ((4, "limit_w"), (6, "min_over_s"), (7, "min_under_s")):
            self._set(tables, "supply", name, self._number(_LIMITER, index))
        demand = next(
            (key for key, draft in self.drafts.items() if key.class_id == 5 and draft.form is Form.LIVE), None
        )
        if demand is not None:
            self._set(tables, "metering", "demand_period_s", self._number(demand, 8))
            self._set(tables, "metering", "demand_periods", self._number(demand, 9))
        sources = [draft.table.get("source", "") for draft in self.drafts.values()]
        rates = [int(tail) for source in sources if (tail := source.partition(".tou.")[2]).isdigit()]
        if rates:
            self._set(tables, "metering", "tou_registers", max(rates))
        for sap, mediums in self.found.mediums.items():
            for medium, name in ((_ELECTRICITY, "electricity"), (_GAS, "gas")):
                if medium in mediums:
                    self._set(tables, "logical", name, sap)

    def _limits(self, tables: dict[str, Any]) -> None:
        """The line: HDLC of the hub's WAN line or the meter's own, and the sign-on."""
        line = "wan" if self.kind == "hub" else "local"
        agreed = self.found.hdlc
        if agreed is not None:
            for name in ("max_info_transmit", "max_info_receive", "window_transmit", "window_receive"):
                self._set(tables, line, name, getattr(agreed, name))
            self._set(tables, line, "turnaround_ms", min(max(self.found.turnaround or 0.0, 0.0), 1500.0))
        if _HDLC in self.drafts:
            speed = self._number(_HDLC, 2)
            self._set(tables, line, "baud", _BAUD[speed] if speed is not None and speed < len(_BAUD) else None)
            for index, name in (
                (3, "window_transmit"),
                (4, "window_receive"),
                (5, "max_info_transmit"),
                (6, "max_info_receive"),
                (8, "inactivity_timeout_s"),
                (9, "physical_address"),
            ):
                self._set(tables, line, name, self._number(_HDLC, index))
        optical = tables.get("optical")
        if optical is None:
            return
        there = {key.logical_name for key in self.drafts}
        optical = tables["optical"] = dict(optical)
        optical["readout"] = [item for item in optical["readout"] if obis.parse(item[1]) in there]
        programming = optical.get("programming", {})
        optical["programming"] = {key: item for key, item in programming.items() if obis.parse(item[0]) in there}
        rate = self._number(_OPTICAL, 4)
        self._set(tables, "optical", "baud_code", str(rate) if rate is not None and rate <= _FASTEST else None)
        sign_on = self.found.identification
        if sign_on is not None:
            self._set(tables, "optical", "identification", sign_on.text)
            self._set(tables, "optical", "baud_code", sign_on.baud_code)
            self._set(tables, "optical", "mode_e", sign_on.mode_e)
            self._set(tables, "optical", "fast_reaction", sign_on.fast_reaction)

    def _quirks(self, tables: dict[str, Any]) -> None:
        tables.setdefault("quirks", {})
        for name in ("ignores_release", "silent_before_association", "empty_title"):
            self._set(tables, "quirks", name, getattr(self.found, name))

    def _logs(self, tables: dict[str, Any]) -> None:
        """Only logs and pushes that are there."""
        sources = {draft.table.get("source", "") for draft in self.drafts.values()}
        pushes = {draft.text for draft in self.drafts.values() if draft.form is not Form.STORED}
        tables["log"] = {name: log for name, log in tables.get("log", {}).items() if f"buffer.{name}" in sources}
        tables["alert"] = {event: alert for event, alert in tables.get("alert", {}).items() if alert["push"] in pushes}

    def _set(self, tables: dict[str, Any], section: str, name: str, value: object) -> None:
        if value is None or section not in tables:
            return
        tables[section] = {**tables[section], name: value}
        self._learnt.add(f"{section}.{name}")

    def _data(self, key: Key, index: int) -> Data | None:
        return self.found.values.get(key.attribute(index))

    def _number(self, key: Key, index: int) -> int | None:
        data = self._data(key, index)
        return data.value if data is not None and isinstance(data.value, int) else None

    def _text(self, key: Key, index: int) -> str | None:
        data = self._data(key, index)
        octets = data.value if data is not None else None
        text = octets.decode("latin-1") if isinstance(octets, bytes) else octets
        return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None
