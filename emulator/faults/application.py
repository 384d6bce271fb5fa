"""Faults of the application layer: what a device's firmware does wrong with associations, services and blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from emulator.faults import objects, services
from emulator.faults.answers import ANSWERS, CLIENT, SPEAKERS, Hits, Remembered, words
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import Number, Word
from emulator.taps import tap
from protocols.dlms.acse import AssociationResult, UserDiagnostic
from protocols.dlms.association import State
from protocols.dlms.enums import ApduTag, Conformance
from protocols.dlms.opening import RejectedError

if TYPE_CHECKING:
    from emulator.logical_device import AssociationOffer
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from protocols.dlms.association import Association

_AARQ, _RLRQ = bytes((ApduTag.AARQ,)), bytes((ApduTag.RLRQ,))
_RESULTS: Final = {
    "permanent": AssociationResult.REJECTED_PERMANENT,
    "transient": AssociationResult.REJECTED_TRANSIENT,
}
_DIAGNOSTICS: Final = words(each for each in UserDiagnostic if each is not UserDiagnostic.NULL)
_FEATURES: Final = {
    "multiple-references": Conformance.MULTIPLE_REFERENCES,
    "selective-access": Conformance.SELECTIVE_ACCESS,
    "block-transfer": Conformance.BLOCK_GET | Conformance.BLOCK_SET | Conformance.BLOCK_ACTION,
    "general-block-transfer": Conformance.GENERAL_BLOCK_TRANSFER,
    "access": Conformance.ACCESS,
    "set": Conformance.SET,
    "action": Conformance.ACTION,
}


def _refused(site: Site) -> End:
    result, diagnostic = site.word("result"), site.word("diagnostic")

    def change(offer: AssociationOffer) -> None:
        raise RejectedError(f"fault {site.id}", _DIAGNOSTICS[diagnostic], result=_RESULTS[result])

    return _offered(site, change, f"the association is rejected ({result}, {diagnostic})")


def _shrunk(site: Site) -> End:
    lost = int(_FEATURES[site.word("without")])

    def change(offer: AssociationOffer) -> None:
        offer.conformance &= ~lost

    return _offered(site, change, f"the association is opened without {site.word('without')}")


def _offered(site: Site, change: Callable[[AssociationOffer], None], what: str) -> End:
    """Offers to the clients that are meant are changed, or refused by RejectedError; ``what`` says how."""
    hits, changed = Hits(site), False

    def offered(offer: AssociationOffer) -> None:
        nonlocal changed
        if hits.meant_for(offer.client):
            changed = True
            change(offer)

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        nonlocal changed
        answers = handle(apdu)
        if changed:
            changed = False
            hits.hit(association, what)
        return answers

    return tap(site.device, offers=offered, apdus=tapped)


def _dropped(site: Site) -> End:
    hits, most = Hits(site), site.number("requests")
    served: Remembered[int] = Remembered()

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        before = served.swap(association, 0) or 0
        if association.state is State.ASSOCIATED and apdu[:1] not in (_AARQ, _RLRQ) and hits.meant(association):
            if before >= most:
                association.lost()
                hits.hit(association, f"the association is forgotten after {most} requests")
            else:
                served.swap(association, before + 1)
        return handle(apdu)

    return tap(site.device, apdus=tapped)


def _not_released(site: Site) -> End:
    hits = Hits(site)

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        answers = handle(apdu)
        if apdu[:1] != _RLRQ or not answers or not hits.meant(association):
            return answers
        hits.hit(association, "the release is not answered")
        return ()

    return tap(site.device, apdus=tapped)


_GOES_ON = "the next request is served as it should be, in associations that are open too"
_WRONG = "clients that check it give up the request or the association, others take it"

FAULTS: Final = (
    Fault(
        "object-refuses",
        Layer.APPLICATION,
        "An object answers with an error",
        SPEAKERS,
        objects.refuse,
        Culprit.DEVICE,
        "the firmware does not get at what is behind the object",
        ("GET, SET or ACTION of the object is answered by the result that was chosen", "all else is served"),
        _GOES_ON,
        objects.REFUSED,
    ),
    Fault(
        "wrong-value-type",
        Layer.APPLICATION,
        "What is read of an object is of another type",
        SPEAKERS,
        objects.retype,
        Culprit.DEVICE,
        "the firmware encodes the value as what it is not",
        ("the answer is whole and right but for the type of the Data in it",),
        _GOES_ON,
        objects.RETYPED,
        holds="values of objects",
    ),
    Fault(
        "wrong-value-length",
        Layer.APPLICATION,
        "What is read of an object says that it is longer than it is",
        SPEAKERS,
        objects.lengthen,
        Culprit.DEVICE,
        "the firmware counts the elements or octets of a value wrongly; numbers have no such count",
        ("the answer ends before the value does", "clients cannot decode it"),
        _GOES_ON,
        objects.LENGTHENED,
        holds="values of objects",
    ),
    Fault(
        "slow-object",
        Layer.APPLICATION,
        "An object takes long to be read, written or run",
        SPEAKERS,
        objects.slow,
        Culprit.DEVICE,
        "the firmware waits for what is behind the object",
        ("the answer comes late, on the time of the line", "a client that is less patient gives up, and meets it then"),
        "answers that are under way still come; the next request is answered at once",
        objects.SLOWED,
    ),
    Fault(
        "association-refused",
        Layer.APPLICATION,
        "Associations are rejected",
        SPEAKERS,
        _refused,
        Culprit.DEVICE,
        "the firmware rejects clients that it should take",
        ("the AARE has the result and the diagnostic that were chosen", "associations that are open go on"),
        "the next AARQ is taken",
        (
            Word("result", "The result in the AARE", tuple(_RESULTS)),
            Word("diagnostic", "The acse-service-user diagnostic in the AARE", tuple(_DIAGNOSTICS)),
            CLIENT,
            ANSWERS,
        ),
    ),
    Fault(
        "association-dropped",
        Layer.APPLICATION,
        "Associations are forgotten after some requests",
        SPEAKERS,
        _dropped,
        Culprit.DEVICE,
        "the firmware loses what it knows of the association; the link stays",
        ("after so many requests the next is answered by an exception-response", "a new AARQ is taken"),
        "associations last; those that were forgotten have to be opened again",
        (
            Number(
                "requests", "Requests that are served in an association, pass 3 of HLS apart", "requests", 1, 1000, 3
            ),
            CLIENT,
            ANSWERS,
        ),
    ),
    Fault(
        "release-unanswered",
        Layer.APPLICATION,
        "The release of an association is not answered",
        SPEAKERS,
        _not_released,
        Culprit.DEVICE,
        "the firmware ends the association and says nothing",
        ("no RLRE comes for an RLRQ", "the client's patience passes before it can go on"),
        "the next release is answered",
        (CLIENT, ANSWERS),
    ),
    Fault(
        "conformance-shrinks",
        Layer.APPLICATION,
        "Associations are opened without a service that the device has",
        SPEAKERS,
        _shrunk,
        Culprit.DEVICE,
        "the firmware leaves a bit out of the conformance block that it negotiates",
        ("the conformance in the AARE lacks it", "a request that needs it is answered by an exception-response"),
        "the next association has it; those that are open stay without",
        (Word("without", "What is left out", tuple(_FEATURES)), CLIENT),
    ),
    Fault(
        "request-ignored",
        Layer.APPLICATION,
        "Requests are not served and not answered",
        SPEAKERS,
        services.ignore,
        Culprit.DEVICE,
        "the task of the firmware that serves requests does not run; links, and the opening of associations, do",
        ("HDLC frames are acknowledged, and no answer comes", "nothing that was asked for is done"),
        _GOES_ON,
        services.IGNORED,
        holds="answers",
    ),
    Fault(
        "exception-response",
        Layer.APPLICATION,
        "Requests are answered by an exception-response",
        SPEAKERS,
        services.except_,
        Culprit.DEVICE,
        "the firmware does not serve what it should",
        ("each request is answered by an exception-response", "nothing that was asked for is done"),
        _GOES_ON,
        services.EXCEPTED,
        holds="answers",
    ),
    Fault(
        "wrong-answer-tag",
        Layer.APPLICATION,
        "Answers have the tag of another service",
        SPEAKERS,
        services.other_tag,
        Culprit.DEVICE,
        "the firmware puts the wrong tag before the answer",
        ("a GET is answered as if it were a SET, a SET as an ACTION, an ACTION as a GET", _WRONG),
        _GOES_ON,
        services.OTHER_TAG,
        holds="answers",
    ),
    Fault(
        "wrong-invoke-id",
        Layer.APPLICATION,
        "Answers have another invoke-id than their requests",
        SPEAKERS,
        services.other_id,
        Culprit.DEVICE,
        "the firmware does not give the invoke-id back",
        ("the invoke-id in the answer is another", _WRONG),
        _GOES_ON,
        services.OTHER_ID,
        holds="answers",
    ),
    Fault(
        "truncated-answer",
        Layer.APPLICATION,
        "The end of answers is missing",
        SPEAKERS,
        services.cut_off,
        Culprit.DEVICE,
        "the firmware sends fewer octets than the answer has, in frames that are right",
        ("the APDU ends early", "clients cannot decode it"),
        _GOES_ON,
        services.CUT_OFF,
        holds="answers",
    ),
    Fault(
        "stale-answer",
        Layer.APPLICATION,
        "Requests get the answers of the requests before",
        SPEAKERS,
        services.stale,
        Culprit.DEVICE,
        "the firmware is one answer behind; the first request of an association gets its own",
        ("the value is that of what was asked for before", "a client that does not check the invoke-id takes it"),
        "each request gets its own answer",
        services.STALE,
        holds="answers",
    ),
    Fault(
        "wrong-block-number",
        Layer.APPLICATION,
        "Blocks have a number that is too high",
        SPEAKERS,
        services.other_block,
        Culprit.DEVICE,
        "the firmware counts blocks wrongly in what it sends",
        ("a long GET or SET breaks off at the client, which misses a block", "short ones are served"),
        "the next transfer is right",
        services.OTHER_BLOCK,
        holds="block transfers",
    ),
    Fault(
        "block-transfer-aborted",
        Layer.APPLICATION,
        "Transfers in blocks are aborted half way",
        SPEAKERS,
        services.give_up,
        Culprit.DEVICE,
        "the firmware gives up a transfer after some blocks",
        ("the next block is refused: long-get-aborted, long-set-aborted", "nothing of a long SET is written"),
        "the next transfer is carried through",
        services.GIVEN_UP,
        holds="block transfers",
    ),
)
"""Faults of the application layer."""
