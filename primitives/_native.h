/* What the parts of the extension share. None of them keeps state but the choice of code path made at load time. */
#ifndef CHAINYARD_NATIVE_H
#define CHAINYARD_NATIVE_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define CHAINYARD_X86 1
#endif

static inline uint32_t rotl32(uint32_t x, int n) { return (x << n) | (x >> (32 - n)); }
static inline uint32_t rotr32(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

static inline uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t read_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline void write_be32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24), p[1] = (uint8_t)(x >> 16), p[2] = (uint8_t)(x >> 8), p[3] = (uint8_t)x;
}

static inline void write_le32(uint8_t *p, uint32_t x)
{
    p[3] = (uint8_t)(x >> 24), p[2] = (uint8_t)(x >> 16), p[1] = (uint8_t)(x >> 8), p[0] = (uint8_t)x;
}

/* _keccak.c, _ripemd160.c, _sha256.c */
void keccak256(uint8_t out[32], const uint8_t *data, size_t size);
void ripemd160(uint8_t out[20], const uint8_t *data, size_t size);

extern const uint32_t sha256_initial[8], sha256_round[64];
int cpu_has_sha(void);
void sha256_choose(void);
void sha256_blocks(uint32_t state[8], const uint8_t *blocks, size_t count);
void sha256(uint8_t out[32], const uint8_t *data, size_t size);
void sha256d(uint8_t out[32], const uint8_t *data, size_t size);

/* _scan.c: a way to hash a header with many nonces at a time */
struct scan_job;
struct scan_path {
    const char *name;
    int lanes;
    /* hashes `groups` times `lanes` nonces; the first group in which a hash may serve, or `groups` */
    uint64_t (*run)(const struct scan_job *job, uint32_t nonce, uint64_t groups);
};
const struct scan_path *const *scan_available(void); /* best first, ends with NULL */
int64_t scan_nonces(const struct scan_path *path, const uint8_t header[80], const uint8_t target[32], uint64_t start,
                    uint64_t count, const volatile uint8_t *stop, uint64_t *tried);

/* _rlp.c */
PyObject *rlp_encode(PyObject *module, PyObject *item);
PyObject *rlp_decode(PyObject *module, PyObject *data);
int rlp_load(void); /* 0, or -1 with an exception set */

#endif
