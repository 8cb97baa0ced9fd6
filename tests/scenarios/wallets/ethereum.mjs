// One request of JSON on stdin, one answer of JSON on stdout: what viem and ethers make of transactions, typed data, messages
// and keystores. It knows nothing of Chainyard.
import { readFileSync } from "node:fs";
import { Wallet, Transaction, Signature, TypedDataEncoder, encryptKeystoreJson, decryptKeystoreJson, getAddress, recoverAddress, hashMessage } from "ethers";
import { privateKeyToAccount } from "viem/accounts";
import { parseTransaction, recoverTransactionAddress, recoverTypedDataAddress, recoverMessageAddress, keccak256 } from "viem";
import { recoverAuthorizationAddress } from "viem/utils";

const big = (key, value) => (typeof value === "bigint" ? value.toString() : value);
const hex = (n) => "0x" + BigInt(n).toString(16);

const accessList = (tx) => tx.accessList.map(([address, storageKeys]) => ({ address, storageKeys }));

function ethersRequest(tx) {
  const request = {
    type: tx.kind, chainId: tx.chainId, nonce: tx.nonce, gasLimit: BigInt(tx.gas), to: tx.to, value: BigInt(tx.value), data: tx.data,
  };
  if (tx.kind < 2) request.gasPrice = BigInt(tx.feeCap);
  else Object.assign(request, { maxFeePerGas: BigInt(tx.feeCap), maxPriorityFeePerGas: BigInt(tx.tipCap) });
  if (tx.kind > 0) request.accessList = accessList(tx);
  if (tx.kind === 3) Object.assign(request, { maxFeePerBlobGas: BigInt(tx.blobFeeCap), blobVersionedHashes: tx.blobHashes });
  if (tx.kind === 4)
    request.authorizationList = tx.authorizations.map((a) => ({
      chainId: BigInt(a.chainId), address: a.address, nonce: BigInt(a.nonce),
      signature: Signature.from({ r: a.r, s: a.s, yParity: a.yParity }),
    }));
  return request;
}

function viemRequest(tx) {
  const types = ["legacy", "eip2930", "eip1559", "eip4844", "eip7702"];
  const request = {
    type: types[tx.kind], chainId: tx.chainId, nonce: tx.nonce, gas: BigInt(tx.gas), to: tx.to, value: BigInt(tx.value), data: tx.data,
  };
  if (tx.kind < 2) request.gasPrice = BigInt(tx.feeCap);
  else Object.assign(request, { maxFeePerGas: BigInt(tx.feeCap), maxPriorityFeePerGas: BigInt(tx.tipCap) });
  if (tx.kind > 0) request.accessList = accessList(tx);
  if (tx.kind === 3) Object.assign(request, { maxFeePerBlobGas: BigInt(tx.blobFeeCap), blobVersionedHashes: tx.blobHashes });
  if (tx.kind === 4)
    request.authorizationList = tx.authorizations.map((a) => ({
      chainId: a.chainId, address: a.address, nonce: a.nonce, r: a.r, s: a.s, yParity: a.yParity,
    }));
  return request;
}

const typesOf = (data) => Object.fromEntries(Object.entries(data.types).filter(([name]) => name !== "EIP712Domain"));

const actions = {
  async transactions({ secret, txs }) {
    const wallet = new Wallet(secret), account = privateKeyToAccount(secret);
    return Promise.all(txs.map(async (tx) => ({
      ethers: await wallet.signTransaction(ethersRequest(tx)),
      viem: await account.signTransaction(viemRequest(tx)),
    })));
  },
  async read({ raws }) {
    return Promise.all(raws.map(async (raw) => {
      const e = Transaction.from(raw), v = parseTransaction(raw);
      return {
        ethers: { from: e.from, hash: e.hash, type: e.type, nonce: e.nonce, to: e.to, value: e.value, data: e.data, chainId: e.chainId },
        viem: { from: await recoverTransactionAddress({ serializedTransaction: raw }), hash: keccak256(raw), type: v.type, nonce: v.nonce ?? 0,
          to: v.to ?? null, value: v.value ?? 0n, data: v.data ?? "0x", chainId: v.chainId },
      };
    }));
  },
  async typed({ secret, data }) {
    const wallet = new Wallet(secret), account = privateKeyToAccount(secret);
    return {
      digest: TypedDataEncoder.hash(data.domain, typesOf(data), data.message),
      ethers: await wallet.signTypedData(data.domain, typesOf(data), data.message),
      viem: await account.signTypedData({ domain: data.domain, types: data.types, primaryType: data.primaryType, message: data.message }),
    };
  },
  async recover({ data, typed, message, personal, authorization }) {
    const a = authorization;
    return {
      typed: [
        recoverAddress(TypedDataEncoder.hash(data.domain, typesOf(data), data.message), typed),
        await recoverTypedDataAddress({ domain: data.domain, types: data.types, primaryType: data.primaryType, message: data.message, signature: typed }),
      ],
      personal: [
        recoverAddress(hashMessage(Buffer.from(message.slice(2), "hex")), personal),
        await recoverMessageAddress({ message: { raw: message }, signature: personal }),
      ],
      authorization: await recoverAuthorizationAddress({ authorization: { chainId: a.chainId, address: a.address, nonce: a.nonce, r: a.r, s: a.s, yParity: a.yParity } }),
    };
  },
  async message({ secret, message }) {
    const raw = Buffer.from(message.slice(2), "hex");
    return {
      ethers: await new Wallet(secret).signMessage(raw),
      viem: await privateKeyToAccount(secret).signMessage({ message: { raw: message } }),
    };
  },
  async authorize({ secret, chainId, address, nonce }) {
    const v = await privateKeyToAccount(secret).signAuthorization({ chainId, address, nonce });
    const e = await new Wallet(secret).authorize({ chainId, address, nonce });
    return {
      viem: { r: v.r, s: v.s, yParity: v.yParity },
      ethers: { r: e.signature.r, s: e.signature.s, yParity: e.signature.yParity },
    };
  },
  async keystore({ secret, password, text }) {
    const made = await encryptKeystoreJson({ address: new Wallet(secret).address, privateKey: secret }, password, { scrypt: { N: 1 << 12, r: 8, p: 6 } });
    const read = await decryptKeystoreJson(text, password);
    let wrong = "";
    try { await decryptKeystoreJson(text, password + "x"); } catch (e) { wrong = e.shortMessage ?? e.message; }
    return { made, secret: read.privateKey, address: getAddress(read.address), wrong };
  },
};

const { action, ...rest } = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(await actions[action](rest), big));
