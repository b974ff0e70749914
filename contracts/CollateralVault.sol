// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ICollateralVault, TokenListing, VaultConfig} from "./interfaces/ICollateralVault.sol";
import {Digests} from "./libraries/Digests.sol";
import {TokenCalls} from "./libraries/TokenCalls.sol";

/// @title Custody on one chain
/// @dev Deployed by its hub's constructor, so that the two are bound from the first block and nobody can come between.
contract CollateralVault is ICollateralVault, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Gas that a transfer gets, and no more: a token that burns all it is given costs its relayer this much and
    /// cannot starve the entries behind it. Known tokens need less than a third.
    uint256 private constant TRANSFER_GAS = 300_000;
    /// @dev What recording a failed transfer may cost, with a margin.
    uint256 private constant RECORD_GAS = 120_000;
    /// @dev What a deposit counts against the bytes of a block: six words.
    uint256 private constant DEPOSIT_BYTES = 192;
    uint256 private constant BPS = 10_000;
    /// @dev A limit below this share would be a way to hold funds.
    uint256 private constant MIN_SHARE_BPS = 100;
    uint256 private constant MAX_WINDOW = 7 days;

    struct Token {
        uint128 withdrawalFloor;
        uint16 withdrawalShareBps;
        bool open;
        bool listed;
    }

    /// @dev How much of a token's limit is used up, as of `updatedAt`; it refills linearly.
    struct Usage {
        uint208 used;
        uint48 updatedAt;
    }

    /// @dev Size of the inbox and what the current block has added to it, in one slot.
    struct Inbox {
        uint64 size;
        uint64 blockNumber;
        uint32 entriesInBlock;
        uint32 bytesInBlock;
    }

    address private immutable HUB;
    uint128 private immutable ENTRY_FEE_WEI;
    address private immutable FEE_RECIPIENT;
    uint32 private immutable MAX_ENTRIES_PER_BLOCK;
    uint32 private immutable MAX_BYTES_PER_BLOCK;
    uint32 private immutable MAX_INSTRUCTION_BYTES;
    uint32 private immutable WITHDRAWAL_WINDOW;

    Inbox private _inbox;
    mapping(uint64 size => bytes32 hash) private _inboxHashes;
    mapping(address token => Token) private _tokens;
    mapping(address token => Usage) private _usage;
    mapping(address token => uint256) private _deposited;
    mapping(address token => uint256) private _paid;
    mapping(address token => mapping(address account => uint256)) private _claimable;
    mapping(address token => uint256) private _totalClaimable;

    /// @dev The deployer is the hub.
    constructor(address authority, VaultConfig memory config, TokenListing[] memory listings) AccessManaged(authority) {
        if (
            config.withdrawalWindow == 0 ||
            config.withdrawalWindow > MAX_WINDOW ||
            config.maxEntriesPerBlock == 0 ||
            config.maxBytesPerBlock < DEPOSIT_BYTES ||
            config.maxInstructionBytes == 0 ||
            config.maxInstructionBytes > config.maxBytesPerBlock ||
            (config.entryFeeWei > 0 && config.feeRecipient == address(0))
        ) revert BadConfiguration();
        HUB = msg.sender;
        ENTRY_FEE_WEI = config.entryFeeWei;
        FEE_RECIPIENT = config.feeRecipient;
        MAX_ENTRIES_PER_BLOCK = config.maxEntriesPerBlock;
        MAX_BYTES_PER_BLOCK = config.maxBytesPerBlock;
        MAX_INSTRUCTION_BYTES = config.maxInstructionBytes;
        WITHDRAWAL_WINDOW = config.withdrawalWindow;
        for (uint256 i = 0; i < listings.length; ++i) _list(listings[i]);
    }

    /// @inheritdoc ICollateralVault
    function deposit(
        address token,
        uint256 amount,
        bytes32 account
    ) external payable nonReentrant returns (uint64 index) {
        if (!_tokens[token].open) revert DepositsClosed(token);
        if (account == 0) revert AccountIsZero();
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        // Tokens may take a fee on the way: only what arrived is credited. A token that lowers our balance makes this revert.
        uint256 arrived = IERC20(token).balanceOf(address(this)) - before;
        if (arrived == 0 || arrived > type(uint128).max) revert BadAmount(arrived);
        uint256 total = _deposited[token] + arrived;
        _deposited[token] = total;
        index = _inbox.size;
        _append(Digests.deposit(index, token, arrived, account, msg.sender, total), DEPOSIT_BYTES);
        emit Deposited(index, token, account, arrived, msg.sender, total);
    }

    /// @inheritdoc ICollateralVault
    function requestForced(bytes calldata instruction) external payable nonReentrant returns (uint64 index) {
        if (instruction.length == 0 || instruction.length > MAX_INSTRUCTION_BYTES) {
            revert InstructionLength(instruction.length, MAX_INSTRUCTION_BYTES);
        }
        index = _inbox.size;
        _append(Digests.forced(index, instruction), instruction.length);
        emit ForcedRequested(index, instruction);
    }

    /// @inheritdoc ICollateralVault
    function pay(
        address token,
        address recipient,
        uint256 amount,
        address relayer,
        uint256 relayerFee
    ) external nonReentrant {
        if (msg.sender != HUB) revert NotHub(msg.sender);
        _payOrKeep(token, recipient, amount);
        _payOrKeep(token, relayer, relayerFee);
    }

    /// @inheritdoc ICollateralVault
    function transferOut(address token, address to, uint256 amount) external {
        if (msg.sender != address(this)) revert NotVault(msg.sender);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc ICollateralVault
    function claim(address token, address account) external nonReentrant returns (uint256) {
        return _claim(token, account, account);
    }

    /// @inheritdoc ICollateralVault
    function claimTo(address token, address to) external nonReentrant returns (uint256) {
        return _claim(token, msg.sender, to);
    }

    /// @inheritdoc ICollateralVault
    function sweepFees() external nonReentrant {
        (bool ok, ) = FEE_RECIPIENT.call{value: address(this).balance}("");
        if (!ok) revert SweepFailed();
    }

    /// @inheritdoc ICollateralVault
    function listToken(TokenListing calldata listing) external restricted {
        _list(listing);
    }

    /// @inheritdoc ICollateralVault
    function setDeposits(address token, bool open) external restricted {
        if (!_tokens[token].listed) revert DepositsClosed(token);
        _tokens[token].open = open;
        emit DepositsSet(token, open);
    }

    /// @inheritdoc ICollateralVault
    function hub() external view returns (address) {
        return HUB;
    }

    /// @inheritdoc ICollateralVault
    function inboxSize() external view returns (uint64) {
        return _inbox.size;
    }

    /// @inheritdoc ICollateralVault
    function inboxHashAt(uint64 size) external view returns (bytes32 hash) {
        hash = _inboxHashes[size];
        // A hash that exists proves that the inbox is long enough; only its absence costs a second read.
        if (hash == 0 && size > _inbox.size) revert BeyondInbox(size, _inbox.size);
    }

    /// @inheritdoc ICollateralVault
    function deposited(address token) external view returns (uint256) {
        return _deposited[token];
    }

    /// @inheritdoc ICollateralVault
    function paid(address token) external view returns (uint256) {
        return _paid[token];
    }

    /// @inheritdoc ICollateralVault
    function claimable(address token, address account) external view returns (uint256) {
        return _claimable[token][account];
    }

    /// @inheritdoc ICollateralVault
    function totalClaimable(address token) external view returns (uint256) {
        return _totalClaimable[token];
    }

    /// @inheritdoc ICollateralVault
    function withdrawable(address token) external view returns (uint256 available) {
        (, available) = _limit(token);
    }

    /// @inheritdoc ICollateralVault
    function isOpen(address token) external view returns (bool) {
        return _tokens[token].open;
    }

    /// @inheritdoc ICollateralVault
    function configuration() external view returns (VaultConfig memory) {
        return
            VaultConfig({
                entryFeeWei: ENTRY_FEE_WEI,
                feeRecipient: FEE_RECIPIENT,
                maxEntriesPerBlock: MAX_ENTRIES_PER_BLOCK,
                maxBytesPerBlock: MAX_BYTES_PER_BLOCK,
                maxInstructionBytes: MAX_INSTRUCTION_BYTES,
                withdrawalWindow: WITHDRAWAL_WINDOW
            });
    }

    /// @dev Numbers an entry, links it into the hash chain, takes the fee and keeps the bounds of the block.
    function _append(bytes32 entry, uint256 size) private {
        if (msg.value != ENTRY_FEE_WEI) revert WrongFee(ENTRY_FEE_WEI, msg.value);
        Inbox memory inbox = _inbox;
        if (inbox.blockNumber != block.number) {
            inbox.blockNumber = uint64(block.number);
            inbox.entriesInBlock = 0;
            inbox.bytesInBlock = 0;
        }
        uint256 bytesInBlock = inbox.bytesInBlock + size;
        if (inbox.entriesInBlock >= MAX_ENTRIES_PER_BLOCK || bytesInBlock > MAX_BYTES_PER_BLOCK) {
            revert InboxFull(inbox.entriesInBlock, bytesInBlock);
        }
        bytes32 previous = _inboxHashes[inbox.size];
        inbox.size += 1;
        inbox.entriesInBlock += 1;
        // Fits: bytesInBlock ≤ MAX_BYTES_PER_BLOCK, a uint32.
        inbox.bytesInBlock = uint32(bytesInBlock);
        _inbox = inbox;
        _inboxHashes[inbox.size] = Digests.inboxLink(previous, entry);
    }

    /// @dev Pays now, or keeps the amount claimable when the limit or the token is in the way.
    function _payOrKeep(address token, address account, uint256 amount) private {
        if (amount == 0) return;
        // Before the limit is asked, so that both paths need the same gas and nobody can choose between them with it.
        uint256 needed = (TRANSFER_GAS * 64) / 63 + TokenCalls.BALANCE_GAS + RECORD_GAS;
        if (gasleft() < needed) revert InsufficientGas(gasleft(), needed);
        (uint256 used, uint256 available) = _limit(token);
        if (amount > available) {
            _keep(token, account, amount, true);
            return;
        }
        if (
            !TokenCalls.tryCall(address(this), abi.encodeCall(this.transferOut, (token, account, amount)), TRANSFER_GAS)
        ) {
            _keep(token, account, amount, false);
            return;
        }
        _recordPaid(token, used + amount, amount);
        emit Paid(token, account, amount);
    }

    function _keep(address token, address account, uint256 amount, bool limited) private {
        _claimable[token][account] += amount;
        _totalClaimable[token] += amount;
        emit BecameClaimable(token, account, amount, limited);
    }

    function _claim(address token, address account, address to) private returns (uint256 amount) {
        uint256 waiting = _claimable[token][account];
        (uint256 used, uint256 available) = _limit(token);
        amount = Math.min(waiting, available);
        if (amount == 0) revert NothingToClaim(token, account);
        _claimable[token][account] = waiting - amount;
        _totalClaimable[token] -= amount;
        _recordPaid(token, used + amount, amount);
        emit Claimed(token, account, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    function _recordPaid(address token, uint256 used, uint256 amount) private {
        // `used` is at most the token's capacity, which fits: see `_limit`.
        _usage[token] = Usage({used: uint208(used), updatedAt: uint48(block.timestamp)});
        _paid[token] += amount;
    }

    /// @dev What of the limit is used, and what may still leave. A bucket of max(floor, share of the balance) refills within
    /// one window, so at most twice that leaves in any window and everything leaves in the end: limits delay, never cancel.
    function _limit(address token) private view returns (uint256 used, uint256 available) {
        Token memory config = _tokens[token];
        uint256 balance = TokenCalls.tryBalance(token, address(this));
        // A token the ledger pays without our listing (it was sent here) is not worth a limit.
        uint256 share = config.listed ? config.withdrawalShareBps : BPS;
        uint256 capacity = Math.max(config.withdrawalFloor, Math.mulDiv(balance, share, BPS));
        // A balance beyond this is a hostile token's; the cap keeps the arithmetic exact and the slot narrow.
        capacity = Math.min(capacity, type(uint128).max);
        Usage memory usage = _usage[token];
        uint256 refilled = (capacity * (block.timestamp - usage.updatedAt)) / WITHDRAWAL_WINDOW;
        used = Math.saturatingSub(usage.used, refilled);
        available = Math.saturatingSub(capacity, used);
    }

    function _list(TokenListing memory listing) private {
        address token = listing.token;
        if (_tokens[token].listed) revert AlreadyListed(token);
        if (
            token.code.length == 0 ||
            listing.withdrawalFloor == 0 ||
            listing.withdrawalShareBps < MIN_SHARE_BPS ||
            listing.withdrawalShareBps > BPS
        ) revert BadListing(token);
        _tokens[token] = Token({
            withdrawalFloor: listing.withdrawalFloor,
            withdrawalShareBps: listing.withdrawalShareBps,
            open: true,
            listed: true
        });
        emit TokenListed(token, listing.withdrawalFloor, listing.withdrawalShareBps);
    }
}
