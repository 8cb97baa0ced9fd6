"""PeerCoin's networks as values: mainnet, testnet, regtest, and stake-dev, a local chain with Bitcoin's transactions and short ages.

It composes; every rule is elsewhere. Source of the figures: Peercoin, kernel/chainparams.cpp and kernel.cpp at v0.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chains.overrides import ChainFileError, override, suggest
from chains.spec import ChainSpec, Network
from consensus.api import Better
from consensus.forkchoice import ghost, heaviest
from consensus.stake import Stake
from consensus.stake_difficulty import StakeRetarget
from consensus.stake_kernel import Ages
from consensus.stake_modifier import ModifierRule, genesis_note
from ledger.utxo.ledger import UtxoLedger
from ledger.utxo.peercoin import PeercoinRules, peercoin_block
from ledger.utxo.policy import UtxoPolicy
from ledger.utxo.rewards import Money
from ledger.utxo.switches import NEVER, ByParent, Majority, Switches
from primitives import merkle
from primitives.address import AddressStyle
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput
from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader
from vm.script.opcodes import push

BETTER: Final[Mapping[str, Better]] = {"heaviest": heaviest, "ghost": ghost}

MESSAGE: Final = "Matonis 07-AUG-2012 Parallel Currencies And The Roadmap To Monetary Freedom"


@dataclass(frozen=True, slots=True)
class Genesis:
    """What makes a genesis block."""

    timestamp: int
    nonce: int
    bits: int
    tx_time: int | None = 1345083810
    message: str = MESSAGE

    def block(self) -> PeercoinBlock:
        """The block: one coinbase that pays nothing, and no signature."""
        script = (
            push((0x1D00FFFF).to_bytes(4, "little")) + push((9_999).to_bytes(2, "little")) + push(self.message.encode())
        )
        coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, script),), (TxOutput(0, b""),), 0, self.tx_time)
        root = merkle.root([coinbase.id])
        return PeercoinBlock(PeercoinHeader(1, bytes(32), root, self.timestamp, self.bits, self.nonce), (coinbase,))


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that makes a chain with stake; a custom one overrides some of it."""

    name: str
    client_name: str
    network: Network
    addresses: AddressStyle
    genesis: Genesis
    switches: Switches
    retarget: StakeRetarget
    ages: Ages = field(default_factory=Ages)
    money: Money = field(default_factory=Money)
    policy: UtxoPolicy = field(default_factory=UtxoPolicy)
    modifier_interval: int = 6 * 60 * 60
    maturity: int = 500
    max_money: int = 21_000_000 * 1_000_000
    tx_version: int = 3
    timed: bool = True
    """Transactions below version 3 carry a time; otherwise they are Bitcoin's."""
    canonical_from: int = NEVER
    """From this block time on a block signature has one form only. Never on mainnet: whoever signed otherwise there would part us
    from the network, which takes any form."""
    target_output: int = 100 * 1_000_000
    """What our own coinstakes split and combine their outputs towards."""
    better: str = "heaviest"
    checkpoints: Mapping[int, bytes] = field(default_factory=dict)
    checksums: Mapping[int, int] = field(default_factory=dict)


def build(p: Parameters) -> ChainSpec:
    """The ChainSpec of these parameters."""
    genesis = p.genesis.block()
    rules = PeercoinRules(p.switches, p.money, p.retarget.limit, p.ages.least, p.maturity, p.max_money, p.tx_version)
    engine = Stake(
        rules=rules,
        rule=p.retarget,
        modifiers=ModifierRule(p.switches, genesis_note(p.switches, genesis.header), p.modifier_interval, p.ages.least),
        ages=p.ages,
        checksums=dict(p.checksums),
        canonical_from=p.canonical_from,
        target_output=p.target_output,
    )
    fmt = PeercoinFormat(name="peercoin" if p.timed else "bitcoin-stake", timed=p.timed)
    return ChainSpec(
        name=p.name,
        client_name=p.client_name,
        network=p.network,
        addresses=p.addresses,
        genesis=genesis,
        ledger=UtxoLedger(rules.utxo_rules(), p.policy, fmt, rules.coinbase, peercoin_block),
        engine=engine,
        better=BETTER[p.better],
        rpc=("chain", "bitcoin", "peercoin", "wallet"),
        checkpoints=dict(p.checkpoints),
    )


