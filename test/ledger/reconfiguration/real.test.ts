import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { verifyHandover } from "../../../src/batch/handover.ts";
import { createNativeKeyAgreement } from "../../../src/keys/native-agreement.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { ACTIVATION_ROUNDS } from "../../../src/ledger/limits.ts";
import { encodeTransaction } from "../../../src/ledger/reconfiguration/codec.ts";
import {
  makeApproval,
  makeDealTransaction,
  makeHandoverPartial,
  makeReady,
} from "../../../src/ledger/reconfiguration/make.ts";
import { createReshareScheme } from "../../../src/ledger/reconfiguration/scheme.ts";
import type { EpochTransaction, Proposal, ProposedMember } from "../../../src/ledger/reconfiguration/types.ts";
import type { LedgerGenesis, SettledBatch } from "../../../src/ledger/types.ts";
import { utf8ToBytes } from "../../../src/lib/bytes.ts";
import { addressOf, signDigest } from "../../../src/lib/ecdsa.ts";
import { keccak256Hex } from "../../../src/lib/hash.ts";
import { type Address, bytesToHex, hexToBytes } from "../../../src/lib/hex.ts";
import { createRandom } from "../../../src/testing/random.ts";
import { openShare } from "../../../src/threshold/aggregate.ts";
import { dealInstance } from "../../../src/threshold/associated-data.ts";
import type { Committee } from "../../../src/threshold/committee.ts";
import { makeDeal } from "../../../src/threshold/deal.ts";
import { createDealEngines } from "../../../src/threshold/deal-engines.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../../../src/threshold/dealer.ts";
import {
  announceEncryptionKey,
  ENCRYPTION_KEY_RANDOMNESS,
  encryptionSecret,
} from "../../../src/threshold/encryption-key.ts";
import { createEngines } from "../../../src/threshold/engines.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";
import { genesis as plain } from "../fixtures.ts";

const random = createRandom(7, "real reshare");
type Shares = Readonly<Record<Suite, Uint8Array>>;
const perSuite = <T>(of: (suite: Suite) => T): Record<Suite, T> => ({
  "bls12-381": of("bls12-381"),
  bn254: of("bn254"),
});

interface Person {
  readonly secret: Uint8Array;
  readonly address: Address;
  readonly keyRandomness: Uint8Array;
}

function newPerson(): Person {
  const secret = random.bytes(32);
  return { secret, address: addressOf(secret), keyRandomness: random.bytes(ENCRYPTION_KEY_RANDOMNESS) };
}

