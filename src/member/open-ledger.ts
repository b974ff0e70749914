/** The ledger that a member starts from: that of genesis, of the epoch's beginning, or of a checkpoint within it. */
import { LedgerError } from "../ledger/codes.ts";
import { Ledger } from "../ledger/ledger.ts";
import { assert } from "../lib/assert.ts";
import type { SignatureCache } from "./signature-cache.ts";
import type { MemberConfig } from "./types.ts";

/** Throws LedgerError `badGenesis`, `badSnapshot`. */
export function openLedger(config: MemberConfig, signatures: SignatureCache): Ledger {
  const { committee, genesis, start, checkpoint, reshare, heartbeatRounds } = config;
  const options = {
    verify: signatures.verify,
    committee,
    ...(reshare === undefined ? {} : { reshare }),
    ...(heartbeatRounds === undefined ? {} : { heartbeatRounds }),
  };
  const from = checkpoint ?? start;
  const ledger =
    from === undefined ? new Ledger(genesis, options) : Ledger.restore(genesis, from.header, from.snapshot, options);
  // A stranger may offer the closing batch, whose ledger is in the next epoch already.
  if (checkpoint !== undefined && ledger.epoch !== committee.epoch)
    throw new LedgerError("badSnapshot", "bad snapshot: of another epoch than the one to go on in");
  assert(ledger.epoch === committee.epoch, "the committee is that of the epoch it starts in");
  return ledger;
}
