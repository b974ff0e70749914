// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Authority} from "../../../contracts/Authority.sol";
import {CollateralVault} from "../../../contracts/CollateralVault.sol";
import {ICollateralVault, TokenListing, VaultConfig} from "../../../contracts/interfaces/ICollateralVault.sol";
import {Behaviour, HostileToken} from "./HostileToken.sol";
import {claim, same, vm} from "./Vm.sol";

/// @notice The vault with this test as its hub.
contract CollateralVaultTest {
    CollateralVault private vault;
    Authority private authority;
    HostileToken private token;

    bytes32 private constant ACCOUNT = bytes32(uint256(0xacc) << 96);
    address private constant ALICE = address(0xa11ce);
    address private constant BOB = address(0xb0b);
    uint256 private constant FEE = 7;

    function setUp() public {
        token = new HostileToken();
        authority = new Authority(address(this));
        vault = deploy(1_000_000, 10_000);
    }

    function deploy(uint128 floor_, uint16 share) private returns (CollateralVault) {
        TokenListing[] memory listings = new TokenListing[](1);
        listings[0] = TokenListing(address(token), floor_, share);
        return new CollateralVault(address(authority), config(), listings);
    }

    function config() private pure returns (VaultConfig memory) {
        return
            VaultConfig({
                entryFeeWei: uint128(FEE),
                feeRecipient: BOB,
                maxEntriesPerBlock: 4,
                maxBytesPerBlock: 1000,
                maxInstructionBytes: 500,
                withdrawalWindow: 1000
            });
    }

    function depositAs(address who, uint256 amount) private returns (uint64) {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(vault), amount);
        vm.deal(who, FEE);
        vm.prank(who);
        return vault.deposit{value: FEE}(address(token), amount, ACCOUNT);
    }

    // Deposits

    function testDepositCreditsWhatArrives(uint96 amount) public {
        vm.assume(amount > 10);
        token.setBehaviour(Behaviour.FeeOnTransfer);
        depositAs(ALICE, amount);
        uint256 arrived = uint256(amount) - amount / 10;
        same(vault.deposited(address(token)), arrived, "credited");
        same(token.trueBalanceOf(address(vault)), arrived, "held");
        bytes32 entry = keccak256(
            abi.encode(
                keccak256(
                    "Deposit(uint64 index,address token,uint256 amount,bytes32 account,address refundTo,uint256 total)"
                ),
                uint64(0),
                address(token),
                arrived,
                ACCOUNT,
                ALICE,
                arrived
            )
        );
        bytes32 link = keccak256(abi.encode(keccak256("InboxLink(bytes32 previous,bytes32 entry)"), bytes32(0), entry));
        claim(vault.inboxHashAt(1) == link && vault.inboxHashAt(0) == 0, "hash chain");
    }

    function testDepositRefusesWhatMovesNothing() public {
        Behaviour[5] memory vices = [
            Behaviour.ReturnsFalse,
            Behaviour.Reverts,
            Behaviour.ReturnsTwo,
            Behaviour.Paused,
            Behaviour.ReturnsShort
        ];
        for (uint256 i = 0; i < vices.length; ++i) {
            token.setBehaviour(vices[i]);
            (bool ok, ) = address(this).call(abi.encodeCall(this.depositExternally, ()));
            claim(!ok, "hostile deposit went through");
            same(vault.inboxSize(), 0, "no entry");
        }
    }

    function depositExternally() external {
        depositAs(ALICE, 100);
    }

    function testDepositTakesTokensThatReturnNothing() public {
        token.setBehaviour(Behaviour.ReturnsNothing);
        depositAs(ALICE, 100);
        same(vault.deposited(address(token)), 100, "credited");
    }

    function testDepositOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.BadAmount.selector, 0));
        vault.deposit{value: FEE}(address(token), 0, ACCOUNT);
    }

    function testDepositForNobodyIsRefused() public {
        vm.expectRevert(ICollateralVault.AccountIsZero.selector);
        vault.deposit{value: FEE}(address(token), 1, 0);
    }

    function testDepositOfUnlistedOrClosedTokenIsRefused() public {
        HostileToken other = new HostileToken();
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.DepositsClosed.selector, address(other)));
        vault.deposit{value: FEE}(address(other), 1, ACCOUNT);
        authority.execute(address(vault), abi.encodeCall(vault.setDeposits, (address(token), false)));
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.DepositsClosed.selector, address(token)));
        vault.deposit{value: FEE}(address(token), 1, ACCOUNT);
    }

    function testFeeMustBeExact(uint8 given) public {
        vm.assume(given != FEE);
        token.mint(address(this), 1);
        token.approve(address(vault), 1);
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.WrongFee.selector, FEE, uint256(given)));
        vault.deposit{value: given}(address(token), 1, ACCOUNT);
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.WrongFee.selector, FEE, uint256(given)));
        vault.requestForced{value: given}("x");
    }

    function testFeesGoToTheirRecipientOnly() public {
        depositAs(ALICE, 5);
        uint256 before = BOB.balance;
        vault.sweepFees();
        same(BOB.balance - before, FEE, "fees");
        same(address(vault).balance, 0, "nothing stays");
    }

    function testBlockBoundsHoldAndResetWithTheNextBlock() public {
        for (uint256 i = 0; i < 4; ++i) depositAs(ALICE, 1);
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.InboxFull.selector, 4, 960));
        this.depositExternally();
        vm.roll(block.number + 1);
        this.depositExternally();
        same(vault.inboxSize(), 5, "entries");
        vm.roll(block.number + 2);
        vault.requestForced{value: FEE}(new bytes(500));
        vault.requestForced{value: FEE}(new bytes(500));
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.InboxFull.selector, 2, 1001));
        vault.requestForced{value: FEE}(new bytes(1));
    }

    function testForcedInstructionsHaveALength() public {
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.InstructionLength.selector, 0, 500));
        vault.requestForced{value: FEE}("");
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.InstructionLength.selector, 501, 500));
        vault.requestForced{value: FEE}(new bytes(501));
    }

    function testInboxHashBeyondTheInboxIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.BeyondInbox.selector, 1, 0));
        vault.inboxHashAt(1);
    }

    // Payouts

    function testOnlyTheHubPays() public {
        token.mint(address(vault), 10);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.NotHub.selector, ALICE));
        vault.pay(address(token), ALICE, 10, ALICE, 0);
    }

    function testOnlyTheVaultItselfTransfersOut() public {
        token.mint(address(vault), 10);
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.NotVault.selector, address(this)));
        vault.transferOut(address(token), address(this), 10);
    }

    function testBrokenTransfersBecomeClaimableAndNothingReverts() public {
        Behaviour[8] memory vices = [
            Behaviour.ReturnsFalse,
            Behaviour.ReturnsTwo,
            Behaviour.ReturnsShort,
            Behaviour.RevertsWithBomb,
            Behaviour.Reverts,
            Behaviour.BurnsAllGas,
            Behaviour.Paused,
            Behaviour.Blocklists
        ];
        token.mint(address(vault), 1000);
        token.setBlocked(ALICE);
        for (uint256 i = 0; i < vices.length; ++i) {
            token.setBehaviour(vices[i]);
            uint256 gasBefore = gasleft();
            vault.pay(address(token), ALICE, 10, BOB, 0);
            claim(gasBefore - gasleft() < 500_000, "a hostile token costs at most its gas");
            same(token.trueBalanceOf(ALICE), 0, "nothing arrived, even from a token that moves money and then says no");
        }
        same(vault.claimable(address(token), ALICE), 80, "claimable");
        same(vault.totalClaimable(address(token)), 80, "total");
        same(vault.paid(address(token)), 0, "nothing counted as paid");
        token.setBehaviour(Behaviour.Honest);
        vault.claim(address(token), ALICE);
        same(token.trueBalanceOf(ALICE), 80, "claimed");
        same(vault.totalClaimable(address(token)), 0, "total after");
    }

    function testReturnBombsAndOddReturnsDoNotStopAPayout() public {
        token.mint(address(vault), 100);
        token.setBehaviour(Behaviour.ReturnsBomb);
        vault.pay(address(token), ALICE, 10, BOB, 0);
        token.setBehaviour(Behaviour.ReturnsNothing);
        vault.pay(address(token), ALICE, 10, BOB, 5);
        same(token.trueBalanceOf(ALICE), 20, "paid");
        same(token.trueBalanceOf(BOB), 5, "fee");
    }

    function testTokenWithoutCodeBecomesClaimable() public {
        vault.pay(address(0xdead), ALICE, 10, BOB, 0);
        same(vault.claimable(address(0xdead), ALICE), 10, "claimable");
    }

    function testZeroAmountsDoNotTouchTheToken() public {
        token.setBehaviour(Behaviour.RevertsOnZero);
        vault.pay(address(token), ALICE, 0, BOB, 0);
        same(vault.totalClaimable(address(token)), 0, "nothing owed");
    }

    function testUnreadableOrHugeBalancesDoNotStopPayouts() public {
        token.mint(address(vault), 100);
        token.setBehaviour(Behaviour.BalanceReverts);
        vault.pay(address(token), ALICE, 10, BOB, 0);
        token.setBehaviour(Behaviour.BalanceIsHuge);
        vault.pay(address(token), ALICE, 10, BOB, 0);
        same(token.trueBalanceOf(ALICE), 20, "paid");
    }

    function testABlockedRecipientMayClaimElsewhere() public {
        token.mint(address(vault), 100);
        token.setBehaviour(Behaviour.Blocklists);
        token.setBlocked(ALICE);
        vault.pay(address(token), ALICE, 10, BOB, 0);
        vm.expectRevert(
            abi.encodeWithSelector(ICollateralVault.NothingToClaim.selector, address(token), address(this))
        );
        vault.claimTo(address(token), BOB);
        vm.prank(ALICE);
        vault.claimTo(address(token), address(0xa2));
        same(token.trueBalanceOf(address(0xa2)), 10, "claimed elsewhere");
    }

    function testReentrancyThroughATokenFindsTheDoorLocked() public {
        token.mint(address(vault), 100);
        token.setBehaviour(Behaviour.Reverts);
        vault.pay(address(token), ALICE, 10, BOB, 0);
        token.setBehaviour(Behaviour.CallsBack);
        bytes[4] memory attacks = [
            abi.encodeCall(vault.claim, (address(token), ALICE)),
            abi.encodeCall(vault.deposit, (address(token), 1, ACCOUNT)),
            abi.encodeCall(vault.requestForced, ("x")),
            abi.encodeCall(vault.sweepFees, ())
        ];
        for (uint256 i = 0; i < attacks.length; ++i) {
            token.setCallback(address(vault), attacks[i]);
            vault.pay(address(token), BOB, 1, BOB, 0);
            claim(!token.callbackSucceeded(), "reentered");
        }
        token.setCallback(address(vault), abi.encodeCall(vault.claim, (address(token), ALICE)));
        vault.claim(address(token), ALICE);
        claim(!token.callbackSucceeded(), "reentered a claim");
        same(token.trueBalanceOf(ALICE), 10, "claimed once");
        same(token.trueBalanceOf(address(vault)), 86, "left");
    }

    function testAClaimThatTheTokenRefusesChangesNothing() public {
        token.mint(address(vault), 100);
        token.setBehaviour(Behaviour.Reverts);
        vault.pay(address(token), ALICE, 10, BOB, 0);
        (bool ok, ) = address(vault).call(abi.encodeCall(vault.claim, (address(token), ALICE)));
        claim(!ok, "refused");
        same(vault.claimable(address(token), ALICE), 10, "still owed");
    }

    // Withdrawal limits

    function testLimitsDelayAndNeverCancel() public {
        vault = deploy(10, 1000);
        token.mint(address(vault), 1000);
        vault.pay(address(token), ALICE, 60, BOB, 0);
        same(token.trueBalanceOf(ALICE), 60, "within the limit");
        vault.pay(address(token), ALICE, 500, BOB, 0);
        same(token.trueBalanceOf(ALICE), 60, "over the limit");
        same(vault.claimable(address(token), ALICE), 500, "waits");
        // Counted here: the optimizer may read block.timestamp once for the whole loop.
        uint256 time = block.timestamp;
        for (uint256 window = 0; window < 60 && vault.claimable(address(token), ALICE) > 0; ++window) {
            time += 1000;
            vm.warp(time);
            vault.claim(address(token), ALICE);
        }
        same(token.trueBalanceOf(ALICE), 560, "all of it in the end");
    }

    function testAtMostTwoCapacitiesLeaveInAWindow(uint16[16] calldata amounts, uint16[16] calldata waits) public {
        vault = deploy(1000, 100);
        token.mint(address(vault), 50_000);
        uint256 start = block.timestamp;
        uint256 time = start;
        for (uint256 i = 0; i < amounts.length; ++i) {
            time += waits[i] % 64;
            if (time >= start + 1000) break;
            vm.warp(time);
            vault.pay(address(token), ALICE, amounts[i], BOB, 0);
            claim(token.trueBalanceOf(ALICE) <= 2000, "more than twice the capacity within one window");
        }
    }

    function testLimitsCannotBeSetToHoldFunds() public {
        TokenListing memory listing = TokenListing(address(new HostileToken()), 0, 10_000);
        bytes4 unauthorized = bytes4(keccak256("AccessManagedUnauthorized(address)"));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(unauthorized, ALICE));
        vault.listToken(listing);
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.BadListing.selector, listing.token));
        authority.execute(address(vault), abi.encodeCall(vault.listToken, (listing)));
        listing.withdrawalFloor = 1;
        listing.withdrawalShareBps = 99;
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.BadListing.selector, listing.token));
        authority.execute(address(vault), abi.encodeCall(vault.listToken, (listing)));
        listing.withdrawalShareBps = 100;
        authority.execute(address(vault), abi.encodeCall(vault.listToken, (listing)));
        vm.expectRevert(abi.encodeWithSelector(ICollateralVault.AlreadyListed.selector, listing.token));
        authority.execute(address(vault), abi.encodeCall(vault.listToken, (listing)));
    }

    function testClosedDepositsDoNotStopPayouts() public {
        token.mint(address(vault), 10);
        authority.execute(address(vault), abi.encodeCall(vault.setDeposits, (address(token), false)));
        vault.pay(address(token), ALICE, 10, BOB, 0);
        same(token.trueBalanceOf(ALICE), 10, "paid");
    }

    receive() external payable {}
}
