"""Text <-> packets, both ways, on good and on broken messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ProtocolError
from providers.tradingview import codec

# Text as the service may send it: Latin, Hangul, astral characters, and text that looks like framing.
texts = st.lists(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
        st.sampled_from(["~m~", "~m~3~m~abc", "~h~7", "삼성전자", "🚀", "a🚀b", "", "~m~😀~m~"]),
    ),
    max_size=8,
)


@given(texts)
def test_what_is_encoded_decodes_to_the_same_payloads(payloads):
    decoded = codec.decode(codec.encode(*payloads))
    assert decoded.fault is None
    assert decoded.payloads == [payload.encode() for payload in payloads]


@given(texts, st.data())
def test_a_message_cut_anywhere_keeps_whole_packets_and_says_so(payloads, data):
    message = codec.encode(*payloads)
    cut = data.draw(st.integers(0, len(message)))
    decoded = codec.decode(message[:cut])
    whole = [payload.encode() for payload in payloads]
    assert decoded.payloads == whole[: len(decoded.payloads)]
    complete = codec.encode(*payloads[: len(decoded.payloads)])
    assert (decoded.fault is None) == (message[:cut] == complete)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise(data):
    decoded = codec.decode(data)
    assert decoded.fault is None or isinstance(decoded.fault, ProtocolError)


@given(st.text(max_size=200))
def test_text_and_its_bytes_decode_alike(text):
    encodable = text.encode("utf-8", "surrogatepass")
    assert codec.decode(text).payloads == codec.decode(encodable).payloads


@pytest.mark.parametrize(("payload", "units"), [("abc", 3), ("é", 1), ("삼성", 2), ("🚀", 2), ("a🚀", 3), ("", 0)])
def test_length_counts_utf16_units_not_bytes_or_characters(payload, units):
    assert codec.encode(payload) == f"~m~{units}~m~{payload}"


def test_a_payload_that_looks_like_a_header_is_not_cut():
    payload = b'{"description":"~m~5~m~hello"}'
    assert codec.decode(codec.encode(payload, "~h~1")).payloads == [payload, b"~h~1"]


def test_calls_are_compact_and_unescaped():
    assert codec.encode_call("qsd", ["qs_1", {"n": "KRX:삼성"}]) == '~m~39~m~{"m":"qsd","p":["qs_1",{"n":"KRX:삼성"}]}'


def test_heartbeats_grow_with_their_digits():
    assert codec.heartbeat(1) == "~m~4~m~~h~1"
    assert codec.heartbeat(10) == "~m~5~m~~h~10"
    assert codec.is_heartbeat(b"~h~10")
    assert not codec.is_heartbeat(b'{"m":"~h~"}')


@pytest.mark.parametrize(
    ("message", "kept", "said"),
    [
        ("hello", [], "no packet header at unit 0"),
        ("~m~2~m~ab~m~", [b"ab"], "no packet header at unit 9"),
        ("~m~2~m~abc", [b"ab"], "no packet header at unit 9"),
        ("~m~1~m~a~m~9~m~abc", [b"a"], "9 units announced, 3 left"),
        ("~m~1~m~a~m~9~m~삼성", [b"a"], "9 units announced, 2 left"),
        ("~m~-1~m~a", [], "no packet header"),
        ("~m~ 1~m~a", [], "no packet header"),
        ("~m~9999999999~m~a", [], "no packet header"),
        ("~m~1~m~🚀", [], "ends inside a character"),
        (b"~m~1~m~\xff", [], "not UTF-8"),
    ],
)
def test_broken_messages_keep_what_came_before_and_name_the_place(message, kept, said):
    decoded = codec.decode(message)
    assert decoded.payloads == kept
    assert said in str(decoded.fault)


def test_an_empty_message_holds_nothing_and_is_no_fault():
    assert codec.decode("") == codec.Packets([], None)


@given(st.one_of(st.binary(max_size=60), texts.map(lambda payloads: codec.encode(*payloads).encode())))
def test_the_live_path_reads_the_same_as_the_plain_one(message):
    faults = []
    payloads = codec.split(message, faults)
    decoded = codec.decode(message)
    assert list(payloads) == decoded.payloads
    assert [str(fault) for fault in faults] == ([str(decoded.fault)] if decoded.fault else [])
