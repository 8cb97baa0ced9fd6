/* The work of Ethash, compiled once for each instruction set: the includer sets NAME(x) and the target. No include guard on purpose.
 *
 * It allocates nothing and checks nothing; sizes are _ethash.c's affair.
 */

/* keccak-f[1600] on 25 lanes, two rounds at a time from one array to the other */
#define ROW5(out, s0, r0, s1, r1, s2, r2, s3, r3, s4, r4)                                                                  \
    b0 = rotl(s[s0] ^ d[s0 % 5], r0), b1 = rotl(s[s1] ^ d[s1 % 5], r1), b2 = rotl(s[s2] ^ d[s2 % 5], r2),                  \
    b3 = rotl(s[s3] ^ d[s3 % 5], r3), b4 = rotl(s[s4] ^ d[s4 % 5], r4), t[out] = b0 ^ (~b1 & b2),                          \
    t[out + 1] = b1 ^ (~b2 & b3), t[out + 2] = b2 ^ (~b3 & b4), t[out + 3] = b3 ^ (~b4 & b0), t[out + 4] = b4 ^ (~b0 & b1)

static inline __attribute__((always_inline)) void NAME(keccak_round)(uint64_t t[25], const uint64_t s[25], uint64_t constant)
{
    uint64_t c0 = s[0] ^ s[5] ^ s[10] ^ s[15] ^ s[20], c1 = s[1] ^ s[6] ^ s[11] ^ s[16] ^ s[21];
    uint64_t c2 = s[2] ^ s[7] ^ s[12] ^ s[17] ^ s[22], c3 = s[3] ^ s[8] ^ s[13] ^ s[18] ^ s[23];
    uint64_t c4 = s[4] ^ s[9] ^ s[14] ^ s[19] ^ s[24], b0, b1, b2, b3, b4;
    const uint64_t d[5] = {c4 ^ rotl(c1, 1), c0 ^ rotl(c2, 1), c1 ^ rotl(c3, 1), c2 ^ rotl(c4, 1), c3 ^ rotl(c0, 1)};
    ROW5(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
    t[0] ^= constant;
    ROW5(5, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
    ROW5(10, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
    ROW5(15, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
    ROW5(20, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
}
#undef ROW5

/* One block is enough for all that Ethash hashes: less than `rate_words` words. */
static void NAME(keccak)(uint64_t *out, int out_words, const uint64_t *in, int in_words, int rate_words)
{
    uint64_t s[25] = {0}, t[25];
    memcpy(s, in, 8 * (size_t)in_words);
    s[in_words] ^= 0x01;
    s[rate_words - 1] ^= 0x8000000000000000u;
    for (int i = 0; i < 24; i += 2) {
        NAME(keccak_round)(t, s, round_constants[i]);
        NAME(keccak_round)(s, t, round_constants[i + 1]);
    }
    memcpy(out, s, 8 * (size_t)out_words);
}

static inline void NAME(keccak512)(node *n) { NAME(keccak)(n->q, 8, n->q, 8, 9); }

static inline __attribute__((always_inline)) void NAME(mix)(node *a, const node *b)
{
    a->v[0] = fnv(a->v[0], b->v[0]), a->v[1] = fnv(a->v[1], b->v[1]);
}

static void NAME(cache)(node *cache, uint32_t count, const uint8_t seed[32])
{
    uint64_t in[4];
    memcpy(in, seed, 32);
    NAME(keccak)(cache[0].q, 8, in, 4, 9);
    for (uint32_t i = 1; i < count; i++)
        NAME(keccak)(cache[i].q, 8, cache[i - 1].q, 8, 9);
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < count; i++) {
            const node *before = &cache[i ? i - 1 : count - 1], *other = &cache[cache[i].w[0] % count];
            node mixed;
            mixed.v[0] = before->v[0] ^ other->v[0], mixed.v[1] = before->v[1] ^ other->v[1];
            NAME(keccak)(cache[i].q, 8, mixed.q, 8, 9);
        }
}

/* `lanes` items at a time: each waits for memory, so one's wait is another's work */
static inline __attribute__((always_inline)) void NAME(items)(node *out, int lanes, const struct source *from, uint32_t first)
{
    const node *cache = from->nodes;
    node mix[LANES];
    for (int k = 0; k < lanes; k++) {
        uint32_t index = first + (uint32_t)k;
        mix[k] = cache[remainder_of(index, from)];
        mix[k].w[0] ^= index;
        NAME(keccak512)(&mix[k]);
    }
    for (uint32_t j = 0; j < PARENTS; j++) {
        const node *parent[LANES];
        for (int k = 0; k < lanes; k++)
            parent[k] = &cache[remainder_of(fnv((first + (uint32_t)k) ^ j, mix[k].w[j % 16]), from)];
        for (int k = 0; k < lanes; k++)
            NAME(mix)(&mix[k], parent[k]);
    }
    for (int k = 0; k < lanes; k++) {
        NAME(keccak512)(&mix[k]);
        out[k] = mix[k];
    }
}

static void NAME(fill)(node *out, const struct source *from, uint32_t first, uint32_t count)
{
    uint32_t i = 0;
    for (; i + LANES <= count; i += LANES)
        NAME(items)(out + i, LANES, from, first + i);
    for (; i < count; i++)
        NAME(items)(out + i, 1, from, first + i);
}

static void NAME(hash)(uint8_t mix_out[32], uint8_t result[32], const struct source *from, const uint8_t header[32], uint64_t nonce)
{
    uint64_t in[12];
    node seed, mix[2], row[2];
    uint32_t digest[8];
    memcpy(in, header, 32);
    in[4] = nonce;
    NAME(keccak)(seed.q, 8, in, 5, 9);
    mix[0] = mix[1] = seed;
    for (uint32_t i = 0; i < ACCESSES; i++) {
        uint32_t p = fnv(i ^ seed.w[0], mix[i / 16 % 2].w[i % 16]) % from->rows;
        if (from->count)
            NAME(items)(row, 2, from, 2 * p);
        else
            row[0] = from->nodes[2 * (size_t)p], row[1] = from->nodes[2 * (size_t)p + 1];
        NAME(mix)(&mix[0], &row[0]);
        NAME(mix)(&mix[1], &row[1]);
    }
    for (int i = 0; i < 8; i++) {
        const uint32_t *m = &mix[i / 4].w[i % 4 * 4];
        digest[i] = fnv(fnv(fnv(m[0], m[1]), m[2]), m[3]);
    }
    memcpy(in, &seed, 64);
    memcpy(in + 8, digest, 32);
    memcpy(mix_out, digest, 32);
    NAME(keccak)(in, 4, in, 12, 17);
    memcpy(result, in, 32);
}

static const struct path NAME(path) = {NAME(cache), NAME(fill), NAME(hash)};
