// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ISettlementReceiver} from "../../../contracts/interfaces/ISettlementReceiver.sol";

/// @notice What a HostileReceiver does when it is told of a settlement.
enum Vice {
    CallsBack,
    ReturnsBomb,
    RevertsWithBomb,
    BurnsAllGas
}

/// @notice A receiver with a vice. Comes back into whatever it was told to, with whatever calldata.
contract HostileReceiver is ISettlementReceiver {
    Vice public vice;
    address private _target;
    bytes[] private _calls;
    uint256 public cameBack;
    uint256 public wentThrough;

    function arm(Vice next, address target, bytes[] calldata calls) external {
        (vice, _target, _calls) = (next, target, calls);
    }

    /// @inheritdoc ISettlementReceiver
    function onSettlement(uint64, bytes32, bytes calldata) external {
        if (vice == Vice.BurnsAllGas) while (true) {}
        if (vice == Vice.RevertsWithBomb) {
            assembly {
                revert(0, 100000)
            }
        }
        for (uint256 i = 0; i < _calls.length; ++i) {
            (bool ok, ) = _target.call(_calls[i]);
            ++cameBack;
            if (ok) ++wentThrough;
        }
        if (vice == Vice.ReturnsBomb) {
            assembly {
                return(0, 100000)
            }
        }
    }
}
