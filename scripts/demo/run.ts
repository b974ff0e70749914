/** The main job, phase by phase: deposit, trade, lose a member, expire, withdraw, deliver, check. */
import { createApiClient } from "../../src/api/client.ts";
import { API_LIMITS } from "../../src/api/schema.ts";
import { DEVNET_ASSET, DEVNET_DEPLOYER_KEY, type Devnet } from "../../src/cli/devnet/devnet.ts";
import type { MemberChange } from "../../src/cli/devnet/reshare.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import type { Fill, InstructionBody, SignedInstruction } from "../../src/ledger/types.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import type { Book } from "./book.ts";
import { type Changes, carryOut, changesOf, planChanges } from "./changes.ts";
import { type HubWatch, watchHub } from "./hub-watch.ts";
import { type Plan, sum } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { DemoFailure, startTracker, type Tracker } from "./tracker.ts";
import { startTraffic } from "./traffic.ts";
import { balanceOf, balancesOn, createUsers, fundAndDeposit, type TokenPlace, type User } from "./users.ts";

export const MARKET = 1;
/** Fills under one signature. */
const FILLS_PER_INSTRUCTION = 256;
const VENUE_LANE = 0n;
const PHASE_TIMEOUT_MS = 240_000;

export interface Outcome {
  readonly tracker: Tracker;
  readonly hubs: readonly HubWatch[];
  readonly killed: readonly number[];
  readonly instructions: number;
  readonly activeMs: number;
  readonly expiryPrice: bigint;
  readonly payout: bigint;
  /** Accounts whose balance on every chain is exactly what the input says. */
  readonly balancesChecked: number;
  readonly conserved: boolean;
  /** With --reshare-to. */
  readonly changes: Changes | undefined;
}

interface Run {
  readonly devnet: Devnet;
  readonly book: Book;
  readonly plan: Plan;
  readonly users: readonly User[];
  readonly places: readonly TokenPlace[];
  readonly tracker: Tracker;
  readonly progress: Progress;
  readonly hubs: readonly HubWatch[];
  readonly signal: AbortSignal;
  /** Members that take submissions: never the one that is killed, nor one that is about to leave. */
  entrances: readonly string[];
  /** Persons of the current committee, by index. */
  seats: readonly number[];
  instructions: number;
  activeMs: number;
}

export async function runMainJob(
  devnet: Devnet,
  book: Book,
  plan: Plan,
  options: { readonly seed: number; readonly reshareTo: number | undefined; readonly signal: AbortSignal },
  progress: Progress,
): Promise<Outcome> {
  const { seed, reshareTo, signal } = options;
  const victim = devnet.members.length - 1;
  const engines = await createEngines("fast");
  const hubs = devnet.chains.map(({ chainId, url, deployment }) => watchHub({ chainId, url, hub: deployment.hub }));
  const run: Run = {
    devnet,
    book,
    plan,
    users: createUsers(plan.deposits[0]!.length, seed),
    places: devnet.chains.map(({ chainId, url, deployment }) => ({
      chainId,
      url,
      vault: deployment.vault,
      token: deployment.token,
      minter: DEVNET_DEPLOYER_KEY,
    })),
    tracker: startTracker(createApiClient({ url: devnet.layout.apiUrls[0]! }), devnet.committee, engines),
    progress,
    hubs,
    signal,
    entrances: devnet.layout.apiUrls.slice(0, victim),
    seats: devnet.members.map((_, person) => person),
    instructions: 0,
    activeMs: 0,
  };
  try {
    await deposit(run);
    await openLanes(run);
    const changing = reshareTo === undefined ? undefined : startChanging(run, reshareTo, victim);
    await changing?.next();
    await trade(run, victim);
    await changing?.next();
    const { price, payout } = await expire(run);
    await changing?.next();
    const changes = await changing?.finish();
    await withdraw(run);
    const verdict = await untilDelivered(run);
    return {
      tracker: run.tracker,
      hubs,
      killed: [victim],
      instructions: run.instructions,
      activeMs: run.activeMs,
      expiryPrice: price,
      payout,
      changes,
      ...verdict,
    };
  } finally {
    run.tracker.stop();
    for (const hub of hubs) hub.stop();
  }
}

