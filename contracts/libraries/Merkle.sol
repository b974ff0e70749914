// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Merkle trees over lists, shaped as RFC 9162 §2.1, hashed with keccak-256
/// @notice leaf = keccak(0x00 ‖ data), node = keccak(0x01 ‖ left ‖ right); an unpaired last node moves up unhashed.
/// A leaf's input has 33 bytes and a node's 65, so neither can pass for the other, and (index, size) alone decide how many
/// siblings a proof has. TypeScript twin: `src/batch/merkle.ts` and `multiproof.ts`.
library Merkle {
    function hashLeaf(bytes32 data) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore8(0x00, 0x00)
            mstore(0x01, data)
            result := keccak256(0x00, 0x21)
        }
    }

    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            // 65 bytes from 0x1f: prefix, then the two words in scratch space, 0x20 … 0x5f. That runs over the free memory
            // pointer's slot, which is put back.
            let pointer := mload(0x40)
            mstore8(0x1f, 0x01)
            mstore(0x20, left)
            mstore(0x40, right)
            result := keccak256(0x1f, 0x41)
            mstore(0x40, pointer)
        }
    }

    /// @dev keccak(0x02 ‖ uint64 size ‖ root): a root that also says how long its list is.
    function bindSize(bytes32 root, uint64 size) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore8(0x00, 0x02)
            mstore(0x01, shl(192, size))
            mstore(0x09, root)
            result := keccak256(0x00, 0x29)
        }
    }

    /// @dev The root that `siblings` lead to. Not ok when (index, size) ask for another number of siblings.
    function rootOf(
        bytes32 leaf,
        uint64 index,
        uint64 size,
        bytes32[] calldata siblings
    ) internal pure returns (bool ok, bytes32 node) {
        if (index >= size) return (false, 0);
        node = leaf;
        uint256 i = index;
        uint256 next;
        uint256 end;
        assembly ("memory-safe") {
            next := siblings.offset
            end := add(next, shl(5, siblings.length))
        }
        // No overflow anywhere below: every quantity is bounded by 2^64, positions by calldata.
        unchecked {
            for (uint256 width = size; width > 1; width = (width + 1) >> 1) {
                if ((i ^ 1) < width) {
                    if (next == end) return (false, 0);
                    bytes32 sibling;
                    assembly ("memory-safe") {
                        sibling := calldataload(next)
                    }
                    next += 32;
                    node = i & 1 == 1 ? hashNode(sibling, node) : hashNode(node, sibling);
                }
                i >>= 1;
            }
        }
        ok = next == end;
    }

    /// @dev The root that several leaves lead to. `indexes` must rise strictly; both arrays are overwritten. Not ok for no
    /// leaves, an index outside the tree, or siblings left over or missing.
    function multiRootOf(
        uint256[] memory indexes,
        bytes32[] memory nodes,
        uint64 size,
        bytes32[] calldata siblings
    ) internal pure returns (bool ok, bytes32 root) {
        uint256 count = nodes.length;
        if (count == 0 || indexes[count - 1] >= size) return (false, 0);
        // `indexes` rise strictly, so the last one bounds all. No overflow: everything is bounded by 2^64.
        unchecked {
            for (uint256 k = 1; k < count; ++k) if (indexes[k] <= indexes[k - 1]) return (false, 0);
            uint256 used = 0;
            for (uint256 width = size; width > 1; width = (width + 1) >> 1) {
                uint256 parents = 0;
                for (uint256 k = 0; k < count; ++k) {
                    uint256 i = indexes[k];
                    bytes32 node = nodes[k];
                    if ((i ^ 1) < width) {
                        if (i & 1 == 0 && k + 1 < count && indexes[k + 1] == i + 1) {
                            node = hashNode(node, nodes[++k]);
                        } else {
                            if (used == siblings.length) return (false, 0);
                            bytes32 sibling = siblings[used++];
                            node = i & 1 == 1 ? hashNode(sibling, node) : hashNode(node, sibling);
                        }
                    }
                    indexes[parents] = i >> 1;
                    nodes[parents++] = node;
                }
                count = parents;
            }
            return (used == siblings.length, nodes[0]);
        }
    }
}
