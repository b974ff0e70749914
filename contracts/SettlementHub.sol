// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {CollateralVault} from "./CollateralVault.sol";
import {ICollateralVault, TokenListing, VaultConfig} from "./interfaces/ICollateralVault.sol";
import {AcceptStatus, Head, ISettlementHub} from "./interfaces/ISettlementHub.sol";
import {ISettlementReceiver} from "./interfaces/ISettlementReceiver.sol";
import {IVerifier} from "./interfaces/IVerifier.sol";
import {
    AccountProof,
    BatchHeader,
    CallEntry,
    DestinationProof,
    HeadWitness,
    HistoryProof,
    OutboxProof,
    PayoutEntry
} from "./interfaces/Messages.sol";
import {AccountProofs} from "./libraries/AccountProofs.sol";
import {Digests} from "./libraries/Digests.sol";
import {HeadWord} from "./libraries/HeadWord.sol";
import {Merkle} from "./libraries/Merkle.sol";

/// @title Finality of one committee on one chain
/// @dev Two storage slots per accepted head, because storage is what `accept` pays for besides the pairing: the counters, and
/// one commitment to (header digest, outbox size, outbox root) in a ring of 16. Whoever needs the digest or the root on chain
/// opens the commitment; off chain both are in `HeadAdvanced` of block `head().acceptedBlock`.
contract SettlementHub is ISettlementHub, AccessManaged, ReentrancyGuardTransient {
    uint256 private constant RING = 16;
    /// @dev Fills the ring at deployment, so that every accept costs the same. Nothing hashes to it.
    bytes32 private constant EMPTY_SLOT = bytes32(uint256(1));
    uint32 private constant FOREVER = type(uint32).max;
    uint64 private constant MAX_CALL_GAS = 5_000_000;
    /// @dev What a call costs before the receiver runs: a cold account, and some for the instructions in between.
    uint256 private constant CALL_OVERHEAD = 10_000;
    /// @dev What recording a failed call may cost.
    uint256 private constant RECORD_GAS = 60_000;
    uint32 private constant MIN_HALT_DEADLINE = 1 hours;

    bytes32 private immutable COMMITTEE_ID;
    bytes32 private immutable DOMAIN_SEPARATOR;
    IVerifier private immutable VERIFIER;
    ICollateralVault private immutable VAULT;
    uint32 private immutable HALT_DEADLINE;

    /// @dev See HeadWord for the layout.
    uint256 private _headWord;
    bytes32[RING] private _ring;
    mapping(uint64 word => uint256 bits) private _delivered;
    mapping(uint64 index => bytes32 hash) private _failedCalls;
    uint256 private _nextPauseAt;

    constructor(
        bytes32 committee,
        IVerifier key,
        address authority,
        uint32 haltDeadlineSeconds,
        VaultConfig memory vaultConfig,
        TokenListing[] memory listings
    ) AccessManaged(authority) {
        if (committee == 0 || address(key).code.length == 0 || haltDeadlineSeconds < MIN_HALT_DEADLINE) {
            revert BadConfiguration();
        }
        COMMITTEE_ID = committee;
        DOMAIN_SEPARATOR = Digests.domainSeparator(committee);
        VERIFIER = key;
        HALT_DEADLINE = haltDeadlineSeconds;
        VAULT = new CollateralVault(authority, vaultConfig, listings);
        for (uint256 i = 0; i < RING; ++i) _ring[i] = EMPTY_SLOT;
        // Deployment counts as a sign of life: deadlines run from here.
        Head memory initial;
        initial.acceptedAt = uint32(block.timestamp);
        initial.acceptedBlock = uint40(block.number);
        _headWord = HeadWord.pack(initial);
    }

    /// @inheritdoc ISettlementHub
    function accept(
        BatchHeader calldata header,
        DestinationProof calldata destination,
        bytes calldata signature
    ) external returns (AcceptStatus) {
        _requireCalldataLength(
            4 + 7 * 32 + 2 * 32 + 9 * 32 + 32 * destination.siblings.length + 32 + _padded(signature.length)
        );
        if (header.sequence == 0) revert SequenceIsZero();
        Head memory stored = HeadWord.unpack(_headWord);
        if (header.sequence < stored.sequence) return AcceptStatus.Stale;

        bytes32 digest = Digests.header(DOMAIN_SEPARATOR, header);
        if (!_holdsDestination(header.outboxes, destination)) revert NotThisDestination();
        bytes32 commitment = _commitment(digest, Merkle.bindSize(destination.outboxRoot, destination.outboxSize));
        if (header.sequence == stored.sequence) {
            bytes32 known = _ring[stored.slot];
            if (commitment == known) return AcceptStatus.Repeated;
            _requireSigned(digest, signature);
            _closeForEver(header.sequence, known, commitment);
            return AcceptStatus.Conflicting;
        }

        if (block.timestamp < stored.pausedUntil) revert AcceptPaused(stored.pausedUntil);
        if (header.sequence > type(uint40).max) revert OutOfRange(header.sequence, type(uint40).max);
        if (header.epoch > type(uint24).max) revert OutOfRange(header.epoch, type(uint24).max);
        if (destination.outboxSize > type(uint40).max) revert OutOfRange(destination.outboxSize, type(uint40).max);
        if (header.epoch < stored.epoch) revert EpochFell(stored.epoch, header.epoch);
        if (destination.outboxSize < stored.outboxSize) {
            revert OutboxShrank(stored.outboxSize, destination.outboxSize);
        }
        _requireInbox(stored.inboxCursor, destination);
        _requireSigned(digest, signature);

        uint8 slot = uint8((stored.slot + 1) % RING);
        _headWord = HeadWord.pack(
            Head({
                sequence: uint40(header.sequence),
                epoch: uint24(header.epoch),
                // Fits: the vault has that many entries, each of which was a transaction.
                inboxCursor: uint40(destination.inboxCursor),
                outboxSize: uint40(destination.outboxSize),
                acceptedAt: uint32(block.timestamp),
                acceptedBlock: uint40(block.number),
                pausedUntil: stored.pausedUntil,
                slot: slot
            })
        );
        _ring[slot] = commitment;
        emit HeadAdvanced(header.sequence, header.epoch, slot, digest, destination.outboxSize, destination.outboxRoot);
        return AcceptStatus.Accepted;
    }

    /// @inheritdoc ISettlementHub
    function reportConflict(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature
    ) external {
        bytes32 firstDigest = Digests.header(DOMAIN_SEPARATOR, first);
        bytes32 secondDigest = Digests.header(DOMAIN_SEPARATOR, second);
        if (first.sequence != second.sequence || firstDigest == secondDigest) revert NotConflicting();
        _requireSigned(firstDigest, firstSignature);
        _requireSigned(secondDigest, secondSignature);
        _closeForEver(first.sequence, firstDigest, secondDigest);
    }

    /// @inheritdoc ISettlementHub
    function deliver(
        PayoutEntry[] calldata payouts,
        CallEntry[] calldata calls,
        OutboxProof calldata proof
    ) external nonReentrant returns (uint256) {
        _requireCalldataLength(
            4 + 3 * 32 + _payoutsLength(payouts) + _callsLength(calls) + 5 * 32 + 32 * proof.siblings.length
        );
        if (_areDelivered(payouts, calls)) return 0;
        (bytes32[] memory hashes, uint256[] memory indexes) = _hashEntries(payouts, calls);
        if (!_provesEntries(proof, indexes, hashes)) revert EntriesNotProven();
        return _carryOut(payouts, calls);
    }

    /// @inheritdoc ISettlementHub
    function deliverFromHistory(
        PayoutEntry[] calldata payouts,
        CallEntry[] calldata calls,
        bytes32[] calldata siblings,
        HeadWitness calldata headWitness,
        HistoryProof calldata older,
        DestinationProof calldata destination
    ) external nonReentrant returns (uint256) {
        if (_areDelivered(payouts, calls)) return 0;
        if (!isFinalOlderHeader(headWitness, older)) revert HeaderNotProven();
        if (!_holdsDestination(older.header.outboxes, destination)) revert NotThisDestination();
        (bytes32[] memory hashes, uint256[] memory indexes) = _hashEntries(payouts, calls);
        (bool ok, bytes32 root) = Merkle.multiRootOf(indexes, hashes, destination.outboxSize, siblings);
        if (!ok || root != destination.outboxRoot) revert EntriesNotProven();
        return _carryOut(payouts, calls);
    }

    /// @inheritdoc ISettlementHub
    function retryCall(CallEntry calldata entry) external nonReentrant {
        bytes32 hash = Digests.callEntry(address(this), entry);
        if (_failedCalls[entry.index] != hash) revert NothingToRetry(entry.index);
        // Before the call: a receiver that comes back finds nothing to retry.
        delete _failedCalls[entry.index];
        if (!_notify(entry)) revert CallFailedAgain(entry.index);
        emit CallDelivered(entry.index, entry.receiver, true);
    }

    /// @inheritdoc ISettlementHub
    function pauseAccept(uint32 duration) external restricted {
        uint256 limit = (HALT_DEADLINE - 1) / 2;
        if (duration > limit) revert PauseTooLong(duration, limit);
        if (block.timestamp < _nextPauseAt) revert PauseTooSoon(_nextPauseAt);
        uint32 until = uint32(block.timestamp) + duration;
        // What a proven conflict closed stays closed.
        if (until <= HeadWord.unpack(_headWord).pausedUntil) return;
        _nextPauseAt = block.timestamp + HALT_DEADLINE;
        _setPausedUntil(until);
        emit AcceptPauseSet(until);
    }

    /// @inheritdoc ISettlementHub
    function resumeAccept() external restricted {
        uint32 until = HeadWord.unpack(_headWord).pausedUntil;
        if (until == FOREVER) revert AcceptPaused(until);
        _setPausedUntil(0);
        emit AcceptPauseSet(0);
    }

    /// @inheritdoc ISettlementHub
    function head() external view returns (Head memory) {
        return HeadWord.unpack(_headWord);
    }

    /// @inheritdoc ISettlementHub
    function ringAt(uint8 slot) external view returns (bytes32) {
        return _ring[slot];
    }

    /// @inheritdoc ISettlementHub
    function digestOf(BatchHeader calldata header) external view returns (bytes32) {
        return Digests.header(DOMAIN_SEPARATOR, header);
    }

    /// @inheritdoc ISettlementHub
    function isDelivered(uint64 index) public view returns (bool) {
        return (_delivered[index >> 8] >> (index & 0xff)) & 1 == 1;
    }

    /// @inheritdoc ISettlementHub
    function deliveredWord(uint64 word) external view returns (uint256) {
        return _delivered[word];
    }

    /// @inheritdoc ISettlementHub
    function failedCall(uint64 index) external view returns (bytes32) {
        return _failedCalls[index];
    }

    /// @inheritdoc ISettlementHub
    function isFinalHeader(HeadWitness calldata witness) public view returns (bool) {
        bytes32 digest = Digests.header(DOMAIN_SEPARATOR, witness.header);
        return
            witness.slot < RING &&
            _ring[witness.slot] == _commitment(digest, Merkle.bindSize(witness.outboxRoot, witness.outboxSize));
    }

    /// @inheritdoc ISettlementHub
    function isFinalOlderHeader(HeadWitness calldata witness, HistoryProof calldata older) public view returns (bool) {
        uint64 sequence = older.header.sequence;
        // Leaf sequence − 1 of a tree of head.sequence − 1 leaves; `rootOf` refuses what lies outside.
        if (sequence == 0 || witness.header.sequence == 0 || !isFinalHeader(witness)) return false;
        bytes32 digest = Digests.header(DOMAIN_SEPARATOR, older.header);
        (bool ok, bytes32 root) = Merkle.rootOf(
            Merkle.hashLeaf(digest),
            sequence - 1,
            witness.header.sequence - 1,
            older.siblings
        );
        return ok && root == witness.header.history;
    }

    /// @inheritdoc ISettlementHub
    function isFinalPayout(PayoutEntry calldata entry, OutboxProof calldata proof) external view returns (bool) {
        return _provesEntry(proof, entry.index, Digests.payoutEntry(address(this), entry));
    }

    /// @inheritdoc ISettlementHub
    function isFinalCall(CallEntry calldata entry, OutboxProof calldata proof) external view returns (bool) {
        return _provesEntry(proof, entry.index, Digests.callEntry(address(this), entry));
    }

    /// @inheritdoc ISettlementHub
    function isFinalAccount(HeadWitness calldata witness, AccountProof calldata proof) external view returns (bool) {
        return isFinalHeader(witness) && AccountProofs.verify(witness.header.state, proof);
    }

    /// @inheritdoc ISettlementHub
    function committeeId() external view returns (bytes32) {
        return COMMITTEE_ID;
    }

    /// @inheritdoc ISettlementHub
    function verifier() external view returns (IVerifier) {
        return VERIFIER;
    }

    /// @inheritdoc ISettlementHub
    function vault() external view returns (ICollateralVault) {
        return VAULT;
    }

    /// @inheritdoc ISettlementHub
    function haltDeadline() external view returns (uint32) {
        return HALT_DEADLINE;
    }

    /// @dev Marks and carries out every entry that was not delivered yet. The mark comes before anything foreign runs.
    function _carryOut(PayoutEntry[] calldata payouts, CallEntry[] calldata calls) private returns (uint256 count) {
        for (uint256 i = 0; i < payouts.length; ++i) {
            PayoutEntry calldata entry = payouts[i];
            if (!_mark(entry.index)) continue;
            ++count;
            VAULT.pay(entry.token, entry.recipient, entry.amount, msg.sender, entry.relayerFee);
            emit PayoutDelivered(entry.index, entry.recipient, entry.token, entry.amount);
        }
        for (uint256 i = 0; i < calls.length; ++i) {
            CallEntry calldata entry = calls[i];
            if (!_mark(entry.index)) continue;
            ++count;
            bool success = _notify(entry);
            if (!success) _failedCalls[entry.index] = Digests.callEntry(address(this), entry);
            emit CallDelivered(entry.index, entry.receiver, success);
        }
    }

    /// @dev Calls the receiver with exactly the promised gas, and reverts before the call if that much cannot be passed on
    /// (EIP-150 keeps back a 64th): otherwise a relayer could starve a receiver and have it recorded as the receiver's failure.
    /// Nothing the receiver returns is copied.
    function _notify(CallEntry calldata entry) private returns (bool success) {
        uint256 gasLimit = entry.gasLimit;
        if (gasLimit > MAX_CALL_GAS) revert CallGasTooHigh(entry.gasLimit, MAX_CALL_GAS);
        address receiver = entry.receiver;
        if (receiver.code.length == 0) return false;
        bytes memory data = abi.encodeCall(
            ISettlementReceiver.onSettlement,
            (entry.index, entry.referenceId, entry.data)
        );
        uint256 needed = (gasLimit * 64) / 63 + CALL_OVERHEAD + RECORD_GAS;
        if (gasleft() < needed) revert InsufficientGas(gasleft(), needed);
        assembly ("memory-safe") {
            success := call(gasLimit, receiver, 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
    }

    /// @dev Sets the bit of an index; false if it was set.
    function _mark(uint64 index) private returns (bool) {
        uint256 bit = 1 << (index & 0xff);
        uint256 word = _delivered[index >> 8];
        if (word & bit != 0) return false;
        _delivered[index >> 8] = word | bit;
        return true;
    }

    function _setPausedUntil(uint32 until) private {
        Head memory stored = HeadWord.unpack(_headWord);
        stored.pausedUntil = until;
        _headWord = HeadWord.pack(stored);
    }

    function _closeForEver(uint64 sequence, bytes32 first, bytes32 second) private {
        _setPausedUntil(FOREVER);
        emit CommitteeConflicted(sequence, first, second);
    }

    function _requireSigned(bytes32 digest, bytes calldata signature) private view {
        if (!VERIFIER.verify(digest, signature)) revert InvalidSignature(digest);
    }

    /// @dev An unchanged cursor was checked when it was stored, and a vault's hashes never change.
    function _requireInbox(uint64 storedCursor, DestinationProof calldata destination) private view {
        uint64 cursor = destination.inboxCursor;
        if (cursor < storedCursor) revert InboxCursorFell(storedCursor, cursor);
        if (cursor == storedCursor) return;
        bytes32 expected = VAULT.inboxHashAt(cursor);
        if (expected != destination.inboxHash) revert InboxMismatch(cursor, expected, destination.inboxHash);
    }

    function _holdsDestination(bytes32 outboxes, DestinationProof calldata proof) private view returns (bool) {
        bytes32 leaf = Merkle.hashLeaf(Digests.destination(address(this), proof));
        (bool ok, bytes32 root) = Merkle.rootOf(leaf, proof.index, proof.size, proof.siblings);
        return ok && Merkle.bindSize(root, proof.size) == outboxes;
    }

    function _provesEntries(
        OutboxProof calldata proof,
        uint256[] memory indexes,
        bytes32[] memory hashes
    ) private view returns (bool) {
        (bool ok, bytes32 root) = Merkle.multiRootOf(indexes, hashes, proof.size, proof.siblings);
        return
            ok &&
            proof.slot < RING &&
            _ring[proof.slot] == _commitment(proof.headDigest, Merkle.bindSize(root, proof.size));
    }

    function _provesEntry(OutboxProof calldata proof, uint64 index, bytes32 hash) private view returns (bool) {
        uint256[] memory indexes = new uint256[](1);
        bytes32[] memory hashes = new bytes32[](1);
        indexes[0] = index;
        hashes[0] = Merkle.hashLeaf(hash);
        return _provesEntries(proof, indexes, hashes);
    }

    function _areDelivered(PayoutEntry[] calldata payouts, CallEntry[] calldata calls) private view returns (bool) {
        for (uint256 i = 0; i < payouts.length; ++i) if (!isDelivered(payouts[i].index)) return false;
        for (uint256 i = 0; i < calls.length; ++i) if (!isDelivered(calls[i].index)) return false;
        return payouts.length + calls.length > 0;
    }

    /// @dev Leaf hashes of both lists, merged into rising order of index. Lists that do not rise come out as indexes that do
    /// not rise strictly, which `Merkle.multiRootOf` refuses.
    function _hashEntries(
        PayoutEntry[] calldata payouts,
        CallEntry[] calldata calls
    ) private view returns (bytes32[] memory hashes, uint256[] memory indexes) {
        uint256 count = payouts.length + calls.length;
        hashes = new bytes32[](count);
        indexes = new uint256[](count);
        uint256 p = 0;
        uint256 c = 0;
        for (uint256 k = 0; k < count; ++k) {
            bytes32 hash;
            if (c == calls.length || (p < payouts.length && payouts[p].index < calls[c].index)) {
                indexes[k] = payouts[p].index;
                hash = Digests.payoutEntry(address(this), payouts[p++]);
            } else {
                indexes[k] = calls[c].index;
                hash = Digests.callEntry(address(this), calls[c++]);
            }
            hashes[k] = Merkle.hashLeaf(hash);
        }
    }

    /// @dev keccak(0x03 ‖ header digest ‖ bound outbox root).
    function _commitment(bytes32 digest, bytes32 boundRoot) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x03), digest, boundRoot));
    }

    /// @dev One encoding per call: bytes that no argument accounts for are refused.
    function _requireCalldataLength(uint256 expected) private pure {
        if (msg.data.length != expected) revert CalldataLength(expected, msg.data.length);
    }

    function _payoutsLength(PayoutEntry[] calldata payouts) private pure returns (uint256) {
        return 32 + 6 * 32 * payouts.length;
    }

    function _callsLength(CallEntry[] calldata calls) private pure returns (uint256 length) {
        length = 32;
        for (uint256 i = 0; i < calls.length; ++i) length += 7 * 32 + _padded(calls[i].data.length);
    }

    function _padded(uint256 length) private pure returns (uint256) {
        return (length + 31) & ~uint256(31);
    }
}
