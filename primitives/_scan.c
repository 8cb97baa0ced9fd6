/* The search for a nonce: SHA-256d of an 80-byte header, many nonces at a time, by whichever way this processor is fastest.
 *
 * All ways share the midstate of the first 64 bytes and the three rounds before the nonce comes in, and look at the last
 * word of the hash only. Of the few groups whose last word is small enough, each hash is computed again in full. */
#include "_native.h"

#ifdef CHAINYARD_X86
#include <immintrin.h>
#endif

struct scan_job {
    uint32_t midstate[8]; /* after the first 64 bytes */
    uint32_t after[8];    /* and three rounds more: a to h */
    uint32_t tail[16];    /* the second block; [3] is the nonce */
    uint32_t limit;       /* the target's highest 32 bits */
};

#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define SIGMA0(x) (ROR(x, 7) ^ ROR(x, 18) ^ ((x) >> 3))
#define SIGMA1(x) (ROR(x, 17) ^ ROR(x, 19) ^ ((x) >> 10))
#define SWAP(x) (((x) << 24) | (((x) & 0xff00) << 8) | (((x) >> 8) & 0xff00) | ((x) >> 24))
/* The n-th of a to h before round i: the registers are renamed from round to round, not moved. */
#define S(n, i) s[((n) - (i)) & 7]
#define ROUND(i, word)                                                                                                    \
    do {                                                                                                                  \
        V e_ = S(4, i), g_ = S(6, i), a_ = S(0, i), b_ = S(1, i);                                                         \
        V t_ = S(7, i) + (ROR(e_, 6) ^ ROR(e_, 11) ^ ROR(e_, 25)) + (g_ ^ (e_ & (S(5, i) ^ g_))) + ((word) + sha256_round[i]); \
        S(3, i) += t_;                                                                                                    \
        S(7, i) = t_ + (ROR(a_, 2) ^ ROR(a_, 13) ^ ROR(a_, 22)) + ((a_ & b_) | (S(2, i) & (a_ | b_)));                    \
    } while (0)
#define GIVEN(i) w[(i) & 15]
#define EXTENDED(i)                                                                                                       \
    (w[(i) & 15] = (SIGMA0(w[((i) + 1) & 15]) + w[(i) & 15]) + (SIGMA1(w[((i) + 14) & 15]) + w[((i) + 9) & 15]))
#define ROUNDS4(i, W) ROUND(i, W(i)); ROUND((i) + 1, W((i) + 1)); ROUND((i) + 2, W((i) + 2)); ROUND((i) + 3, W((i) + 3))
#define ROUNDS16(i, W) ROUNDS4(i, W); ROUNDS4((i) + 4, W); ROUNDS4((i) + 8, W); ROUNDS4((i) + 12, W)

#ifdef __GNUC__
#define NAME run_portable
#define LANES 4
#define TARGET
#include "_scan_lanes.h"
#undef NAME
#undef LANES
#undef TARGET
#else /* no vector types: one at a time, over the common prefix */
static uint64_t run_portable(const struct scan_job *job, uint32_t nonce, uint64_t groups)
{
    for (uint64_t group = 0; group < groups; group++) {
        uint8_t data[64];
        uint32_t state[8], nonce_word = nonce + (uint32_t)group;
        for (int i = 0; i < 16; i++)
            write_be32(data + 4 * i, i == 3 ? SWAP(nonce_word) : job->tail[i]);
        memcpy(state, job->midstate, sizeof state);
        sha256_blocks(state, data, 1);
        for (int i = 0; i < 8; i++)
            write_be32(data + 4 * i, state[i]);
        sha256(data, data, 32);
        if (read_le32(data + 28) <= job->limit)
            return group;
    }
    return groups;
}
#define PORTABLE_LANES 1
#endif
#ifndef PORTABLE_LANES
#define PORTABLE_LANES 4
#endif

#ifdef CHAINYARD_X86
#define NAME run_avx2
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#include "_scan_lanes.h"
#undef NAME
#undef LANES
#undef TARGET
#define NAME run_avx512
#define LANES 16
#define TARGET __attribute__((target("avx512f")))
#include "_scan_lanes.h"
#undef NAME
#undef LANES
#undef TARGET

/* SHA-NI: its instructions take some cycles each but several may be under way, so SHA_WAYS nonces go side by side. */
#ifndef SHA_WAYS
#define SHA_WAYS 4
#endif
#define EACH for (int l = 0; l < SHA_WAYS; l++)
#define LOADK(i) _mm_loadu_si128((const __m128i *)(sha256_round + 4 * (i)))
#define TWICE(l, wk)                                                                                                      \
    do {                                                                                                                  \
        __m128i wk_ = (wk);                                                                                               \
        cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], wk_);                                                           \
        abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], _mm_shuffle_epi32(wk_, 0x0e));                                  \
    } while (0)
