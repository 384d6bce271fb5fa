from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.ports.spec import PortError, PortKind, PortSpec, describe_os_error, parse_port


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pty:./meter", PortSpec(PortKind.PTY, path="./meter")),
        ("pty:/tmp/a b", PortSpec(PortKind.PTY, path="/tmp/a b")),
        ("serial:/dev/ttyUSB0", PortSpec(PortKind.SERIAL, path="/dev/ttyUSB0")),
        ("serial:usb:A50285BI", PortSpec(PortKind.SERIAL, usb="A50285BI")),
        ("tcp:4059", PortSpec(PortKind.TCP, host="127.0.0.1", port=4059)),
        ("tcp:0.0.0.0:4059", PortSpec(PortKind.TCP, host="0.0.0.0", port=4059)),
        ("tcp+hdlc:127.0.0.1:0", PortSpec(PortKind.TCP_HDLC, host="127.0.0.1", port=0)),
        ("udp:[::1]:4059", PortSpec(PortKind.UDP, host="::1", port=4059)),
        ("rfc2217:localhost:4062", PortSpec(PortKind.RFC2217, host="localhost", port=4062)),
        ("unix:./meter.sock", PortSpec(PortKind.UNIX, path="./meter.sock")),
        ("unix+hdlc:/run/a b", PortSpec(PortKind.UNIX_HDLC, path="/run/a b")),
    ],
)
def test_forms(text: str, spec: PortSpec) -> None:
    assert parse_port(text) == spec
    assert parse_port(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pty:",
        "serial:usb:",
        "tcp:",
        "tcp:host",
        "tcp:1:2:3",
        "tcp:70000",
        "tcp::5",
        "usb:3",
        "pty:a\nb",
        "unix:",
        "unix:a\0",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(PortError) as caught:
        parse_port(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_port_or_one_line(text: str) -> None:
    for form in (text, f"pty:{text}", f"tcp:{text}", f"rfc2217:{text}:1"):
        try:
            spec = parse_port(form)
        except PortError:
            continue
        assert parse_port(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        ("tcp:4059", errno.EADDRINUSE, "in use"),
        ("tcp:80", errno.EACCES, "1024"),
        ("serial:/dev/ttyUSB0", errno.EACCES, "dialout"),
        ("serial:/dev/ttyUSB0", errno.ENOENT, "plugged in"),
        ("serial:/dev/ttyUSB0", errno.EBUSY, "another program"),
        ("serial:/dev", errno.EISDIR, "not a serial device"),
        ("tcp:10.1.2.3:1", errno.EADDRNOTAVAIL, "address"),
        ("udp:4059", errno.ECONNREFUSED, "smets1 up"),
        ("rfc2217:4059", errno.EPIPE, "this kind of port"),
    ],
)
def test_errors_say_what_to_do(text: str, number: int, words: str) -> None:
    error = describe_os_error(parse_port(text), OSError(number, "?"))
    assert words in str(error)
    assert str(error).startswith(str(parse_port(text)))
