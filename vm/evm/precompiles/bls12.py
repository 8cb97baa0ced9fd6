"""Points of the curve BLS12-381: sums, multi-scalar products, the pairing, and maps from the field (EIP-2537).

It knows encodings and prices; the curve itself is arkworks' through py_arkworks_bls12381.
"""

from collections.abc import Callable
from typing import Any, Final

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from vm.evm.api import Precompile, PrecompileFailed

_FIELD = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
_G1, _G2, _SCALAR = 128, 256, 32  # bytes of an encoded point or scalar

_G1_DISCOUNTS = (
    *(1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665, 661, 658, 654),
    *(651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615, 613, 611, 609, 608, 606, 604),
    *(603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585, 584, 582, 581, 580, 579, 577, 576, 575, 574),
    *(573, 572, 570, 569, 568, 567, 566, 565, 564, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551),
    *(550, 549, 548, 547, 547, 546, 545, 544, 543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535, 534, 533, 532),
    *(532, 531, 530, 529, 528, 528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520, 520, 519),
)
_G2_DISCOUNTS = (
    *(1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699, 693, 688, 683),
    *(679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629, 627, 624, 622, 620, 618, 615),
    *(613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592, 590, 589, 587, 586, 584, 583, 582, 580, 579),
    *(578, 576, 575, 574, 573, 571, 570, 569, 568, 567, 566, 565, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554),
    *(553, 552, 552, 551, 550, 549, 548, 547, 546, 545, 545, 544, 543, 542, 541, 541, 540, 539, 538, 537, 537, 536),
    *(535, 535, 534, 533, 532, 532, 531, 530, 530, 529, 528, 528, 527, 526, 526, 525, 524, 524),
)


def _check_size(data: bytes, size: int) -> None:
    if len(data) != size:
        raise PrecompileFailed("invalid input length")


def _count(data: bytes, size: int) -> int:
    """Count the whole items of an input that must have at least one and nothing else."""
    if not data or len(data) % size:
        raise PrecompileFailed("invalid input length")
    return len(data) // size


def _element(data: bytes) -> bytes:
    """Read 64 bytes as a field element of 48. Raises PrecompileFailed unless it is below the modulus."""
    if int.from_bytes(data, "big") >= _FIELD:
        raise PrecompileFailed("invalid field element")
    return data[16:]


def _elements(data: bytes) -> bytes:
    return b"".join(_element(data[at : at + 64]) for at in range(0, len(data), 64))


def _encoded(coordinates: bytes) -> bytes:
    return b"".join(bytes(16) + coordinates[at : at + 48] for at in range(0, len(coordinates), 48))


def _point(kind: Any, data: bytes, in_subgroup: bool) -> Any:
    """Read a point; all zeros are the one at infinity. Raises PrecompileFailed if it is not where it must be."""
    coordinates = _elements(data)
    if not any(coordinates):
        return kind.identity()
    try:
        point = kind.from_xy_bytes_unchecked_be(coordinates)  # checks the curve, not the subgroup
    except ValueError as error:
        raise PrecompileFailed("invalid point: not on curve") from error
    if in_subgroup and not point.is_in_subgroup():
        raise PrecompileFailed("point is not in the correct subgroup")
    return point


def _adder(kind: Any, size: int) -> Callable[[bytes], bytes]:
    def run(data: bytes) -> bytes:
        """Add two points of the curve, in the subgroup or not."""
        _check_size(data, 2 * size)
        total = _point(kind, data[:size], False) + _point(kind, data[size:], False)
        return _encoded(total.to_xy_bytes_be())

    return run


def _product(kind: Any, size: int) -> Callable[[bytes], bytes]:
    item = size + _SCALAR

    def run(data: bytes) -> bytes:
        """Sum points of the subgroup, each times its scalar."""
        _count(data, item)
        starts = range(0, len(data), item)
        points = [_point(kind, data[at : at + size], True) for at in starts]
        scalars = [Scalar.from_be_bytes_mod_order(data[at + size : at + item]) for at in starts]
        return _encoded(kind.multiexp_unchecked(points, scalars).to_xy_bytes_be())

    return run


def _product_price(size: int, once: int, discounts: tuple[int, ...]) -> Callable[[bytes], int]:
    def price(data: bytes) -> int:
        count = len(data) // (size + _SCALAR)
        return count * once * discounts[min(count, 128) - 1] // 1_000 if count else 0

    return price


def _pairing(data: bytes) -> bytes:
    """Tell whether the product of the pairings is one."""
    _count(data, _G1 + _G2)
    left, right = [], []
    for at in range(0, len(data), _G1 + _G2):
        left.append(_point(G1Point, data[at : at + _G1], True))
        right.append(_point(G2Point, data[at + _G1 : at + _G1 + _G2], True))
    return int(GT.pairing_check(left, right)).to_bytes(32, "big")


def _map_to_g1(data: bytes) -> bytes:
    """Map a field element to a point of the first subgroup."""
    _check_size(data, 64)
    return _encoded(G1Point.map_from_fp_be(_elements(data)).to_xy_bytes_be())


def _map_to_g2(data: bytes) -> bytes:
    """Map an element of the quadratic extension to a point of the second subgroup."""
    _check_size(data, 128)
    return _encoded(G2Point.map_from_fp2_be(_elements(data)).to_xy_bytes_be())


G1_ADD: Final = Precompile("bls12_g1add", lambda data: 375, _adder(G1Point, _G1))
G1_MSM: Final = Precompile("bls12_g1msm", _product_price(_G1, 12_000, _G1_DISCOUNTS), _product(G1Point, _G1))
G2_ADD: Final = Precompile("bls12_g2add", lambda data: 600, _adder(G2Point, _G2))
G2_MSM: Final = Precompile("bls12_g2msm", _product_price(_G2, 22_500, _G2_DISCOUNTS), _product(G2Point, _G2))
PAIRING: Final = Precompile("bls12_pairing", lambda data: 37_700 + 32_600 * (len(data) // (_G1 + _G2)), _pairing)
MAP_FP_TO_G1: Final = Precompile("bls12_map_fp_to_g1", lambda data: 5_500, _map_to_g1)
MAP_FP2_TO_G2: Final = Precompile("bls12_map_fp2_to_g2", lambda data: 23_800, _map_to_g2)
