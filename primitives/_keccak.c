/* Keccak-256 with the padding that Ethereum kept (0x01), over keccak-f[1600]. Source: the Keccak reference, section 1. */
#include "_native.h"

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
    0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

static inline uint64_t rotl64(uint64_t x, int n) { return n ? (x << n) | (x >> (64 - n)) : x; }

/* One row of chi: the five lanes b0..b4 become a[y]..a[y + 4]. */
#define CHI(y)                                                                                                            \
    a[y] = b0 ^ (~b1 & b2), a[y + 1] = b1 ^ (~b2 & b3), a[y + 2] = b2 ^ (~b3 & b4), a[y + 3] = b3 ^ (~b4 & b0),           \
    a[y + 4] = b4 ^ (~b0 & b1)
/* A row's lanes after theta, rho and pi: each comes from another column, so five (lane, rotation) pairs. */
#define ROW(s, l0, r0, l1, r1, l2, r2, l3, r3, l4, r4)                                                                    \
    b0 = rotl64(s[l0] ^ d[l0 % 5], r0), b1 = rotl64(s[l1] ^ d[l1 % 5], r1), b2 = rotl64(s[l2] ^ d[l2 % 5], r2),           \
    b3 = rotl64(s[l3] ^ d[l3 % 5], r3), b4 = rotl64(s[l4] ^ d[l4 % 5], r4)

static inline void keccak_round(uint64_t a[25], const uint64_t s[25], uint64_t constant)
{
    uint64_t c[5], d[5], b0, b1, b2, b3, b4;
    for (int x = 0; x < 5; x++)
        c[x] = s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20];
    for (int x = 0; x < 5; x++)
        d[x] = c[(x + 4) % 5] ^ rotl64(c[(x + 1) % 5], 1);
    ROW(s, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14), CHI(0);
    a[0] ^= constant;
    ROW(s, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61), CHI(5);
    ROW(s, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18), CHI(10);
    ROW(s, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56), CHI(15);
    ROW(s, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2), CHI(20);
}

static void keccak_f(uint64_t state[25])
{
    uint64_t other[25];
    for (int i = 0; i < 24; i += 2) {
        keccak_round(other, state, round_constants[i]);
        keccak_round(state, other, round_constants[i + 1]);
    }
}

static inline uint64_t read_le64(const uint8_t *p) { return (uint64_t)read_le32(p + 4) << 32 | read_le32(p); }

static void absorb(uint64_t state[25], const uint8_t block[136])
{
    for (int i = 0; i < 17; i++)
        state[i] ^= read_le64(block + 8 * i);
    keccak_f(state);
}

void keccak256(uint8_t out[32], const uint8_t *data, size_t size)
{
    uint64_t state[25] = {0};
    uint8_t last[136] = {0};
    for (; size >= 136; data += 136, size -= 136)
        absorb(state, data);
    memcpy(last, data, size);
    last[size] = 0x01;
    last[135] |= 0x80;
    absorb(state, last);
    for (int i = 0; i < 4; i++) {
        write_le32(out + 8 * i, (uint32_t)state[i]);
        write_le32(out + 8 * i + 4, (uint32_t)(state[i] >> 32));
    }
}