/** Changes members at the main job's pace, under instructions that flow all the time. */
function startChanging(run: Run, largest: number, victim: number) {
  const { devnet, hubs, progress, signal, tracker, users } = run;
  const plans = planChanges(largest)[Symbol.iterator]();
  const done: MemberChange[] = [];
  const entrances = (): readonly string[] => run.entrances;
  const committeeId = devnet.committee.id;
  const traffic = startTraffic({ committeeId, asset: DEVNET_ASSET, users, entrances, tracker });
  const setEntrances = (persons: readonly number[]): void => {
    run.entrances = persons.filter((person) => person !== victim).map((person) => devnet.layout.apiUrls[person]!);
  };
  const check = (): void => {
    tracker.check();
    traffic.check();
  };
  return {
    async next(): Promise<void> {
      const change = await carryOut(
        { devnet, hubs, progress, signal, setEntrances, check },
        run.seats,
        plans.next().value!,
      );
      run.seats = change.seats;
      done.push(change);
    },
    /** Nobody may have more or less for it before everything is withdrawn. */
    async finish(): Promise<Changes> {
      progress.phase("waiting until every instruction that flowed meanwhile is certified");
      const transfers = await traffic.finish(PHASE_TIMEOUT_MS, (count, total) =>
        progress.count(count, total, "transfers certified"),
      );
      return { ...changesOf(done, hubs), instructionsMeanwhile: transfers };
    },
  };
}

async function deposit(run: Run): Promise<void> {
  const { users, places, plan, progress, devnet } = run;
  progress.phase(`${users.length} accounts deposit on ${places.length} chains`);
  const total = plan.deposits.flat().filter((amount) => amount > 0n).length;
  let done = 0;
  const toAccount = (address: Address): Hex => accountIdOf(lower(address));
  await Promise.all(
    places.map((place, chain) =>
      fundAndDeposit(place, users, plan.deposits[chain]!, toAccount, () =>
        progress.count(++done, total, "deposits on chain"),
      ),
    ),
  );
  progress.phase("members read both inboxes; waiting until every deposit is credited and certified");
  const api = createApiClient({ url: devnet.layout.apiUrls[0]! });
  await until("deposits were not credited", async () => {
    const status = await api.status();
    const consumed = status.chains.reduce((count, chain) => count + Number(chain.inboxCursor), 0);
    progress.count(Math.min(consumed, total), total, "deposits credited");
    return consumed === total && status.certifiedSequence === status.settledSequence;
  });
}

async function openLanes(run: Run): Promise<void> {
  const { users, progress } = run;
  progress.phase("every account opens a lane to the venue");
  const venue = venueOf(run);
  const limit = (1n << 120n) - 1n;
  const bodies = users.map((user): [User, InstructionBody] => [
    user,
    {
      kind: "openLane",
      account: accountIdOf(lower(user.account.address)),
      laneSigner: lower(venue.account.address),
      laneNumber: VENUE_LANE,
      marginLimit: limit,
      cashLimits: [{ asset: DEVNET_ASSET, limit }],
    },
  ]);
  await submitAndWait(run, await sign(run, bodies, 0n), "lanes opened and certified");
}

