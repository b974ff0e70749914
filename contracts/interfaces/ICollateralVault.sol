// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @notice A token when it is listed
/// @param token ERC-20. Rebasing tokens and tokens with transfer callbacks must not be listed
/// @param withdrawalFloor Token units that may always leave within a window, at least 1 (a share alone would never let the last
/// units go)
/// @param withdrawalShareBps Share of the balance that may leave within a window, if that is more (100 … 10,000)
struct TokenListing {
    address token;
    uint128 withdrawalFloor;
    uint16 withdrawalShareBps;
}

/// @notice Constants of a vault
/// @param entryFeeWei Price of one inbox entry, so that spam cannot force the inclusion deadline
/// @param feeRecipient Who may collect those fees
/// @param maxEntriesPerBlock Bound on inbox entries per block
/// @param maxBytesPerBlock Bound on inbox bytes per block (a deposit counts 192)
/// @param maxInstructionBytes Longest forced instruction
/// @param withdrawalWindow Seconds in which a withdrawal limit refills
struct VaultConfig {
    uint128 entryFeeWei;
    address feeRecipient;
    uint32 maxEntriesPerBlock;
    uint32 maxBytesPerBlock;
    uint32 maxInstructionBytes;
    uint32 withdrawalWindow;
}

/// @title Custody on one chain
/// @notice Deposits and forced instructions go into a numbered inbox that the committee reads; payouts come out only through
/// the hub. Not upgradable. The authority lists tokens and closes deposits; it cannot touch funds or hold up a payout.
interface ICollateralVault {
    /// @notice Thrown when a function for the hub is called by somebody else
    error NotHub(address caller);

    /// @notice Thrown when the vault's own step is called by somebody else
    error NotVault(address caller);

    /// @notice Thrown when a token is not listed or its deposits are closed
    error DepositsClosed(address token);

    /// @notice Thrown when the value sent is not exactly the entry fee
    error WrongFee(uint256 expected, uint256 given);

    /// @notice Thrown when nothing arrived, or more than a uint128
    error BadAmount(uint256 arrived);

    /// @notice Thrown for the zero account: nobody could ever move that money
    error AccountIsZero();

    /// @notice Thrown when this block's inbox is full; try again in the next
    error InboxFull(uint256 entries, uint256 size);

    /// @notice Thrown when a forced instruction is empty or too long
    error InstructionLength(uint256 length, uint256 limit);

    /// @notice Thrown when the inbox is shorter than the size asked about
    error BeyondInbox(uint64 asked, uint64 size);

    /// @notice Thrown when there is nothing to claim, or the limit lets nothing out just now
    error NothingToClaim(address token, address account);

    /// @notice Thrown when a relayer leaves too little gas for a transfer to be tried fairly
    error InsufficientGas(uint256 left, uint256 needed);

    /// @notice Thrown when a token is listed twice
    error AlreadyListed(address token);

    /// @notice Thrown for a token without code, or limits outside their bounds
    error BadListing(address token);

    /// @notice Thrown by the constructor for limits that could never work
    error BadConfiguration();

    /// @notice Thrown when the fee recipient refuses the fees
    error SweepFailed();

    /// @notice Tokens arrived; inbox entry `index`
    event Deposited(
        uint64 indexed index,
        address indexed token,
        bytes32 indexed account,
        uint256 amount,
        address refundTo,
        uint256 total
    );

    /// @notice Somebody put an instruction on chain that the committee must read; inbox entry `index`
    event ForcedRequested(uint64 indexed index, bytes instruction);

    /// @notice Tokens left
    event Paid(address indexed token, address indexed account, uint256 amount);

    /// @notice Tokens are owed and wait: the transfer failed, or the withdrawal limit was reached
    event BecameClaimable(address indexed token, address indexed account, uint256 amount, bool limited);

    /// @notice Waiting tokens were collected
    event Claimed(address indexed token, address indexed account, address to, uint256 amount);

    /// @notice A token was listed, for ever
    event TokenListed(address indexed token, uint128 withdrawalFloor, uint16 withdrawalShareBps);

    /// @notice Deposits of a token were opened or closed; payouts are never affected
    event DepositsSet(address indexed token, bool open);

    /// @notice Deposits tokens for an account of the ledger
    /// @dev Credits what arrives, not what was asked for. `msg.value` must be exactly the entry fee
    /// @param token Listed token, approved to this vault
    /// @param amount Token units to pull from the caller
    /// @param account Owner address (20 bytes) ‖ sub-account number (12 bytes)
    /// @return index Inbox entry
    function deposit(address token, uint256 amount, bytes32 account) external payable returns (uint64 index);

    /// @notice Puts a signed instruction where the committee must read it: nobody can be ignored
    /// @dev `msg.value` must be exactly the entry fee. Undecodable bytes are consumed with a refusal receipt
    /// @return index Inbox entry
    function requestForced(bytes calldata instruction) external payable returns (uint64 index);

    /// @notice Pays an outbox entry. Only the hub, once per entry
    /// @dev Never reverts for what a token or recipient does: what cannot be paid becomes claimable. Reverts only when too
    /// little gas is left to try (`InsufficientGas`), so that a relayer cannot turn payouts into claims
    function pay(address token, address recipient, uint256 amount, address relayer, uint256 relayerFee) external;

    /// @notice One transfer of a payout. Only the vault itself
    /// @dev A call of its own, so that a transfer that ends in an odd answer is undone as a whole: a token that moves money and
    /// then says no must not be paid a second time as a claim
    function transferOut(address token, address to, uint256 amount) external;

    /// @notice Sends `account` what waits for it, as far as the limit allows. Anybody may call
    /// @return amount Token units sent
    function claim(address token, address account) external returns (uint256 amount);

    /// @notice Sends what waits for the caller to another address (the token may refuse the caller's own)
    /// @return amount Token units sent
    function claimTo(address token, address to) external returns (uint256 amount);

    /// @notice Sends all entry fees to the fee recipient. Anybody may call
    function sweepFees() external;

    /// @notice Lists a token, for ever. For the authority
    function listToken(TokenListing calldata listing) external;

    /// @notice Opens or closes deposits of a listed token. For the authority; payouts and claims are not affected
    function setDeposits(address token, bool open) external;

    /// @notice The one contract that may order payouts
    function hub() external view returns (address);

    /// @notice Number of inbox entries
    function inboxSize() external view returns (uint64);

    /// @notice Inbox hash chain after `size` entries; zero at 0
    function inboxHashAt(uint64 size) external view returns (bytes32);

    /// @notice Token units ever deposited
    function deposited(address token) external view returns (uint256);

    /// @notice Token units that ever left
    function paid(address token) external view returns (uint256);

    /// @notice Token units that wait for an account
    function claimable(address token, address account) external view returns (uint256);

    /// @notice Token units that wait for all accounts together
    function totalClaimable(address token) external view returns (uint256);

    /// @notice Token units that may leave at this moment
    function withdrawable(address token) external view returns (uint256);

    /// @notice Whether deposits of a token are open
    function isOpen(address token) external view returns (bool);

    /// @notice Constants of this vault
    function configuration() external view returns (VaultConfig memory);
}
