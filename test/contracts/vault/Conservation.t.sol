// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Authority} from "../../../contracts/Authority.sol";
import {CollateralVault} from "../../../contracts/CollateralVault.sol";
import {TokenListing, VaultConfig} from "../../../contracts/interfaces/ICollateralVault.sol";
import {Behaviour, HostileToken} from "./HostileToken.sol";
import {claim, same, vm} from "./Vm.sol";

/// @notice Plays hub, depositors, recipients, relayers and a moody token at once, and keeps its own books.
contract VaultHandler {
    CollateralVault public immutable VAULT;
    HostileToken public immutable TOKEN;

    uint256 public deposited;
    uint256 public ordered;
    uint256 public received;
    mapping(uint256 who => uint256) public owed;

    uint256 private constant PEOPLE = 4;

    constructor() {
        TOKEN = new HostileToken();
        TokenListing[] memory listings = new TokenListing[](1);
        listings[0] = TokenListing(address(TOKEN), 1000, 2000);
        Authority authority = new Authority(address(this));
        VAULT = new CollateralVault(
            address(authority),
            VaultConfig(0, address(0), 1000, 1_000_000, 1000, 3600),
            listings
        );
    }

    function person(uint256 who) public pure returns (address) {
        return address(uint160(0xf00d + (who % PEOPLE)));
    }

    function deposit(uint96 amount) external {
        if (amount < 10) return;
        TOKEN.setBehaviour(amount % 3 == 0 ? Behaviour.FeeOnTransfer : Behaviour.Honest);
        TOKEN.mint(address(this), amount);
        TOKEN.approve(address(VAULT), amount);
        VAULT.deposit(address(TOKEN), amount, bytes32(uint256(1)));
        deposited += amount % 3 == 0 ? amount - amount / 10 : amount;
    }

    function pay(uint256 who, uint256 amount, uint256 fee, uint8 mood) external {
        // A committee orders only what the ledger has: never more than came in.
        amount = amount % (deposited - ordered + 1);
        fee = fee % (deposited - ordered - amount + 1);
        TOKEN.setBehaviour(
            mood % 4 == 0
                ? Behaviour.Reverts
                : mood % 4 == 1
                    ? Behaviour.ReturnsFalse
                    : mood % 4 == 2
                        ? Behaviour.ReturnsNothing
                        : Behaviour.Honest
        );
        VAULT.pay(address(TOKEN), person(who), amount, person(who + 1), fee);
        ordered += amount + fee;
    }

    function claimFor(uint256 who) external {
        TOKEN.setBehaviour(Behaviour.Honest);
        VAULT.claim(address(TOKEN), person(who));
    }

    function wait(uint16 seconds_) external {
        vm.warp(block.timestamp + seconds_);
    }

    function donate(uint32 amount) external {
        TOKEN.mint(address(VAULT), amount);
    }

    function holdings() external view returns (uint256 sum, uint256 waiting) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            sum += TOKEN.trueBalanceOf(person(i));
            waiting += VAULT.claimable(address(TOKEN), person(i));
        }
    }
}

/// @notice What must hold whatever anybody does, in any order.
/// @dev Tried on copies of CollateralVault, each of which this test fails with: `_claim` leaving `_totalClaimable` as it was;
/// `_claim` leaving `_claimable` as it was; a failed transfer kept claimable and recorded as paid, too; `deposit` crediting what
/// was asked for instead of what arrived.
contract ConservationTest {
    VaultHandler private handler;

    function setUp() public {
        handler = new VaultHandler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice What the ledger ordered was paid or waits, to the unit; and it is covered by what is held.
    function invariantEveryUnitIsPaidOrWaits() public view {
        CollateralVault vault = handler.VAULT();
        address token = address(handler.TOKEN());
        (uint256 sum, uint256 waiting) = handler.holdings();
        same(vault.deposited(token), handler.deposited(), "deposits");
        same(vault.paid(token) + vault.totalClaimable(token), handler.ordered(), "ordered = paid + waiting");
        same(vault.totalClaimable(token), waiting, "waiting");
        same(vault.paid(token), sum, "paid = received");
        claim(
            handler.TOKEN().trueBalanceOf(address(vault)) >= vault.deposited(token) - vault.paid(token),
            "balance covers deposits less payments"
        );
    }
}
