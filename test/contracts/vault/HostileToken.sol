// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @notice How a HostileToken misbehaves.
enum Behaviour {
    Honest,
    FeeOnTransfer,
    ReturnsNothing,
    ReturnsFalse,
    ReturnsTwo,
    ReturnsShort,
    ReturnsBomb,
    RevertsWithBomb,
    Reverts,
    RevertsOnZero,
    BurnsAllGas,
    Blocklists,
    Paused,
    CallsBack,
    BalanceReverts,
    BalanceIsHuge,
    Rebases
}

/// @notice A token with an honest ledger inside and a configurable vice outside.
contract HostileToken {
    mapping(address account => uint256) private _balances;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    Behaviour public behaviour;
    address public blocked;
    address public callbackTarget;
    bytes public callbackData;
    bool public callbackSucceeded;

    function setBehaviour(Behaviour next) external {
        behaviour = next;
    }

    function setBlocked(address account) external {
        blocked = account;
    }

    function setCallback(address target, bytes calldata data) external {
        (callbackTarget, callbackData) = (target, data);
    }

    function mint(address to, uint256 amount) external {
        _balances[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function trueBalanceOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    function balanceOf(address account) external view returns (uint256) {
        require(behaviour != Behaviour.BalanceReverts, "balance");
        if (behaviour == Behaviour.BalanceIsHuge) return type(uint256).max;
        if (behaviour == Behaviour.Rebases) return _balances[account] / 2;
        return _balances[account];
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _act(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _act(from, to, amount);
        return true;
    }

    function _act(address from, address to, uint256 amount) private {
        Behaviour vice = behaviour;
        require(vice != Behaviour.Reverts && vice != Behaviour.Paused, "no");
        require(vice != Behaviour.RevertsOnZero || amount > 0, "zero");
        require(vice != Behaviour.Blocklists || to != blocked, "blocked");
        if (vice == Behaviour.RevertsWithBomb) {
            assembly {
                revert(0, 200000)
            }
        }
        if (vice == Behaviour.BurnsAllGas) while (true) {}
        if (vice == Behaviour.CallsBack) (callbackSucceeded, ) = callbackTarget.call(callbackData);
        if (vice == Behaviour.ReturnsFalse) _give(false, 32);
        _balances[from] -= amount;
        _balances[to] += vice == Behaviour.FeeOnTransfer ? amount - amount / 10 : amount;
        if (vice == Behaviour.ReturnsNothing) _give(true, 0);
        if (vice == Behaviour.ReturnsShort) _give(true, 31);
        if (vice == Behaviour.ReturnsBomb) _give(true, 200_000);
        if (vice == Behaviour.ReturnsTwo) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
    }

    function _give(bool value, uint256 size) private pure {
        assembly {
            mstore(0, value)
            return(0, size)
        }
    }
}
