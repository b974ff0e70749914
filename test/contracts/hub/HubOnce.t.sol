// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Authority} from "../../../contracts/Authority.sol";
import {SettlementHub} from "../../../contracts/SettlementHub.sol";
import {ICollateralVault, TokenListing, VaultConfig} from "../../../contracts/interfaces/ICollateralVault.sol";
import {AcceptStatus, Head} from "../../../contracts/interfaces/ISettlementHub.sol";
import {IVerifier} from "../../../contracts/interfaces/IVerifier.sol";
import {IVerifierCode} from "../../../contracts/interfaces/IVerifierCode.sol";
import {
    BatchHeader,
    CallEntry,
    DestinationProof,
    OutboxProof,
    PayoutEntry
} from "../../../contracts/interfaces/Messages.sol";
import {Merkle} from "../../../contracts/libraries/Merkle.sol";
import {HostileToken} from "../vault/HostileToken.sol";
import {claim, same} from "../vault/Vm.sol";

/// @notice Says yes to everything: the invariants below are about what comes after a signature. Real ones: hub.test.ts.
contract YesVerifier is IVerifier {
    function verify(bytes32, bytes calldata) external pure returns (bool) {
        return true;
    }

    function suite() external pure returns (string memory) {
        return "none";
    }

    function groupKey() external pure returns (bytes memory) {
        return "";
    }
}

/// @notice Successors that say yes, too.
contract YesVerifierCode is IVerifierCode {
    function creationCode(bytes calldata) external pure returns (bytes memory) {
        return type(YesVerifier).creationCode;
    }

    function suite() external pure returns (string memory) {
        return "none";
    }
}

