/* The double SHA-256 of a header with LANES nonces at once, in vectors of any width. _scan.c includes it once a width,
 * with NAME, LANES and TARGET defined. What does not depend on the nonce, the compiler takes out of the loop. */

TARGET static uint64_t NAME(const struct scan_job *job, uint32_t nonce, uint64_t groups)
{
    typedef uint32_t V __attribute__((vector_size(4 * LANES)));
    const V zero = {0};
    V count = zero;
    for (int i = 0; i < LANES; i++)
        count[i] = nonce + (uint32_t)i;
    for (uint64_t group = 0; group < groups; group++, count += LANES) {
        V w[16], s[8];
        for (int i = 0; i < 16; i++)
            w[i] = zero + job->tail[i];
        w[3] = SWAP(count);
        for (int i = 0; i < 8; i++)
            S(i, 3) = zero + job->after[i];
        ROUND(3, w[3]);
        ROUNDS4(4, GIVEN);
        ROUNDS4(8, GIVEN);
        ROUNDS4(12, GIVEN);
        ROUNDS16(16, EXTENDED);
        ROUNDS16(32, EXTENDED);
        ROUNDS16(48, EXTENDED);
        for (int i = 0; i < 8; i++) {
            w[i] = s[i] + job->midstate[i];
            w[i + 8] = zero;
            s[i] = zero + sha256_initial[i];
        }
        w[8] = zero + 0x80000000u;
        w[15] = zero + 256;
        ROUNDS16(0, GIVEN);
        ROUNDS16(16, EXTENDED);
        ROUNDS16(32, EXTENDED);
        ROUNDS4(48, EXTENDED);
        ROUNDS4(52, EXTENDED);
        ROUNDS4(56, EXTENDED);
        ROUND(60, EXTENDED(60));
        /* The last three rounds only pass this word on, as the last of the hash; what it does not need is not computed. */
        V top = S(4, 61) + sha256_initial[7];
        V serves = (V)(SWAP(top) <= zero + job->limit);
        uint32_t any = 0;
        for (int i = 0; i < LANES; i++)
            any |= serves[i];
        if (any)
            return group;
    }
    return groups;
}
