"""Stake: PeerCoin's engine. Blocks of work show their proof in the header, blocks of stake only together with the coins of their branch.

It joins what the files beside it say of difficulty, kernels, modifiers, signatures and minting. Source: Peercoin, validation.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from consensus.api import Exhausted, Purse
from consensus.difficulty import Retarget
from consensus.sha256d import Sha256d
from consensus.stake_difficulty import StakeRetarget, anchor_height, next_bits
from consensus.stake_kernel import Ages, Stakeable, is_ripe, kernel_hash, meets, weight
from consensus.stake_mint import Minting, Outlook, Staker
from consensus.stake_modifier import ModifierRule, checksum, entropy_bit, kernel_modifier, next_modifier
from consensus.stake_note import ENTROPY, GENERATED, STAKE, Note, decode_note, note_of
from consensus.stake_signature import check_signature, signing_key
from ledger.api import Draft, Stop
from ledger.utxo.coins import Coin, CoinView
from ledger.utxo.peercoin import BLOCK_VERSION, PeercoinRules, stake_time
from ledger.utxo.switches import NEVER, Switches
from primitives import target
from primitives.bitcoin import Transaction, TxOutput
from primitives.chain import Branch
from primitives.errors import InvalidBlock, InvalidHeader, Refused
from primitives.peercoin import PeercoinBlock, PeercoinHeader
from storage.kv import KV
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input

REFUSED: Final = "bad-pos"
"""Peercoin's one word for a proof of stake that does not hold."""