/* Four rounds on words that depend on the nonce: m[i & 3] are words 4i to 4i + 3, made from the four groups before. */
#define GROUP(i)                                                                                                          \
    EACH                                                                                                                  \
    {                                                                                                                     \
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(m[(i) & 3][l], m[((i) + 1) & 3][l]),                             \
                                    _mm_alignr_epi8(m[((i) + 3) & 3][l], m[((i) + 2) & 3][l], 4));                        \
        m[(i) & 3][l] = _mm_sha256msg2_epu32(sum, m[((i) + 3) & 3][l]);                                                   \
        TWICE(l, _mm_add_epi32(m[(i) & 3][l], LOADK(i)));                                                                 \
    }

__attribute__((target("sha,sse4.1"))) static uint64_t run_sha(const struct scan_job *job, uint32_t nonce, uint64_t groups)
{
    const uint32_t *h = job->midstate, *a = job->after, *iv = sha256_initial, *t = job->tail;
    const __m128i abef_mid = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    const __m128i cdgh_mid = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    /* two rounds on: what is a, b, e, f after three is one younger than b, c, f, g */
    const __m128i abef_two = _mm_set_epi32((int)a[1], (int)a[2], (int)a[5], (int)a[6]);
    const __m128i abef_iv = _mm_set_epi32((int)iv[0], (int)iv[1], (int)iv[4], (int)iv[5]);
    const __m128i cdgh_iv = _mm_set_epi32((int)iv[2], (int)iv[3], (int)iv[6], (int)iv[7]);
    const __m128i zero = _mm_setzero_si128(), end = _mm_set_epi32(0, 0, 0, (int)0x80000000u);
    const __m128i bits_first = _mm_set_epi32(640, 0, 0, 0), bits_second = _mm_set_epi32(256, 0, 0, 0);
    for (uint64_t group = 0; group < groups; group++) {
        __m128i abef[SHA_WAYS], cdgh[SHA_WAYS], m[4][SHA_WAYS];
        EACH
        {
            uint32_t n = nonce + (uint32_t)(group * SHA_WAYS) + (uint32_t)l;
            m[0][l] = _mm_set_epi32((int)SWAP(n), (int)t[2], (int)t[1], (int)t[0]);
            m[1][l] = end, m[2][l] = zero, m[3][l] = bits_first;
            cdgh[l] = abef_two;
            abef[l] = _mm_sha256rnds2_epu32(abef_mid, abef_two, _mm_shuffle_epi32(_mm_add_epi32(m[0][l], LOADK(0)), 0x0e));
        }
        EACH TWICE(l, _mm_add_epi32(end, LOADK(1)));
        EACH TWICE(l, LOADK(2));
        EACH TWICE(l, _mm_add_epi32(bits_first, LOADK(3)));
        EACH /* words 16 to 27, where the zeros of the padding leave little to add */
        {
            m[0][l] = _mm_sha256msg2_epu32(_mm_sha256msg1_epu32(m[0][l], end), bits_first);
            TWICE(l, _mm_add_epi32(m[0][l], LOADK(4)));
        }
        EACH
        {
            m[1][l] = _mm_sha256msg2_epu32(_mm_add_epi32(end, _mm_alignr_epi8(m[0][l], bits_first, 4)), m[0][l]);
            TWICE(l, _mm_add_epi32(m[1][l], LOADK(5)));
        }
        EACH
        {
            m[2][l] = _mm_sha256msg2_epu32(_mm_alignr_epi8(m[1][l], m[0][l], 4), m[1][l]);
            TWICE(l, _mm_add_epi32(m[2][l], LOADK(6)));
        }
        GROUP(7) GROUP(8) GROUP(9) GROUP(10) GROUP(11) GROUP(12) GROUP(13) GROUP(14) GROUP(15)
        EACH
        {
            __m128i feba = _mm_shuffle_epi32(_mm_add_epi32(abef[l], abef_mid), 0x1b);
            __m128i dchg = _mm_shuffle_epi32(_mm_add_epi32(cdgh[l], cdgh_mid), 0xb1);
            m[0][l] = _mm_blend_epi16(feba, dchg, 0xf0), m[1][l] = _mm_alignr_epi8(dchg, feba, 8);
            m[2][l] = end, m[3][l] = bits_second;
            abef[l] = abef_iv, cdgh[l] = cdgh_iv;
            TWICE(l, _mm_add_epi32(m[0][l], LOADK(0)));
        }
        EACH TWICE(l, _mm_add_epi32(m[1][l], LOADK(1)));
        EACH TWICE(l, _mm_add_epi32(end, LOADK(2)));
        EACH TWICE(l, _mm_add_epi32(bits_second, LOADK(3)));
        EACH
        {
            m[0][l] = _mm_sha256msg2_epu32(_mm_sha256msg1_epu32(m[0][l], m[1][l]), bits_second);
            TWICE(l, _mm_add_epi32(m[0][l], LOADK(4)));
        }
        EACH
        {
            __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(m[1][l], end), _mm_alignr_epi8(m[0][l], bits_second, 4));
            m[1][l] = _mm_sha256msg2_epu32(sum, m[0][l]);
            TWICE(l, _mm_add_epi32(m[1][l], LOADK(5)));
        }
        EACH
        {
            m[2][l] = _mm_sha256msg2_epu32(_mm_add_epi32(end, _mm_alignr_epi8(m[1][l], m[0][l], 4)), m[1][l]);
            TWICE(l, _mm_add_epi32(m[2][l], LOADK(6)));
        }
        GROUP(7) GROUP(8) GROUP(9) GROUP(10) GROUP(11) GROUP(12) GROUP(13) GROUP(14)
        uint32_t any = 0;
        EACH /* rounds 60 and 61 make the last word; 62 and 63 would only pass it on */
        {
            __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(m[3][l], m[0][l]), _mm_alignr_epi8(m[2][l], m[1][l], 4));
            __m128i wk = _mm_add_epi32(_mm_sha256msg2_epu32(sum, m[2][l]), LOADK(15));
            uint32_t top = (uint32_t)_mm_cvtsi128_si32(_mm_sha256rnds2_epu32(cdgh[l], abef[l], wk)) + iv[7];
            any |= SWAP(top) <= job->limit;
        }
        if (any)
            return group;
    }
    return groups;
}

