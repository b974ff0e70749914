/** A member's keys for a ceremony, and what it tells the others about them. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { saveEncryptionKey } from "../../keys/encryption-key-file.ts";
import { loadIdentity, saveIdentity } from "../../keys/member-keys.ts";
import { writeSecretFile } from "../../keys/secret-file.ts";
import { addressOf, signDigest } from "../../lib/ecdsa.ts";
import { bytesToHex } from "../../lib/hex.ts";
import { encodeAnnouncement, parseAnnouncement } from "../../threshold/ceremony/json.ts";
import { type Announcement, ceremonyScope } from "../../threshold/ceremony/roster.ts";
import { announceEncryptionKey, ENCRYPTION_KEY_RANDOMNESS, encryptionSecret } from "../../threshold/encryption-key.ts";
import type { CliContext } from "../context.ts";
import { type HomeFlags, homeOf, passwordOf, readOwn, strengthOf, withLock } from "./home.ts";

export interface AnnounceOptions extends HomeFlags {
  readonly ceremony: string;
  readonly multiaddrs: readonly string[];
}

/** Makes what is not there yet; asked again it says the same again. Throws KeyError, StoreError, CeremonyError. */
export async function announce(options: AnnounceOptions, context: CliContext): Promise<Announcement> {
  const { keys, ceremony, multiaddrs } = options;
  const home = homeOf(keys, ceremony);
  return withLock(keys, async () => {
    const earlier = readOwn(home.announcement, parseAnnouncement);
    if (earlier !== undefined) return earlier;
    const hasIdentity = existsSync(home.identity);
    const password = passwordOf(options, context, !hasIdentity);
    const saving = { password, strength: strengthOf(options) };
    const identity = hasIdentity ? await loadIdentity(home.identity, password) : newIdentity();
    if (!hasIdentity) await saveIdentity(home.identity, identity, saving);

    const randomness = new Uint8Array(randomBytes(ENCRYPTION_KEY_RANDOMNESS));
    const announcement: Announcement = {
      ceremony,
      publicKey: bytesToHex(secp256k1.getPublicKey(identity, true)),
      multiaddrs,
      ...announceEncryptionKey(ceremonyScope(ceremony), addressOf(identity), randomness, (digest) =>
        signDigest(identity, digest),
      ),
    };
    const secret = encryptionSecret(randomness);
    // A key without an announcement was never told to anybody: a crash in between leaves one that is replaced.
    const file = { secret, publicKey: announcement.key, purpose: `ceremony ${ceremony}` };
    await saveEncryptionKey(home.encryptionKey, file, { ...saving, replace: true });
    writeSecretFile(home.announcement, encodeAnnouncement(announcement), { replace: false });
    for (const bytes of [secret, randomness, identity]) bytes.fill(0);
    return announcement;
  });
}

function newIdentity(): Uint8Array {
  return Uint8Array.from(secp256k1.utils.randomSecretKey());
}