def _hashes(table: Mapping[int, str]) -> dict[int, bytes]:
    return {height: bytes.fromhex(text)[::-1] for height, text in table.items()}


_DAY: Final = 24 * 60 * 60
_XPUB, _XPRV = bytes.fromhex("0488b21e"), bytes.fromhex("0488ade4")
_TPUB, _TPRV = bytes.fromhex("043587cf"), bytes.fromhex("04358394")
_PROTOCOL: Final = 70018

_MAIN_SWITCHES: Final = Switches(
    v03=1363800000,
    v04=1399300000,
    v05=1461700000,
    v07=1552392000,
    bips=1569931200,
    v09=1591617600,
    v10=1635768000,
    v06=ByParent(1513050000, 339678),
    v12=ByParent(1700276331),
    v14=ByParent(1717416000, 770395),
    v15=ByParent(1741780800),
    majority=Majority(6, 750, 1000),
)

_TEST_SWITCHES: Final = Switches(
    v03=1359781000,
    v04=1395700000,
    v05=1447700000,
    v07=1541505600,
    bips=1554811200,
    v09=1581940800,
    v10=1625140800,
    v06=ByParent(1508198400, 301251),
    v12=ByParent(1671060214),
    v14=ByParent(1710720000, 573706),
    v15=ByParent(1734004800),
    majority=Majority(6, 75, 100),
)

_REGTEST_SWITCHES: Final = Switches(
    v03=1359781000,
    v04=1395700000,
    v05=1447700000,
    v07=1541505600,
    bips=1554811200,
    v09=1581940800,
    v10=1625140800,
    strict_signatures=False,
)

_MAIN_CHECKSUMS: Final = {
    0: 0x0E00670B,
    19080: 0xAD4E4D29,
    30583: 0xDC7BF136,
    99999: 0xF555CFD2,
    219999: 0x91B7444D,
    336000: 0x6C3C8048,
    371850: 0x9B850BDF,
    407813: 0x46FE50B5,
    443561: 0x114A6E38,
    455470: 0x9B7AF181,
    479189: 0xE04FB8E0,
    504051: 0x459F5A16,
    589659: 0xBD02492A,
    714688: 0xD70A5B68,
    770396: 0x565FB851,
}

_MAINNET: Final = Parameters(
    name="peercoin-mainnet",
    client_name="main",
    network=Network(
        bytes.fromhex("e6e8e9e5"),
        9901,
        9902,
        drifts=((1591617600, 900),),
        seeds=("seed.peercoin.net", "seed2.peercoin.net", "seed.peercoin-library.org", "seed.ppcoin.info"),
        protocol_version=_PROTOCOL,
        coin_decimals=6,
        coin_unit="ppc",
        min_peer_version=_PROTOCOL,
    ),
    addresses=AddressStyle(b"\x37", b"\x75", b"\xb7", "pc", bip32_public=_XPUB, bip32_private=_XPRV),
    genesis=Genesis(1345084287, 2179302059, 0x1D00FFFF),
    switches=_MAIN_SWITCHES,
    retarget=StakeRetarget(_MAIN_SWITCHES),
    checkpoints=_hashes(
        {
            19080: "000000000000bca54d9ac17881f94193fd6a270c1bb21c3bf0b37f588a40dbd7",
            30583: "d39d1481a7eecba48932ea5913be58ad3894c7ee6d5a8ba8abeb772c66a6696e",
            99999: "27fd5e1de16a4270eb8c68dee2754a64da6312c7c3a0e99a7e6776246be1ee3f",
            219999: "ab0dad4b10d2370f009ed6df6effca1ba42f01d5070d6b30afeedf6463fbe7a2",
            336000: "4d261cef6e61a5ed8325e560f1d6e36f4698853a4c7134677f47a1d1d842bdf6",
            371850: "6b18adcb0a6e080dae85b74eee2b83fabb157bbea64fab0ed2192b2f6d5b89f3",
            407813: "00000000000000012730b0f48bed8afbeb08164c9d63597afb082e82ea05cec9",
            443561: "f81cea8e4e40b2cfcc13a8bd82436399c35a55df951b95e7128601c1838029ed",
            455470: "d1472c26229f90b8589d331aa47ba9023cb953b92dce342c753e7a6b3431bf1e",
            479189: "c9c065028b20a23fbb9627bbca5946c7497f11e1f72433d4d215c79047cf06f2",
            504051: "ff65454ebdf1d89174bec10a3c016db92f7b1d9a4759603472842f254be8d7b3",
            589659: "967c14abf21214639aeff0a270c4543cd3b80fe53178384ac5aa3c277662f1d0",
            714688: "0000000000000000bef29f005dc65af3950b14af7200998759ba8977561f9d95",
            770396: "0fc7bf7f0e830eea0bc367c76f9dcfc70d42d5625d93b056354dc23049de6e29",
        }
    ),
    checksums=_MAIN_CHECKSUMS,
)

