// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ICollateralVault} from "./ICollateralVault.sol";
import {IVerifier} from "./IVerifier.sol";
import {IVerifierCode} from "./IVerifierCode.sol";
import {
    AccountProof,
    BatchHeader,
    CallEntry,
    DestinationProof,
    Handover,
    HeadWitness,
    HistoryProof,
    OutboxProof,
    PayoutEntry
} from "./Messages.sol";

/// @notice What `accept` did
/// Accepted: verified, and now the head.
/// Repeated: the stored head, digest for digest. Nothing was verified again.
/// Stale: the hub is already further, or had this sequence when its key changed. Nothing was verified.
/// Conflicting: validly signed, but the stored head of this sequence is another one. `accept` is closed for ever.
enum AcceptStatus {
    Accepted,
    Repeated,
    Stale,
    Conflicting
}

/// @notice How far the hub has got, in one storage slot
/// @param sequence Sequence of the head; 0: nothing accepted yet
/// @param epoch Committee epoch that ordered it
/// @param inboxCursor Number of the vault's inbox entries the ledger has consumed
/// @param outboxSize Number of outbox entries that can be delivered
/// @param acceptedAt When the head was accepted, or the hub deployed (seconds; fits until the year 2106)
/// @param acceptedBlock Block of that
/// @param pausedUntil `accept` is refused before this time; the largest value means for ever (proven conflict)
/// @param slot Ring position of the head
/// @param keyNumber How often the group key has changed
struct Head {
    uint40 sequence;
    uint24 epoch;
    uint40 inboxCursor;
    uint40 outboxSize;
    uint32 acceptedAt;
    uint40 acceptedBlock;
    uint32 pausedUntil;
    uint8 slot;
    uint16 keyNumber;
}

/// @title Finality of one committee on one chain
/// @notice Accepts certificates from anybody, delivers what they promise, and tells other contracts what is final.
/// Not upgradable. Nobody can undo a delivery, move funds or hold up a payout here.
interface ISettlementHub {
    /// @notice Thrown for a header of sequence 0: no committee signs one
    error SequenceIsZero();

    /// @notice Thrown when a header's number or counter does not fit the hub's storage
    error OutOfRange(uint256 value, uint256 limit);

    /// @notice Thrown when the header is from an earlier epoch than the head
    error EpochFell(uint64 stored, uint64 given);

    /// @notice Thrown when the destination is not in the header, or is not this hub on this chain
    error NotThisDestination();

    /// @notice Thrown when the header has read less of the inbox than the head
    error InboxCursorFell(uint64 stored, uint64 given);

    /// @notice Thrown when the header has a shorter outbox than the head
    error OutboxShrank(uint64 stored, uint64 given);

    /// @notice Thrown when the header has read another inbox than this vault's: the chain reorganised behind the committee
    error InboxMismatch(uint64 cursor, bytes32 expected, bytes32 given);

    /// @notice Thrown when the committee's key did not sign the header
    error InvalidSignature(bytes32 digest);

    /// @notice Thrown while `accept` is paused
    error AcceptPaused(uint256 until);

    /// @notice Thrown when a pause is longer than half the halt deadline allows
    error PauseTooLong(uint256 requested, uint256 limit);

    /// @notice Thrown when the last pause began less than a halt deadline ago
    error PauseTooSoon(uint256 notBefore);

    /// @notice Thrown when entries do not lead to the head that the proof names, or that head has left the ring
    error EntriesNotProven();

    /// @notice Thrown when a header is not one of the last 16 heads, or not in its history
    error HeaderNotProven();

    /// @notice Thrown when a call entry promises more gas than any receiver gets
    error CallGasTooHigh(uint64 requested, uint64 limit);

    /// @notice Thrown before a receiver is called when not enough gas is left to keep the promise to it
    error InsufficientGas(uint256 left, uint256 needed);

    /// @notice Thrown when there is no failed call with exactly this content
    error NothingToRetry(uint64 index);

    /// @notice Thrown when a retried call fails again; it stays retryable
    error CallFailedAgain(uint64 index);

    /// @notice Thrown when two headers are no evidence: other sequences, or the same header
    error NotConflicting();

    /// @notice Thrown when a handover is not the next one
    error HandoverOutOfTurn(uint64 expected, uint64 given);

    /// @notice Thrown when a handover is from another key than this hub's
    error HandoverFromAnotherKey(bytes32 expected, bytes32 given);

    /// @notice Thrown by the constructor for a zero committee id, a verifier without code or of another suite than the
    /// code for its successors, or a deadline outside its bounds
    error BadConfiguration();

    /// @notice A newer header was verified
    event HeadAdvanced(
        uint64 indexed sequence,
        uint64 epoch,
        uint8 slot,
        bytes32 digest,
        uint64 outboxSize,
        bytes32 outboxRoot
    );

    /// @notice The committee's key signed two headers of one sequence. `accept` is closed; deliveries go on
    /// @dev `first` and `second` are header digests when reported as evidence, and ring commitments when `accept` found out
    event CommitteeConflicted(uint64 indexed sequence, bytes32 first, bytes32 second);

    /// @notice The group key changed; from here on nothing signed by an older key counts
    event KeyChanged(uint16 indexed keyNumber, address verifier, bytes32 keyHash);

    /// @notice The authority paused `accept`, or ended its pause
    event AcceptPauseSet(uint256 until);

