"""EA11, the cipher MISTY1 (RFC 2994): blocks of 64 bits, a key of 128 bits."""

from __future__ import annotations

from typing import Final

KEY: Final = 16
"""Octets of a key."""
_S7_HEX: Final = (
    "1b32335a3b1017545b1a72736b2c66491f24136c372e3f4a5d0f405625511c040b46200d7b3544422b1e41144b79156f"
    "0e550936740c6753280a7e38020760291912652f303908685f782a4c6445753d594803577c4f623c1d215e276a704d3a"
    "016d6e6318772305267600312d7a7f61502211064716524e713e6943345c587d"
)
_S9_HEX: Final = (
    "1c30cb15319f1e30e90fb0351810b91171eb13300902d0d30c714a03707e0eb1641931d80a311e05502c01d1a2163118"
    "14b1521d200f02b03013a0e511113818e0630e30c81f401b00109d0f81a016d1f301c14607d0d10821ea18312d0f419e"
    "1d30dd1e21281e00ec05909101112f0260dc0b018c10f1f70e716c0b60f90d815110114c1030b815412b1ae01707100c"
    "04705807f1a413412908415d19d1b21a304807c0511ca02313d1a716503b0420da1920ce0c106b09f1f112c1840fa196"
    "1e116917d03118010a0941da18613e11c0601751cf06711906506809915000800717c0b70240190de1270db0e41a9052"
    "10909019c1c10281b313516a1760df1e51880c516e1de1b10c31df0360ee1ee0f009304909a1b606908112500b05e0b4"
    "1491c717403e13b1b708e1c60ae0100951ef04e0f21fd0850fd0f60a016f08308a15609b13c1071670981d01e90031fe"
    "0bd1220890d218f01203306a1420ed17011b0e214f15813114705d1131cd0791611a517909e1b40cc02213201a0e8004"
    "1871ed1970391bf1d702718b0c609c0d014e06c0341f206e0ca0250ba1910fe01310602f1ad1721db0c010b1d60f51ec"
    "10d0761141ab07510c1e415905411f04b0c41be0f70290a400e1f007704d17a08608b0b31710bf10e10409715b160168"
    "0d70bb0661ce0fc0921c506f01604a0a11390af0f119000a1aa14317b05618d1660d41fb14d19419a0871f81230a71b8"
    "14103c1f914002a15511a1a11980d51261af06112e1571dc07218a0aa0961150ef04507b08d14505305f1780b202e020"
    "1d503f1c91e71ac0440380140b116b0ab0b505a1821c81d40181770640cf06d10019913015a0051201bb1bd0e004f0d6"
    "13f1c412a0150060ff19b0a604308805015f1e812107317e0bc0c20c91731891f50741cc1e61a819501f04100d1ba032"
    "03d1d10800a80571b91621480d910506207a0211ff1121081c00a911d1b01a60cd0f305c10205b1d91441f60ad0a503a"
    "1cb13617f0460e101e1dd0e61371fa18508c08f0401b50be0780000ac11015e1240021bc0a20ea0701fc11615c04c1c2"
)
_S7: Final = bytes.fromhex(_S7_HEX)
_S9: Final = tuple(int(_S9_HEX[place : place + 3], 16) for place in range(0, len(_S9_HEX), 3))


def encrypt(key: bytes, block: int) -> int:
    """The cipher text of a block of 64 bits; ``key`` has 16 octets."""
    keys = _expand(key)
    left, right = block >> 32, block & 0xFFFF_FFFF
    for step in range(0, 8, 2):
        left, right = _fl(left, step, keys), _fl(right, step + 1, keys)
        right ^= _fo(left, step, keys)
        left ^= _fo(right, step + 1, keys)
    return _fl(right, 9, keys) << 32 | _fl(left, 8, keys)


def decrypt(key: bytes, block: int) -> int:
    """The block of 64 bits that a cipher text stands for; ``key`` has 16 octets."""
    keys = _expand(key)
    right, left = _fl_back(block >> 32, 9, keys), _fl_back(block & 0xFFFF_FFFF, 8, keys)
    for step in range(6, -1, -2):
        left ^= _fo(right, step + 1, keys)
        right ^= _fo(left, step, keys)
        left, right = _fl_back(left, step, keys), _fl_back(right, step + 1, keys)
    return left << 32 | right


def _expand(key: bytes) -> tuple[int, ...]:
    """The key in words of 16 bits, and eight more made of them."""
    words = tuple(int.from_bytes(key[place : place + 2], "big") for place in range(0, KEY, 2))
    return words + tuple(_fi(words[place], words[(place + 1) % 8]) for place in range(8))


def _fi(word: int, key: int) -> int:
    nine, seven = word >> 7, word & 0x7F
    nine = _S9[nine] ^ seven
    seven = _S7[seven] ^ nine & 0x7F ^ key >> 9
    nine = _S9[nine ^ key & 0x1FF] ^ seven
    return seven << 9 | nine


def _fo(double: int, step: int, keys: tuple[int, ...]) -> int:
    first, second = double >> 16, double & 0xFFFF
    first = second ^ _fi(first ^ keys[step], keys[(step + 5) % 8 + 8])
    second = first ^ _fi(second ^ keys[(step + 2) % 8], keys[(step + 1) % 8 + 8])
    first = second ^ _fi(first ^ keys[(step + 7) % 8], keys[(step + 3) % 8 + 8])
    return (second ^ keys[(step + 4) % 8]) << 16 | first


def _fl_keys(step: int, keys: tuple[int, ...]) -> tuple[int, int]:
    half = step // 2
    if step % 2:
        return keys[(half + 2) % 8 + 8], keys[(half + 4) % 8]
    return keys[half % 8], keys[(half + 6) % 8 + 8]


def _fl(double: int, step: int, keys: tuple[int, ...]) -> int:
    conjunct, disjunct = _fl_keys(step, keys)
    high, low = double >> 16, double & 0xFFFF
    low ^= high & conjunct
    high ^= low | disjunct
    return high << 16 | low


def _fl_back(double: int, step: int, keys: tuple[int, ...]) -> int:
    conjunct, disjunct = _fl_keys(step, keys)
    high, low = double >> 16, double & 0xFFFF
    high ^= low | disjunct
    low ^= high & conjunct
    return high << 16 | low