async function trade(run: Run, victim: number): Promise<void> {
  const { book, users, progress, devnet } = run;
  const ids = book.series.map(({ kind, strike }) =>
    encodeInstrument({ kind, market: MARKET, expiry: book.expiry, strike }),
  );
  const fills = book.trades.map(
    ({ series, buyer, seller, quantity }): Fill => ({
      instrument: ids[series]!,
      buyer: accountIdOf(lower(users[buyer]!.account.address)),
      seller: accountIdOf(lower(users[seller]!.account.address)),
      quantity,
      price: book.series[series]!.premium,
    }),
  );
  progress.phase(`the venue submits ${fills.length} fills in ${book.series.length} series`);
  const venue = venueOf(run);
  const chunks: Fill[][] = [];
  // At least four instructions, so that there is a middle in which to lose a member.
  const perInstruction = Math.max(1, Math.min(FILLS_PER_INSTRUCTION, Math.ceil(fills.length / 4)));
  for (let i = 0; i < fills.length; i += perInstruction) chunks.push(fills.slice(i, i + perInstruction));
  const half = Math.ceil(chunks.length / 2);
  const bodies = (from: number, to: number): [User, InstructionBody][] =>
    chunks.slice(from, to).map((chunk) => [venue, { kind: "fills", fills: chunk }]);
  await submitAndWait(run, await sign(run, bodies(0, half), 0n), "fills instructions certified");
  progress.phase(`member ${victim} is killed with SIGKILL`);
  await devnet.members[victim]!.kill();
  await submitAndWait(
    run,
    await sign(run, bodies(half, chunks.length), BigInt(half)),
    "fills instructions certified without it",
  );
  progress.phase(`member ${victim} is started again on the same disk`);
  await devnet.restart(victim);
  const [api, reborn] = [0, victim].map((index) => createApiClient({ url: devnet.layout.apiUrls[index]! })) as [
    ReturnType<typeof createApiClient>,
    ReturnType<typeof createApiClient>,
  ]; // CAST: two indices, two clients
  // What others have settled by now: with instructions flowing, nobody is ever level with everybody.
  const { settledSequence: goal } = await api.status();
  await until(`member ${victim} did not catch up`, async () => (await reborn.status()).certifiedSequence >= goal);
}

async function expire(run: Run): Promise<{ price: bigint; payout: bigint }> {
  const { book, devnet, progress } = run;
  progress.phase("members report 300 six-second slots of the delivery price; the expiry settles");
  const slots = 300;
  const firstSlotEnd = book.expiry - BigInt(6 * (slots - 1));
  const values = Array<bigint>(slots).fill(book.deliveryPrice);
  devnet.market.set(book.expiry + 6n, [{ market: MARKET, firstSlotEnd, values }]);
  const api = createApiClient({ url: devnet.layout.apiUrls[0]! });
  let next = 1n;
  let found: { price: bigint; payout: bigint } | undefined;
  await until("the expiry did not settle", async () => {
    const { certifiedSequence } = await api.status();
    for (; next <= certifiedSequence; next++) {
      for (const event of (await api.batch(next)).events) {
        if (event.kind === "expiry" && event.expiry === book.expiry)
          found = { price: event.price, payout: event.longPayout };
      }
    }
    return found !== undefined;
  });
  if (found === undefined) throw new DemoFailure("the expiry did not settle");
  return found;
}

async function withdraw(run: Run): Promise<void> {
  const { users, places, plan, progress } = run;
  progress.phase("everybody withdraws everything, each to a chain of their choice");
  const bodies: [User, InstructionBody][] = [];
  for (const user of users) {
    for (const [chain, place] of places.entries()) {
      const amount = plan.withdrawals[chain]![user.index]!;
      if (amount === 0n) continue;
      const recipient = lower(user.account.address);
      const body = {
        kind: "withdraw",
        account: accountIdOf(recipient),
        asset: DEVNET_ASSET,
        amount,
        chainId: place.chainId,
        recipient,
        relayerFee: 0n,
      } as const;
      bodies.push([user, body]);
    }
  }
  // Owners' lanes start with the nonce after `openLane`.
  await submitAndWait(run, await sign(run, bodies, 1n), "withdrawals certified");
}

async function untilDelivered(run: Run): Promise<{ balancesChecked: number; conserved: boolean }> {
  const { users, places, plan, progress } = run;
  progress.phase("the relayer carries certificates and delivers payouts");
  const total = plan.withdrawals.flat().filter((amount) => amount > 0n).length;
  let balances: bigint[][] = [];
  await until("payouts were not delivered", async () => {
    balances = await Promise.all(places.map((place) => balancesOn(place, users)));
    const arrived = balances.flat().filter((balance) => balance > 0n).length;
    progress.count(Math.min(arrived, total), total, "payouts on chain");
    return arrived >= total;
  });
  const isRight = (user: User): boolean =>
    places.every((_, chain) => balances[chain]![user.index] === plan.withdrawals[chain]![user.index]);
  const balancesChecked = users.filter(isRight).length;
  progress.phase("checking the ledger, the vaults and every balance against the input");
  const leftovers = await unaccounted(run, balances);
  for (const leftover of leftovers) progress.phase(`NOT CONSERVED: ${leftover}`);
  return { balancesChecked, conserved: leftovers.length === 0 };
}

