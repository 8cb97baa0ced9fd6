"""Hypothesis strategies: one for every message."""

from __future__ import annotations

from hypothesis import strategies as st

from p2p import messages as m
from p2p.netaddress import CJDNS, I2P, IPV4, IPV6, TORV3, NetAddress
from primitives.bitcoin import BitcoinFormat, BitcoinHeader, Transaction, TxInput, TxOutput
from primitives.buffer import Writer
from primitives.chain import Form

FORMAT = BitcoinFormat()

u8, u16, u32 = (st.integers(0, 2**n - 1) for n in (8, 16, 32))
u64 = st.integers(0, 2**64 - 1)
i32, i64 = (st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (32, 64))
hashes = st.binary(min_size=32, max_size=32)


def _host(kind: int, size: int) -> st.SearchStrategy[NetAddress]:
    return st.builds(NetAddress, st.just(kind), st.binary(min_size=size, max_size=size), u16)


v4 = _host(IPV4, 4)
v6 = _host(IPV6, 16).filter(lambda a: a.host[:12] != bytes(10) + b"\xff\xff" and a.host[:6].hex() != "fd87d87eeb43")
v1_addresses = v4 | v6
v2_addresses = v1_addresses | _host(TORV3, 32) | _host(I2P, 32) | _host(CJDNS, 16) | _host(77, 20)

headers = st.builds(BitcoinHeader, i32, hashes, hashes, u32, u32, u32)
inputs = st.builds(
    TxInput,
    st.binary(min_size=36, max_size=36),
    st.binary(max_size=40),
    u32,
    st.lists(st.binary(max_size=20), max_size=2).map(tuple),
)
outputs = st.builds(TxOutput, i64, st.binary(max_size=40))
transactions = st.builds(
    Transaction, i32, st.lists(inputs, min_size=1, max_size=3).map(tuple), st.lists(outputs, max_size=3).map(tuple), u32
)
items = st.lists(st.tuples(u32, hashes), max_size=5).map(tuple)
locators = st.lists(hashes, max_size=5).map(tuple)


def _header_raw(header: BitcoinHeader) -> bytes:
    w = Writer()
    FORMAT.write_header(w, header, Form.WIRE)
    return w.done()


def _block(header: BitcoinHeader, body: bytes) -> m.BlockMessage:
    return m.BlockMessage(header, header.raw + body)


@st.composite
def compact_blocks(draw: st.DrawFn) -> m.CompactBlock:
    header = draw(headers)
    count = draw(st.integers(0, 5))
    at = sorted(draw(st.sets(st.integers(0, max(0, count - 1)), max_size=count)))[:count] if count else []
    prefilled = tuple(m.Prefilled(i, tx, tx.raw) for i in at for tx in [draw(transactions)])
    short = tuple(draw(st.binary(min_size=6, max_size=6)) for _ in range(count - len(prefilled)))
    return m.CompactBlock(header, header.raw, draw(u64), short, prefilled)


indexes = st.sets(st.integers(0, 65_535), max_size=6).map(lambda s: tuple(sorted(s)))

BY_CLASS: dict[type, st.SearchStrategy[m.Message]] = {
    m.Version: st.builds(
        m.Version, i32, u64, i64, u64, v1_addresses, u64, v1_addresses, u64,
        st.text(st.characters(max_codepoint=255), max_size=40), i32, st.booleans(),
    ),
    m.Verack: st.builds(m.Verack),
    m.WtxidRelay: st.builds(m.WtxidRelay),
    m.SendAddrV2: st.builds(m.SendAddrV2),
    m.SendHeaders: st.builds(m.SendHeaders),
    m.GetAddr: st.builds(m.GetAddr),
    m.MempoolRequest: st.builds(m.MempoolRequest),
    m.Ping: st.builds(m.Ping, u64),
    m.Pong: st.builds(m.Pong, u64),
    m.FeeFilter: st.builds(m.FeeFilter, i64),
    m.SendCompact: st.builds(m.SendCompact, st.booleans(), u64),
    m.Addr: st.builds(m.Addr, st.lists(st.builds(m.Known, u32, u64, v1_addresses), max_size=4).map(tuple)),
    m.AddrV2: st.builds(m.AddrV2, st.lists(st.builds(m.Known, u32, u64, v2_addresses), max_size=4).map(tuple)),
    m.Inv: st.builds(m.Inv, items),
    m.GetData: st.builds(m.GetData, items),
    m.NotFound: st.builds(m.NotFound, items),
    m.GetHeaders: st.builds(m.GetHeaders, u32, locators, hashes),
    m.GetBlocks: st.builds(m.GetBlocks, u32, locators, hashes),
    m.Headers: st.lists(headers, max_size=4).map(lambda hs: m.Headers.of(tuple(hs), FORMAT)),
    m.BlockMessage: st.builds(_block, headers, st.binary(max_size=50)),
    m.TxMessage: transactions.map(lambda tx: m.TxMessage.of(tx, FORMAT)),
    m.FilterLoad: st.builds(m.FilterLoad, st.binary(max_size=60), st.integers(0, 50), u32, u8),
    m.FilterAdd: st.builds(m.FilterAdd, st.binary(max_size=520)),
    m.FilterClear: st.builds(m.FilterClear),
    m.MerkleBlock: st.builds(
        lambda h, total, hs, flags: m.MerkleBlock(h, _header_raw(h), total, tuple(hs), flags),
        headers, u32, st.lists(hashes, max_size=4), st.binary(max_size=6),
    ),
    m.CompactBlock: compact_blocks(),
    m.GetBlockTransactions: st.builds(m.GetBlockTransactions, hashes, indexes),
    m.BlockTransactions: st.builds(
        lambda h, txs: m.BlockTransactions(h, tuple(txs), tuple(tx.raw for tx in txs)), hashes, st.lists(transactions, max_size=3)
    ),
}  # fmt: skip

messages = st.one_of(*BY_CLASS.values())
