// What a user of viem does, against the node at a URL; a line a check.
import fs from "node:fs";
import {
  createPublicClient, createTestClient, createWalletClient, encodeFunctionData, getContract, http, keccak256, parseEther,
  parseEventLogs, webSocket,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const [url, wsUrl, path, key] = process.argv.slice(2);
const contracts = JSON.parse(fs.readFileSync(path, "utf8"));
const options = { chain: foundry, transport: http(url), pollingInterval: 100 };
const open = createPublicClient(options);
const test = createTestClient({ ...options, mode: "anvil" });
const hardhat = createTestClient({ ...options, mode: "hardhat" });
const account = privateKeyToAccount(key);
const mine = createWalletClient({ ...options, account });
const nodes = createWalletClient(options);
const [a, b] = await nodes.getAddresses();
const assert = (yes, why = "not as it should be") => { if (!yes) throw new Error(why); };
const C = "0x00000000000000000000000000000000000000cc";

const deploy = async (name, args = []) => {
  const hash = await mine.deployContract({ abi: contracts[name].abi, bytecode: contracts[name].bytecode, args });
  const receipt = await open.waitForTransactionReceipt({ hash });
  assert(receipt.status === "success");
  return getContract({ address: receipt.contractAddress, abi: contracts[name].abi, client: { public: open, wallet: mine } });
};

const checks = {
  async connects() {
    assert((await open.getChainId()) === 31337);
    assert((await nodes.getAddresses()).length === 10);
  },
  async sends_with_the_nodes_key() {
    const hash = await nodes.sendTransaction({ account: a, to: b, value: parseEther("1") });
    const receipt = await open.getTransactionReceipt({ hash });
    assert(receipt.status === "success" && receipt.gasUsed === 21000n);
  },
  async sends_with_a_local_key() {
    for (const more of [{}, { gasPrice: 20000000000n }, { accessList: [{ address: b, storageKeys: [] }], type: "eip2930", gasPrice: 20000000000n }]) {
      const hash = await mine.sendTransaction({ to: b, value: 1n, ...more });
      assert((await open.waitForTransactionReceipt({ hash })).status === "success");
      await open.getTransaction({ hash });
    }
  },
  async deploys_calls_and_reads_events() {
    const token = await deploy("Token");
    assert((await token.read.symbol()) === "YRD");
    const hash = await token.write.transfer([b, 5n]);
    const receipt = await open.waitForTransactionReceipt({ hash });
    const [event] = parseEventLogs({ abi: token.abi, logs: receipt.logs });
    assert(event.eventName === "Transfer" && event.args.value === 5n);
    assert((await token.read.balanceOf([b])) === 5n);
    const found = await open.getContractEvents({ abi: token.abi, address: token.address, eventName: "Transfer", fromBlock: 0n });
    assert(found.length === 2);
  },
  async decodes_reverts() {
    const token = await deploy("Token");
    for (const [name, args, word] of [["refuse", [], "not today"], ["limited", [10n ** 30n], "TooMuch"], ["panics", [0n], "Division or modulo by zero"]]) {
      try {
        await open.simulateContract({ address: token.address, abi: token.abi, functionName: name, args });
      } catch (e) {
        const text = e.walk ? e.walk().message + e.message : String(e);
        assert(text.includes(word) || e.message.includes(word), e.message);
        continue;
      }
      throw new Error("no revert: " + name);
    }
  },
  async reads_blocks_fees_and_proofs() {
    const block = await open.getBlock({ includeTransactions: true });
    assert(block.transactions[0].from.startsWith("0x") && block.baseFeePerGas > 0n);
    const history = await open.getFeeHistory({ blockCount: 2, rewardPercentiles: [25, 75] });
    assert(history.baseFeePerGas.length === 3 && history.reward.length === 2);
    assert((await open.estimateFeesPerGas()).maxFeePerGas > 0n);
    assert((await open.getBlobBaseFee()) === 1n);
    const box = await deploy("Box", [account.address]);
    await open.waitForTransactionReceipt({ hash: await box.write.store([9n]) });
    const proof = await open.getProof({ address: box.address, storageKeys: ["0x" + "00".repeat(31) + "01"] });
    assert(proof.storageProof[0].value === 9n);
    assert(keccak256(proof.accountProof[0]) === (await open.getBlock()).stateRoot);
    const { accessList } = await open.createAccessList({ account: account.address, to: box.address, data: encodeFunctionData({ abi: box.abi, functionName: "store", args: [3n] }) });
    assert(accessList.length === 1);
  },
  async simulates() {
    const results = await open.simulateBlocks({ blocks: [{ calls: [{ account: a, to: b, value: 5n }], stateOverrides: [{ address: C, balance: 1n }] }] });
    assert(results[0].calls[0].status === "success");
  },
  async filters() {
    const box = await deploy("Box", [account.address]);
    const filter = await open.createContractEventFilter({ abi: box.abi, address: box.address, eventName: "Stored" });
    const blocks = await open.createBlockFilter();
    await open.waitForTransactionReceipt({ hash: await box.write.store([9n]) });
    assert((await open.getFilterChanges({ filter })).length === 1);
    assert((await open.getFilterChanges({ filter: blocks })).length === 1);
    assert(await open.uninstallFilter({ filter }));
  },
  async batches() {
    const client = createPublicClient({ chain: foundry, transport: http(url, { batch: true }) });
    const found = await Promise.all([client.getBlockNumber(), client.getBalance({ address: b }), client.getGasPrice()]);
    assert(found.length === 3 && found[2] > 0n);
  },
  async watches_over_a_web_socket() {
    const client = createPublicClient({ chain: foundry, transport: webSocket(wsUrl) });
    const seen = { blocks: 0, logs: 0, pending: 0 };
    const box = await deploy("Box", [account.address]);
    const ends = [
      client.watchBlocks({ onBlock: () => { seen.blocks += 1; } }),
      client.watchContractEvent({ address: box.address, abi: box.abi, onLogs: (logs) => { seen.logs += logs.length; } }),
      client.watchPendingTransactions({ onTransactions: (h) => { seen.pending += h.length; } }),
    ];
    for (let i = 0; i < 100 && !(seen.blocks && seen.logs && seen.pending); i++) {
      await open.waitForTransactionReceipt({ hash: await box.write.store([BigInt(i)]) });
      await new Promise((r) => setTimeout(r, 50));
    }
    assert(seen.blocks && seen.logs && seen.pending, JSON.stringify(seen));
    ends.forEach((end) => end());
    (await client.transport.getRpcClient()).close();
  },
  async controls_in_anvils_words() {
    const id = await test.snapshot();
    await test.setBalance({ address: C, value: 7n });
    await test.setCode({ address: C, bytecode: "0x6001" });
    await test.setNonce({ address: C, nonce: 3 });
    await test.setStorageAt({ address: C, index: 2, value: "0x" + "00".repeat(31) + "09" });
    assert((await open.getBalance({ address: C })) === 7n && (await open.getCode({ address: C })) === "0x6001");
    assert((await open.getStorageAt({ address: C, slot: "0x2" })).endsWith("09"));
    await test.mine({ blocks: 3, interval: 10 });
    await test.increaseTime({ seconds: 500 });
    await test.setNextBlockTimestamp({ timestamp: (await open.getBlock()).timestamp + 5000n });
    await test.setNextBlockBaseFeePerGas({ baseFeePerGas: 3000000000n });
    await test.mine({ blocks: 1 });
    assert((await open.getBlock()).baseFeePerGas === 3000000000n);
    await test.setBlockTimestampInterval({ interval: 5 });
    await test.removeBlockTimestampInterval();
    await test.setCoinbase({ address: C });
    await test.setBlockGasLimit({ gasLimit: 25000000n });
    await test.setAutomine(false);
    assert((await test.getAutomine()) === false);
    const hash = await nodes.sendTransaction({ account: a, to: b, value: 1n, gas: 21000n });
    assert((await test.getTxpoolStatus()).pending === 1);
    await test.getTxpoolContent(); await test.inspectTxpool();
    await test.dropTransaction({ hash });
    assert((await test.getTxpoolStatus()).pending === 0);
    await test.setAutomine(true);
    await test.impersonateAccount({ address: C });
    await test.setCode({ address: C, bytecode: "0x" });
    await test.setBalance({ address: C, value: parseEther("1") });
    const sent = await nodes.sendTransaction({ account: C, to: b, value: 1n });
    assert((await open.getTransactionReceipt({ hash: sent })).from.toLowerCase() === C);
    await test.stopImpersonatingAccount({ address: C });
    await test.setIntervalMining({ interval: 1 });
    await test.setIntervalMining({ interval: 0 });
    await test.setAutomine(true);
    await test.setLoggingEnabled(true);
    await test.revert({ id });
    assert((await open.getBalance({ address: C })) === 0n);
  },
  async dumps_and_loads() {
    const before = await open.getBlock();
    const state = await test.dumpState();
    await test.mine({ blocks: 2 });
    await test.loadState({ state });
    assert((await open.getBlock()).hash === before.hash);
  },
  async controls_in_hardhats_words() {
    await hardhat.setBalance({ address: C, value: 8n });
    await hardhat.mine({ blocks: 2 });
    assert((await open.getBalance({ address: C })) === 8n);
    await hardhat.impersonateAccount({ address: C });
    await hardhat.stopImpersonatingAccount({ address: C });
    await hardhat.reset();
    assert((await open.getBlockNumber({ cacheTime: 0 })) === 0n);
  },
};

for (const [name, run] of Object.entries(checks)) {
  try { await run(); console.log(`${name}: ok`); } catch (e) { console.log(`${name}: ${String(e.shortMessage || e.message).split("\n")[0].slice(0, 400)}`); console.error(name, e); }
}
process.exit(0);
