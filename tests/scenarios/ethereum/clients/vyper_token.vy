# pragma version ~=0.4.0
# A token whose errors are words, as Vyper's are.

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

balances: public(HashMap[address, uint256])
frozen: public(bool)

@deploy
def __init__(supply: uint256):
    self.balances[msg.sender] = supply
    log Transfer(sender=empty(address), receiver=msg.sender, amount=supply)

@external
def transfer(receiver: address, amount: uint256):
    assert not self.frozen, "frozen"
    self.balances[msg.sender] -= amount
    self.balances[receiver] += amount
    log Transfer(sender=msg.sender, receiver=receiver, amount=amount)

@external
@nonreentrant
def freeze():
    self.frozen = True

@external
@view
def double(amount: uint256) -> uint256:
    return amount * 2