/** Everything that should be empty or equal at the end and is not. */
async function unaccounted(run: Run, balances: readonly (readonly bigint[])[]): Promise<string[]> {
  const { users, places, plan, devnet } = run;
  const found: string[] = [];
  const [paid, deposited] = [sum(balances.flat()), sum(plan.deposits.flat())];
  if (paid !== deposited) found.push(`${deposited} token units were deposited, ${paid} were paid out`);
  const api = createApiClient({ url: devnet.layout.apiUrls[0]! });
  await until("the last batch was not certified", async () => {
    const { settledSequence, certifiedSequence } = await api.status();
    return settledSequence === certifiedSequence;
  });
  for (const { account } of users) {
    const { view } = await api.account(accountIdOf(lower(account.address)));
    const cash = view?.cash.find(({ amount }) => amount !== 0n);
    if (view === undefined || view.positions.length > 0 || cash !== undefined) {
      found.push(
        `account ${account.address} is not empty: ${cash?.amount ?? 0n} cash, ${view?.positions.length ?? "unknown"} positions`,
      );
    }
  }
  for (const place of places) {
    const held = await balanceOf(place, place.vault);
    if (held !== 0n) found.push(`the vault on chain ${place.chainId} still holds ${held}`);
  }
  return found;
}

function venueOf(run: Run): User {
  return createUsers(1, run.users.length + 1_000_003)[0]!;
}

/** Signs each body in its signer's owner lane, nonces from `firstNonce` per signer. */
async function sign(
  run: Run,
  bodies: readonly (readonly [User, InstructionBody])[],
  firstNonce: bigint,
): Promise<SignedInstruction[]> {
  const api = createApiClient({ url: run.entrances[0]! });
  // The slowest entrance must know the batch that is named.
  const { certifiedSequence: namedBatch } = await api.status();
  await Promise.all(
    run.entrances.map((url) =>
      until(`${url} lags behind`, async () => (await createApiClient({ url }).status()).settledSequence >= namedBatch),
    ),
  );
  const nonces = new Map<Address, bigint>();
  return bodies.map(([{ secret, account }, body]) => {
    const signer = lower(account.address);
    const nonce = nonces.get(signer) ?? firstNonce;
    nonces.set(signer, nonce + 1n);
    return signInstruction(secret, run.devnet.committee.id, {
      head: { signer, lane: VENUE_LANE, nonce, namedBatch },
      body,
    });
  });
}

async function submitAndWait(run: Run, instructions: readonly SignedInstruction[], what: string): Promise<void> {
  const { tracker, progress, entrances } = run;
  const started = performance.now();
  const ids = instructions.map(({ instruction }) => instructionId(instruction));
  const size = instructions[0]?.instruction.body.kind === "fills" ? 1 : Math.min(32, API_LIMITS.maxInstructions);
  for (let i = 0, turn = 0; i < instructions.length; i += size, turn++) {
    const part = instructions.slice(i, i + size);
    for (const { instruction } of part) tracker.submitted(instructionId(instruction));
    // One lane's instructions go to one member; different users' may go anywhere.
    const url = entrances[size === 1 ? 0 : turn % entrances.length]!;
    const results = await createApiClient({ url, timeoutMs: 30_000 }).submit(part);
    for (const result of results) {
      if (result.status === "refused")
        throw new DemoFailure(`a member refused an instruction: ${result.code} ${JSON.stringify(result.figures)}`);
    }
  }
  await tracker.waitFinal(ids, PHASE_TIMEOUT_MS, (done) => progress.count(done, ids.length, what));
  run.instructions += ids.length;
  run.activeMs += performance.now() - started;
}

async function until(complaint: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PHASE_TIMEOUT_MS;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      if (await isTrue()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new DemoFailure(`${complaint} within ${PHASE_TIMEOUT_MS} ms${last === undefined ? "" : `: ${String(last)}`}`);
}

function lower(address: string): Address {
  return address.toLowerCase() as Address; // CAST: an address stays one in lower case
}
