/**
 * A committee that changes, as its members' APIs show it: a real ledger, real keys and real deals, driven round by round; and somebody
 * who wants to join it. Every test starts from a copy of the same few moments.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { ApiClient } from "../../src/api/client.ts";
import { ApiError } from "../../src/api/errors.ts";
import type { EpochAnswer } from "../../src/api/reconfiguration.ts";
import { headerDigest } from "../../src/batch/header.ts";
import type { BatchHeader, Certificate } from "../../src/batch/types.ts";
import { saveEncryptionKey } from "../../src/keys/encryption-key-file.ts";
import { type EpochKeys, encryptionKeyPath, openEpochKeys } from "../../src/keys/epoch-keys.ts";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { encodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { makeApproval, makeDealTransaction, makeReady } from "../../src/ledger/reconfiguration/make.ts";
import { createReshareScheme } from "../../src/ledger/reconfiguration/scheme.ts";
import type { Proposal, ProposedMember, ReshareScheme } from "../../src/ledger/reconfiguration/types.ts";
import type { LedgerGenesis } from "../../src/ledger/types.ts";
import { assert } from "../../src/lib/assert.ts";
import { bigintToBytes, equalBytes } from "../../src/lib/bytes.ts";
import { addressOf, signDigest } from "../../src/lib/ecdsa.ts";
import { keccak256Hex } from "../../src/lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { epochGenesis } from "../../src/member/member.ts";
import { dealsOf, reconfigurationOf } from "../../src/node/api/reconfiguration.ts";
import type { NodeView } from "../../src/node/api/view.ts";
import type { LearnOptions } from "../../src/node/catch-up.ts";
import { committeeAnswerOf } from "../../src/node/committee-file.ts";
import type { LearnContext } from "../../src/node/epoch-start.ts";
import type { ReshareWorker } from "../../src/node/reshare-port.ts";
import { carryOut, type ReshareTools } from "../../src/node/reshare-work.ts";
import type { Logger } from "../../src/telemetry/port.ts";
import { createTestCommittee, createTestGenesis, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { dealInstance } from "../../src/threshold/associated-data.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import { createDealEngines } from "../../src/threshold/deal-engines.ts";
import type { DealFault } from "../../src/threshold/deal-verify.ts";
import { announceEncryptionKey, ENCRYPTION_KEY_RANDOMNESS } from "../../src/threshold/encryption-key.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import { createWorld } from "../api/world.ts";

type PerSuite<T> = Readonly<Record<Suite, T>>;

export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** A node of the new committee. */
export interface Person {
  readonly identity: Uint8Array;
  readonly address: Address;
}

export interface EpochWorld {
  readonly old: TestCommittee;
  readonly genesis: LedgerGenesis;
  readonly scheme: ReshareScheme;
  readonly worker: ReshareWorker;
  /** The four old members, then the one that joins. */
  readonly people: readonly Person[];
  readonly joiner: Person;
  /** Before anybody proposed anything. */
  fresh(): Chain;
  /** Attempt 1 took effect, and nobody dealt yet. */
  dealing(): Chain;
  /** Deals of members 0, 1 and 2 made the keys. */
  opening(): Chain;
  /** The same with the READYs of members 1, 2 and 3: one more, and the epoch closes. */
  almostReady(): Chain;
  /** The epoch began with the READYs of all four old members. */
  begun(): Chain;
  /** The announcement of somebody for an attempt. */
  announce(person: Person, attempt: bigint): ProposedMember;
  propose(attempt: bigint): Proposal;
  approvals(proposal: Proposal, members: readonly number[]): Uint8Array[];
  /** A member's deals for the attempt that runs, the same for the same seed. */
  deals(chain: Chain, dealer: number): Promise<PerSuite<Uint8Array>>;
  dealTransaction(chain: Chain, dealer: number, deals: PerSuite<Uint8Array>): Uint8Array;
  /** READY of a person in the attempt that runs. */
  ready(chain: Chain, person: Person): Promise<Uint8Array>;
  /** Signs as a whole committee does: with n − f shares. */
  certify(header: BatchHeader, suite: Suite): Certificate;
}

/** A ledger that is driven by hand, and what members keep of its epochs. */
export class Chain {
  readonly world: Pick<EpochWorld, "certify" | "genesis" | "old">;
  readonly ledger: Ledger;
  readonly starts = new Map<bigint, { readonly answer: EpochAnswer; readonly snapshot: Uint8Array }>();
  /** READYs that came by the API and counted. */
  readonly taken: Uint8Array[] = [];
  #rounds = 0;

