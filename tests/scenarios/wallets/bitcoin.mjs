// One request of JSON on stdin, one answer of JSON on stdout: what @scure/btc-signer and bitcoinjs-lib make of PSBTs.
// It knows nothing of Chainyard.
import { readFileSync } from "node:fs";
import * as btc from "@scure/btc-signer";
import { pubECDSA, pubSchnorr } from "@scure/btc-signer/utils.js";
import { Psbt, initEccLib, networks, crypto } from "bitcoinjs-lib";
import * as ecc from "tiny-secp256k1";
import { ECPairFactory } from "ecpair";

initEccLib(ecc);
const ECPair = ECPairFactory(ecc);
const bytes = (h) => Uint8Array.from(Buffer.from(h, "hex"));
const hex = (b) => Buffer.from(b).toString("hex");
const b64 = (b) => Buffer.from(b).toString("base64");
const network = { bech32: "bcrt", pubKeyHash: 0x6f, scriptHash: 0xc4, wif: 0xef };
const loose = { allowUnknownOutputs: true, allowUnknownInputs: true, allowLegacyWitnessUtxo: true, disableScriptCheck: true };
const scureOf = (text) => btc.Transaction.fromPSBT(Buffer.from(text, "base64"), loose);
const verify = (key, hash, signature) => key.length === 32 ? ecc.verifySchnorr(hash, key, signature) : ECPair.fromPublicKey(key).verify(hash, signature);

function signScure(text, secrets) {
  const tx = scureOf(text);
  for (const secret of secrets) {
    try { tx.sign(bytes(secret)); } catch (e) { if (!/No inputs signed/.test(e.message)) throw e; }
  }
  return tx;
}

function signJs(text, secrets) {
  const psbt = Psbt.fromBase64(text, { network: networks.regtest });
  for (const secret of secrets) {
    const pair = ECPair.fromPrivateKey(bytes(secret), { network: networks.regtest });
    const xonly = pair.publicKey.subarray(1, 33);
    psbt.data.inputs.forEach((input, at) => {
      const inner = input.tapInternalKey;
      const keySpend = inner && Buffer.compare(Buffer.from(inner), Buffer.from(xonly)) === 0;
      const tweak = keySpend ? crypto.taggedHash("TapTweak", input.tapMerkleRoot ? Buffer.concat([inner, input.tapMerkleRoot]) : inner) : null;
      try { psbt.signInput(at, keySpend ? pair.tweak(tweak) : pair); }
      catch (e) { if (!/Can not sign for (this )?input|Need one bip32Derivation|Can not sign/i.test(e.message)) throw e; }
    });
  }
  return psbt;
}

const signers = {
  scure: (text, secrets) => b64(signScure(text, secrets).toPSBT(0)),
  bitcoinjs: (text, secrets) => signJs(text, secrets).toBase64(),
};
const finishers = {
  scure: (text) => { const tx = scureOf(text); tx.finalize(); return hex(tx.extract()); },
  bitcoinjs: (text) => {
    const psbt = Psbt.fromBase64(text, { network: networks.regtest });
    if (!psbt.validateSignaturesOfAllInputs(verify)) throw new Error("a signature does not hold");
    return psbt.finalizeAllInputs().extractTransaction(true).toHex();
  },
};

const actions = {
  sign: ({ by, psbt, secrets }) => signers[by](psbt, secrets),
  finish: ({ by, psbt }) => finishers[by](psbt),
  verify: ({ psbt }) => Psbt.fromBase64(psbt, { network: networks.regtest }).validateSignaturesOfAllInputs(verify),
  combine: ({ by, psbts }) => by === "scure"
    ? b64(btc.PSBTCombine(psbts.map((p) => Buffer.from(p, "base64"))))
    : Psbt.fromBase64(psbts[0]).combine(...psbts.slice(1).map((p) => Psbt.fromBase64(p))).toBase64(),
  addresses: ({ secrets, internal }) => {
    const keys = secrets.map((s) => pubECDSA(bytes(s)));
    const schnorr = secrets.map((s) => pubSchnorr(bytes(s)));
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const ms = btc.p2ms(2, sorted);
    const order = [...schnorr].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return {
      pkh: btc.p2pkh(keys[0], network).address, wpkh: btc.p2wpkh(keys[0], network).address,
      nested: btc.p2sh(btc.p2wpkh(keys[0], network), network).address, tr: btc.p2tr(schnorr[0], undefined, network).address,
      wsh: btc.p2wsh(ms, network).address, sh: btc.p2sh(ms, network).address, nestedWsh: btc.p2sh(btc.p2wsh(ms, network), network).address,
      trMulti: btc.p2tr(bytes(internal), btc.p2tr_ms(2, order), network).address,
    };
  },
};

// Many requests at once: starting the engine takes longer than signing.
actions.batch = ({ requests }) => requests.map(({ action, ...rest }) => actions[action](rest));

const { action, ...rest } = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(await actions[action](rest)));
