"""Bitcoin's networks as values: mainnet, testnet 3 and 4, signet, regtest; and what a custom chain may change of them.

It composes; every rule is elsewhere. Source of the figures: Bitcoin Core, kernel/chainparams.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from chains.overrides import ChainFileError, override, suggest
from chains.spec import ChainSpec, Network
from consensus.api import Better
from consensus.difficulty import Retarget
from consensus.forkchoice import ghost, heaviest
from consensus.sha256d import Sha256d
from ledger.utxo.checks import coinbase_first
from ledger.utxo.connect import coinbase_reward
from ledger.utxo.ledger import UtxoLedger
from ledger.utxo.policy import UtxoPolicy
from ledger.utxo.rules import COIN, Activations, UtxoRules, halving
from ledger.utxo.signet import solved_by
from primitives import merkle
from primitives.address import AddressStyle
from primitives.bitcoin import NULL_OUTPOINT, BitcoinBlock, BitcoinHeader, Transaction, TxInput, TxOutput
from primitives.hashing import sha256d
from vm.script.flags import Flags
from vm.script.opcodes import push

BETTER: Final[Mapping[str, Better]] = {"heaviest": heaviest, "ghost": ghost}


def display(hex_hash: str) -> bytes:
    """A hash in wire order from its usual display."""
    return bytes.fromhex(hex_hash)[::-1]


@dataclass(frozen=True, slots=True)
class Genesis:
    """What makes a genesis block."""

    timestamp: int
    nonce: int
    bits: int
    version: int = 1
    reward: int = 50 * COIN
    message: str = "The Times 03/Jan/2009 Chancellor on brink of second bailout for banks"
    key: bytes = bytes.fromhex(
        "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb6"
        "49f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f"
    )

    def block(self) -> BitcoinBlock:
        """The block: one coinbase that nobody can spend."""
        script = push((0x1D00FFFF).to_bytes(4, "little")) + push(b"\x04") + push(self.message.encode())
        outputs = (TxOutput(self.reward, push(self.key) + b"\xac"),)
        coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, script),), outputs)
        root = merkle.root([coinbase.id])
        header = BitcoinHeader(self.version, bytes(32), root, self.timestamp, self.bits, self.nonce)
        return BitcoinBlock(header, (coinbase,))


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that makes a Bitcoin-like chain; a custom one overrides some of it."""

    name: str
    client_name: str
    network: Network
    addresses: AddressStyle
    genesis: Genesis
    difficulty: Retarget
    activations: Activations = field(default_factory=Activations)
    policy: UtxoPolicy = field(default_factory=UtxoPolicy)
    halving_interval: int = 210_000
    initial_subsidy: int = 50 * COIN
    maturity: int = 100
    challenge: bytes = b""
    """The script that a signet's blocks satisfy; empty: no signet."""
    dev_edits: bool = False
    """Whether blocks may grant coins; such a chain is no longer Bitcoin's own."""
    better: str = "heaviest"
    """Fork choice: "heaviest" or "ghost"."""
    checkpoints: Mapping[int, bytes] = field(default_factory=dict)
    assume_valid: bytes | None = None
    minimum_weight: int = 0


def build(p: Parameters) -> ChainSpec:
    """The ChainSpec of these parameters."""
    genesis = p.genesis.block()
    rules = UtxoRules(
        flags=p.activations.flags,
        active=p.activations.active,
        unique_ids=p.activations.unique_ids,
        subsidy=halving(p.halving_interval, p.initial_subsidy),
        check_layout=coinbase_first,
        check_reward=coinbase_reward,
        maturity=p.maturity,
        grants=p.dev_edits,
    )
    if p.challenge:
        rules = replace(rules, check_solution=solved_by(p.challenge, genesis.header.hash))
    return ChainSpec(
        name=p.name,
        client_name=p.client_name,
        network=p.network,
        addresses=p.addresses,
        genesis=genesis,
        ledger=UtxoLedger(rules, p.policy),
        engine=Sha256d(p.difficulty),
        better=BETTER[p.better],
        rpc=("chain", "bitcoin", "wallet"),
        dev_edits=p.dev_edits,
        checkpoints=dict(p.checkpoints),
        assume_valid=p.assume_valid,
        minimum_weight=p.minimum_weight,
    )


