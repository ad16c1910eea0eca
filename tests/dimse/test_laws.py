"""Laws of the encodings: what is written is read again, and no bytes do more than be refused."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.inspection import fault_of
from dimse.domain import command as commands
from dimse.domain import negotiation, part10, pdu
from dimse.domain.pdu import AnsweredContext, ContextResult, ProposedContext, ProtocolError
from tests.archive.factories import make_dataset, to_bytes
from tests.dimse.factories import associate_request

uids = st.from_regex(r"\A[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5}){1,8}\Z")
titles = st.from_regex(r"\A[A-Z0-9_]{1,16}\Z")


@given(st.binary(max_size=600))
def test_any_bytes_are_an_association_request_or_a_protocol_error(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        pdu.parse_associate_request(body)


@given(st.data())
def test_a_damaged_request_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(associate_request(called="HERE")[6:])
    for _unused in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    with contextlib.suppress(ProtocolError):
        pdu.parse_associate_request(bytes(body[:cut]))


@given(called=titles, calling=titles, abstract=uids, syntaxes=st.lists(uids, min_size=1, max_size=5, unique=True))
def test_what_a_peer_proposes_is_what_we_read(called: str, calling: str, abstract: str, syntaxes: list[str]) -> None:
    data = associate_request(called=called, calling=calling, contexts={1: (abstract, syntaxes)})
    request = pdu.parse_associate_request(data[6:])
    assert (request.called_ae_title, request.calling_ae_title) == (called, calling)
    assert request.contexts == (ProposedContext(1, abstract, tuple(syntaxes)),)


@given(st.lists(uids, min_size=1, max_size=20, unique=True))
def test_each_proposed_context_gets_exactly_one_answer(abstracts: list[str]) -> None:
    proposed = [ProposedContext(2 * n + 1, uid, ("1.2.840.10008.1.2",)) for n, uid in enumerate(abstracts)]
    answers = negotiation.answer(proposed=proposed, offers={})
    assert [answer.context_id for answer in answers] == [context.context_id for context in proposed]
    for answer, context in zip(answers, proposed, strict=True):
        assert answer.result != ContextResult.ACCEPTED or answer.transfer_syntax in context.transfer_syntaxes


@given(st.lists(st.sampled_from(sorted(negotiation.KNOWN | negotiation.REFUSED)), min_size=1, max_size=8, unique=True))
def test_a_lossy_syntax_is_never_chosen_where_an_uncompressed_one_is_offered(proposed: list[str]) -> None:
    chosen = negotiation.choose_for_storage(proposed)
    assert chosen is None or chosen in proposed
    assert chosen not in negotiation.REFUSED
    if set(proposed) & set(negotiation.UNCOMPRESSED):
        assert chosen is not None and negotiation.rank(chosen) in (0, 1, 2, 3)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_command_set_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        commands.decode(data)


@given(st.dictionaries(st.integers(1, 0xFFFF), st.binary(max_size=64).map(lambda b: b + b"\0" * (len(b) % 2))))
def test_a_command_set_survives_the_round_trip(values: dict[int, bytes]) -> None:
    values = {element: b"\1\1" if element in commands._SHORTS else value for element, value in values.items()}
    values |= {commands.COMMAND_FIELD: b"\1\0", commands.DATA_SET_TYPE: b"\1\1"}
    decoded = commands.decode(commands.encode(values)).values
    assert {element: value for element, value in decoded.items() if element} == values


@given(payload=st.binary(min_size=1, max_size=5000), maximum=st.integers(7, 600))
def test_a_message_is_cut_into_pdus_that_the_peer_takes(payload: bytes, maximum: int) -> None:
    data = pdu.encode_message(context_id=1, command=b"c" * 20, data_set=payload, maximum_length=maximum)
    received = b""
    while data:
        kind, length = pdu.parse_header(data)
        assert kind == pdu.P_DATA_TF and length <= maximum
        size, context_id, control = pdu.PDV.unpack_from(data, 6)
        assert size == length - 4 and context_id == 1
        if not control & 1:
            received += data[12 : 6 + length]
        data = data[6 + length :]
    assert received == payload


@given(
    st.binary(max_size=300),
    st.sampled_from(["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", part10.DEFLATED]),
)
def test_a_look_at_any_bytes_never_fails(data: bytes, syntax: str) -> None:
    part10.peek(data, transfer_syntax_uid=syntax, size=len(data)).fault(sop_class_uid="1.2", sop_instance_uid="1.2")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"])
def test_the_identity_of_a_real_object_is_found_in_its_first_bytes(syntax: str) -> None:
    dataset = make_dataset()
    content = to_bytes(dataset, transfer_syntax_uid=syntax)
    data = content[144 + struct.unpack_from("<I", content, 140)[0] :]
    found = part10.peek(data[: part10.PEEK_BYTES], transfer_syntax_uid=syntax, size=len(data))
    assert found.text(part10.STUDY_INSTANCE_UID) == dataset.StudyInstanceUID
    assert found.text(part10.SERIES_INSTANCE_UID) == dataset.SeriesInstanceUID
    assert found.fault(sop_class_uid=dataset.SOPClassUID, sop_instance_uid=dataset.SOPInstanceUID) is None


PLAIN_SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]


def written(syntax: str) -> bytes:
    """A data set without file meta information."""
    content = to_bytes(make_dataset(), transfer_syntax_uid=syntax)
    return content[144 + struct.unpack_from("<I", content, 140)[0] :]


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_a_plain_image_is_told_without_walking_through_its_file(syntax: str) -> None:
    data = written(syntax)
    assert part10.peek(data, transfer_syntax_uid=syntax, size=len(data)).is_plain_image
    assert part10.peek(data[:-300], transfer_syntax_uid=syntax, size=len(data)).is_plain_image
    for other in (
        data[:-2],
        data + b"\0" * 10,
        data[: data.rindex(b"\xe0\x7f") if syntax != PLAIN_SYNTAXES[2] else -520],
    ):
        assert not part10.peek(other, transfer_syntax_uid=syntax, size=len(other)).is_plain_image


@given(
    syntax=st.sampled_from(PLAIN_SYNTAXES),
    cut=st.integers(0, 600),
    at=st.integers(0, 10_000),
    byte=st.integers(0, 255),
    more=st.binary(max_size=20),
)
def test_what_a_look_calls_a_plain_image_the_index_takes(
    syntax: str, cut: int, at: int, byte: int, more: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(written(syntax))
    data[at % len(data)] = byte
    broken = bytes(data[: len(data) - cut % len(data)]) + more
    found = part10.peek(broken, transfer_syntax_uid=syntax, size=len(broken))
    if not found.is_plain_image or not found.is_conclusive:
        return
    identity = {
        "sop_class_uid": found.text(part10.SOP_CLASS_UID),
        "sop_instance_uid": found.text(part10.SOP_INSTANCE_UID),
    }
    if found.fault(**identity) is not None:
        return
    head = part10.file_meta(
        **identity, transfer_syntax_uid=syntax, implementation_class="1.2", implementation_version="1",
        source_ae_title="A", receiving_ae_title="B",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("looked") / "one.dcm"
    path.write_bytes(head + broken)
    assert fault_of(path=path) is None


def test_an_accept_echoes_the_titles_as_they_came() -> None:
    request = pdu.parse_associate_request(associate_request(called="HERE", calling="SENDER")[6:])
    data = pdu.encode_associate_accept(
        request=request,
        contexts=[AnsweredContext(1, ContextResult.ACCEPTED, "1.2.840.10008.1.2")],
        maximum_length=1 << 17,
        implementation_class="1.2.3",
        implementation_version="PACSWEB",
    )
    assert data[10:42] == request.raw_titles
