import { expect } from "chai";
import type { Certificate } from "../../src/batch/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { CertificateCache } from "../../src/member/certificate-cache.ts";

const ZERO: Hex = `0x${"00".repeat(32)}`;
const certificate = (sequence: bigint): Certificate => ({
  header: { sequence, epoch: 0n, previous: ZERO, history: ZERO, outboxes: ZERO, state: ZERO, commit: ZERO },
  suite: "bn254",
  signature: ZERO,
});

describe("certificate cache", () => {
  it("keeps the newest, forgets the rest, and says where to begin to look", () => {
    const cache = new CertificateCache();
    for (let sequence = 1n; sequence <= 5000n; sequence++) cache.add(certificate(sequence));
    expect(cache.oldest).to.equal(905n);
    expect(cache.get(904n, "bn254")).to.equal(undefined);
    expect(cache.get(905n, "bn254")).to.not.equal(undefined);
    expect(cache.get(5000n, "bn254")).to.not.equal(undefined);
  });

  it("has all of them while the log is replayed, in whatever order the store gives them, and is bounded afterwards", () => {
    const cache = new CertificateCache();
    for (let sequence = 5000n; sequence >= 1n; sequence--) cache.restore(certificate(sequence));
    expect(cache.get(1n, "bn254")).to.not.equal(undefined);
    cache.trim();
    expect(cache.get(904n, "bn254")).to.equal(undefined);
    expect(cache.get(905n, "bn254")).to.not.equal(undefined);
  });
});
