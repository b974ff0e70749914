// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Who may list tokens, close deposits and pause `accept`, and after which delay
/// @notice OpenZeppelin's AccessManager under a name of ours. It cannot move funds, hold up payouts or undo deliveries: no
/// such function exists for it to guard.
contract Authority is AccessManager {
    constructor(address admin) AccessManager(admin) {}
}
