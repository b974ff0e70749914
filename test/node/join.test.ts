import { expect } from "chai";
import type { ApiClient } from "../../src/api/client.ts";
import { ApiError } from "../../src/api/errors.ts";
import type { DealsAnswer, EpochAnswer, ReconfigurationAnswer } from "../../src/api/reconfiguration.ts";
import { headerDigest } from "../../src/batch/header.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { catchUp } from "../../src/node/catch-up.ts";
import { type JoinProgress, joinCommittee } from "../../src/node/join.ts";
import { isShareOf } from "../../src/node/resharer.ts";
import { start, stopAll } from "../api/server.ts";
import {
  type Chain,
  type EpochWorld,
  epochWorld,
  honestApi,
  keyFolder,
  learning,
  memoryKeys,
  removeFolders,
  servedBy,
  silent,
} from "./epoch-world.ts";

/** What was refused, each "url code" once. */
function refusals() {
  const seen: string[] = [];
  const onRefused = (url: string, error: unknown): void => {
    const line = `${url} ${isClocklessError(error) ? error.code : "bug"}`;
    if (!seen.includes(line)) seen.push(line);
  };
  return { seen, onRefused };
}

/** An API that answers as another one but for some methods, each made from the honest answer. */
function lying(
  api: ApiClient,
  lies: { [K in keyof ApiClient]?: (honest: Awaited<ReturnType<AsyncOf<K>>>) => unknown },
): ApiClient {
  const methods = Object.entries(lies).map(([name, lie]) => [
    name,
    // CAST: each lie takes and gives what its method answers
    async (...args: unknown[]) =>
      (lie as (honest: unknown) => unknown)(
        await (api[name as keyof ApiClient] as (...all: unknown[]) => unknown)(...args),
      ),
  ]);
  return { ...api, url: "liar", ...Object.fromEntries(methods) };
}
type AsyncOf<K extends keyof ApiClient> = Extract<ApiClient[K], (...args: never[]) => Promise<unknown>>;

function flip(bytes: Uint8Array, at = bytes.length >> 1): Uint8Array {
  const copy = bytes.slice();
  copy[at] = copy[at]! ^ 1;
  return copy;
}