_XPUB, _XPRV = bytes.fromhex("0488b21e"), bytes.fromhex("0488ade4")
_TPUB, _TPRV = bytes.fromhex("043587cf"), bytes.fromhex("04358394")
_test_style = partial(AddressStyle, b"\x6f", b"\xc4", b"\xef", bip32_public=_TPUB, bip32_private=_TPRV)
_HARDEST_LIMIT: Final = (1 << 224) - 1
_P2SH_ONLY_LATER: Final = Flags.NONE
_TAPROOT_LATER: Final = Flags.P2SH | Flags.WITNESS
_SIGNET_CHALLENGE: Final = bytes.fromhex(
    "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430"
    "210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae"
)

_MAINNET = Parameters(
    name="mainnet",
    client_name="main",
    network=Network(
        bytes.fromhex("f9beb4d9"),
        8333,
        8332,
        seeds=(
            "seed.bitcoin.sipa.be",
            "dnsseed.bluematt.me",
            "seed.bitcoin.jonasschnelli.ch",
            "seed.btc.petertodd.net",
            "seed.bitcoin.sprovoost.nl",
            "dnsseed.emzy.de",
            "seed.bitcoin.wiz.biz",
            "seed.mainnet.achownodes.xyz",
        ),
    ),
    addresses=AddressStyle(b"\x00", b"\x05", b"\x80", "bc", _XPUB, _XPRV),
    genesis=Genesis(1231006505, 2083236893, 0x1D00FFFF),
    difficulty=Retarget(_HARDEST_LIMIT),
    activations=Activations(
        bip34=227_931,
        bip65=388_381,
        bip66=363_725,
        csv=419_328,
        segwit=481_824,
        bip34_hash=display("000000000000024b89b42a942fe0d9fea3bb44ab7bd1b19115dd6a759c0808b8"),
        flag_exceptions={
            display("00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22"): _P2SH_ONLY_LATER,
            display("0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad"): _TAPROOT_LATER,
        },
        repeats={
            91_842: display("00000000000a4d0a398161ffc163c503763b1f4360639393e0e4c8e300e0caec"),
            91_880: display("00000000000743f190a18c5577a3c2d2a1f610ae9601ac046a38084ccb7cd721"),
        },
    ),
    checkpoints={
        11_111: display("0000000069e244f73d78e8fd29ba2fd2ed618bd6fa2ee92559f542fdb26e7c1d"),
        33_333: display("000000002dd5588a74784eaa7ab0507a18ad16a236e7b1ce69f00d7ddfb5d0a6"),
        74_000: display("0000000000573993a3c9e41ce34471c079dcf5f52a0e824a81e7f953b8661a20"),
        105_000: display("00000000000291ce28027faea320c8d2b054b2e0fe44a773f3eefb151d6bdc97"),
        134_444: display("00000000000005b12ffd4cd315cd34ffd4a594f430ac814c91184a0d42d2b0fe"),
        168_000: display("000000000000099e61ea72015e79632f216fe6cb33d7899acb35b75c8303b763"),
        193_000: display("000000000000059f452a5f7340de6682a977387c17010ff6e6c3bd83ca8b1317"),
        210_000: display("000000000000048b95347e83192f69cf0366076336c639f9b7228e9ba171342e"),
        216_116: display("00000000000001b4f4b433e81ee46494af945cf96014816a4e2370f11b23df4e"),
        225_430: display("00000000000001c108384350f74090433e7fcf79a606b8e797f065b130575932"),
        250_000: display("000000000000003887df1f29024b06fc2200b55f8af8f35453d7be294df2d214"),
        279_000: display("0000000000000001ae8c72a0b0c301f67e3afca10e819efa9041e458e9bd7e40"),
        295_000: display("00000000000000004d9b4ef50f0f9d686fd69db2e03af35a100370c64632a983"),
    },
    assume_valid=display("00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac"),
    minimum_weight=0x1128750F82F4C366153A3A030,
)

