/* The compression function of BLAKE2b with a free number of rounds (RFC 7693, EIP-152). */
#include "_native.h"

static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static uint64_t read_le64(const uint8_t *p)
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

static inline uint64_t rotr64(uint64_t x, int n) { return x >> n | x << (64 - n); }

#define MIX(a, b, c, d, x, y) \
    a += b + m[x], d = rotr64(d ^ a, 32), c += d, b = rotr64(b ^ c, 24), \
    a += b + m[y], d = rotr64(d ^ a, 16), c += d, b = rotr64(b ^ c, 63)

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf) \
    if (!rounds--) \
        break; \
    MIX(v0, v4, v8, vc, s0, s1); \
    MIX(v1, v5, v9, vd, s2, s3); \
    MIX(v2, v6, va, ve, s4, s5); \
    MIX(v3, v7, vb, vf, s6, s7); \
    MIX(v0, v5, va, vf, s8, s9); \
    MIX(v1, v6, vb, vc, sa, sb); \
    MIX(v2, v7, v8, vd, sc, sd); \
    MIX(v3, v4, v9, ve, se, sf)

void blake2_compress(uint8_t out[64], const uint8_t data[213])
{
    uint32_t rounds = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    uint64_t h[8], m[16];
    for (int i = 0; i < 8; i++)
        h[i] = read_le64(data + 4 + 8 * i);
    for (int i = 0; i < 16; i++)
        m[i] = read_le64(data + 68 + 8 * i);
    uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
    uint64_t v8 = initial[0], v9 = initial[1], va = initial[2], vb = initial[3];
    uint64_t vc = initial[4] ^ read_le64(data + 196), vd = initial[5] ^ read_le64(data + 204);
    uint64_t ve = data[212] ? ~initial[6] : initial[6], vf = initial[7];
    for (;;) { /* the order of the words repeats every ten rounds */
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
        ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
        ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
        ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
        ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
        ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
        ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
        ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
        ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    }
    const uint64_t low[8] = {v0, v1, v2, v3, v4, v5, v6, v7}, high[8] = {v8, v9, va, vb, vc, vd, ve, vf};
    for (int i = 0; i < 8; i++) {
        uint64_t x = h[i] ^ low[i] ^ high[i];
        for (int k = 0; k < 8; k++)
            out[8 * i + k] = (uint8_t)(x >> 8 * k);
    }
}
