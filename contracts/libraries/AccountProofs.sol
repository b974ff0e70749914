// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccountLeaf, AccountProof} from "../interfaces/Messages.sol";
import {Merkle} from "./Merkle.sol";

/// @title Account trees that carry sums
/// @notice leaf = keccak(0x00 ‖ hashStruct), sum = exit value; node = keccak(0x01 ‖ left ‖ leftSum ‖ right ‖ rightSum).
/// The root commits to everything owed, so nobody's share can be hidden or inflated.
/// TypeScript twin: `src/batch/account-tree.ts` and `state.ts`.
library AccountProofs {
    bytes32 private constant ACCOUNT_LEAF_TYPE = keccak256(
        "AccountLeaf(bytes32 account,bytes32 asset,int256 cash,uint256 exitValue,bytes32 details)"
    );
    bytes32 private constant ASSET_ROOT_TYPE = keccak256(
        "AssetRoot(bytes32 asset,uint64 accounts,bytes32 root,uint256 total)"
    );
    bytes32 private constant LEDGER_STATE_TYPE = keccak256(
        "LedgerState(uint64 assets,bytes32 assetsRoot,bytes32 rest)"
    );

    /// @dev Whether `state` holds the account. False, never a revert, for every proof that is not exactly right.
    function verify(bytes32 state, AccountProof calldata proof) internal pure returns (bool) {
        if (!_isInAssetTree(proof)) return false;
        bytes32 assetHash = keccak256(
            abi.encode(ASSET_ROOT_TYPE, proof.leaf.asset, proof.accounts, proof.root, proof.total)
        );
        (bool ok, bytes32 assetsRoot) = Merkle.rootOf(
            Merkle.hashLeaf(assetHash),
            proof.assetIndex,
            proof.assetCount,
            proof.assetSiblings
        );
        return ok && state == keccak256(abi.encode(LEDGER_STATE_TYPE, proof.assetCount, assetsRoot, proof.rest));
    }

    function _isInAssetTree(AccountProof calldata proof) private pure returns (bool) {
        if (proof.index >= proof.accounts) return false;
        AccountLeaf calldata leaf = proof.leaf;
        bytes32 node = Merkle.hashLeaf(
            keccak256(abi.encode(ACCOUNT_LEAF_TYPE, leaf.account, leaf.asset, leaf.cash, leaf.exitValue, leaf.details))
        );
        uint256 sum = leaf.exitValue;
        uint256 used = 0;
        uint256 i = proof.index;
        for (uint256 width = proof.accounts; width > 1; width = (width + 1) >> 1) {
            if ((i ^ 1) < width) {
                if (used == proof.siblings.length) return false;
                bytes32 sibling = proof.siblings[used].hash;
                uint256 siblingSum = proof.siblings[used].sum;
                used++;
                if (siblingSum > type(uint256).max - sum) return false;
                node =
                    i & 1 == 1
                        ? keccak256(abi.encodePacked(bytes1(0x01), sibling, siblingSum, node, sum))
                        : keccak256(abi.encodePacked(bytes1(0x01), node, sum, sibling, siblingSum));
                sum += siblingSum;
            }
            i >>= 1;
        }
        return used == proof.siblings.length && node == proof.root && sum == proof.total;
    }
}