_TESTNET3 = Parameters(
    name="testnet3",
    client_name="test",
    network=Network(
        bytes.fromhex("0b110907"),
        18333,
        18332,
        seeds=(
            "testnet-seed.bitcoin.jonasschnelli.ch",
            "seed.tbtc.petertodd.net",
            "seed.testnet.bitcoin.sprovoost.nl",
            "testnet-seed.bluematt.me",
            "seed.testnet.achownodes.xyz",
        ),
    ),
    addresses=_test_style(hrp="tb"),
    genesis=Genesis(1296688602, 414098458, 0x1D00FFFF),
    difficulty=Retarget(_HARDEST_LIMIT, min_after=20 * 60),
    activations=Activations(
        bip34=21_111,
        bip65=581_885,
        bip66=330_776,
        csv=770_112,
        segwit=834_624,
        bip34_hash=display("0000000023b3a96d3484e5abb3755c413e7d41500f8e2a5c3f0dd01299cd8ef8"),
        flag_exceptions={
            display("00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105"): _P2SH_ONLY_LATER,
        },
    ),
    checkpoints={546: display("000000002a936ca763904c3c35fce2f3556c559c0214345d31b1bcebf76acb70")},
    assume_valid=display("000000007a61e4230b28ac5cb6b5e5a0130de37ac1faf2f8987d2fa6505b67f4"),
    minimum_weight=0x17DDE1C649F3708D14B6,
)

_TESTNET4 = Parameters(
    name="testnet4",
    client_name="testnet4",
    network=Network(
        bytes.fromhex("1c163f28"), 48333, 48332, seeds=("seed.testnet4.bitcoin.sprovoost.nl", "seed.testnet4.wiz.biz")
    ),
    addresses=_test_style(hrp="tb"),
    genesis=Genesis(
        1714777860,
        393743547,
        0x1D00FFFF,
        message="03/May/2024 000000000000000000001ebd58c244970b3aa9d783bb001011fbe8ea8e98e00e",
        key=bytes(33),
    ),
    difficulty=Retarget(_HARDEST_LIMIT, min_after=20 * 60, closed_warp=True),
    activations=Activations(segwit=1),
    assume_valid=display("0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a"),
    minimum_weight=0x9A0FE15D0177D086304,
)

_SIGNET = Parameters(
    name="signet",
    client_name="signet",
    network=Network(
        sha256d(bytes((len(_SIGNET_CHALLENGE),)) + _SIGNET_CHALLENGE)[:4],
        38333,
        38332,
        seeds=("seed.signet.bitcoin.sprovoost.nl", "seed.signet.achownodes.xyz"),
    ),
    addresses=_test_style(hrp="tb"),
    genesis=Genesis(1598918400, 52613770, 0x1E0377AE),
    difficulty=Retarget(0x377AE << 216),
    activations=Activations(segwit=1),
    challenge=_SIGNET_CHALLENGE,
    assume_valid=display("00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329"),
    minimum_weight=0xB463EA0A4B8,
)

_REGTEST = Parameters(
    name="regtest",
    client_name="regtest",
    network=Network(bytes.fromhex("fabfb5da"), 18444, 18443, local=True),
    addresses=_test_style(hrp="bcrt"),
    genesis=Genesis(1296688602, 2, 0x207FFFFF),
    difficulty=Retarget((1 << 255) - 1, timespan=24 * 60 * 60, min_after=20 * 60, fixed=True),
    halving_interval=150,
)

PARAMETERS: Final[Mapping[str, Parameters]] = {p.name: p for p in (_MAINNET, _TESTNET3, _TESTNET4, _SIGNET, _REGTEST)}

MAINNET: Final = build(_MAINNET)
TESTNET3: Final = build(_TESTNET3)
TESTNET4: Final = build(_TESTNET4)
SIGNET: Final = build(_SIGNET)
REGTEST: Final = build(_REGTEST)

SPECS: Final[Mapping[str, ChainSpec]] = {s.name: s for s in (MAINNET, TESTNET3, TESTNET4, SIGNET, REGTEST)}


def custom(base: str, table: Mapping[str, Any]) -> ChainSpec:
    """A chain like one of these, with a name and what else the table of its file changes. Raises ChainFileError.

    Unless it says otherwise, it begins at its easiest difficulty.
    """
    p = override(PARAMETERS[base], {"client_name": table.get("name", base), **table})
    if p.better not in BETTER:
        raise ChainFileError(f"better is one of {', '.join(BETTER)}" + suggest(p.better, BETTER))
    if len(p.network.magic) != 4:
        raise ChainFileError("network.magic is 4 bytes")
    if p.difficulty.spacing < 1 or p.difficulty.timespan < p.difficulty.spacing:
        raise ChainFileError("difficulty.timespan is at least difficulty.spacing, which is at least 1")
    if p.halving_interval < 1 or p.maturity < 0:
        raise ChainFileError("halving_interval is at least 1, maturity at least 0")
    if "bits" not in table.get("genesis", {}):
        p = replace(p, genesis=replace(p.genesis, bits=p.difficulty.limit_bits))
    return build(p)