  constructor(world: Pick<EpochWorld, "certify" | "genesis" | "old">, ledger: Ledger, from?: Chain) {
    this.world = world;
    this.ledger = ledger;
    for (const [epoch, start] of from?.starts ?? []) this.starts.set(epoch, start);
  }

  get committee(): Committee {
    assert(this.ledger.committee !== undefined, "a ledger whose committee can change");
    return this.ledger.committee;
  }

  /** One output round. */
  round(...transactions: readonly Uint8Array[]): void {
    const commit = keccak256Hex(bigintToBytes(BigInt(++this.#rounds), 32));
    const items = transactions.map((bytes, k) => ({
      author: k % 4,
      instructions: [],
      observations: [],
      transactions: [bytes],
    }));
    const batch = this.ledger.apply({ commit, items });
    const change = batch?.closes;
    if (batch === undefined || change === undefined) return;
    const { committee, peers, snapshot } = change;
    const { genesis, certify } = this.world;
    const { header } = batch;
    const genesisHash = epochGenesis(committee.id, headerDigest(header, committee.id));
    const answer: EpochAnswer = {
      committee: { ...committeeAnswerOf(committee, genesis), genesisHash },
      peers,
      header,
      certificates: SUITES.map((suite) => certify(header, suite)),
    };
    this.starts.set(committee.epoch, { answer, snapshot });
  }

  /** Until the epoch has ended. */
  close(): void {
    const { epoch } = this.ledger;
    for (let k = 0; k < 20 && this.ledger.epoch === epoch; k++) this.round();
    assert(this.ledger.epoch > epoch, "the epoch ended");
  }

  isReady(address: Address): boolean {
    return this.ledger.epochs?.attempt?.ready.includes(address) ?? false;
  }
}

let built: Promise<EpochWorld> | undefined;

/** Made once: deals take seconds. */
export function epochWorld(): Promise<EpochWorld> {
  built ??= buildWorld();
  return built;
}

async function buildWorld(): Promise<EpochWorld> {
  const old = await createTestCommittee(4, createRandom(7, "epoch world"), "real");
  const { committee, engines } = old;
  const genesis = createTestGenesis(committee);
  const agreement = createNativeKeyAgreement();
  const dealEngines = await createDealEngines("fast");
  const scheme = createReshareScheme({ engines, deals: dealEngines, agreement });
  const random = createRandom(8, "epoch world");
  const tools: ReshareTools = { engines: dealEngines, agreement, random: (length) => random.bytes(length) };
  const worker = inProcess(tools);
  const joinerIdentity = createRandom(9, "joiner").bytes(32);
  const joiner = { identity: joinerIdentity, address: addressOf(joinerIdentity) };
  const people = [...old.secrets.map(({ identity }) => ({ identity, address: addressOf(identity) })), joiner];

  const certify = (header: BatchHeader, suite: Suite): Certificate => {
    const digest = hexToBytes(headerDigest(header, committee.id));
    const partials = old.secrets.slice(1).map(({ shares }, k) => ({
      x: k + 2,
      signature: engines[suite].sign(shares[suite], digest),
    }));
    return { header, suite, signature: bytesToHex(engines[suite].interpolate(partials)) };
  };
  const base = { certify, genesis, old };
  const copy = (chain: Chain): Chain => {
    const { header } = chain.ledger;
    assert(header !== undefined, "a ledger with a batch can be copied");
    const ledger = Ledger.restore(genesis, header, chain.ledger.snapshot(), { reshare: scheme });
    return new Chain(base, ledger, chain);
  };
  const fresh = (): Chain => new Chain(base, new Ledger(genesis, { committee, reshare: scheme }));

  const announce: EpochWorld["announce"] = ({ identity, address }, attempt) => {
    const scope = { domain: committee.id, epoch: 1n, attempt };
    const { key, proof, signature } = announceEncryptionKey(scope, address, randomnessOf(address, attempt), (digest) =>
      signDigest(identity, digest),
    );
    const publicKey = bytesToHex(secp256k1.getPublicKey(identity));
    return { address, publicKey, multiaddrs: ["/ip4/192.0.2.1/tcp/4000"], encryptionKey: key, proof, signature };
  };
  const propose: EpochWorld["propose"] = (attempt) => ({
    epoch: 1n,
    attempt,
    members: people.map((person) => announce(person, attempt)),
  });
  const signerOf =
    ({ identity }: Person) =>
    (digest: Hex): Hex =>
      signDigest(identity, digest);
  const approvals: EpochWorld["approvals"] = (proposal, members) =>
    members.map((index) =>
      encodeTransaction(makeApproval(committee.id, proposal, people[index]!.address, signerOf(people[index]!))),
    );
  const attemptOf = (chain: Chain) => {
    const attempt = chain.ledger.epochs?.attempt;
    assert(attempt !== undefined, "a change is under way");
    return attempt;
  };
  const deals: EpochWorld["deals"] = (chain, dealer) => {
    const { shares } = old.secrets[dealer]!;
    return worker.deal(attemptOf(chain).contexts, dealer, shares);
  };
  const dealTransaction: EpochWorld["dealTransaction"] = (chain, dealer, made) => {
    const { contexts } = attemptOf(chain);
    const person = people[dealer]!;
    return encodeTransaction(makeDealTransaction(contexts["bls12-381"], person.address, made, signerOf(person)));
  };
  const ready: EpochWorld["ready"] = async (chain, person) => {
    const { contexts, qualified, keys, proposal, readyDigest } = attemptOf(chain);
    assert(keys !== undefined && readyDigest !== undefined, "the keys are made");
    const index = proposal.members.findIndex(({ address }) => address === person.address);
    const secret = randomnessOf(person.address, proposal.attempt).slice(0, 32);
    const shares = await worker.open(contexts, qualified, keys, index, secret);
    return encodeTransaction(
      makeReady(committee.id, engines, proposal, readyDigest, person.address, shares, signerOf(person)),
    );
  };

  const dealing = fresh();
  const proposal = propose(1n);
  dealing.round(...approvals(proposal, [0, 1, 2]));
  const opening = copy(dealing);
  for (const dealer of [0, 1, 2]) opening.round(dealTransaction(opening, dealer, await deals(opening, dealer)));
  const almostReady = copy(opening);
  for (const person of people.slice(1, 4)) almostReady.round(await ready(almostReady, person));
  const begun = copy(almostReady);
  begun.round(await ready(begun, people[0]!));
  begun.close();

  return {
    old,
    genesis,
    scheme,
    worker,
    people,
    joiner,
    fresh,
    dealing: () => copy(dealing),
    opening: () => copy(opening),
    almostReady: () => copy(almostReady),
    begun: () => copy(begun),
    announce,
    propose,
    approvals,
    deals,
    dealTransaction,
    ready,
    certify,
  };
}

/** The randomness behind an announcement; its first half is the secret. */
export function randomnessOf(address: Address, attempt: bigint): Uint8Array {
  return createRandom(Number(attempt), `encryption key of ${address}`).bytes(ENCRYPTION_KEY_RANDOMNESS);
}

/** The thread's work, here: what is under test is who is asked for what. */
function inProcess(tools: ReshareTools): ReshareWorker {
  const copyOf = (bytes: PerSuite<Uint8Array>) => ({
    "bls12-381": bytes["bls12-381"].slice(),
    bn254: bytes.bn254.slice(),
  });
  const verdicts = new Map<string, DealFault | undefined>();
  return {
    async deal(contexts, dealer, shares) {
      // CAST: carryOut answers each kind of order with its own result; so below
      return carryOut(tools, { kind: "deal", contexts, dealer, shares: copyOf(shares) }) as PerSuite<Uint8Array>;
    },
    async verify(context, dealer, bytes) {
      // The same deals are verified in test after test.
      const key = `${bytesToHex(dealInstance(context, dealer).associatedData)} ${keccak256Hex(bytes)}`;
      if (!verdicts.has(key)) {
        const fault = carryOut(tools, { kind: "verify", context, dealer, bytes });
        verdicts.set(key, fault as DealFault | undefined); // CAST: as above
      }
      return verdicts.get(key);
    },
    async open(contexts, qualified, keys, index, encryptionSecret) {
      const order = {
        kind: "open",
        contexts,
        qualified,
        keys,
        index,
        encryptionSecret: encryptionSecret.slice(),
      } as const;
      return carryOut(tools, order) as PerSuite<Uint8Array>;
    },
    close: async () => undefined,
  };
}

const PASSWORD = "a password of tests";
const folders: string[] = [];

/** A key folder with a person's encryption keys for these attempts. */
export async function keyFolder(world: EpochWorld, person: Person, attempts: readonly bigint[]): Promise<EpochKeys> {
  const directory = mkdtempSync(join(tmpdir(), "clockless-join-"));
  folders.push(directory);
  const path = join(directory, "password");
  writeFileSync(path, PASSWORD, { mode: 0o600 });
  const password = { kind: "file", path } as const;
  for (const attempt of attempts) {
    const publicKey = world.announce(person, attempt).encryptionKey;
    const secret = randomnessOf(person.address, attempt).slice(0, 32);
    const file = encryptionKeyPath(directory, 1n, attempt);
    await saveEncryptionKey(file, { secret, publicKey, purpose: "test" }, { password, strength: "lightForDevnet" });
  }
  return openEpochKeys({ directory, password, strength: "lightForDevnet" });
}

/** The same without files and passwords, for tests that are about something else. */
export function memoryKeys(world: EpochWorld, person: Person, attempts: readonly bigint[]): EpochKeys {
  const stored = new Map<bigint, PerSuite<Uint8Array>>();
  return {
    directory: "",
    identity: async () => person.identity,
    shares: async (epoch) => stored.get(epoch),
    saveShares: async (epoch, shares) => void stored.set(epoch, shares),
    async encryptionKey(_, attempt, publicKey) {
      const isOurs = attempts.includes(attempt) && world.announce(person, attempt).encryptionKey === publicKey;
      return isOurs ? randomnessOf(person.address, attempt).slice(0, 32) : undefined;
    },
    eraseBefore: () => [],
  };
}

/** For after. */
export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** The chain behind a member's real HTTP server. */
export function servedBy(chain: Chain, onAsked: () => void = () => undefined): NodeView {
  const { genesis, old } = chain.world;
  const first = { committee: committeeAnswerOf(old.committee, genesis), peers: [], certificates: [] };
  return {
    ...createWorld(),
    reconfiguration() {
      onAsked();
      return reconfigurationOf(chain.committee, chain.ledger.epochs);
    },
    deals: (from) => dealsOf(chain.ledger.epochs, from),
    submitTransactions: (transactions) => honestApi(chain, "chain").submitTransactions(transactions),
    epoch: (epoch = chain.ledger.epoch) => (epoch === 0n ? first : chain.starts.get(epoch)?.answer),
    snapshot: (epoch) => chain.starts.get(epoch)?.snapshot,
    handovers: () => chain.ledger.epochs?.handovers ?? [],
  };
}

/** An honest member's API over a chain; each answer is what the chain holds then. */
export function honestApi(chain: Chain, url: string, onAsked: () => void = () => undefined): ApiClient {
  const { genesis } = chain.world;
  const unknown = (code: "unknownEpoch" | "unknownDeals"): ApiError => new ApiError(code, "not here");
  const api: Partial<ApiClient> = {
    url,
    async epoch(epoch) {
      const wanted = epoch === "latest" ? chain.ledger.epoch : epoch;
      if (wanted === 0n)
        return { committee: committeeAnswerOf(chain.world.old.committee, genesis), peers: [], certificates: [] };
      const start = chain.starts.get(wanted);
      if (start === undefined) throw unknown("unknownEpoch");
      return start.answer;
    },
    async snapshot(epoch) {
      const start = chain.starts.get(epoch);
      if (start === undefined) throw unknown("unknownEpoch");
      return start.snapshot;
    },
    handovers: async () => ({ handovers: chain.ledger.epochs?.handovers ?? [] }),
    async reconfiguration() {
      onAsked();
      return reconfigurationOf(chain.committee, chain.ledger.epochs);
    },
    async reconfigurationDeals({ from = 0 } = {}) {
      const answer = dealsOf(chain.ledger.epochs, from);
      if (answer === undefined) throw unknown("unknownDeals");
      return answer;
    },
    async submitTransactions(transactions) {
      return transactions.map((bytes) => {
        const { attempt } = chain.ledger.epochs ?? {};
        if (attempt === undefined) return { code: "notCurrent" };
        if (chain.taken.some((known) => equalBytes(known, bytes))) return { code: "known" };
        chain.round(bytes);
        if (chain.ledger.epochs?.attempt?.ready.length === attempt.ready.length) return { code: "badSignature" };
        chain.taken.push(bytes);
        return { code: "accepted" };
      });
    },
  };
  return api as ApiClient; // CAST: the rest is not asked for
}

/** What somebody has to go on who asks these APIs, in this order. */
export function learning(
  world: EpochWorld,
  person: Person,
  keys: EpochKeys,
  apis: readonly ApiClient[],
  changes: Partial<LearnContext> = {},
): { readonly context: LearnContext; readonly options: LearnOptions } {
  const { genesis, old, worker } = world;
  return {
    context: {
      apis: apis.map(({ url }) => url),
      committee: old.committee,
      genesis,
      identity: person.identity,
      keys,
      worker,
      engines: old.engines,
      after: undefined,
      logger: silent,
      signal: new AbortController().signal,
      ...changes,
    },
    options: { createClient: (url) => apis.find((api) => api.url === url)!, scheme: world.scheme },
  };
}
