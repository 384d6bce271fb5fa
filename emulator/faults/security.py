"""Faults of security: keys and secrets that differ, counters that are wrong, tags, titles and challenges that are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from emulator.faults import credentials
from emulator.faults.answers import ANSWERS, CLIENT, SPEAKERS, Hits
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import Octets, Word
from emulator.taps import Serve, tap
from protocols.dlms import axdr
from protocols.dlms.acse import Aare
from protocols.dlms.association import State
from protocols.dlms.enums import ApduTag
from protocols.dlms.general_ciphering import read_header
from protocols.dlms.security import PROTECTED_TAGS, TITLE_OCTETS, Protection

if TYPE_CHECKING:
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from protocols.dlms.association import Association

_AARE: Final = bytes((ApduTag.AARE,))
_PASSED: Final = b"\xc7\x01"
_GENERAL: Final = (ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING)


def _wrong_tag(site: Site) -> End:
    opening = site.word("where") == "everywhere"

    def spoil(answer: bytes) -> bytes | None:
        protected = Aare.decode(answer).user_information or b"" if answer[:1] == _AARE and opening else answer
        return _flipped(answer) if _authenticated(protected) else None

    return _spoilt(site, spoil, "the answer's authentication tag is wrong")


def _authenticated(apdu: bytes) -> bool:
    """Whether an APDU of our own ends in an authentication tag."""
    if not apdu or apdu[0] not in PROTECTED_TAGS:
        return False
    start = 1
    if apdu[0] in _GENERAL:
        _, start = axdr.read_sized(apdu, start)
    elif apdu[0] == ApduTag.GENERAL_CIPHERING:
        _, start = read_header(apdu, start)
    _, content = axdr.read_length(apdu, start)
    return apdu[content] & Protection.AUTHENTICATED != 0


def _wrong_title(site: Site) -> End:
    title = site.octets("title")

    def spoil(answer: bytes) -> bytes | None:
        aare = Aare.decode(answer) if answer[:1] == _AARE else None
        return None if aare is None or not aare.title else aare._replace(title=title).encode()

    return _spoilt(site, spoil, f"the AARE has the system title {title.hex().upper()}")


def _wrong_challenge(site: Site) -> End:
    def spoil(answer: bytes) -> bytes | None:
        aare = Aare.decode(answer) if answer[:1] == _AARE else None
        if aare is None or not aare.authentication:
            return None
        return aare._replace(authentication=_flipped(aare.authentication)).encode()

    return _spoilt(site, spoil, "the challenge in the AARE is not the one that the answer is checked by")


def _wrong_reply(site: Site) -> End:
    hits = Hits(site)

    def between(association: Association, request: bytes, serve: Serve) -> bytes | None:
        pending = association.state is State.PENDING
        answer = serve(request)
        passed = pending and association.state is State.ASSOCIATED
        if not passed or answer is None or answer[:2] != _PASSED or not hits.meant(association):
            return answer
        hits.hit(association, "the answer to the client's challenge is wrong", security=True)
        return _flipped(answer)

    return tap(site.device, services=between)


def _spoilt(site: Site, spoil: Callable[[bytes], bytes | None], what: str) -> End:
    """Answers are what ``spoil`` makes of them as they leave; it returns None to leave one as it is."""
    hits = Hits(site)

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        return [spoilt(association, answer) for answer in handle(apdu)]

    def spoilt(association: Association, answer: bytes) -> bytes:
        other = spoil(answer) if hits.meant(association) else None
        if other is None:
            return answer
        hits.hit(association, what, security=True)
        return other

    return tap(site.device, apdus=tapped)


def _flipped(octets: bytes) -> bytes:
    """The same with the last bit the other way round."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


_STAYS = "associations that are open go on as they were opened"
_RIGHT = f"the next association is opened with what the device was given; {_STAYS}"
_NEW_KEY = "a key that is transferred meanwhile stays, and puts it right before the end"