static const struct scan_path avx512 = {"avx512", 16, run_avx512}, sha_ni = {"sha-ni", SHA_WAYS, run_sha};
static const struct scan_path avx2 = {"avx2", 8, run_avx2};
#endif

static const struct scan_path portable = {"portable", PORTABLE_LANES, run_portable};

const struct scan_path *const *scan_available(void)
{
    static const struct scan_path *found[5];
    if (!found[0]) {
        int n = 0;
        const struct scan_path *list[5] = {0};
#ifdef CHAINYARD_X86
        if (__builtin_cpu_supports("avx512f"))
            list[n++] = &avx512;
        if (cpu_has_sha())
            list[n++] = &sha_ni;
        if (__builtin_cpu_supports("avx2"))
            list[n++] = &avx2;
#endif
        list[n] = &portable;
        memcpy(found, list, sizeof list);
    }
    return found;
}

static void prepare(struct scan_job *job, const uint8_t header[80], const uint8_t target[32])
{
    memcpy(job->midstate, sha256_initial, sizeof job->midstate);
    sha256_blocks(job->midstate, header, 1);
    memset(job->tail, 0, sizeof job->tail);
    for (int i = 0; i < 4; i++)
        job->tail[i] = read_be32(header + 64 + 4 * i);
    job->tail[4] = 0x80000000u, job->tail[15] = 640;
    job->limit = read_le32(target + 28);
    typedef uint32_t V;
    uint32_t s[8];
    memcpy(s, job->midstate, sizeof s);
    ROUND(0, job->tail[0]);
    ROUND(1, job->tail[1]);
    ROUND(2, job->tail[2]);
    for (int i = 0; i < 8; i++)
        job->after[i] = S(i, 3);
}

/* True if the header's hash, as a little-endian number, is at most the target. */
static int serves(const uint8_t header[80], const uint8_t target[32])
{
    uint8_t hash[32];
    sha256d(hash, header, 80);
    for (int i = 31; i >= 0; i--)
        if (hash[i] != target[i])
            return hash[i] < target[i];
    return 1;
}

int64_t scan_nonces(const struct scan_path *path, const uint8_t header[80], const uint8_t target[32], uint64_t start,
                    uint64_t count, const volatile uint8_t *stop, uint64_t *tried)
{
    enum { STRETCH = 1 << 14 }; /* nonces between two looks at the stop flag: about a millisecond */
    struct scan_job job;
    uint8_t trial[80];
    const uint64_t end = start + count, lanes = (uint64_t)path->lanes;
    uint64_t at = start;
    prepare(&job, header, target);
    memcpy(trial, header, sizeof trial);
    while (at < end && !(stop && *stop)) {
        uint64_t stretch_end = end - at > STRETCH ? at + STRETCH : end;
        while (at < stretch_end) {
            /* what is left over at the very end is one more group, cut short below */
            uint64_t groups = (stretch_end - at + lanes - 1) / lanes;
            uint64_t skipped = path->run(&job, (uint32_t)at, groups);
            at += skipped * lanes;
            if (skipped == groups)
                break;
            for (uint64_t group_end = at + lanes; at < group_end && at < end; at++) {
                write_le32(trial + 76, (uint32_t)at);
                if (serves(trial, target)) {
                    *tried = at - start + 1;
                    return (int64_t)at;
                }
            }
        }
    }
    *tried = (at < end ? at : end) - start;
    return -1;
}
