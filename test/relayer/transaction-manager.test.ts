import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ChainError, type JournalPort, type PreparedCall } from "../../src/chain/port.ts";
import { createRpcPool } from "../../src/chain/rpc-pool.ts";
import { createSigner } from "../../src/chain/signer.ts";
import {
  type TransactionEvent,
  TransactionManager,
  type TransactionManagerOptions,
} from "../../src/chain/transaction-manager.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { type Journal, openJournal } from "../../src/relayer/journal.ts";
import { type Anvil, startAnvil } from "../chain/support/anvil.ts";
import { type LyingProxy, startProxy } from "../chain/support/proxy.ts";
import { recordingLogger } from "../chain/support/recorder.ts";

/** Anvil's first development account. */
const KEY: Hex = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const GWEI = 10n ** 9n;
/** Stores the call's first word at slot 0 and logs; reverts when that word is zero. */
const RECORDER_CODE: Hex = "0x5f358015600d575f555f5fa0005b5f5ffd";

describe("chain: transaction manager (on the relayer's journal)", () => {
  let anvil: Anvil;
  let proxy: LyingProxy;
  let directory: string;
  let journal: Journal;
  const target: Hex = `0x${"cc".repeat(20)}`;

  before(async function () {
    const started = await startAnvil();
    if (started === undefined) return this.skip();
    anvil = started;
    proxy = await startProxy(anvil.url);
  });
  after(async () => {
    await proxy?.stop();
    await anvil?.stop();
  });
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-relayer-"));
    journal = openJournal(directory);
    proxy.behave((_call, honest) => honest());
    await anvil.rpc("anvil_reset");
    await anvil.rpc("evm_setAutomine", [true]);
    await anvil.rpc("anvil_setCode", [target, RECORDER_CODE]);
  });
  afterEach(() => {
    journal.close();
    rmSync(directory, { recursive: true });
  });

  const callWith = (value: bigint): PreparedCall => ({
    to: target,
    data: `0x${value.toString(16).padStart(64, "0")}`,
    value: 0n,
  });

  interface Setup {
    readonly manager: TransactionManager;
    readonly events: TransactionEvent[];
    clock: number;
  }

  function manager(overrides: Partial<TransactionManagerOptions> = {}): Setup {
    const events: TransactionEvent[] = [];
    const setup = { events, clock: 1_000_000 } as Setup;
    const options: TransactionManagerOptions = {
      pool: createRpcPool({ chainId: anvil.chainId, urls: [proxy.url], tuning: { backoffBaseMs: 1, backoffMaxMs: 5 } }),
      signer: createSigner(KEY),
      journal,
      finality: { kind: "depth", blocks: 2 },
      maxFeePerGasCapWei: 1_000n * GWEI,
      replaceAfterMs: 1_000,
      lowBalanceWei: 1n,
      logger: recordingLogger(),
      onEvent: (event) => events.push(event),
      now: () => setup.clock,
      ...overrides,
    };
    return Object.assign(setup, { manager: new TransactionManager(options) });
  }

  const minedNonce = async () =>
    Number(await anvil.rpc<string>("eth_getTransactionCount", [createSigner(KEY).address, "latest"]));
  /** Mining by itself, anvil mines soon after it took a transaction, not before it says so. */
  const untilMined = async (count: number): Promise<void> => {
    while ((await minedNonce()) < count) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const kinds = (events: TransactionEvent[]) => events.map((event) => event.kind);
  const request = (value: bigint, purpose = `store ${value}`) => ({
    purpose,
    call: callWith(value),
    maxGas: 1_000_000n,
  });

  it("sends once, follows the receipt to finality and no further", async () => {
    const { manager: sender, events } = manager();
    await sender.submit(request(7n));
    await untilMined(1);
    await sender.tend();
    expect(kinds(events)).to.deep.equal(["broadcast", "mined"]);
    await anvil.mine(2);
    await sender.tend();
    await sender.tend();
    expect(kinds(events)).to.deep.equal(["broadcast", "mined", "final"]);
    const last = events.at(-1);
    expect(last?.kind === "final" && last.record.receipt).to.include({ succeeded: true, logCount: 1 });
    expect(sender.open()).to.deep.equal([]);
    expect(await minedNonce()).to.equal(1);
  });

  it("sends nothing for a call that would revert, and names it", async () => {
    const { manager: sender } = manager();
    const error = await sender.submit(request(0n)).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChainError).with.property("code", "callReverted");
    expect(journal.list(10)).to.deep.equal([]);
  });

  it("has one transaction in flight per purpose", async () => {
    await anvil.rpc("evm_setAutomine", [false]);
    const { manager: sender } = manager();
    const first = await sender.submit(request(1n));
    const again = await sender.submit(request(1n));
    expect(again.id).to.equal(first.id);
    const other = await sender.submit(request(2n));
    expect(other.nonce).to.equal(first.nonce + 1);
  });

  it("replaces a stuck transaction: same nonce, both fees at least 12.5 % higher, mined once", async () => {
    await anvil.rpc("evm_setAutomine", [false]);
    const setup = manager();
    await setup.manager.submit(request(1n));
    setup.clock += 999;
    await setup.manager.tend();
    expect(kinds(setup.events)).to.deep.equal(["broadcast"]);
    for (let round = 1; round <= 3; round++) {
      setup.clock += 1_000;
      await setup.manager.tend();
    }
    const [record] = setup.manager.open();
    expect(record?.attempts).to.have.length(4);
    for (let i = 1; i < 4; i++) {
      const before = record!.attempts[i - 1]!;
      const after = record!.attempts[i]!;
      expect(after.maxFeePerGasWei * 1000n >= before.maxFeePerGasWei * 1125n).to.equal(true);
      expect(after.maxPriorityFeePerGasWei * 1000n >= before.maxPriorityFeePerGasWei * 1125n).to.equal(true);
    }
    await anvil.mine(3);
    await setup.manager.tend();
    expect(kinds(setup.events)).to.deep.equal(["broadcast", "replaced", "replaced", "replaced", "mined", "final"]);
    expect(await minedNonce()).to.equal(1);
  });

  it("recognises an older attempt when that is the one mined", async () => {
    await anvil.rpc("evm_setAutomine", [false]);
    const setup = manager();
    const sent = await setup.manager.submit(request(1n));
    // The network never sees the replacement.
    proxy.behave((call, honest) =>
      call.method === "eth_sendRawTransaction" ? { error: { code: -32000, message: "mempool is full" } } : honest(),
    );
    setup.clock += 1_000;
    await setup.manager.tend();
    await anvil.mine(3);
    await setup.manager.tend();
    const [done] = journal.list(1);
    expect(done?.state).to.equal("final");
    expect(done?.attempts).to.have.length(2);
    expect(done?.receipt?.hash).to.equal(sent.attempts[0]!.hash);
  });

  it("never offers more than the cap, whatever the network asks", async () => {
    await anvil.rpc("evm_setAutomine", [false]);
    const cap = 3n * GWEI;
    const setup = manager({ maxFeePerGasCapWei: cap });
    await setup.manager.submit(request(1n));
    for (let round = 0; round < 12; round++) {
      setup.clock += 1_000;
      await setup.manager.tend();
    }
    const [record] = setup.manager.open();
    for (const attempt of record!.attempts) expect(attempt.maxFeePerGasWei <= cap).to.equal(true);
    expect(kinds(setup.events)).to.include("feeAboveCap");
    // Fees × 100: refuse before anything is reserved.
    await anvil.rpc("anvil_setNextBlockBaseFeePerGas", [`0x${(100n * GWEI).toString(16)}`]);
    await anvil.mine(1);
    const error = await setup.manager.submit(request(2n)).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChainError).with.property("code", "feeAboveCap");
  });

  it("alarms on a low balance once, refuses before reserving, and goes on when topped up", async () => {
    const setup = manager({ lowBalanceWei: 10n ** 18n });
    const rich = await anvil.rpc<Hex>("eth_getBalance", [setup.manager.address, "latest"]);
    await anvil.rpc("anvil_setBalance", [setup.manager.address, "0x10"]);
    await setup.manager.tend();
    await setup.manager.tend();
    expect(setup.events).to.deep.equal([{ kind: "balance", balanceWei: 16n, isLow: true }]);
    const error = await setup.manager.submit(request(1n)).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChainError);
    expect(["insufficientFunds", "rpcRefused"]).to.include(error instanceof ChainError && error.code);
    expect(journal.list(1)).to.deep.equal([]);
    await anvil.rpc("anvil_setBalance", [setup.manager.address, rich]);
    await setup.manager.tend();
    await setup.manager.submit(request(1n));
    expect(kinds(setup.events)).to.deep.equal(["balance", "balance", "broadcast"]);
    await untilMined(1);
  });

  it("sends again what a reorg took back", async () => {
    const setup = manager();
    await setup.manager.submit(request(5n));
    await untilMined(1);
    await setup.manager.tend();
    await anvil.rpc("evm_setAutomine", [false]);
    await anvil.rpc("anvil_reorg", [1, []]);
    await anvil.rpc("anvil_dropAllTransactions");
    expect(await minedNonce()).to.equal(0);
    await setup.manager.tend();
    expect(kinds(setup.events)).to.deep.equal(["broadcast", "mined", "unmined"]);
    await anvil.mine(3);
    await setup.manager.tend();
    expect(kinds(setup.events)).to.deep.equal(["broadcast", "mined", "unmined", "mined", "final"]);
  });

  it("sees that somebody else took its nonce, and tries the next one", async () => {
    await anvil.rpc("evm_setAutomine", [false]);
    const setup = manager();
    await setup.manager.submit(request(1n));
    await anvil.rpc("anvil_dropAllTransactions");
    await anvil.rpc("evm_setAutomine", [true]);
    await anvil.rpc("eth_sendTransaction", [{ from: setup.manager.address, to: target, data: callWith(9n).data }]);
    await untilMined(1);
    await setup.manager.tend();
    expect(kinds(setup.events)).to.deep.equal(["broadcast"]);
    await anvil.mine(2);
    await setup.manager.tend();
    expect(kinds(setup.events)).to.deep.equal(["broadcast", "nonceTaken"]);
    const next = await setup.manager.submit(request(1n));
    expect(next.nonce).to.equal(1);
  });

  it("does not start twice on one data directory", () => {
    expect(() => openJournal(directory))
      .to.throw()
      .with.property("code", "journalLocked");
    journal.close();
    journal = openJournal(directory);
    expect(() => openJournal(directory))
      .to.throw()
      .with.property("code", "journalLocked");
  });

  describe("killed", () => {
    /** A journal that dies (as the process would) right before its n-th write. */
    function dyingAt(write: number): JournalPort {
      let count = 0;
      const tick = () => {
        if (++count >= write) throw new Error("killed");
      };
      return {
        reserve(record) {
          tick();
          return journal.reserve(record);
        },
        update(record) {
          tick();
          journal.update(record);
        },
        open: (chainId, sender) => journal.open(chainId, sender),
      };
    }

    const points = ["before the reservation", "after the reservation", "between broadcast and its record"];
    points.forEach((name, position) => {
      it(`${name}: after a restart exactly one transaction is mined`, async () => {
        await anvil.rpc("evm_setAutomine", [false]);
        const victim = manager({ journal: dyingAt(position + 1) });
        const error = await victim.manager.submit(request(3n)).catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(ChainError).with.property("code", "journalFailure");

        const heir = manager();
        await heir.manager.tend();
        if (!heir.manager.open().some(({ purpose }) => purpose === "store 3")) await heir.manager.submit(request(3n));
        await anvil.mine(3);
        await heir.manager.tend();
        expect(await minedNonce()).to.equal(1);
        expect(journal.list(10).filter(({ state }) => state === "final")).to.have.length(1);
        expect(heir.manager.open()).to.deep.equal([]);
      });
    });

    it("before signing is journalled: nothing was broadcast", async () => {
      const victim = manager({ journal: dyingAt(2) });
      await victim.manager.submit(request(3n)).catch(() => undefined);
      expect(proxy.calls.slice(-3).some(({ method }) => method === "eth_sendRawTransaction")).to.equal(false);
      expect(await minedNonce()).to.equal(0);
    });
  });
});
