// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {BatchHeader, CallEntry, DestinationProof, PayoutEntry} from "../interfaces/Messages.sol";

/// @title EIP-712 digests and struct hashes
/// @notice Set in stone: what committees sign. TypeScript twin: `src/batch/header.ts`, `outbox.ts`, `inbox.ts`.
library Digests {
    bytes32 private constant DOMAIN_TYPE = keccak256("EIP712Domain(string name,string version,bytes32 salt)");
    bytes32 private constant HEADER_TYPE = keccak256(
        "BatchHeader(uint64 sequence,uint64 epoch,bytes32 previous,bytes32 history,bytes32 outboxes,bytes32 state,bytes32 commit)"
    );
    bytes32 private constant DESTINATION_TYPE = keccak256(
        "Destination(uint256 chainId,address hub,uint64 inboxCursor,bytes32 inboxHash,uint64 outboxSize,bytes32 outboxRoot,bytes32 promisedRoot)"
    );
    bytes32 private constant PAYOUT_TYPE = keccak256(
        "Payout(uint256 chainId,address hub,uint64 index,address token,address recipient,uint256 amount,uint256 relayerFee,bytes32 reference)"
    );
    bytes32 private constant CALL_TYPE = keccak256(
        "Call(uint256 chainId,address hub,uint64 index,address receiver,uint64 gasLimit,bytes data,bytes32 reference)"
    );
    bytes32 private constant DEPOSIT_TYPE = keccak256(
        "Deposit(uint64 index,address token,uint256 amount,bytes32 account,address refundTo,uint256 total)"
    );
    bytes32 private constant FORCED_TYPE = keccak256("Forced(uint64 index,bytes instruction)");
    bytes32 private constant INBOX_LINK_TYPE = keccak256("InboxLink(bytes32 previous,bytes32 entry)");

    /// @dev No chain id on purpose: a header is valid on every chain; chain and hub are bound in the leaves.
    function domainSeparator(bytes32 committeeId) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("Clockless"), keccak256("1"), committeeId));
    }

    function header(bytes32 separator, BatchHeader calldata value) internal pure returns (bytes32 digest) {
        // Reading the two short fields makes the decoder refuse dirty upper bits; the copy below takes the words as they are.
        uint256 unused = value.sequence | value.epoch;
        bytes32 type_ = HEADER_TYPE;
        assembly ("memory-safe") {
            pop(unused)
            let words := mload(0x40)
            mstore(words, type_)
            // In calldata a header is seven words in the order of the signed type.
            calldatacopy(add(words, 0x20), value, 0xe0)
            let structHash := keccak256(words, 0x100)
            mstore(words, shl(240, 0x1901))
            mstore(add(words, 0x02), separator)
            mstore(add(words, 0x22), structHash)
            digest := keccak256(words, 0x42)
        }
    }

    function destination(address hub, DestinationProof calldata value) internal view returns (bytes32 structHash) {
        // As in `header`: the decoder refuses dirty upper bits of what is read here, and the copy takes the words as they are.
        uint256 unused = value.inboxCursor | value.outboxSize;
        bytes32 type_ = DESTINATION_TYPE;
        assembly ("memory-safe") {
            pop(unused)
            let words := mload(0x40)
            mstore(words, type_)
            mstore(add(words, 0x20), chainid())
            mstore(add(words, 0x40), hub)
            // In calldata a destination begins with the five words that follow in the signed type.
            calldatacopy(add(words, 0x60), value, 0xa0)
            structHash := keccak256(words, 0x100)
        }
    }

    function payoutEntry(address hub, PayoutEntry calldata value) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    PAYOUT_TYPE,
                    block.chainid,
                    hub,
                    value.index,
                    value.token,
                    value.recipient,
                    value.amount,
                    value.relayerFee,
                    value.referenceId
                )
            );
    }

    function callEntry(address hub, CallEntry calldata value) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    CALL_TYPE,
                    block.chainid,
                    hub,
                    value.index,
                    value.receiver,
                    value.gasLimit,
                    keccak256(value.data),
                    value.referenceId
                )
            );
    }

    function deposit(
        uint64 index,
        address token,
        uint256 amount,
        bytes32 account,
        address refundTo,
        uint256 total
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEPOSIT_TYPE, index, token, amount, account, refundTo, total));
    }

    function forced(uint64 index, bytes calldata instruction) internal pure returns (bytes32) {
        return keccak256(abi.encode(FORCED_TYPE, index, keccak256(instruction)));
    }

    function inboxLink(bytes32 previous, bytes32 entry) internal pure returns (bytes32) {
        return keccak256(abi.encode(INBOX_LINK_TYPE, previous, entry));
    }
}
