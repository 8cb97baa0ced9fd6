// What a user of ethers does, against the node at a URL; a line a check.
import fs from "node:fs";
import { Contract, ContractFactory, JsonRpcProvider, Wallet, WebSocketProvider, keccak256, parseEther, verifyMessage, verifyTypedData } from "ethers";

const [url, wsUrl, path, key] = process.argv.slice(2);
const contracts = JSON.parse(fs.readFileSync(path, "utf8"));
const provider = new JsonRpcProvider(url, undefined, { pollingInterval: 100, cacheTimeout: -1 });
const wallet = new Wallet(key, provider);
const signer = await provider.getSigner(0);
const b = await (await provider.getSigner(1)).getAddress();
const assert = (yes, why = "not as it should be") => { if (!yes) throw new Error(why); };
const deploy = async (name, args = [], by = wallet) => {
  const contract = await new ContractFactory(contracts[name].abi, contracts[name].bytecode, by).deploy(...args);
  await contract.waitForDeployment();
  return contract;
};

const checks = {
  async connects() {
    assert((await provider.getNetwork()).chainId === 31337n);
    assert((await provider.listAccounts()).length === 10);
  },
  async sends_with_the_nodes_key() {
    const receipt = await (await signer.sendTransaction({ to: b, value: parseEther("1") })).wait();
    assert(receipt.status === 1 && receipt.gasUsed === 21000n);
  },
  async sends_with_a_local_key() {
    const receipt = await (await wallet.sendTransaction({ to: b, value: 1n })).wait();
    assert(receipt.status === 1 && receipt.type === 2);
    assert((await (await wallet.sendTransaction({ to: b, value: 1n, type: 0 })).wait()).type === 0);
  },
  async deploys_calls_and_reads_events() {
    const token = await deploy("Token");
    assert((await token.symbol()) === "YRD");
    await (await token.transfer(b, 5n)).wait();
    assert((await token.balanceOf(b)) === 5n);
    const events = await token.queryFilter(token.filters.Transfer(null, b), 0);
    assert(events.length === 1 && events[0].args.value === 5n);
  },
  async decodes_reverts() {
    const token = await deploy("Token");
    for (const [run, test] of [
      [() => token.refuse(), (e) => e.reason === "not today"],
      [() => token.limited(10n ** 30n), (e) => e.revert && e.revert.name === "TooMuch"],
      [() => token.panics(0n), (e) => e.revert && e.revert.name === "Panic"],
    ]) {
      try { await run(); } catch (e) { assert(test(e), e.message); continue; }
      throw new Error("no revert");
    }
  },
  async reads_blocks_fees_and_storage() {
    const block = await provider.getBlock("latest", true);
    assert(block.prefetchedTransactions.length === 1 && block.baseFeePerGas > 0n);
    const fees = await provider.getFeeData();
    assert(fees.maxFeePerGas > 0n && fees.gasPrice > 0n);
    const box = await deploy("Box", [wallet.address]);
    await (await box.store(12n)).wait();
    assert(BigInt(await provider.getStorage(box.target, 1)) === 12n);
    const proof = await provider.send("eth_getProof", [box.target, ["0x1"], "latest"]);
    assert(keccak256(proof.accountProof[0]) === (await provider.send("eth_getBlockByNumber", ["latest", false])).stateRoot);
  },
  async signs() {
    assert(verifyMessage("hi", await signer.signMessage("hi")) === (await signer.getAddress()));
    const types = { Mail: [{ name: "text", type: "string" }] };
    const signature = await signer.signTypedData({ name: "Yard" }, types, { text: "hi" });
    assert(verifyTypedData({ name: "Yard" }, types, { text: "hi" }, signature) === (await signer.getAddress()));
  },
  async listens_over_a_web_socket() {
    const live = new WebSocketProvider(wsUrl);
    const seen = { block: 0, pending: 0, log: 0 };
    const box = await deploy("Box", [wallet.address]);
    await live.on("block", () => { seen.block += 1; });
    await live.on("pending", () => { seen.pending += 1; });
    await new Contract(box.target, contracts.Box.abi, live).on("Stored", () => { seen.log += 1; });
    for (let i = 0; i < 100 && !(seen.block && seen.pending && seen.log); i++) {
      await (await box.store(BigInt(i))).wait();
      await new Promise((r) => setTimeout(r, 50));
    }
    assert(seen.block && seen.pending && seen.log, JSON.stringify(seen));
    await live.destroy();
  },
};

for (const [name, run] of Object.entries(checks)) {
  try { await run(); console.log(`${name}: ok`); } catch (e) { console.log(`${name}: ${String(e.shortMessage || e.message).split("\n")[0].slice(0, 400)}`); console.error(name, e); }
}
process.exit(0);
