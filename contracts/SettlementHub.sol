// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {CollateralVault} from "./CollateralVault.sol";
import {ICollateralVault, TokenListing, VaultConfig} from "./interfaces/ICollateralVault.sol";
import {AcceptStatus, Head, ISettlementHub} from "./interfaces/ISettlementHub.sol";
import {ISettlementReceiver} from "./interfaces/ISettlementReceiver.sol";
import {IVerifier} from "./interfaces/IVerifier.sol";
import {IVerifierCode} from "./interfaces/IVerifierCode.sol";
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
} from "./interfaces/Messages.sol";
import {AccountProofs} from "./libraries/AccountProofs.sol";
import {CalldataLayout} from "./libraries/CalldataLayout.sol";
import {CreatedAddress} from "./libraries/CreatedAddress.sol";
import {Digests} from "./libraries/Digests.sol";
import {Handovers} from "./libraries/Handovers.sol";
import {HeadWord} from "./libraries/HeadWord.sol";
import {Merkle} from "./libraries/Merkle.sol";

/// @title Finality of one committee on one chain
/// @dev Two storage slots per accepted head, because storage is what `accept` pays for besides the pairing: the counters, and
/// one commitment to (header digest, outbox size, outbox root) in a ring of 16. Whoever needs the digest or the root on chain
/// opens the commitment; off chain both are in `HeadAdvanced` of block `head().acceptedBlock`.
contract SettlementHub is ISettlementHub, AccessManaged, ReentrancyGuardTransient {
    using HeadWord for uint256;

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

    /// @dev Where the arguments' tails begin: behind the selector and as many words as each function's head has.
    uint256 private constant ACCEPT_TAILS = 4 + 9 * 32;
    uint256 private constant CONFLICT_TAILS = 4 + 16 * 32;
    uint256 private constant DELIVER_TAILS = 4 + 3 * 32;
    uint256 private constant HISTORY_TAILS = 4 + 15 * 32;
    uint256 private constant RETRY_TAILS = 4 + 32;
    uint256 private constant HANDOVER_TAILS = 4 + 2 * 32;
    /// @dev The vault took nonce 1, so the verifier of key number k ≥ 1 has nonce k + 1. Nothing else is ever created here.
    uint16 private constant NONCE_OFFSET = 1;

    /// @dev What only handovers and evidence read.
    struct KeyHistory {
        /// Number of the last handover.
        uint64 handovers;
        /// Sequence of the head when the key last changed: that head is signed by an older key.
        uint40 sequence;
    }

    bytes32 private immutable COMMITTEE_ID;
    bytes32 private immutable DOMAIN_SEPARATOR;
    IVerifier private immutable FIRST_VERIFIER;
    IVerifierCode private immutable VERIFIER_CODE;
    bool private immutable IS_BN254;
    ICollateralVault private immutable VAULT;
    uint32 private immutable HALT_DEADLINE;

    /// @dev See HeadWord for the layout.
    uint256 private _headWord;
    bytes32[RING] private _ring;
    mapping(uint64 word => uint256 bits) private _delivered;
    mapping(uint64 index => bytes32 hash) private _failedCalls;
    uint256 private _nextPauseAt;
    KeyHistory private _keys;

    constructor(
        bytes32 committee,
        IVerifier key,
        IVerifierCode successors,
        address authority,
        uint32 haltDeadlineSeconds,
        VaultConfig memory vaultConfig,
        TokenListing[] memory listings
    ) AccessManaged(authority) {
        if (
            committee == 0 ||
            address(key).code.length == 0 ||
            address(successors).code.length == 0 ||
            haltDeadlineSeconds < MIN_HALT_DEADLINE
        ) revert BadConfiguration();
        bytes32 suite = keccak256(bytes(key.suite()));
        if (suite != keccak256(bytes(successors.suite()))) revert BadConfiguration();
        COMMITTEE_ID = committee;
        DOMAIN_SEPARATOR = Digests.domainSeparator(committee);
        FIRST_VERIFIER = key;
        VERIFIER_CODE = successors;
        IS_BN254 = suite == keccak256("bn254");
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
        CalldataLayout.requireEnd(
            CalldataLayout.skipBytes(CalldataLayout.skipDestination(ACCEPT_TAILS, destination), signature)
        );
        if (header.sequence == 0) revert SequenceIsZero();
        uint256 word = _headWord;
        if (header.sequence < word.sequence()) return AcceptStatus.Stale;

        bytes32 digest = Digests.header(DOMAIN_SEPARATOR, header);
        if (!_holdsDestination(header.outboxes, destination)) revert NotThisDestination();
        // Read once: every read checks the upper bits again.
        uint64 cursor = destination.inboxCursor;
        uint64 size = destination.outboxSize;
        bytes32 commitment = _commitment(digest, Merkle.bindSize(destination.outboxRoot, size));
        if (header.sequence == word.sequence()) {
            bytes32 known = _ring[word.slot()];
            // The same header: it is no conflict, not even if it holds two leaves of this hub and this is the other one.
            if (_tagOf(known) == _tagOf(digest)) return AcceptStatus.Repeated;
            // The head is signed by an older key: no statement of the present one.
            if (header.sequence == _keys.sequence) return AcceptStatus.Stale;
            _requireSigned(word, digest, signature);
            _closeForEver(header.sequence, known, commitment);
            return AcceptStatus.Conflicting;
        }

        if (block.timestamp < word.pausedUntil()) revert AcceptPaused(word.pausedUntil());
        _requireFits(header.sequence, HeadWord.MAX_SEQUENCE);
        _requireFits(header.epoch, HeadWord.MAX_EPOCH);
        _requireFits(cursor, HeadWord.MAX_INBOX_CURSOR);
        _requireFits(size, HeadWord.MAX_OUTBOX_SIZE);
        if (header.epoch < word.epoch()) revert EpochFell(uint64(word.epoch()), header.epoch);
        if (size < word.outboxSize()) {
            revert OutboxShrank(uint64(word.outboxSize()), size);
        }
        _requireInbox(uint64(word.inboxCursor()), cursor, destination.inboxHash);
        _requireSigned(word, digest, signature);

        uint256 slot = (word.slot() + 1) % RING;
        _headWord = word.advance(header.sequence, header.epoch, cursor, size, slot);
        _ring[slot] = commitment;
        emit HeadAdvanced(header.sequence, header.epoch, uint8(slot), digest, size, destination.outboxRoot);
        return AcceptStatus.Accepted;
    }

    /// @inheritdoc ISettlementHub
    function reportConflict(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature
    ) external {
        CalldataLayout.requireEnd(
            CalldataLayout.skipBytes(CalldataLayout.skipBytes(CONFLICT_TAILS, firstSignature), secondSignature)
        );
        bytes32 firstDigest = Digests.header(DOMAIN_SEPARATOR, first);
        bytes32 secondDigest = Digests.header(DOMAIN_SEPARATOR, second);
        if (first.sequence != second.sequence || firstDigest == secondDigest) revert NotConflicting();
        uint256 word = _headWord;
        _requireSigned(word, firstDigest, firstSignature);
        _requireSigned(word, secondDigest, secondSignature);
        _closeForEver(first.sequence, firstDigest, secondDigest);
    }

    /// @inheritdoc ISettlementHub
    function handover(Handover calldata statement, bytes calldata signature) external {
        CalldataLayout.requireEnd(
            CalldataLayout.skipBytes(CalldataLayout.skipHandover(HANDOVER_TAILS, statement), signature)
        );
        uint256 word = _headWord;
        // A key that was proven to sign two headers of one sequence names no successor.
        if (block.timestamp < word.pausedUntil()) revert AcceptPaused(word.pausedUntil());
        uint64 number = _keys.handovers + 1;
        if (statement.number != number) revert HandoverOutOfTurn(number, statement.number);
        bytes32 oldHash = keccak256(_verifierOf(word.keyNumber()).groupKey());
        bytes32 named = IS_BN254 ? statement.oldBn254KeyHash : statement.oldBls12381KeyHash;
        if (named != oldHash) revert HandoverFromAnotherKey(oldHash, named);
        Handovers.requireNewKeys(statement);
        _requireSigned(word, Handovers.digest(DOMAIN_SEPARATOR, statement), signature);
        _keys.handovers = number;
        _changeKey(IS_BN254 ? statement.newBn254Key : statement.newBls12381Key);
    }

    /// @inheritdoc ISettlementHub
    function deliver(
        PayoutEntry[] calldata payouts,
        CallEntry[] calldata calls,
        OutboxProof calldata proof
    ) external nonReentrant returns (uint256) {
        uint256 position = CalldataLayout.skipCalls(CalldataLayout.skipPayouts(DELIVER_TAILS, payouts), calls);
        CalldataLayout.requireEnd(CalldataLayout.skipOutboxProof(position, proof));
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
        uint256 position = CalldataLayout.skipCalls(CalldataLayout.skipPayouts(HISTORY_TAILS, payouts), calls);
        position = CalldataLayout.skipHistory(CalldataLayout.skipWords(position, siblings), older);
        CalldataLayout.requireEnd(CalldataLayout.skipDestination(position, destination));
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
        CalldataLayout.requireEnd(CalldataLayout.skipCall(RETRY_TAILS, entry));
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
        return _verifierOf(_headWord.keyNumber());
    }

    /// @inheritdoc ISettlementHub
    function verifierCode() external view returns (IVerifierCode) {
        return VERIFIER_CODE;
    }

    /// @inheritdoc ISettlementHub
    function handovers() external view returns (uint64) {
        return _keys.handovers;
    }

    /// @inheritdoc ISettlementHub
    function handoverDigestOf(Handover calldata statement) external view returns (bytes32) {
        return Handovers.digest(DOMAIN_SEPARATOR, statement);
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

    /// @dev Creates the next key's verifier, whose constructor tests the key, and makes it the only one that counts.
    function _changeKey(bytes calldata key) private {
        Head memory stored = HeadWord.unpack(_headWord);
        if (stored.keyNumber == HeadWord.MAX_KEY_NUMBER) revert OutOfRange(stored.keyNumber, HeadWord.MAX_KEY_NUMBER);
        bytes memory code = VERIFIER_CODE.creationCode(key);
        address created;
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                // The constructor's own words. They are those of code that this hub was built with.
                let reason := mload(0x40)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
        }
        stored.keyNumber += 1;
        // On a chain that derives addresses in another way keys cannot change: the old one stays.
        assert(created == address(_verifierOf(stored.keyNumber)));
        _keys.sequence = stored.sequence;
        _headWord = HeadWord.pack(stored);
        emit KeyChanged(stored.keyNumber, created, keccak256(key));
    }

    /// @dev Not read from storage, which `accept` would have to pay for: it follows from the number.
    function _verifierOf(uint256 keyNumber) private view returns (IVerifier) {
        if (keyNumber == 0) return FIRST_VERIFIER;
        // Fits: a key number has 12 bits.
        return IVerifier(CreatedAddress.derive(address(this), uint16(keyNumber) + NONCE_OFFSET));
    }

    /// @dev IVerifier.verify by hand, because the compiler's own call costs several hundred gas more. What the verifier
    /// reverts with (too little gas, no precompile) comes through, and is never taken for an invalid signature.
    function _requireSigned(uint256 word, bytes32 digest, bytes calldata signature) private view {
        IVerifier present = _verifierOf(word.keyNumber());
        bytes4 selector = IVerifier.verify.selector;
        bool valid;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), digest)
            mstore(add(data, 0x24), 0x40)
            mstore(add(data, 0x44), signature.length)
            calldatacopy(add(data, 0x64), signature.offset, signature.length)
            if iszero(staticcall(gas(), present, data, add(0x64, signature.length), 0x00, 0x20)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
            // Exactly one word that is exactly 1.
            valid := and(eq(returndatasize(), 0x20), eq(mload(0x00), 1))
        }
        if (!valid) revert InvalidSignature(digest);
    }

    function _requireFits(uint256 value, uint256 limit) private pure {
        if (value > limit) revert OutOfRange(value, limit);
    }

    /// @dev An unchanged cursor was checked when it was stored, and a vault's hashes never change.
    function _requireInbox(uint64 storedCursor, uint64 cursor, bytes32 inboxHash) private view {
        if (cursor < storedCursor) revert InboxCursorFell(storedCursor, cursor);
        if (cursor == storedCursor) return;
        bytes32 expected = VAULT.inboxHashAt(cursor);
        if (expected != inboxHash) revert InboxMismatch(cursor, expected, inboxHash);
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

    /// @dev keccak(0x03 ‖ header digest ‖ bound outbox root), its last 8 bytes replaced by those of the digest: 192 bits commit,
    /// and 64 tell one header from another without opening the commitment.
    function _commitment(bytes32 digest, bytes32 boundRoot) private pure returns (bytes32) {
        bytes32 hash;
        assembly ("memory-safe") {
            // As `Merkle.hashNode`, under its own prefix.
            let pointer := mload(0x40)
            mstore8(0x1f, 0x03)
            mstore(0x20, digest)
            mstore(0x40, boundRoot)
            hash := keccak256(0x1f, 0x41)
            mstore(0x40, pointer)
        }
        return bytes32((uint256(hash) & ~uint256(type(uint64).max)) | _tagOf(digest));
    }

    function _tagOf(bytes32 word) private pure returns (uint256) {
        return uint64(uint256(word));
    }
}