describe("joining a committee", () => {
  let world: EpochWorld;

  before(async () => {
    world = await epochWorld();
  });
  after(removeFolders);
  afterEach(stopAll);

  /** Once our READY is counted the epoch goes to its end, a round each time that somebody looks. */
  function hurrying(chain: Chain, url: string): ApiClient {
    return honestApi(chain, url, () => chain.isReady(world.joiner.address) && chain.round());
  }

  async function joinWith(apis: readonly ApiClient[], keys = memoryKeys(world, world.joiner, [1n])) {
    const { context, options } = learning(world, world.joiner, keys, apis);
    const { seen, onRefused } = refusals();
    const progress: JoinProgress[] = [];
    const start = await joinCommittee(context, {
      ...options,
      pollMs: 1,
      onRefused,
      onProgress: (each) => progress.push(each),
    });
    return { start, keys, seen, progress, steps: progress.map(({ step }) => step) };
  }

  describe("while the committee changes", () => {
    it("opens the deals, says READY, and starts where the epoch begins", async () => {
      const chain = world.almostReady();
      const folder = await keyFolder(world, world.joiner, [1n]);
      const { start, keys, seen, progress, steps } = await joinWith([hurrying(chain, "honest")], folder);
      expect(seen).to.deep.equal([]);
      expect(start.committee).to.deep.equal(chain.committee);
      expect(start.committee.members[4]?.address).to.equal(world.joiner.address);
      expect(start.snapshot).to.deep.equal(chain.starts.get(1n)?.snapshot);
      const shares = await keys.shares(1n);
      expect(isShareOf(world.old.engines, chain.committee.keys, 4, shares!)).to.equal(true);
      expect(steps[0]).to.equal("opening");
      expect(new Set(steps)).to.deep.equal(new Set(["opening", "ready", "begun"]));
      expect(progress.at(-1)).to.deep.include({ step: "begun", epoch: 1n, hasShares: true });
    });

    it("does the same over HTTP", async () => {
      const chain = world.almostReady();
      const { url } = await start(servedBy(chain, () => chain.isReady(world.joiner.address) && chain.round()));
      const keys = memoryKeys(world, world.joiner, [1n]);
      const { context, options } = learning(world, world.joiner, keys, []);
      const { seen, onRefused } = refusals();
      const begun = await joinCommittee({ ...context, apis: [url] }, { scheme: options.scheme, pollMs: 1, onRefused });
      // While this process opens deals it answers nobody: on a slow machine a connection may end meanwhile, and is made again.
      expect(seen.filter((refusal) => !refusal.endsWith(" networkFailure"))).to.deep.equal([]);
      expect(begun.snapshot).to.deep.equal(chain.starts.get(1n)?.snapshot);
      expect(begun.peers).to.deep.equal(chain.ledger.epochs?.peers);
      expect(isShareOf(world.old.engines, chain.committee.keys, 4, (await keys.shares(1n))!)).to.equal(true);
    });

    it("says what it waits for, from nothing at all to the deals, and stops when told to", async () => {
      const chain = world.fresh();
      const proposal = world.propose(1n);
      const [first, ...others] = world.approvals(proposal, [0, 1, 2]);
      const down = honestApi(chain, "down");
      let isUp = false;
      const api: ApiClient = {
        ...down,
        url: "api",
        epoch: (epoch) => (isUp ? down.epoch(epoch) : Promise.reject(new ApiError("networkFailure", "down"))),
        reconfiguration: () => (isUp ? down.reconfiguration() : Promise.reject(new ApiError("networkFailure", "down"))),
      };
      const keys = memoryKeys(world, world.joiner, []);
      const controller = new AbortController();
      const { context, options } = learning(world, world.joiner, keys, [api], { signal: controller.signal });
      const progress: JoinProgress[] = [];
      const onProgress = (each: JoinProgress): void => {
        progress.push(each);
        if (each.step === "unreachable") isUp = true;
        if (each.step === "unnamed") chain.round(first!);
        if (each.step === "proposed") chain.round(...others);
        if (each.step === "dealing") controller.abort();
      };
      const error: unknown = await joinCommittee(context, { ...options, pollMs: 1, onProgress }).catch(
        (cause) => cause,
      );
      expect(isClocklessError(error, "aborted")).to.equal(true);
      const members = world.people.slice(0, 4).map(({ address }) => address);
      expect(progress).to.deep.equal([
        { step: "unreachable" },
        { step: "unnamed", epoch: 0n },
        {
          step: "proposed",
          proposal: chain.ledger.epochs?.attempt?.digest,
          approvals: 1,
          needed: 3,
          waitingFor: members.slice(1),
        },
        { step: "dealing", attempt: 1n, deals: 0, needed: 3, waitingFor: members },
      ]);
    });

    const dealLies: readonly (readonly [string, string, (honest: DealsAnswer) => unknown])[] = [
      [
        "a deal with a flipped bit",
        "wrongDeals",
        (honest) => {
          const [first, ...rest] = honest.qualified;
          return {
            ...honest,
            qualified: [{ ...first!, deals: { ...first!.deals, bn254: flip(first!.deals.bn254!) } }, ...rest],
          };
        },
      ],
      [
        "one dealer's deals under another's name",
        "wrongDeals",
        (honest) => ({
          ...honest,
          qualified: honest.qualified.map((bundle, k) => (k === 2 ? { ...bundle, dealer: 3 } : bundle)),
        }),
      ],
      [
        "one dealer's deals twice",
        "wrongDeals",
        (honest) => ({ ...honest, qualified: [honest.qualified[0], honest.qualified[0], honest.qualified[1]] }),
      ],
      [
        "a dealer that does not exist",
        "wrongDeals",
        (honest) => ({ ...honest, qualified: [{ ...honest.qualified[0]!, dealer: 9 }] }),
      ],
      [
        "fewer deals than make keys",
        "wrongDeals",
        (honest) => ({ ...honest, total: 2, qualified: honest.qualified.slice(1) }),
      ],
      ["no deals at all, for ever", "wrongDeals", (honest) => ({ ...honest, qualified: [] })],
      ["the deals of the current epoch", "wrongDeals", (honest) => ({ ...honest, of: "epoch" })],
    ];
    for (const [what, code, lie] of dealLies) {
      it(`opens nothing when told of ${what}, and asks the next member`, async () => {
        const chain = world.almostReady();
        const honest = hurrying(chain, "honest");
        const { start, seen } = await joinWith([lying(honest, { reconfigurationDeals: lie }), honest]);
        expect(seen).to.deep.equal([`liar ${code}`]);
        expect(start.committee.epoch).to.equal(1n);
      });
    }

    it("finds out by its READY that valid deals were not the ones that count", async () => {
      // Dealer 3 dealt too late: with its deal instead of another the shares are of a sharing that nobody else has.
      const chain = world.almostReady();
      const late = { dealer: 3, deals: await world.deals(chain, 3) };
      const honest = hurrying(chain, "honest");
      const lie = (told: DealsAnswer) => ({ ...told, qualified: [...told.qualified.slice(0, 2), late] });
      const taken: number[] = [];
      const liar = lying(honest, { reconfigurationDeals: lie });
      const { start, seen, steps } = await joinWith([
        {
          ...liar,
          submitTransactions: async (all) => all.map(() => ({ code: taken.push(all.length) > 0 ? "accepted" : "" })),
        },
        honest,
      ]);
      expect(start.committee.epoch).to.equal(1n);
      expect(taken).to.have.length.above(0);
      expect(seen).to.deep.equal([]);
      expect(steps).to.include("ready");
    });

    const changeLies: readonly (readonly [string, string, (honest: ReconfigurationAnswer) => unknown])[] = [
      [
        "a change of another committee",
        "wrongCommittee",
        (honest) => ({ ...honest, committeeId: `0x${"ee".repeat(32)}` }),
      ],
      [
        "a proposal with another key for us",
        "badProposal",
        (honest) =>
          changed(honest, (member, k) => (k === 4 ? { ...member, encryptionKey: `0x${"09".repeat(32)}` } : member)),
      ],
      [
        "a proposal with another place for somebody",
        "badProposal",
        (honest) =>
          changed(honest, (member, k) => (k === 0 ? { ...member, multiaddrs: ["/ip4/203.0.113.9/tcp/1"] } : member)),
      ],
      [
        "a proposal that is not for the next epoch",
        "badProposal",
        ({ attempt, ...honest }) => ({
          ...honest,
          attempt: attempt && { ...attempt, proposal: { ...attempt.proposal, epoch: 2n } },
        }),
      ],
    ];
    for (const [what, code, lie] of changeLies) {
      it(`takes no notice of ${what}, and joins by what the next member says`, async () => {
        const chain = world.almostReady();
        const honest = hurrying(chain, "honest");
        const { start, seen } = await joinWith([lying(honest, { reconfiguration: lie }), honest]);
        // The liar's words are judged as long as the epoch lasts.
        expect(seen).to.deep.equal([`liar ${code}`]);
        expect(start.committee.epoch).to.equal(1n);
      });
    }

    it("serves the others although one member says that it is ready already, and is not held up by one that refuses", async () => {
      const chain = world.almostReady();
      const honest = hurrying(chain, "honest");
      const optimist = lying(honest, {
        reconfiguration: ({ attempt, ...rest }) => ({
          ...rest,
          attempt: attempt && { ...attempt, ready: [...new Set([...attempt.ready, world.joiner.address])] },
        }),
      });
      const refuser = {
        ...lying(honest, { submitTransactions: (all) => all.map(() => ({ code: "tooMany" })) }),
        url: "refuser",
      };
      // The refuser's answers run the real ledger, so it must say no without asking it.
      const { start, seen } = await joinWith([
        optimist,
        { ...refuser, submitTransactions: async (all) => all.map(() => ({ code: "tooMany" })) },
        honest,
      ]);
      expect(start.committee.epoch).to.equal(1n);
      expect(seen).to.deep.equal(["refuser refusedReady"]);
    });

    it("blames nobody when the change goes on while it opens: deals are of the epoch then, and its READY comes too late", async () => {
      const chain = world.almostReady();
      const honest = hurrying(chain, "honest");
      let isGone = false;
      const gone: ApiClient = {
        ...honest,
        url: "gone",
        reconfiguration: async () => {
          const { attempt, ...answer } = await honest.reconfiguration();
          return { ...answer, attempt: isGone ? undefined : attempt };
        },
        reconfigurationDeals: async (options) => {
          isGone = true;
          return { ...(await honest.reconfigurationDeals(options)), of: "epoch" };
        },
      };
      const late: ApiClient = {
        ...honest,
        url: "late",
        submitTransactions: async (all) => all.map(() => ({ code: "notCurrent" })),
      };
      const { start, seen } = await joinWith([gone, late, honest]);
      expect(start.committee.epoch).to.equal(1n);
      expect(seen).to.deep.equal(["gone staleEpoch"]);
    });

    it("opens a later attempt that supersedes the one it was ready for, and keeps nothing of the first", async () => {
      const chain = world.opening();
      const second = world.propose(2n);
      const supersede = async (): Promise<void> => {
        chain.round(...world.approvals(second, [0, 1, 2]));
        for (const dealer of [1, 2, 3])
          chain.round(world.dealTransaction(chain, dealer, await world.deals(chain, dealer)));
        for (const person of world.people.slice(0, 3)) chain.round(await world.ready(chain, person));
      };
      let isAsked = false;
      const api = hurrying(chain, "honest");
      const keys = memoryKeys(world, world.joiner, [1n, 2n]);
      const patient: ApiClient = {
        ...api,
        async reconfiguration(options) {
          const isFirst = chain.ledger.epochs?.attempt?.proposal.attempt === 1n;
          if (isFirst && chain.isReady(world.joiner.address) && !isAsked) {
            isAsked = true;
            await supersede();
          }
          return api.reconfiguration(options);
        },
      };
      const { start, seen, progress } = await joinWith([patient], keys);
      expect(seen).to.deep.equal([]);
      const opened = progress.filter(({ step }) => step === "opening");
      expect(opened).to.deep.equal([
        { step: "opening", attempt: 1n },
        { step: "opening", attempt: 2n },
      ]);
      expect(start.peers).to.deep.equal(second.members);
      expect(isShareOf(world.old.engines, start.committee.keys, 4, (await keys.shares(1n))!)).to.equal(true);
    });

    it("follows the epoch without shares when the announced key is not in its folder, and says so", async () => {
      const chain = world.almostReady();
      chain.round(await world.ready(chain, world.people[0]!));
      const api = honestApi(chain, "honest", () => chain.round());
      const keys = memoryKeys(world, world.joiner, []);
      const { context, options } = learning(world, world.joiner, keys, [api]);
      const progress: JoinProgress[] = [];
      const start = await joinCommittee(context, {
        ...options,
        pollMs: 1,
        onProgress: (each) => progress.push(each),
      });
      expect(start.committee.epoch).to.equal(1n);
      expect(progress.map(({ step }) => step)).to.include("keyMissing");
      expect(progress.at(-1)).to.deep.include({ step: "begun", hasShares: false });
      expect(await keys.shares(1n)).to.equal(undefined);
    });
  });

  describe("after the committee has changed", () => {
    let chain: Chain;
    let honest: ApiClient;

    before(() => {
      chain = world.begun();
      honest = honestApi(chain, "honest");
    });

    async function learn(apis: readonly ApiClient[], after?: bigint) {
      const keys = memoryKeys(world, world.joiner, [1n]);
      const { context, options } = learning(world, world.joiner, keys, apis, { after });
      const { seen, onRefused } = refusals();
      return { seen, keys, start: await catchUp(context, { ...options, onRefused }) };
    }

    it("opens its shares from the deals that the certified ledger keeps, once", async () => {
      const keys = memoryKeys(world, world.joiner, [1n]);
      const { context, options } = learning(world, world.joiner, keys, [honest]);
      let opened = 0;
      const worker = {
        ...world.worker,
        open: (...all: Parameters<typeof world.worker.open>) => {
          opened++;
          return world.worker.open(...all);
        },
      };
      for (let k = 0; k < 2; k++) {
        const start = await catchUp({ ...context, worker }, options);
        expect(start?.peers).to.deep.equal(chain.starts.get(1n)?.answer.peers);
        expect(isShareOf(context.engines, chain.committee.keys, 4, (await keys.shares(1n))!)).to.equal(true);
      }
      expect(opened).to.equal(1);
    });

    it("opens its shares although an attempt that was superseded left others", async () => {
      const keys = memoryKeys(world, world.joiner, [1n]);
      await keys.saveShares(1n, world.old.secrets[2]!.shares, world.old.committee.keys, 2);
      const { context, options } = learning(world, world.joiner, keys, [honest]);
      await catchUp(context, options);
      expect(isShareOf(context.engines, chain.committee.keys, 4, (await keys.shares(1n))!)).to.equal(true);
    });

    it("has nothing for somebody who is no member, and nothing newer for somebody who is there", async () => {
      const stranger = { identity: new Uint8Array(32).fill(77), address: world.joiner.address };
      const keys = memoryKeys(world, world.joiner, []);
      const { context, options } = learning(world, stranger, keys, [honest]);
      expect(await catchUp(context, options)).to.equal(undefined);
      expect(await learn([honest], 1n)).to.deep.include({ start: undefined, seen: [] });
    });

    const swap = (answer: EpochAnswer, suite: "bls12-381" | "bn254") => {
      const key = answer.committee.keys[suite]!;
      const [first, second, ...rest] = key.publicShares;
      const keys = { ...answer.committee.keys, [suite]: { ...key, publicShares: [second, first, ...rest] } };
      return { ...answer, committee: { ...answer.committee, keys } };
    };
    const epochLies: readonly (readonly [string, string, (honest: EpochAnswer) => unknown])[] = [
      ["two members' public shares swapped", "wrongCommittee", (answer) => swap(answer, "bn254")],
      [
        "a member replaced",
        "wrongCommittee",
        ({ committee, ...rest }) => ({
          ...rest,
          committee: {
            ...committee,
            members: committee.members.map((each, k) =>
              k === 1 ? { ...each, address: `0x${"99".repeat(20)}` } : each,
            ),
          },
        }),
      ],
      [
        "another place for a member",
        "wrongCommittee",
        (answer) => ({
          ...answer,
          peers: answer.peers.map((peer, k) => (k === 0 ? { ...peer, multiaddrs: ["/ip4/203.0.113.9/tcp/1"] } : peer)),
        }),
      ],
      ["a member left out of the network", "wrongCommittee", (answer) => ({ ...answer, peers: answer.peers.slice(1) })],
      [
        "another committee's id",
        "wrongCommittee",
        ({ committee, ...rest }) => ({ ...rest, committee: { ...committee, committeeId: `0x${"77".repeat(32)}` } }),
      ],
      [
        "a signature by another key",
        "badCertificate",
        ({ certificates, ...rest }) => ({
          ...rest,
          certificates: certificates.map((each) => ({ ...each, signature: signature(each.suite) })),
        }),
      ],
      [
        "a certificate of one suite only",
        "badCertificate",
        (answer) => ({ ...answer, certificates: answer.certificates.slice(0, 1) }),
      ],
      [
        "certificates of another header",
        "badCertificate",
        ({ header, ...rest }) => ({ ...rest, header: { ...header!, state: `0x${"31".repeat(32)}` } }),
      ],
      [
        "a later epoch than the header closed",
        "badCertificate",
        ({ committee, ...rest }) => ({ ...rest, committee: { ...committee, epoch: 7n } }),
      ],
    ];
    /** Of the same digest, by a group key that is not this committee's. */
    const signature = (suite: "bls12-381" | "bn254") => {
      const { header } = chain.starts.get(1n)!.answer;
      const engine = world.old.engines[suite];
      const digest = headerDigest(header!, world.old.committee.id);
      return bytesToHex(engine.sign(world.old.secrets[0]!.shares[suite], hexToBytes(digest)));
    };
    for (const [what, code, lie] of epochLies) {
      it(`does not believe ${what}, and asks the next member`, async () => {
        const { start, seen } = await learn([lying(honest, { epoch: lie }), honest]);
        expect(seen).to.deep.equal([`liar ${code}`]);
        expect(start?.committee).to.deep.equal(chain.committee);
      });
    }

    it("does not believe a snapshot with a flipped bit, wherever it is, and takes it from the next member", async () => {
      const { snapshot } = chain.starts.get(1n)!;
      const places = [0, 25, 60, snapshot.length >> 2, snapshot.length >> 1, snapshot.length - 1];
      for (const at of places) {
        const liar = { ...honest, url: "liar", snapshot: async () => flip(snapshot, at) };
        const { start, seen } = await learn([liar, honest]);
        expect(seen, `flipped at ${at}`).to.deep.equal(["liar badSnapshot"]);
        expect(start?.committee).to.deep.equal(chain.committee);
      }
    });

    it("does not take a certified batch for the end of an epoch when it is none", async () => {
      // Certified by the whole committee, and with the ledger that it commits to: but the epoch went on after it.
      const before = world.opening();
      const header = before.ledger.header!;
      const certificates = (["bls12-381", "bn254"] as const).map((suite) => world.certify(header, suite));
      const snapshot = before.ledger.snapshot();
      const liar: ApiClient = {
        ...honest,
        url: "liar",
        epoch: async () => ({ ...(await honest.epoch("latest")), header, certificates }),
        snapshot: async () => snapshot,
      };
      const { start, seen } = await learn([liar]);
      expect(start).to.equal(undefined);
      expect(seen).to.deep.equal(["liar badSnapshot"]);
    });

    it("looks at what happens in the newest epoch, not in the one it was configured with", async () => {
      // Somebody who left: epoch 1 is known and over for it, and the next one may name it again.
      const keys = memoryKeys(world, world.joiner, [1n]);
      const controller = new AbortController();
      const changes = { after: 1n, signal: controller.signal };
      const { context, options } = learning(world, world.joiner, keys, [honest], changes);
      const progress: JoinProgress[] = [];
      const onProgress = (each: JoinProgress): void => {
        progress.push(each);
        controller.abort();
      };
      const error: unknown = await joinCommittee(context, { ...options, pollMs: 1, onProgress }).catch(
        (cause) => cause,
      );
      expect(isClocklessError(error, "aborted")).to.equal(true);
      expect(progress).to.deep.equal([{ step: "unnamed", epoch: 1n }]);
    });

    it("does not go back to an epoch that it has left behind", async () => {
      expect(await learn([honest], 2n)).to.deep.include({ start: undefined, seen: ["honest staleEpoch"] });
    });

    it("asks the next member when one does not answer, has no snapshot, or forgets half of what it says", async () => {
      const fail = () => Promise.reject(new ApiError("timeout", "no answer"));
      const mute: ApiClient = { ...honest, url: "mute", epoch: fail };
      const empty: ApiClient = { ...honest, url: "empty", snapshot: fail };
      const cut: ApiClient = { ...honest, url: "cut", handovers: fail };
      const { start, seen } = await learn([mute, cut, empty, honest]);
      expect(start?.committee.epoch).to.equal(1n);
      expect(seen).to.deep.equal(["mute timeout", "cut timeout", "empty timeout", "mute timeout"].slice(0, 3));
    });

    it("is not held up by a member that never ends its answer", async () => {
      let isCut = false;
      const slow: ApiClient = {
        ...honest,
        url: "slow",
        snapshot: (_, call) =>
          new Promise((_resolve, reject) => {
            call?.signal?.addEventListener("abort", () => {
              isCut = true;
              reject(new ApiError("aborted", "cut off"));
            });
          }),
      };
      const keys = memoryKeys(world, world.joiner, [1n]);
      const { context, options } = learning(world, world.joiner, keys, [slow, slow, honest]);
      const { seen, onRefused } = refusals();
      const start = await catchUp(context, { ...options, onRefused, hedgeMs: 5 });
      expect(start?.committee.epoch).to.equal(1n);
      await new Promise((resolve) => setImmediate(resolve));
      expect([isCut, seen]).to.deep.equal([true, []]);
    });

    it("goes on without shares when the ledger's deals do not open with the stored key", async () => {
      const keys = memoryKeys(world, world.joiner, [1n]);
      const { context, options } = learning(world, world.joiner, keys, [honest]);
      const wrong = { ...keys, encryptionKey: async () => new Uint8Array(32).fill(3) };
      const errors: string[] = [];
      const logger = { ...silent, error: (message: string) => void errors.push(message) };
      const start = await catchUp({ ...context, keys: wrong, logger }, options);
      expect(start?.committee.epoch).to.equal(1n);
      expect(await keys.shares(1n)).to.equal(undefined);
      expect(errors).to.have.length(1);
    });
  });
});

function changed(
  { attempt, ...rest }: ReconfigurationAnswer,
  change: (
    member: NonNullable<ReconfigurationAnswer["attempt"]>["proposal"]["members"][number],
    index: number,
  ) => unknown,
): unknown {
  if (attempt === undefined) return rest;
  return {
    ...rest,
    attempt: { ...attempt, proposal: { ...attempt.proposal, members: attempt.proposal.members.map(change) } },
  };
}