describe("a change of the committee with real cryptography", () => {
  it("from four to five, and on to a new group key whose handover verifies", async () => {
    const [engines, deals] = await Promise.all([createEngines("fast"), createDealEngines("fast")]);
    const agreement = createNativeKeyAgreement();
    const scheme = createReshareScheme({ engines, deals, agreement });
    const old = Array.from({ length: 4 }, newPerson);
    const dealt = perSuite((suite) =>
      dealInsecure(engines[suite], 4, 3, random.bytes(insecureDealRandomnessLength(3))),
    );
    const genesis: LedgerGenesis = { ...plain, epoch: 0n };
    const first: Committee = {
      id: genesis.committeeId,
      epoch: 0n,
      members: old.map(({ address }) => ({ address })),
      keys: perSuite((suite) => dealt[suite].key),
      requiredSuites: SUITES,
    };
    const ledger = new Ledger(genesis, { committee: first, reshare: scheme });
    let rounds = 0;
    const send = (...transactions: readonly EpochTransaction[]): SettledBatch | undefined =>
      ledger.apply({
        commit: keccak256Hex(utf8ToBytes(`round ${rounds++}`)),
        items: [{ author: 0, instructions: [], observations: [], transactions: transactions.map(encodeTransaction) }],
      });
    const announced = (who: Person, epoch: bigint): ProposedMember => {
      const scope = { domain: first.id, epoch, attempt: 1n };
      const announcement = announceEncryptionKey(scope, who.address, who.keyRandomness, (digest) =>
        signDigest(who.secret, digest),
      );
      const publicKey = publicKeyOf(who);
      const { key: encryptionKey, proof, signature } = announcement;
      return { address: who.address, publicKey, multiaddrs: ["/dns4/member/tcp/1"], encryptionKey, proof, signature };
    };
    /** Everything but the last step; returns the new shares. */
    const change = (from: readonly Person[], shares: readonly Shares[], to: readonly Person[]): Shares[] => {
      const epoch = ledger.epoch + 1n;
      const proposal: Proposal = { epoch, attempt: 1n, members: to.map((who) => announced(who, epoch)) };
      send(
        ...from
          .slice(1)
          .map((who) => makeApproval(first.id, proposal, who.address, (digest) => signDigest(who.secret, digest))),
      );
      const { contexts, dealersNeeded } = ledger.epochs!.attempt!;
      send(
        ...from.slice(0, dealersNeeded).map((who, dealer) => {
          const isReshare = contexts.bn254.kind === "reshare";
          const made = perSuite((suite) => {
            const secret = isReshare
              ? shares[dealer]![suite]
              : Uint8Array.of(...new Array(24).fill(0), ...random.bytes(8));
            return makeDeal(deals[suite], agreement, dealInstance(contexts[suite], dealer), secret, random.bytes(32));
          });
          return makeDealTransaction(contexts.bn254, who.address, made, (digest) => signDigest(who.secret, digest));
        }),
      );
      const { qualified, keys, readyDigest } = ledger.epochs!.attempt!;
      const opened = to.map((who, index) =>
        perSuite((suite) => {
          const secret = encryptionSecret(who.keyRandomness);
          return openShare(deals[suite], agreement, contexts[suite], qualified, keys![suite], index, secret);
        }),
      );
      send(
        ...to.map((who, i) =>
          makeReady(first.id, engines, proposal, readyDigest!, who.address, opened[i]!, (digest) =>
            signDigest(who.secret, digest),
          ),
        ),
      );
      return opened;
    };
    const close = (): SettledBatch => {
      for (let i = 1; i < ACTIVATION_ROUNDS; i++) send();
      return send()!;
    };

    const five = [...old.slice(1), newPerson(), newPerson()];
    const shares = change(
      old,
      old.map((_, i) => perSuite((suite) => dealt[suite].shares[i]!)),
      five,
    );
    const closing = close();
    const { committee, snapshot } = closing.closes!;
    expect(committee.keys.bn254.groupKey).equal(first.keys.bn254.groupKey);
    expect(committee.keys["bls12-381"].groupKey).equal(first.keys["bls12-381"].groupKey);
    const digest = hexToBytes(closing.digest);
    for (const suite of SUITES) {
      const partials = [4, 0, 3, 2].map((i) => ({
        x: i + 1,
        signature: engines[suite].sign(shares[i]![suite], digest),
      }));
      const signature = engines[suite].interpolate(partials);
      expect(engines[suite].verify(hexToBytes(first.keys[suite].groupKey), digest, signature)).equal(true);
    }
    const restored = Ledger.restore(genesis, closing.header, snapshot, { reshare: scheme });
    expect(restored.epochs).deep.equal(ledger.epochs);

    // Four of five leave: a new key, and everybody can see that the old one wanted it.
    const four = [five[0]!, newPerson(), newPerson(), newPerson()];
    change(five, shares, four);
    const { handover, proposal } = ledger.epochs!.attempt!;
    send(
      ...five
        .slice(1)
        .map((who, i) => makeHandoverPartial(engines, proposal, handover!.digest, who.address, shares[i + 1]!)),
    );
    const next = close().closes!.committee;
    const [signed] = ledger.epochs!.handovers;
    for (const suite of SUITES) {
      expect(next.keys[suite].groupKey).equal(signed!.groupKeys[suite]).not.equal(first.keys[suite].groupKey);
      const { statement, signatures } = signed!;
      const { groupKey } = first.keys[suite];
      expect(verifyHandover(engines[suite], groupKey, first.id, statement, signatures[suite])).equal(true);
    }
  });
});

function publicKeyOf({ secret }: Person) {
  return bytesToHex(secp256k1.getPublicKey(secret, true));
}