FAULTS: Final = (
    Fault(
        "wrong-unicast-key",
        Layer.SECURITY,
        "The device goes by another global unicast key than its clients",
        SPEAKERS,
        credentials.wrong_unicast_key,
        Culprit.CREDENTIALS,
        "the key in the device is not the one that the S1SP has",
        (
            "a ciphered AARQ is answered by an exception-response (deciphering error), a GMAC by a refusal",
            "the device logs that deciphering failed",
            _STAYS,
        ),
        f"{_RIGHT}; {_NEW_KEY}",
        credentials.WRONG_KEY,
    ),
    Fault(
        "wrong-authentication-key",
        Layer.SECURITY,
        "The device goes by another authentication key than its clients",
        SPEAKERS,
        credentials.wrong_authentication_key,
        Culprit.CREDENTIALS,
        "the authentication key in the device is not the one that the S1SP has",
        (
            "what is authenticated is refused (deciphering error); what is encrypted alone is not",
            "the device logs that deciphering failed",
            _STAYS,
        ),
        f"{_RIGHT}; {_NEW_KEY}",
        credentials.WRONG_KEY,
    ),
    Fault(
        "wrong-master-key",
        Layer.SECURITY,
        "The device goes by another master key than its clients",
        SPEAKERS,
        credentials.wrong_master_key,
        Culprit.CREDENTIALS,
        "the key encryption key in the device is not the one that the S1SP has",
        ("associations are opened", "key_transfer, and a new secret, are refused (other-reason); the device logs it"),
        f"what is wrapped with the right key is taken; {_NEW_KEY}",
        credentials.WRONG_KEY,
    ),
    Fault(
        "wrong-secret",
        Layer.SECURITY,
        "The device goes by another password or HLS secret than its clients",
        SPEAKERS,
        credentials.wrong_secret,
        Culprit.CREDENTIALS,
        "the secret in the device is not the one that the S1SP has",
        ("LLS: the AARE rejects, authentication-failure; HLS: pass 3 is refused", "the device logs it", _STAYS),
        f"{_RIGHT}; a secret that is written meanwhile stays, and puts it right before the end",
        credentials.WRONG_SECRET,
    ),
    Fault(
        "policy-too-strict",
        Layer.SECURITY,
        "The device's security policy asks for more protection than its clients give",
        SPEAKERS,
        credentials.stricter,
        Culprit.CREDENTIALS,
        "the policy in the device is stricter than the one that the S1SP has",
        ("less protected requests are refused: rejected AARE, exception-response", "security_policy shows it", _STAYS),
        _RIGHT,
        credentials.STRICTER,
    ),
    Fault(
        "client-counter-behind",
        Layer.SECURITY,
        "The device has accepted higher invocation counters than the client has used",
        SPEAKERS,
        credentials.ahead,
        Culprit.CREDENTIALS,
        "somebody else has used the keys, or the S1SP has lost count",
        (
            "ciphered requests are refused (invocation counter error, with the counter accepted last)",
            "the frame counter that the device shows has jumped",
        ),
        "over at once; the counter stays where it is, as none goes back: the client has to go on above it, or to "
        "transfer a new key",
        credentials.AHEAD,
        momentary=True,
    ),
    Fault(
        "own-counter-used-up",
        Layer.SECURITY,
        "The device's own invocation counter is used up",
        SPEAKERS,
        credentials.used_up,
        Culprit.DEVICE,
        "the counter has reached its highest value; a new key would begin anew",
        ("ciphered requests are served and not answered, and the connection ends",),
        "the counter goes on where it was, in associations that are open too: none was used meanwhile",
        credentials.USED_UP,
        holds="own counter",
    ),
    Fault(
        "own-counter-behind",
        Layer.SECURITY,
        "The device's answers have invocation counters that were used before",
        SPEAKERS,
        credentials.behind,
        Culprit.DEVICE,
        "the firmware has forgotten which counter it used last",
        ("answers can be deciphered; clients that follow the counter refuse them as replayed",),
        "the next answer has a counter that is above all that were used",
        credentials.BEHIND,
        holds="own counter",
    ),
    Fault(
        "wrong-tag",
        Layer.SECURITY,
        "The authentication tag of answers is wrong",
        SPEAKERS,
        _wrong_tag,
        Culprit.DEVICE,
        "the firmware reckons the tag wrongly",
        ("clients that check the tag refuse the answer", "the device has done what it was asked for"),
        "the next answer is right, in associations that are open too",
        (
            Word("where", "In answers to services alone, or in the AARE too", ("services", "everywhere")),
            CLIENT,
            ANSWERS,
        ),
    ),
    Fault(
        "wrong-title",
        Layer.SECURITY,
        "The AARE has another system title than the device ciphers with",
        SPEAKERS,
        _wrong_title,
        Culprit.DEVICE,
        "the title that the firmware announces is not the one in its nonces",
        ("clients that go by the title cannot decipher any answer", "others see a device that they do not know"),
        "the next AARE is right",
        (Octets("title", "System title in the AARE", TITLE_OCTETS), CLIENT, ANSWERS),
    ),
    Fault(
        "wrong-challenge",
        Layer.SECURITY,
        "The device's challenge is not the one that it checks the client's answer by",
        SPEAKERS,
        _wrong_challenge,
        Culprit.DEVICE,
        "the firmware spoils its challenge on the way into the AARE",
        ("pass 3 of HLS is refused though the client is right", "the device logs that the authentication failed"),
        "the next association is opened",
        (CLIENT, ANSWERS),
    ),
    Fault(
        "wrong-challenge-answer",
        Layer.SECURITY,
        "The device answers the client's challenge wrongly",
        SPEAKERS,
        _wrong_reply,
        Culprit.DEVICE,
        "the device does not show that it knows the secret; it may be another device",
        ("pass 4 of HLS is wrong: the client gives up", "the device takes the association for open"),
        "the next association is opened",
        (CLIENT, ANSWERS),
    ),
)
"""Faults of security."""