/// @notice A committee and a crowd of relayers: appends payouts, certifies, and delivers any of them again and again.
contract HubHandler {
    SettlementHub public immutable HUB;
    ICollateralVault public immutable VAULT;
    HostileToken public immutable TOKEN;

    address private constant ALICE = address(0xa11ce);
    bytes32[] private _leaves;
    uint256[] private _amounts;
    bytes32[16] private _digests;
    uint64[16] private _sizes;
    mapping(uint64 index => uint256) public timesPaid;
    uint256 public promised;
    uint64 public highestSequence;

    constructor() {
        TOKEN = new HostileToken();
        TokenListing[] memory listings = new TokenListing[](1);
        listings[0] = TokenListing(address(TOKEN), type(uint128).max, 10_000);
        Authority authority = new Authority(address(this));
        HUB = new SettlementHub(
            bytes32(uint256(1)),
            new YesVerifier(),
            new YesVerifierCode(),
            address(authority),
            1 days,
            VaultConfig(0, address(0), 1000, 1_000_000, 1000, 3600),
            listings
        );
        VAULT = HUB.vault();
        TOKEN.mint(address(VAULT), type(uint128).max);
    }

    function count() external view returns (uint64) {
        return uint64(_leaves.length);
    }

    function amountOf(uint64 index) external view returns (uint256) {
        return _amounts[index];
    }

    function append(uint64 amount) external {
        if (_leaves.length == 24) return;
        PayoutEntry memory entry = entryOf(uint64(_leaves.length), amount);
        _leaves.push(Merkle.hashLeaf(hashOf(entry)));
        _amounts.push(amount);
        promised += amount;
    }

    /// @notice Certifies the present outbox at a sequence near the head: older, repeated or newer.
    function certify(uint8 jump) external {
        uint64 sequence = HUB.head().sequence + (jump % 4);
        sequence = sequence > 1 ? sequence - 1 : 1;
        uint64 size = uint64(_leaves.length);
        bytes32 root = size == 0 ? keccak256("") : rootOf(size);
        DestinationProof memory destination = DestinationProof(0, 0, size, root, 0, 0, 1, new bytes32[](0));
        bytes32 leaf = Merkle.hashLeaf(
            keccak256(
                abi.encode(
                    keccak256(
                        "Destination(uint256 chainId,address hub,uint64 inboxCursor,bytes32 inboxHash,uint64 outboxSize,bytes32 outboxRoot,bytes32 promisedRoot)"
                    ),
                    block.chainid,
                    address(HUB),
                    uint64(0),
                    bytes32(0),
                    size,
                    root,
                    bytes32(0)
                )
            )
        );
        BatchHeader memory header = BatchHeader(sequence, 0, 0, 0, Merkle.bindSize(leaf, 1), 0, 0);
        if (sequence == HUB.head().sequence) return; // another header there would rightly close the hub
        if (HUB.accept(header, destination, "") != AcceptStatus.Accepted) return;
        highestSequence = sequence;
        uint8 slot = HUB.head().slot;
        _digests[slot] = HUB.digestOf(header);
        _sizes[slot] = size;
    }

    /// @notice Delivers one entry against some slot, honestly or with the amount raised.
    function deliver(uint8 slot, uint64 index, bool greedy) external {
        slot = slot % 16;
        uint64 size = _sizes[slot];
        if (size == 0) return;
        index = index % size;
        PayoutEntry[] memory payouts = new PayoutEntry[](1);
        payouts[0] = entryOf(index, greedy ? _amounts[index] + 1 : _amounts[index]);
        uint256 before = TOKEN.trueBalanceOf(ALICE);
        bool was = HUB.isDelivered(index);
        try
            HUB.deliver(payouts, new CallEntry[](0), OutboxProof(slot, _digests[slot], size, siblingsOf(index, size)))
        returns (uint256 delivered) {
            claim(!greedy || was, "a changed entry was delivered");
            same(delivered, was ? 0 : 1, "delivered twice");
            same(TOKEN.trueBalanceOf(ALICE) - before, was ? 0 : _amounts[index], "paid another amount");
            timesPaid[index] += delivered;
        } catch {
            claim(greedy, "an honest delivery failed");
        }
    }

    function entryOf(uint64 index, uint256 amount) private view returns (PayoutEntry memory) {
        return PayoutEntry(index, address(TOKEN), ALICE, amount, 0, bytes32(uint256(index)));
    }

    function hashOf(PayoutEntry memory entry) private view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Payout(uint256 chainId,address hub,uint64 index,address token,address recipient,uint256 amount,uint256 relayerFee,bytes32 reference)"
                    ),
                    block.chainid,
                    address(HUB),
                    entry.index,
                    entry.token,
                    entry.recipient,
                    entry.amount,
                    entry.relayerFee,
                    entry.referenceId
                )
            );
    }

    /// @dev One level up, in place.
    function level(bytes32[] memory nodes) private pure returns (bytes32[] memory parents) {
        parents = new bytes32[]((nodes.length + 1) / 2);
        for (uint256 i = 0; i < parents.length; ++i) {
            parents[i] = 2 * i + 1 < nodes.length ? Merkle.hashNode(nodes[2 * i], nodes[2 * i + 1]) : nodes[2 * i];
        }
    }

    function leavesAt(uint64 size) private view returns (bytes32[] memory nodes) {
        nodes = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) nodes[i] = _leaves[i];
    }

    function rootOf(uint64 size) private view returns (bytes32) {
        bytes32[] memory nodes = leavesAt(size);
        while (nodes.length > 1) nodes = level(nodes);
        return nodes[0];
    }

    function siblingsOf(uint64 index, uint64 size) private view returns (bytes32[] memory siblings) {
        bytes32[] memory nodes = leavesAt(size);
        bytes32[] memory found = new bytes32[](64);
        uint256 used = 0;
        uint256 i = index;
        while (nodes.length > 1) {
            if ((i ^ 1) < nodes.length) found[used++] = nodes[i ^ 1];
            i >>= 1;
            nodes = level(nodes);
        }
        siblings = new bytes32[](used);
        for (uint256 k = 0; k < used; ++k) siblings[k] = found[k];
    }
}

/// @notice Whatever committee and relayers do, in any order.
/// @dev Tried on copies of the contracts, each of which this test fails with: `_mark` that sets no bit.
contract HubOnceTest {
    HubHandler private handler;

    function setUp() public {
        handler = new HubHandler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Every index is paid at most once, marked exactly when paid, and the vault's books say the same.
    function invariantEachEntryIsPaidAtMostOnce() public view {
        SettlementHub hub = handler.HUB();
        uint256 sum = 0;
        for (uint64 i = 0; i < handler.count(); ++i) {
            uint256 times = handler.timesPaid(i);
            claim(times <= 1, "paid twice");
            claim(hub.isDelivered(i) == (times == 1), "bitmap and payments differ");
            sum += times * handler.amountOf(i);
        }
        same(handler.VAULT().paid(address(handler.TOKEN())), sum, "vault's books");
        claim(sum <= handler.promised(), "more paid than promised");
        Head memory head = hub.head();
        same(head.sequence, handler.highestSequence(), "the head is the newest accepted");
        claim(head.outboxSize <= handler.count(), "outbox");
    }
}