@dataclass(frozen=True, slots=True)
class Stake:
    """Work and stake in one chain. Its parts are values of the network."""

    rules: PeercoinRules
    rule: StakeRetarget
    modifiers: ModifierRule
    ages: Ages = field(default_factory=Ages)
    checksums: Mapping[int, int] = field(default_factory=dict)
    """Height -> checksum of the stake modifiers up to there, which every chain must show."""
    canonical_from: int = NEVER
    """From this block time on a block signature has one form only."""
    target_output: int = 0
    """What our own coinstakes split and combine their outputs towards; no rule."""

    @property
    def switches(self) -> Switches:
        """When each version of the protocol begins."""
        return self.rules.switches

    @property
    def header_proves(self) -> bool:
        """A header of stake shows nothing."""
        return False

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """The compact bits that a child of the tip must claim; kind 1 is stake."""
        return next_bits(self.rule, branch, bool(kind))

    def check_header(self, header: PeercoinHeader, branch: Branch[Any]) -> None:
        """The bits are those of the header's kind, and a block of work meets them.

        Raises InvalidHeader("bad-diffbits") or InvalidHeader("high-hash").
        """
        expected = next_bits(self.rule, branch, header.stake)
        if header.bits != expected:
            detail = f"incorrect proof of work/stake: {header.bits:08x}, {expected:08x} expected"
            raise InvalidHeader("bad-diffbits", detail)
        if not header.stake and not target.meets(header.hash, header.bits, self.rule.limit):
            raise InvalidHeader("high-hash", "proof of work failed")

    def check_block(self, block: PeercoinBlock, branch: Branch[Any], state: KV) -> bytes:
        """The signature, the kernel on the coins of this branch, and the checksum where one is pinned; returns the note.

        Raises InvalidBlock("bad-blk-sign", "bad-pos", "invalid-pos-script" or "bad-stake-modifier-checkpoint"), and
        Mutated("bad-blk-sign").
        """
        header = block.header
        if header.stake or header.timestamp < self.switches.bips:
            check_signature(block, header.timestamp >= self.canonical_from)
        proof = self._check_kernel(block, branch, state) if header.stake else b""
        note = self.note(block, branch, proof)
        pinned = self.checksums.get(branch.tip.height + 1)
        if pinned is not None and pinned != note.checksum:
            raise InvalidBlock("bad-stake-modifier-checkpoint", f"{note.checksum:08x}, {pinned:08x} expected")
        return note.encode()

    def note(self, block: PeercoinBlock, branch: Branch[Any], proof: bytes) -> Note:
        """What is remembered of a block on the tip."""
        parent, header = branch.tip, block.header
        before = note_of(parent, self.modifiers.genesis)
        height, stake = parent.height + 1, header.stake
        modifier, generated = next_modifier(self.modifiers, branch, header.timestamp)
        entropy = entropy_bit(self.switches, header, block.signature)
        flags = STAKE * stake | ENTROPY * entropy | GENERATED * generated
        return Note(
            flags=flags,
            modifier=modifier,
            checksum=checksum(before.checksum, flags, proof, modifier),
            generator=height if generated else before.generator,
            stakes=before.stakes + stake,
            last_stake=height if stake else before.last_stake,
            last_work=before.last_work if stake else height,
            anchor=height
            if not stake and not self.switches.v14.holds(parent)
            else anchor_height(self.switches, branch, parent),
            proof=proof,
        )

    def _check_kernel(self, block: PeercoinBlock, branch: Branch[Any], state: KV) -> bytes:
        coinstake, header = block.txs[1], block.header
        time = stake_time(coinstake, header.timestamp)
        spend = coinstake.inputs[0]
        coin = CoinView(state).get(spend.outpoint)
        if coin is None:
            raise InvalidBlock(REFUSED, "the coin of the kernel is spent, or never was on this branch")
        found = stakeable(coin, spend.vout, branch)
        if not is_ripe(found, time, self.ages):
            raise InvalidBlock(REFUSED, "min age violation: the coin is too young to stake")
        check_kernel_script(coinstake, coin)
        modifier = None
        if time >= self.switches.v03:
            modifier = kernel_modifier(self.modifiers, branch, coin.height, time)
            if modifier is None:
                raise InvalidBlock(REFUSED, "there is no stake modifier for this kernel")
        proof = kernel_hash(found, time, modifier, header.bits)
        if not meets(proof, header.bits, weight(found, time, self.ages, self.switches)):
            raise InvalidBlock(REFUSED, "the kernel's hash is above its target")
        return proof

    def weight(self, header: PeercoinHeader) -> int:
        """Trust: a block of stake counts what its target says, one of work counts 1, whatever its target."""
        found = target.work(header.bits)
        return found if header.stake else min(found, 1)

    def claim(self, note: bytes) -> bytes:
        """The kernel that a block was made from, which could have made any number of others; empty for one of work."""
        return decode_note(note).proof if note else b""

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """With a staker in the purse, a block of stake if one of its coins has a kernel now; without one, a block of work.

        None where there is no kernel; the staker was told why.
        """
        tip = branch.tip
        first = max(branch.median_time() + 1, tip.header.timestamp - self.switches.drift(now))
        staker: Staker | None = getattr(purse, "staker", None)
        if staker is None:
            bits = next_bits(self.rule, branch, False)
            return Draft(max(now, first), bits, payee=purse.payee, version=BLOCK_VERSION)
        bits = next_bits(self.rule, branch, True)
        minting = Minting(self.rules, self.modifiers, self.ages, self.target_output)
        hit = minting.find(branch, state, staker, bits, first, now, stop)
        if hit is None:
            return None
        coinstake = minting.coinstake(hit, branch, state, staker)
        if coinstake is None:
            staker.tell(tip.hash, now, Outlook("locked", "the coinstake could not be signed"))
            return None
        return Draft(hit.time, bits, 1, purse.payee, leading=(coinstake,), version=BLOCK_VERSION)

    def seal(self, block: PeercoinBlock, purse: Purse, stop: Stop) -> PeercoinBlock | None | Exhausted:
        """Sign a block of stake; search the nonce of one of work, and sign it too where that is still asked. None: stopped, or no key."""
        sealed: PeercoinBlock | None | Exhausted = block
        if not block.header.stake:
            sealed = _WORK.seal(block, purse, stop)
            if not isinstance(sealed, PeercoinBlock) or block.header.timestamp >= self.switches.bips:
                return sealed
        assert isinstance(sealed, PeercoinBlock)
        staker: Staker | None = getattr(purse, "staker", None)
        key = signing_key(sealed)
        if staker is None or key is None:
            raise Refused("cannot-sign", "a block like this is signed with the key of its reward, which is not at hand")
        signature = staker.sign_block(key, sealed.header.hash)
        return None if signature is None else replace(sealed, signature=signature)


_WORK: Final = Sha256d(Retarget((1 << 256) - 1))
"""The search for a nonce; targets are this engine's."""


def stakeable(coin: Coin, index: int, branch: Branch[Any]) -> Stakeable:
    """A coin of the branch as its kernel sees it."""
    made = branch.at(coin.height).header.timestamp
    return Stakeable(coin.value, made, coin.offset, coin.time or made, index)


def check_kernel_script(coinstake: Transaction, coin: Coin) -> None:
    """The coinstake may spend the coin of its kernel, under the rules that have always held; all rules are asked when it connects.

    Raises InvalidBlock("invalid-pos-script").
    """
    spent = [TxOutput(coin.value, coin.script)]
    spent += [TxOutput(0, b"")] * (len(coinstake.inputs) - 1)
    try:
        verify_input(SpendContext(coinstake, spent), 0, Flags.P2SH)
    except ScriptError as e:
        raise InvalidBlock("invalid-pos-script", e.text) from e