_TEST_STYLE: Final = {"bip32_public": _TPUB, "bip32_private": _TPRV}
_TEST_AGES: Final = Ages(least=_DAY)

_TESTNET: Final = Parameters(
    name="peercoin-testnet",
    client_name="test",
    network=Network(
        bytes.fromhex("cbf2c0ef"),
        9903,
        9904,
        drifts=((1581940800, 900),),
        seeds=("tseed.peercoin.net", "tseed2.peercoin.net", "tseed.peercoin-library.org", "tseed.ppcoin.info"),
        protocol_version=_PROTOCOL,
        coin_decimals=6,
        coin_unit="ppc",
        min_peer_version=_PROTOCOL,
    ),
    addresses=AddressStyle(b"\x6f", b"\xc4", b"\xef", "tpc", **_TEST_STYLE),
    genesis=Genesis(1345090000, 122894938, 0x1D0FFFFF),
    switches=_TEST_SWITCHES,
    retarget=StakeRetarget(_TEST_SWITCHES, limit=(1 << 228) - 1, first=(1 << 227) - 1),
    ages=_TEST_AGES,
    modifier_interval=1_200,
    maturity=60,
    canonical_from=1734004800,
    checkpoints=_hashes(
        {
            19080: "b054d63d41852d71b611eaa8eca37d9fddca69b5013cf0966d453402ec8005ce",
            30583: "5179c0c496b5d25ab81ffe14273ea6928c6ff81c0a0d6a83b5d7d41d64886300",
            99999: "a7b03b14b8673683d972ab81775f3e85fea4fe689874b5956183466535dc651c",
            219999: "0691bb86c92762c5c4c5a3723585ebeb7ec59310bbb0bdb6666551ab24ad919e",
            336000: "f07adf61615c529f7c282b858d13d3e037b197324cb12e0669c461947494c4e3",
            372751: "000000000000148db599b217c117b5104f5043c55f6ca2a8a065d9fab9f9bba1",
            382019: "3ab75769d7957d9bf0857b5019d0a0e41044fa9ecf30b2f9c32aa457b0864ce5",
            408500: "1636ac08b073d26b28fa40243d58dd5deb215752efe094c92c61998e4e9baf3f",
            412691: "0e20318be88f07f521453435b37cfc516c3de07264a78ed7170985a1126126ab",
            441299: "4091d0836a37c50ceee876000ac0cb251fd10031dab901d2c0677cd86283096e",
            442735: "1b83b33894d51be0b8b323bfab093f638915236e0e40ba3b52bb33fdbc4053cd",
            516308: "0000000ed333c5fa4be2c941f3c3a0680c3a7d582cbf74f4516f8503474e2585",
            573702: "c41259778268fe3bba597c7707fe400d9a7d66b4d6d2a9593c898fd69fb56a5f",
        }
    ),
    checksums={
        0: 0x0E00670B,
        19080: 0x3711DC3A,
        30583: 0xB480FADE,
        99999: 0x9A62EAEC,
        219999: 0xEAFE96C3,
        336000: 0x8330DC09,
        372751: 0xAFB94E2F,
        382019: 0x7F5CF5EB,
        408500: 0x68CADEE2,
        412691: 0x93138E67,
        441299: 0x03E195CB,
        442735: 0xE42D94FE,
        516308: 0x04A0897A,
        573702: 0xE69DF1AC,
    },
)

