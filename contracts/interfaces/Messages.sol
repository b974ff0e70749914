// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @dev What a committee signs and what is proven against it. File-level, so that every contract and library names the
/// same types. The EIP-712 type strings are in `libraries/Digests.sol`; the TypeScript twin is `src/batch`.

/// @notice Signed once, valid on every chain
/// @param sequence Gap-free, from 1
/// @param epoch Committee epoch that ordered the batch
/// @param previous Digest of header `sequence − 1`; zero for the first
/// @param history Root of the append-only tree over the digests of headers 1 … `sequence − 1`
/// @param outboxes Root over all destinations
/// @param state Ledger state root after the batch
/// @param commitDigest Digest of the last commit included ("commit" in the signed type)
struct BatchHeader {
    uint64 sequence;
    uint64 epoch;
    bytes32 previous;
    bytes32 history;
    bytes32 outboxes;
    bytes32 state;
    bytes32 commitDigest;
}

/// @notice This hub's leaf of `outboxes` and the path to it. Chain and hub are not given: they are this chain and this hub
/// @param inboxCursor Number of inbox entries consumed
/// @param inboxHash The inbox's hash chain after `inboxCursor` entries
/// @param outboxSize Number of entries ever written to this outbox
/// @param outboxRoot Root of the append-only tree over them
/// @param promisedRoot Hash of the list of cumulative promises per token
/// @param index Position among the destinations
/// @param size Number of destinations
/// @param siblings Path, from the leaf upwards
struct DestinationProof {
    uint64 inboxCursor;
    bytes32 inboxHash;
    uint64 outboxSize;
    bytes32 outboxRoot;
    bytes32 promisedRoot;
    uint64 index;
    uint64 size;
    bytes32[] siblings;
}

/// @notice Outbox entry: the vault pays a token
/// @param index Position in the outbox, from 0
/// @param token ERC-20 to pay
/// @param recipient Who gets `amount`
/// @param amount Token units
/// @param relayerFee Token units for whoever delivers, on top of `amount`
/// @param referenceId What the payout answers ("reference" in the signed type)
struct PayoutEntry {
    uint64 index;
    address token;
    address recipient;
    uint256 amount;
    uint256 relayerFee;
    bytes32 referenceId;
}

/// @notice Outbox entry: a receiver contract gets a settlement notice
/// @param index Position in the outbox, from 0
/// @param receiver Contract to call
/// @param gasLimit Gas it is promised, at most 5,000,000
/// @param data What it is told
/// @param referenceId What the call answers
struct CallEntry {
    uint64 index;
    address receiver;
    uint64 gasLimit;
    bytes data;
    bytes32 referenceId;
}

/// @notice Proof of outbox entries against one of the last 16 accepted heads
/// @param slot Ring position of that head (in `HeadAdvanced`)
/// @param headDigest Digest of that head's header
/// @param size Number of entries in the outbox at that head
/// @param siblings Multiproof: level by level from the leaves, left to right, each node once
struct OutboxProof {
    uint8 slot;
    bytes32 headDigest;
    uint64 size;
    bytes32[] siblings;
}

/// @notice One of the last 16 accepted heads, opened
/// @param slot Ring position (in `HeadAdvanced`)
/// @param header The header
/// @param outboxSize Size of this hub's outbox at that head
/// @param outboxRoot Root of this hub's outbox at that head
struct HeadWitness {
    uint8 slot;
    BatchHeader header;
    uint64 outboxSize;
    bytes32 outboxRoot;
}

/// @notice A header older than a head, and the path from its digest to that head's `history`
struct HistoryProof {
    BatchHeader header;
    bytes32[] siblings;
}

/// @notice What a chain needs to know of one account
/// @param account Owner address (20 bytes) ‖ sub-account number (12 bytes)
/// @param asset Asset id
/// @param cash Ledger units
/// @param exitValue Cash plus positions at the batch's prices, rounded down, never negative
/// @param details Hash of everything else about the account
struct AccountLeaf {
    bytes32 account;
    bytes32 asset;
    int256 cash;
    uint256 exitValue;
    bytes32 details;
}

/// @notice A sibling in a tree that carries sums
struct SumNode {
    bytes32 hash;
    uint256 sum;
}

/// @notice Path from an account's leaf to a header's `state`
/// @param leaf The account
/// @param index Its index in the asset's tree
/// @param siblings From the leaf upwards
/// @param accounts Number of leaves in the asset's tree
/// @param root Root of the asset's tree
/// @param total Sum of all exit values in it
/// @param assetIndex Position of the asset among all assets
/// @param assetCount Number of assets
/// @param assetSiblings Path from the asset's root upwards
/// @param rest Hash of everything else the ledger holds
struct AccountProof {
    AccountLeaf leaf;
    uint64 index;
    SumNode[] siblings;
    uint64 accounts;
    bytes32 root;
    uint256 total;
    uint64 assetIndex;
    uint64 assetCount;
    bytes32[] assetSiblings;
    bytes32 rest;
}

/// @notice Statement by which the old group key names the new one. Hubs of both suites take the same statement
/// @dev Keys are byte for byte what the verifiers' constructors take, so that a hub deploys exactly what was signed
/// @param number Consecutive, from 1
/// @param oldBls12381KeyHash keccak-256 of the old BLS12-381 key, 256 bytes
/// @param oldBn254KeyHash keccak-256 of the old BN254 key, 128 bytes
/// @param newBls12381Key The new BLS12-381 key, 256 bytes
/// @param newBn254Key The new BN254 key, 128 bytes
struct Handover {
    uint64 number;
    bytes32 oldBls12381KeyHash;
    bytes32 oldBn254KeyHash;
    bytes newBls12381Key;
    bytes newBn254Key;
}
