// What a user of Hardhat does with a remote network, by `hardhat run`; a line a check.
const fs = require("fs");
const hre = require("hardhat");

const contracts = JSON.parse(fs.readFileSync(process.env.YARD_CONTRACTS, "utf8"));
const assert = (yes, why = "not as it should be") => { if (!yes) throw new Error(why); };
const rpc = (method, ...params) => hre.network.provider.request({ method, params });
const deploy = async (name, ...args) => {
  const factory = await hre.ethers.getContractFactory(contracts[name].abi, contracts[name].bytecode);
  const contract = await factory.deploy(...args);
  await contract.waitForDeployment();
  return contract;
};

const checks = {
  async connects() {
    const network = await hre.ethers.provider.getNetwork();
    assert(network.chainId === 31337n);
    assert((await hre.ethers.getSigners()).length === (hre.network.name === "keyed" ? 1 : 10));
  },
  async sends() {
    const [me] = await hre.ethers.getSigners();
    const to = "0x00000000000000000000000000000000000000c7";
    const receipt = await (await me.sendTransaction({ to, value: 7n })).wait();
    assert(receipt.status === 1 && (await hre.ethers.provider.getBalance(to)) % 7n === 0n);
  },
  async deploys_and_calls() {
    const [me] = await hre.ethers.getSigners();
    const token = await deploy("Token");
    assert((await token.symbol()) === "YRD");
    const receipt = await (await token.transfer("0x00000000000000000000000000000000000000c8", 5n)).wait();
    assert(receipt.logs[0].fragment.name === "Transfer");
    assert((await token.balanceOf("0x00000000000000000000000000000000000000c8")) === 5n);
    assert((await token.balanceOf(me.address)) === 10n ** 21n - 5n);
  },
  async decodes_reverts() {
    const token = await deploy("Token");
    for (const [run, word] of [
      [() => token.refuse(), "not today"],
      [() => token.limited(10n ** 30n), "TooMuch"],
      [() => token.panics(0n), "division or modulo by zero"],
      [() => token.transfer("0x0000000000000000000000000000000000000000", 1n), "ERC20InvalidReceiver"],
    ]) {
      try { await run(); } catch (e) {
        const text = [e.message, e.reason, e.revert && e.revert.name, e.data && token.interface.parseError(e.data)?.name].join(" ");
        assert(text.includes(word), text);
        continue;
      }
      throw new Error("no revert: " + word);
    }
  },
  async a_failed_transaction_has_its_receipt() {
    const [me] = await hre.ethers.getSigners();
    const token = await deploy("Token");
    const sent = await me.sendTransaction({ to: token.target, data: token.interface.encodeFunctionData("refuse"), gasLimit: 100000n }).catch((e) => e);
    const found = sent instanceof Error ? sent : await sent.wait().catch((e) => e);
    assert(found instanceof Error && /revert/.test(found.message), found && found.message);
  },
  async controls() {
    const id = await rpc("evm_snapshot");
    await rpc("hardhat_setBalance", "0x00000000000000000000000000000000000000c9", "0x9");
    await rpc("hardhat_mine", "0x5", "0xa");
    await rpc("evm_increaseTime", 1000);
    await rpc("evm_mine");
    assert((await hre.ethers.provider.getBalance("0x00000000000000000000000000000000000000c9")) === 9n);
    const at = (await hre.ethers.provider.getBlock("latest")).timestamp;
    await rpc("evm_setNextBlockTimestamp", at + 500);
    await rpc("hardhat_setNextBlockBaseFeePerGas", "0x77359400");
    await rpc("evm_mine");
    const block = await hre.ethers.provider.getBlock("latest");
    assert(block.timestamp === at + 500 && block.baseFeePerGas === 2000000000n);
    if (hre.network.name === "yard") { // with keys of its own Hardhat sends from those alone
    await rpc("hardhat_impersonateAccount", "0x00000000000000000000000000000000000000ca");
    await rpc("hardhat_setBalance", "0x00000000000000000000000000000000000000ca", "0xde0b6b3a7640000");
    const other = await hre.ethers.getImpersonatedSigner("0x00000000000000000000000000000000000000ca");
    assert((await (await other.sendTransaction({ to: other.address })).wait()).from.toLowerCase() === "0x00000000000000000000000000000000000000ca");
    }
    assert((await rpc("hardhat_metadata")).chainId === 31337);
    assert(await rpc("evm_revert", id));
    assert((await hre.ethers.provider.getBalance("0x00000000000000000000000000000000000000c9")) === 0n);
  },
};

(async () => {
  for (const [name, run] of Object.entries(checks)) {
    try { await run(); console.log(`${name}: ok`); } catch (e) { console.log(`${name}: ${String(e.message).split("\n")[0].slice(0, 400)}`); console.error(name, e); }
  }
  process.exit(0);
})();
