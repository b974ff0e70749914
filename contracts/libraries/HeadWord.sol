// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Head} from "../interfaces/ISettlementHub.sol";

/// @title A hub's head as one storage word
/// @notice Packed by hand: the compiler writes and reads the slot several times for a struct, and `accept` pays for that.
/// From the low end: sequence 40, epoch 24, inboxCursor 40, outboxSize 40, acceptedAt 32, acceptedBlock 40, pausedUntil 32,
/// slot 8 bits.
library HeadWord {
    function pack(Head memory value) internal pure returns (uint256 word) {
        word =
            uint256(value.sequence) |
            (uint256(value.epoch) << 40) |
            (uint256(value.inboxCursor) << 64) |
            (uint256(value.outboxSize) << 104) |
            (uint256(value.acceptedAt) << 144) |
            (uint256(value.acceptedBlock) << 176) |
            (uint256(value.pausedUntil) << 216) |
            (uint256(value.slot) << 248);
    }

    function unpack(uint256 word) internal pure returns (Head memory value) {
        value.sequence = uint40(word);
        value.epoch = uint24(word >> 40);
        value.inboxCursor = uint40(word >> 64);
        value.outboxSize = uint40(word >> 104);
        value.acceptedAt = uint32(word >> 144);
        value.acceptedBlock = uint40(word >> 176);
        value.pausedUntil = uint32(word >> 216);
        value.slot = uint8(word >> 248);
    }
}
