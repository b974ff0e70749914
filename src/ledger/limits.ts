/** Bounds on what one value or one party may make the ledger hold. Each says what would happen without it. */

/** Amounts, quantities and prices are below 2^128: products fit the 256-bit words that are hashed and that contracts read. */
export const MAX_AMOUNT = (1n << 128n) - 1n;

/** Strikes have 12 bytes in an instrument id; price caps must fit the same. */
export const MAX_PRICE = (1n << 96n) - 1n;

export const MAX_UINT64 = (1n << 64n) - 1n;

/** Fills under one signature. One instruction is atomic, so this bounds the work a refusal can waste. */
export const MAX_FILLS = 1024;

/** Assets one `openLane` can limit. */
export const MAX_CASH_LIMITS = 16;

/** Lanes opened on one account: its details hash is recomputed whenever one of them spends. */
export const MAX_GRANTS_PER_ACCOUNT = 64;

/** Positions of one account: margin and details are recomputed over all of one (market, expiry) group at every touch. */
export const MAX_POSITIONS_PER_ACCOUNT = 512;

/** Lanes of one signer. Nonces are kept for ever, so without this one key could grow the state at the price of a signature each. */
export const MAX_LANES_PER_SIGNER = 256;

/** Inbox indices beyond the cursor that are tallied; a member reports the rest when the cursor has moved. */
export const INBOX_LOOKAHEAD = 256n;

/** Slots behind ledger time for which reports are still taken, on top of a whole expiry window. */
export const SLOT_SLACK = 50;

/** Bytes of one encoded signed instruction: head, signature and MAX_FILLS fills of 128 bytes, rounded up. */
export const MAX_INSTRUCTION_BYTES = 160 * 1024;

/** Bytes of one forced instruction in an inbox entry; the vaults' own bound must not be larger, or the inbox would stop. */
export const MAX_FORCED_BYTES = 64 * 1024;

/** Bytes of one block payload. */
export const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;

export const MAX_PAYLOAD_INSTRUCTIONS = 8192;

/** Reconfiguration transactions in one payload: a whole change of 256 members has fewer kinds times members. */
export const MAX_PAYLOAD_TRANSACTIONS = 1024;

/** Bytes of one reconfiguration transaction: both suites' deals to 256 members (1.4 MB) fit, and so does a payload around it. */
export const MAX_TRANSACTION_BYTES = 1536 * 1024;

export const MAX_PAYLOAD_OBSERVATIONS = 256;
export const MAX_INBOX_ENTRIES = Number(INBOX_LOOKAHEAD);
export const MAX_PRICE_VALUES = 4096;

/** Smallest committee a change may lead to: the smallest that tolerates a malicious member. */
export const MIN_PROPOSED_MEMBERS = 4;

/** Largest: beyond it two suites' deals no longer fit one block (MAX_TRANSACTION_BYTES). */
export const MAX_PROPOSED_MEMBERS = 256;

/** Addresses a member announces, and bytes of each: they are kept for an epoch, by everybody. */
export const MAX_MULTIADDRS = 8;
export const MAX_MULTIADDR_BYTES = 256;

/** Output rounds between the last thing a change waits for and the end of its epoch: time for the slow to store their shares. */
export const ACTIVATION_ROUNDS = 8;

/** Epochs of one group key whose members are remembered; the next change makes a new key. */
export const MAX_PAST_COMMITTEES = 64;

/**
 * Proposals nobody else approved before that are examined because of one member's approval, in one round and in one epoch: each takes
 * tens of milliseconds, and a malicious member can sign any number of them. Beyond it the member may only join others.
 */
export const MAX_EXAMINED_PER_ROUND = 4;
export const MAX_EXAMINED_PER_EPOCH = 64;

/** Transactions of one carrier in one round that may fail a signature check. Honest members check before they carry. */
export const MAX_FAILED_CHECKS = 8;

/** Batches whose account trees are kept for proofs. */
export const RETAINED_BATCHES = 64n;

/** A full recomputation of all sums runs every so many batches; the running totals are checked after every one. */
export const AUDIT_INTERVAL = 1024n;
