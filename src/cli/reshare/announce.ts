/** A future member announces itself for one attempt: a fresh encryption key, kept here until the epoch runs, and where it listens. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { saveEncryptionKey } from "../../keys/encryption-key-file.ts";
import { encryptionKeyPath } from "../../keys/epoch-keys.ts";
import { IDENTITY_FILE, loadIdentity, saveIdentity } from "../../keys/member-keys.ts";
import { writeSecretFile } from "../../keys/secret-file.ts";
import { addressOf, signDigest } from "../../lib/ecdsa.ts";
import { bytesToHex, type Hex } from "../../lib/hex.ts";
import { announceEncryptionKey, ENCRYPTION_KEY_RANDOMNESS, encryptionSecret } from "../../threshold/encryption-key.ts";
import { type HomeFlags, passwordOf, readOwn, strengthOf, withLock } from "../ceremony/home.ts";
import type { CliContext } from "../context.ts";
import { ReshareError } from "../errors.ts";
import { encodeReshareAnnouncement, parseReshareAnnouncement, type ReshareAnnouncement } from "./files.ts";

export interface ReshareAnnounceOptions extends HomeFlags {
  readonly committeeId: Hex;
  /** The epoch that the attempt would make. */
  readonly epoch: bigint;
  readonly attempt: bigint;
  readonly multiaddrs: readonly string[];
}

/**
 * Makes what is not there yet (the identity of a newcomer, too); asked again for the same attempt it says the same again.
 * Throws KeyError, StoreError locked, CeremonyError corruptFile, ReshareError otherAnnouncement.
 */
export async function announceForReshare(
  options: ReshareAnnounceOptions,
  context: CliContext,
): Promise<ReshareAnnouncement> {
  const { keys, committeeId, epoch, attempt, multiaddrs } = options;
  const identityFile = join(keys, IDENTITY_FILE);
  const announcementFile = join(keys, `reshare-announcement-${epoch}-${attempt}.json`);
  return withLock(keys, async () => {
    const earlier = readOwn(announcementFile, parseReshareAnnouncement);
    if (earlier !== undefined) {
      if (earlier.committeeId === committeeId) return earlier;
      throw new ReshareError(
        "otherAnnouncement",
        `this key folder announced attempt ${attempt} of epoch ${epoch} in another committee: take another folder`,
        { details: { announced: earlier.committeeId, given: committeeId, path: announcementFile } },
      );
    }
    const hasIdentity = existsSync(identityFile);
    const password = passwordOf(options, context, !hasIdentity);
    const saving = { password, strength: strengthOf(options) };
    const identity = hasIdentity
      ? await loadIdentity(identityFile, password)
      : Uint8Array.from(secp256k1.utils.randomSecretKey());
    if (!hasIdentity) await saveIdentity(identityFile, identity, saving);

    const randomness = new Uint8Array(randomBytes(ENCRYPTION_KEY_RANDOMNESS));
    const scope = { domain: committeeId, epoch, attempt };
    const address = addressOf(identity);
    const { key, proof, signature } = announceEncryptionKey(scope, address, randomness, (digest) =>
      signDigest(identity, digest),
    );
    const publicKey = bytesToHex(secp256k1.getPublicKey(identity, true));
    const member = { address, publicKey, multiaddrs, encryptionKey: key, proof, signature };
    const announcement = { committeeId, epoch, attempt, member };
    const secret = encryptionSecret(randomness);
    // A key without an announcement was never told to anybody: a crash in between leaves one that is replaced.
    const file = { secret, publicKey: key, purpose: `epoch ${epoch}, attempt ${attempt}` };
    await saveEncryptionKey(encryptionKeyPath(keys, epoch, attempt), file, { ...saving, replace: true });
    writeSecretFile(announcementFile, encodeReshareAnnouncement(announcement), { replace: false });
    for (const bytes of [secret, randomness, identity]) bytes.fill(0);
    return announcement;
  });
}