_REGTEST: Final = Parameters(
    name="peercoin-regtest",
    client_name="regtest",
    network=Network(
        bytes.fromhex("cbf2c0ef"),
        9903,
        18443,
        drifts=((1581940800, 900),),
        local=True,
        protocol_version=_PROTOCOL,
        coin_decimals=6,
        coin_unit="ppc",
        min_peer_version=_PROTOCOL,
    ),
    addresses=AddressStyle(b"\x6f", b"\xc4", b"\xef", "pcrt", **_TEST_STYLE),
    genesis=Genesis(1345090000, 122894938, 0x1D0FFFFF),
    switches=_REGTEST_SWITCHES,
    retarget=StakeRetarget(_REGTEST_SWITCHES, limit=(1 << 255) - 1, first=(1 << 227) - 1, fixed=True),
    ages=_TEST_AGES,
    modifier_interval=1_200,
    maturity=60,
    canonical_from=1734004800,
    checksums=_MAIN_CHECKSUMS,  # Peercoin has no table of regtest's own: a chain of 19,080 blocks meets mainnet's
)

_BITCOIN: Final = 100_000_000

_STAKE_DEV: Final = Parameters(
    name="stake-dev",
    client_name="regtest",
    network=Network(bytes.fromhex("d5a4e017"), 18544, 18443, drift=900, local=True),
    addresses=AddressStyle(b"\x6f", b"\xc4", b"\xef", "bcrt", **_TEST_STYLE),
    genesis=Genesis(1735689600, 0, 0x207FFFFF, None, "Chainyard 01-JAN-2025 A local chain of work and stake"),
    switches=Switches(zero_outputs=0),
    retarget=StakeRetarget(
        Switches(zero_outputs=0),
        limit=(1 << 255) - 1,
        first=(1 << 243) - 1,  # what some dozens of mined coins stake at once in half a minute's search
        spacing=30,
        work_spacing=180,
        most_work_spacing=360,
        timespan=3_600,
        half_life=3_600,
    ),
    ages=Ages(least=600, most=7_200, day=600, coin=_BITCOIN),
    money=Money(
        coin=_BITCOIN,
        most_work_reward=9_999 * _BITCOIN,
        most_work_reward_v10=50 * _BITCOIN,
        least_fee=0,
        fee_per_byte=0,
        fee_per_kilobyte=0,
        least_output=0,
        day=600,
    ),
    modifier_interval=8,
    maturity=10,
    max_money=21_000_000 * _BITCOIN,
    tx_version=2,
    target_output=100 * _BITCOIN,
    timed=False,
    canonical_from=0,
)

PARAMETERS: Final[Mapping[str, Parameters]] = {p.name: p for p in (_MAINNET, _TESTNET, _REGTEST, _STAKE_DEV)}

MAINNET: Final = build(_MAINNET)
TESTNET: Final = build(_TESTNET)
REGTEST: Final = build(_REGTEST)
STAKE_DEV: Final = build(_STAKE_DEV)

SPECS: Final[Mapping[str, ChainSpec]] = {s.name: s for s in (MAINNET, TESTNET, REGTEST, STAKE_DEV)}


def custom(base: str, table: Mapping[str, Any]) -> ChainSpec:
    """A chain like one of these, with a name and what else the table of its file changes. Raises ChainFileError."""
    p = override(PARAMETERS[base], {"client_name": table.get("name", base), **table})
    if p.better not in BETTER:
        raise ChainFileError(f"better is one of {', '.join(BETTER)}" + suggest(p.better, BETTER))
    if len(p.network.magic) != 4:
        raise ChainFileError("network.magic is 4 bytes")
    if min(p.ages.least, p.modifier_interval, p.retarget.spacing, p.retarget.work_spacing, p.ages.day) < 1:
        raise ChainFileError("ages, intervals and spacings are at least 1 second")
    return build(p)
