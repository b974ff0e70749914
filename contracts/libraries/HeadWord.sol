// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Head} from "../interfaces/ISettlementHub.sol";

/// @title A hub's head as one storage word
/// @notice Packed by hand: the compiler writes and reads the slot several times for a struct, and `accept` pays for that.
/// From the low end: sequence 40, epoch 24, inboxCursor 36, outboxSize 40, acceptedAt 32, acceptedBlock 36, pausedUntil 32,
/// slot 4, keyNumber 12 bits. Every field is cut to its width, so that none can spill into the next; callers refuse what
/// must not be cut.
library HeadWord {
    uint256 internal constant MAX_SEQUENCE = (1 << 40) - 1;
    uint256 internal constant MAX_EPOCH = (1 << 24) - 1;
    uint256 internal constant MAX_INBOX_CURSOR = (1 << 36) - 1;
    uint256 internal constant MAX_OUTBOX_SIZE = (1 << 40) - 1;
    uint256 internal constant MAX_KEY_NUMBER = (1 << 12) - 1;
    uint256 private constant MAX_36 = (1 << 36) - 1;

    /// @dev pausedUntil and keyNumber: what a new head leaves as it is.
    uint256 private constant KEPT = (uint256(type(uint32).max) << 208) | (MAX_KEY_NUMBER << 244);

    function sequence(uint256 word) internal pure returns (uint256) {
        return word & MAX_SEQUENCE;
    }

    function epoch(uint256 word) internal pure returns (uint256) {
        return (word >> 40) & MAX_EPOCH;
    }

    function inboxCursor(uint256 word) internal pure returns (uint256) {
        return (word >> 64) & MAX_INBOX_CURSOR;
    }

    function outboxSize(uint256 word) internal pure returns (uint256) {
        return (word >> 100) & MAX_OUTBOX_SIZE;
    }

    function pausedUntil(uint256 word) internal pure returns (uint256) {
        return (word >> 208) & type(uint32).max;
    }

    function slot(uint256 word) internal pure returns (uint256) {
        return (word >> 240) & 0xf;
    }

    function keyNumber(uint256 word) internal pure returns (uint256) {
        return word >> 244;
    }

    /// @dev The word of a newer head in ring position `newSlot`, accepted now. The caller has seen that everything fits.
    function advance(
        uint256 word,
        uint256 newSequence,
        uint256 newEpoch,
        uint256 newCursor,
        uint256 newSize,
        uint256 newSlot
    ) internal view returns (uint256) {
        return
            (word & KEPT) |
            newSequence |
            (newEpoch << 40) |
            (newCursor << 64) |
            (newSize << 100) |
            ((block.timestamp & type(uint32).max) << 140) |
            ((block.number & MAX_36) << 172) |
            (newSlot << 240);
    }

    function pack(Head memory value) internal pure returns (uint256 word) {
        word =
            uint256(value.sequence) |
            (uint256(value.epoch) << 40) |
            ((uint256(value.inboxCursor) & MAX_36) << 64) |
            (uint256(value.outboxSize) << 100) |
            (uint256(value.acceptedAt) << 140) |
            ((uint256(value.acceptedBlock) & MAX_36) << 172) |
            (uint256(value.pausedUntil) << 208) |
            ((uint256(value.slot) & 0xf) << 240) |
            (uint256(value.keyNumber) << 244);
    }

    function unpack(uint256 word) internal pure returns (Head memory value) {
        value.sequence = uint40(word);
        value.epoch = uint24(word >> 40);
        value.inboxCursor = uint40((word >> 64) & MAX_36);
        value.outboxSize = uint40(word >> 100);
        value.acceptedAt = uint32(word >> 140);
        value.acceptedBlock = uint40((word >> 172) & MAX_36);
        value.pausedUntil = uint32(word >> 208);
        value.slot = uint8((word >> 240) & 0xf);
        value.keyNumber = uint16(word >> 244);
    }
}