    /// @notice A payout entry was carried out; the vault says how
    event PayoutDelivered(uint64 indexed index, address indexed recipient, address indexed token, uint256 amount);

    /// @notice A call entry was carried out, or failed and can be retried
    event CallDelivered(uint64 indexed index, address indexed receiver, bool success);

    /// @notice Verifies a certificate and makes it the head. Anybody may call; relayers may skip sequences
    /// @dev Losing a race is cheap: Repeated and Stale return before any signature is looked at
    /// @param header What the committee signed
    /// @param destination This hub's leaf of the header's `outboxes`
    /// @param signature As this hub's verifier reads it
    /// @return status What was done; only Accepted and Conflicting mean that a signature was verified
    function accept(
        BatchHeader calldata header,
        DestinationProof calldata destination,
        bytes calldata signature
    ) external returns (AcceptStatus status);

    /// @notice Closes `accept` for ever on proof that the committee's key signed two headers of one sequence
    function reportConflict(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice Changes the group key to the one that the present key names. Anybody may call
    /// @dev The verifier is deployed here, from the key in the statement. Certificates, evidence and statements by older keys are
    /// refused afterwards. A hub that slept takes every statement it missed, in turn, and then one certificate
    /// @param statement What the old key signed; the next in number
    /// @param signature By the present key, as this hub's verifier reads it
    function handover(Handover calldata statement, bytes calldata signature) external;

    /// @notice Carries out outbox entries, each once for ever, in any order, by anybody
    /// @dev Entries already delivered are skipped, so that a lost race costs little. A failing token, recipient or receiver
    /// never holds up the others
    /// @param payouts In rising order of index
    /// @param calls In rising order of index
    /// @param proof Proves all of them together
    /// @return delivered How many were carried out by this call
    function deliver(
        PayoutEntry[] calldata payouts,
        CallEntry[] calldata calls,
        OutboxProof calldata proof
    ) external returns (uint256 delivered);

    /// @notice `deliver` with a proof made against a header that has left the ring
    /// @param payouts In rising order of index
    /// @param calls In rising order of index
    /// @param siblings Multiproof against the older header's outbox
    /// @param head Any head in the ring
    /// @param older The older header, proven by that head's history
    /// @param destination This hub's leaf in the older header
    /// @return delivered How many were carried out by this call
    function deliverFromHistory(
        PayoutEntry[] calldata payouts,
        CallEntry[] calldata calls,
        bytes32[] calldata siblings,
        HeadWitness calldata head,
        HistoryProof calldata older,
        DestinationProof calldata destination
    ) external returns (uint256 delivered);

    /// @notice Calls a receiver again whose call had failed. Reverts if it fails again
    function retryCall(CallEntry calldata entry) external;

    /// @notice Refuses `accept` for a while. For the authority; must be shorter than half the halt deadline, and the next one
    /// may begin only a halt deadline later
    function pauseAccept(uint32 duration) external;

    /// @notice Ends a pause early. For the authority; cannot end what a proven conflict closed
    function resumeAccept() external;

    /// @notice How far the hub has got
    function head() external view returns (Head memory);

    /// @notice Commitment of a ring position: keccak(0x03 ‖ header digest ‖ keccak(0x02 ‖ outbox size ‖ outbox root))
    function ringAt(uint8 slot) external view returns (bytes32);

    /// @notice Digest of a header: what this hub's committee signs
    function digestOf(BatchHeader calldata header) external view returns (bytes32);

    /// @notice Whether an outbox entry was carried out (a failed call counts: it is now up to `retryCall`)
    function isDelivered(uint64 index) external view returns (bool);

    /// @notice Bitmap of 256 delivered flags: bit i of word w is entry 256·w + i
    function deliveredWord(uint64 word) external view returns (uint256);

    /// @notice Hash of a failed call entry that can be retried; zero if there is none
    function failedCall(uint64 index) external view returns (bytes32);

    /// @notice Whether this header is one of the last 16 heads
    function isFinalHeader(HeadWitness calldata witness) external view returns (bool);

    /// @notice Whether `older` was certified, by the history of one of the last 16 heads
    function isFinalOlderHeader(HeadWitness calldata witness, HistoryProof calldata older) external view returns (bool);

    /// @notice Whether a payout was certified for this hub (delivered or not)
    function isFinalPayout(PayoutEntry calldata entry, OutboxProof calldata proof) external view returns (bool);

    /// @notice Whether a call was certified for this hub (delivered or not)
    function isFinalCall(CallEntry calldata entry, OutboxProof calldata proof) external view returns (bool);

    /// @notice Whether one of the last 16 heads has this account in its state
    function isFinalAccount(HeadWitness calldata witness, AccountProof calldata proof) external view returns (bool);

    /// @notice The committee: salt of everything it signs
    function committeeId() external view returns (bytes32);

    /// @notice The committee's present key
    function verifier() external view returns (IVerifier);

    /// @notice What verifiers of later keys are created from
    function verifierCode() external view returns (IVerifierCode);

    /// @notice Number of the last handover; 0: none yet
    function handovers() external view returns (uint64);

    /// @notice What the present key must sign for a handover
    function handoverDigestOf(Handover calldata statement) external view returns (bytes32);

    /// @notice Custody for this hub, deployed by its constructor
    function vault() external view returns (ICollateralVault);

    /// @notice Seconds without a head after which the chain counts as abandoned by its committee
    function haltDeadline() external view returns (uint32);
}
