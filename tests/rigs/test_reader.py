"""``smets1 read``: what a person sees of a running meter, as a table, CSV and JSON, and one line for each mistake."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.client import PROPOSED
from protocols.dlms.datetime import UNSPECIFIED, local_seconds, pack, unpack_utc
from protocols.dlms.enums import Mechanism, Tag
from protocols.dlms.security import Envelope
from protocols.dlms.units import UNITS, unit_text
from rigs.client import ClientError
from rigs.cosem_text import Scaler, attribute_name, class_name, json_value, method_name, octets_text, value_text
from rigs.read_options import Output, ReadOptions, date_time_octets, utc_seconds
from rigs.reader import Wanted, parse_what, run_read
from rigs.running import RunningPremises

# -- values as text --------------------------------------------------------------------------------------------------


def text_of(encoded: bytes, scaler: Scaler | None = None) -> str:
    return value_text(axdr.decode_all(encoded), scaler)


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (axdr.NULL, "-"),
        (axdr.boolean(True), "yes"),
        (axdr.i16(-5), "-5"),
        (axdr.bits("1011"), "1011"),
        (axdr.visible("SSWG"), "SSWG"),
        (axdr.octets(b"GEN1234"), "GEN1234"),
        (axdr.octets(bytes.fromhex("0000010000FF")), "0-0:1.0.0.255"),
        (axdr.octets(bytes.fromhex("0180")), "01 80"),
        (axdr.octets(b""), ""),
        (axdr.structure(axdr.u8(1), axdr.array([axdr.u8(2), axdr.u8(3)])), "(1, [2, 3])"),
        (axdr.compact_array(b"\x11", b"\x01\x02"), "[1, 2]"),
        (axdr.date(bytes.fromhex("07EA0C19FF")), "2026-12-25"),
        (axdr.date(bytes.fromhex("FFFFFEFDFF")), "*-DST begin-second last"),
        (axdr.time(bytes.fromhex("0C1EFF00")), "12:30:*"),
        (axdr.time(bytes.fromhex("0C1E0005")), "12:30:00.05"),
    ],
)
def test_values(encoded: bytes, text: str) -> None:
    assert text_of(encoded) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (pack(1_767_225_600, 0, 0), "2026-01-01 00:00:00 +00:00"),
        (pack(1_767_225_600, 0, -60), "2026-01-01 00:00:00 +01:00"),
        (pack(1_767_225_600, 25, 210), "2026-01-01 00:00:00.25 -03:30"),
        (pack(1_767_225_600, 0, -0x8000, 0x01), "2026-01-01 00:00:00 (invalid)"),
        (UNSPECIFIED, "not specified"),
        (bytes.fromhex("FFFF0101FF00000000800000"), "*-01-01 00:00:00"),
        (bytes(12), "00 00 00 00 00 00 00 00 00 00 00 00"),
        (b"ABCDEFGHIJKL", "ABCDEFGHIJKL"),
    ],
)
def test_dates_in_octet_strings(octets: bytes, text: str) -> None:
    assert octets_text(octets) == text


@given(st.binary(max_size=14), st.booleans())
def test_any_octets_have_a_text(octets: bytes, dated: bool) -> None:
    assert isinstance(octets_text(octets, dated=dated), str)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-128, 127), st.integers(0, 255))
def test_scaled_numbers_are_exact(value: int, power: int, unit: int) -> None:
    data = Data(Tag.INT64, value)
    number, _, symbol = value_text(data, Scaler(power, unit)).partition(" ")
    assert symbol == unit_text(unit)
    digits, _, fraction = number.partition(".")
    # digits and fraction, a whole number, stand for value times ten to the power: compare without a point
    shift = power + len(fraction)
    assert int(digits + fraction) * 10 ** max(-shift, 0) == value * 10 ** max(shift, 0)


def test_scalers() -> None:
    assert Scaler.of(axdr.decode_all(axdr.structure(axdr.i8(-3), axdr.enum_(30)))) == Scaler(-3, 30)
    assert Scaler.of(axdr.decode_all(axdr.structure(axdr.u8(3), axdr.enum_(30)))) is None
    assert Scaler.of(axdr.decode_all(axdr.u8(3))) is None
    assert value_text(Data(Tag.UINT32, 123_456), Scaler(-3, 30)) == "123.456 Wh"
    assert value_text(Data(Tag.UINT32, 12), Scaler(2, 255)) == "1200"
    assert json_value(Data(Tag.UINT32, 123_456), Scaler(-3, 30)) == 123.456
    assert json_value(Data(Tag.UINT32, 12), Scaler(2, 30)) == 1200
    assert unit_text(199) == "unit 199"
    assert len(set(UNITS.values())) == len(UNITS)


def test_values_for_programs() -> None:
    data = axdr.decode_all(
        axdr.structure(axdr.boolean(True), axdr.octets(b"\x80"), axdr.array([axdr.NULL, axdr.u8(1)]))
    )
    assert json_value(data) == [True, "80", [None, 1]]


def test_names() -> None:
    assert class_name(3) == "Register"
    assert class_name(31337) == "class 31337"
    assert attribute_name(3, 1) == "logical_name"
    assert attribute_name(3, 3, 0) == "scaler_unit"
    assert attribute_name(3, 77) == "attribute 77"


# -- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1-0:1.8.0", (None, "0100010800FF", None)),
        ("1-0:1.8.0:2", (None, "0100010800FF", 2)),
        ("3/1-0:1.8.0.255:2", (3, "0100010800FF", 2)),
        ("1.0.1.8.0.255", (None, "0100010800FF", None)),
        ("15/0-0:40.0.0*255:-1", (15, "0000280000FF", -1)),
    ],
)
def test_what_to_read(text: str, wanted: tuple[int | None, str, int | None]) -> None:
    class_id, name, attribute = wanted
    assert parse_what(text) == Wanted(class_id, bytes.fromhex(name), attribute)


@pytest.mark.parametrize("text", ["", "lists", "1-0:1.8", "3/", "1-0:1.8.0:999", "99999/1-0:1.8.0", "1-0:1.8.300"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(ClientError) as error:
        parse_what(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"auth": "magic"}, "--auth magic: one of none, lls"),
        ({"auth": "gmac"}, "--key: GMAC needs"),
        ({"key": "00"}, "--key: 16 octets in hexadecimal, that is 32 digits"),
        ({"key": "00" * 16, "suite": 2}, "--key: 32 octets"),
        ({"key": "zz" * 16}, "--key: 16 octets"),
        ({"key": "00" * 16, "auth_key": "11"}, "--auth-key: 16 octets"),
        ({"key": "00" * 16, "system_title": "11"}, "--system-title: 8 octets"),
        ({"key": "00" * 16, "protection": "some"}, "--protection some: one of"),
        ({"key": "00" * 16, "envelope": "letter"}, "--envelope letter: one of glo, ded"),
        ({"password": "hex:4"}, "--password: hexadecimal"),
        ({"frame_size": 10}, "--frame-size, --window: "),
        ({"counter_object": "0.0"}, "--counter-object: "),
        ({"block_window": 64}, "block transfer window 64"),
        ({"auth": "ecdsa", "signing_key": Path("/nowhere")}, "--signing-key /nowhere: no such file"),
        ({"auth": "ecdsa", "meter_key": Path("/dev/null")}, "--meter-key /dev/null: no PEM file"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError) as error:
        ReadOptions(**options).client_options()
    assert str(error.value).startswith(text)
    assert "\n" not in str(error.value)


def test_options_become_settings(tmp_path: Path) -> None:
    plain = ReadOptions().client_options()
    assert plain.settings.security is None
    assert plain.settings.conformance == PROPOSED
    secret = ReadOptions(auth="lls", password="hex:0102").client_options()
    assert (secret.settings.mechanism, secret.settings.secret) == (Mechanism.LLS, b"\x01\x02")
    own, meter = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "own.pem").write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = meter.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "meter.pem").write_bytes(public)
    options = ReadOptions(
        auth="ecdsa",
        key="00" * 16,
        suite=1,
        envelope="general-glo",
        signing_key=tmp_path / "own.pem",
        meter_key=tmp_path / "meter.pem",
        counter=9,
    ).client_options()
    security = options.settings.security
    assert security is not None
    assert (security.suite, security.envelope, security.counters.sent) == (1, Envelope.GENERAL_GLO, 9)
    assert security.signing is not None
    assert security.signing.private_numbers() == own.private_numbers()
    assert security.peer_verifying == meter.public_key()
    other = rsa.generate_private_key(65537, 2048)
    (tmp_path / "own.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ClientError, match="not a key of an elliptic curve"):
        ReadOptions(auth="ecdsa", signing_key=tmp_path / "own.pem").client_options()


@pytest.mark.parametrize(
    ("text", "entries"),
    [("", None), ("7", (7, 7)), ("1-48", (1, 48)), ("100-", (100, 0)), ("-5", (1, 5)), ("-", (1, 0))],
)
def test_rows_by_number(text: str, entries: tuple[int, int] | None) -> None:
    assert ReadOptions(entries=text).entry_range() == entries


@pytest.mark.parametrize("text", ["0", "5-2", "a-b", "1-2-3"])
def test_wrong_rows(text: str) -> None:
    with pytest.raises(ClientError, match="--entries"):
        ReadOptions(entries=text).entry_range()


def test_rows_by_time() -> None:
    assert ReadOptions().time_range() is None
    start, end = ReadOptions(since="2026-03-01").time_range() or (None, None)
    assert start == datetime(2026, 3, 1)
    assert end is not None
    assert end.year == 2099
    with pytest.raises(ClientError, match="--to tomorrow"):
        ReadOptions(until="tomorrow").time_range()


instants = st.datetimes(
    min_value=datetime(2000, 1, 2),
    max_value=datetime(2090, 1, 1),
    timezones=st.one_of(st.none(), st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
)


@given(instants)
def test_times_are_encoded_as_the_meter_reads_them(instant: datetime) -> None:
    octets = date_time_octets(instant)
    wall = instant.replace(tzinfo=UTC, microsecond=0)
    assert local_seconds(octets) == int(wall.timestamp())
    if instant.tzinfo is not None:
        whole = instant.replace(microsecond=0)
        hundredths = unpack_utc(octets) // 10_000_000
        assert divmod(hundredths, 100) == (int(whole.timestamp()), instant.microsecond // 10_000)
        assert utc_seconds(whole) == int(whole.timestamp()) - 946_684_800


# -- against a running meter -----------------------------------------------------------------------------------------


def read(port: str, **options: Any) -> str:
    """What ``smets1 read`` writes."""
    console = Console(file=io.StringIO(), width=200)
    assert asyncio.run(run_read(port, ReadOptions(**options), console)) == 0
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def meter(premises: RunningPremises) -> Callable[..., str]:
    """``meter(**options)``: read as the management client, ciphered, in blocks."""
    keys = premises.electricity.keys("management")
    given_keys = {"key": keys.encryption.hex(), "auth_key": keys.authentication.hex()}

    def reading(**options: Any) -> str:
        everything = {"client": keys.client, "auth": "gmac", **given_keys, "max_pdu": 300, **options}
        return read(f"tcp:{premises.electricity.tcp}", **everything)

    return reading


def test_object_list(premises: RunningPremises, meter: Callable[..., str]) -> None:
    table = read(f"tcp:{premises.electricity.tcp}")
    assert "objects for client 16" in table
    assert "Clock (8, v0)" in table
    objects = json.loads(meter(output=Output.JSON))
    energy = next(item for item in objects if item["logical_name"] == "1-0:1.8.0.255")
    assert (energy["class"], energy["class_name"]) == (3, "Register")
    assert set(energy["attributes"]) == {"1", "2", "3"}
    rows = list(csv.DictReader(io.StringIO(meter(output=Output.CSV))))
    assert len(rows) == len(objects)
    assert {row["logical name"] for row in rows} == {item["logical_name"] for item in objects}


def test_a_register_with_its_unit(premises: RunningPremises, meter: Callable[..., str]) -> None:
    premises.electricity.load(watts=5000)
    premises.clock.advance(hours=1)
    shown = json.loads(meter(what="1-0:1.8.0:2", output=Output.JSON))
    (value,) = shown["attributes"]
    assert (shown["class"], value["name"], value["unit"]) == (3, "value", "Wh")
    assert value["value"] >= 5000
    table = meter(what="3/1-0:1.8.0")
    for text in ("Register 1-0:1.8.0.255", "1 logical_name", "2 value", "3 scaler_unit", f"{value['value']} Wh"):
        assert text in table
    rows = list(csv.reader(io.StringIO(meter(what="1-0:1.8.0", output=Output.CSV))))
    assert rows[0] == ["attribute", "name", "type", "value"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3"]


def test_money_and_the_names_of_what_holds_it(premises: RunningPremises, meter: Callable[..., str]) -> None:
    shown = json.loads(meter(what="9000/0-0:94.44.2.10:2", output=Output.JSON))
    (value,) = shown["attributes"]
    assert (value["name"], value["value"], value["unit"]) == ("value_active", 100, "currency")
    assert "100.00000 currency" in meter(what="9000/0-0:94.44.2.10:4")
    assert "0.16850 other" in meter(what="3/0-0:94.44.1.7")
    for what, name in (
        ("0-0:19.0.0", "Account 0-0:19.0.0.255"),
        ("0-0:19.10.1", "Credit 0-0:19.10.1.255"),
        ("0-0:19.20.0", "Charge 0-0:19.20.0.255"),
        ("0-0:19.40.0", "Token gateway 0-0:19.40.0.255"),
    ):
        assert name in meter(what=what)
    assert (class_name(9000), method_name(112, 3), attribute_name(113, 12)) == (
        "Extended data",
        "invoke_credit",
        "total_amount_remaining",
    )


def test_a_profile(premises: RunningPremises, meter: Callable[..., str]) -> None:
    premises.electricity.load(watts=4000)
    premises.clock.advance(hours=10)
    everything = meter(what="1-0:99.1.0", output=Output.CSV, max_pdu=0xFFFF)
    heading, *body = csv.reader(io.StringIO(everything))
    assert heading[0] == "time"
    assert any(column.endswith(" Wh") for column in heading)
    assert len(body) > 13 * 28 * 48
    assert body[-1][0] == "2026-01-01 10:00:00 +00:00"
    assert body[-1][1] == "2000"
    some = json.loads(meter(what="7/1-0:99.1.0", entries="2-4", output=Output.JSON))
    assert some["columns"] == heading
    assert [row[0] for row in some["rows"]] == [row[0] for row in body[1:4]]
    times = {"since": "2026-01-01T02:00Z", "until": "2026-01-01T04:00Z"}
    since = list(csv.reader(io.StringIO(meter(what="1-0:99.1.0:2", output=Output.CSV, **times))))
    assert [row[0][:16] for row in since[1:]] == [
        f"2026-01-01 {hour:02}:{minute:02}" for hour, minute in ((2, 0), (2, 30), (3, 0), (3, 30), (4, 0))
    ]
    assert "rows" in meter(what="1-0:99.1.0", entries="1-2")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"what": "1-0:77.7.0"}, "not in the object list"),
        ({"what": "8/1-0:1.8.0"}, "8/1-0:1.8.0.255: not of that class, but of 3"),
        ({"server": 99, "timeout": 0.1}, "no answer for 0.1 s; is server SAP 99 there"),
        ({"what": "1-0:1.8.0", "entries": "1-2"}, "from a profile"),
        ({"what": "1-0:99.1.0", "entries": "1-2", "since": "2026-01-01"}, "not both"),
        ({"what": "3/1-0:77.7.0:2"}, "get 3/1-0:77.7.0.255:2: the server answered"),
        ({"auth_key": "00" * 16}, "deciphering error"),
    ],
)
def test_mistakes_in_one_line(meter: Callable[..., str], options: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as error:
        meter(**options)
    assert "\n" not in str(error.value)


def test_a_refusal_is_one_line_and_exit_code_1(premises: RunningPremises) -> None:
    command = [sys.executable, "-m", "rigs", "read", f"tcp:{premises.electricity.tcp}", "--client", "99"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "refused the association" in done.stderr
