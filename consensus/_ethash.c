/* Ethash: light cache, dataset items, hashimoto light and full, and a nonce search. All state is in the caller's buffers.
 *
 * The rule is stated in consensus/ethash_twin.py too, and tests compare the two. Everything long releases the GIL. Words are
 * little-endian; a big-endian machine takes the twin. Source: Yellow Paper, appendix J; the Ethash specification.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian only; the Python twin serves elsewhere"
#endif
#if !defined(__GNUC__)
#error "needs vector types; the Python twin serves elsewhere"
#endif
#if defined(__x86_64__)
#define X86 1
#endif

enum { NODE = 64, ROW = 128, PARENTS = 256, ROUNDS = 3, ACCESSES = 64, LANES = 4 };
enum outcome { OK, BAD_SIZE, BAD_LENGTH };
#define PRIME 0x01000193u
#define INLINE static inline __attribute__((always_inline))

typedef uint32_t words16 __attribute__((vector_size(64), aligned(16), may_alias));
typedef union {
    words16 v;
    uint32_t w[16];
    uint64_t q[8];
    uint8_t b[64];
} node;

/* keccak-f[1600], the state in 25 locals so that it stays in registers where there are enough */
static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
    0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

INLINE uint64_t rotl(uint64_t x, int n) { return n ? x << n | x >> (64 - n) : x; }

#define ROW5(out, s0, r0, s1, r1, s2, r2, s3, r3, s4, r4)                                                                  \
    b0 = rotl(s[s0] ^ d[s0 % 5], r0), b1 = rotl(s[s1] ^ d[s1 % 5], r1), b2 = rotl(s[s2] ^ d[s2 % 5], r2),                  \
    b3 = rotl(s[s3] ^ d[s3 % 5], r3), b4 = rotl(s[s4] ^ d[s4 % 5], r4), t[out] = b0 ^ (~b1 & b2),                          \
    t[out + 1] = b1 ^ (~b2 & b3), t[out + 2] = b2 ^ (~b3 & b4), t[out + 3] = b3 ^ (~b4 & b0), t[out + 4] = b4 ^ (~b0 & b1)

INLINE void keccak_round(uint64_t t[25], const uint64_t s[25], uint64_t constant)
{
    uint64_t c[5], d[5], b0, b1, b2, b3, b4;
    for (int x = 0; x < 5; x++)
        c[x] = s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20];
    for (int x = 0; x < 5; x++)
        d[x] = c[(x + 4) % 5] ^ rotl(c[(x + 1) % 5], 1);
    ROW5(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
    t[0] ^= constant;
    ROW5(5, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
    ROW5(10, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
    ROW5(15, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
    ROW5(20, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
}

static void keccak_f(uint64_t s[25])
{
    uint64_t t[25];
    for (int i = 0; i < 24; i += 2) {
        keccak_round(t, s, round_constants[i]);
        keccak_round(s, t, round_constants[i + 1]);
    }
}

/* One block is enough for all that Ethash hashes: at most `rate - 1` bytes, a multiple of 8. */
INLINE void keccak_one(uint64_t *out, int out_words, const uint64_t *in, int in_words, int rate_words)
{
    uint64_t s[25] = {0};
    memcpy(s, in, 8 * (size_t)in_words);
    s[in_words] ^= 0x01;
    s[rate_words - 1] ^= 0x8000000000000000u;
    keccak_f(s);
    memcpy(out, s, 8 * (size_t)out_words);
}

INLINE void keccak512_node(node *n) { keccak_one(n->q, 8, n->q, 8, 9); }

INLINE uint32_t fnv(uint32_t a, uint32_t b) { return a * PRIME ^ b; }
INLINE words16 fnv16(words16 a, words16 b) { return a * PRIME ^ b; }

static void build_cache(node *cache, uint32_t count, const uint8_t seed[32])
{
    uint64_t in[4];
    memcpy(in, seed, 32);
    keccak_one(cache[0].q, 8, in, 4, 9);
    for (uint32_t i = 1; i < count; i++) {
        cache[i] = cache[i - 1];
        keccak512_node(&cache[i]);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < count; i++) {
            const node *before = &cache[i ? i - 1 : count - 1], *other = &cache[cache[i].w[0] % count];
            node mixed;
            mixed.v = before->v ^ other->v;
            keccak512_node(&mixed);
            cache[i] = mixed;
        }
}

/* `lanes` items at a time: each waits for memory, so one's wait is another's work */
INLINE void make_items(node *out, int lanes, const node *cache, uint32_t count, uint32_t first)
{
    node mix[LANES];
    for (int k = 0; k < lanes; k++) {
        uint32_t index = first + (uint32_t)k;
        mix[k] = cache[index % count];
        mix[k].w[0] ^= index;
        keccak512_node(&mix[k]);
    }
    for (uint32_t j = 0; j < PARENTS; j++)
        for (int k = 0; k < lanes; k++) {
            uint32_t parent = fnv((first + (uint32_t)k) ^ j, mix[k].w[j % 16]) % count;
            mix[k].v = fnv16(mix[k].v, cache[parent].v);
        }
    for (int k = 0; k < lanes; k++) {
        keccak512_node(&mix[k]);
        out[k] = mix[k];
    }
}

/* Where 128 bytes of the dataset come from: the dataset itself, or the cache. */
struct source {
    const node *nodes;
    uint32_t count; /* nodes of the cache; 0: the nodes are the dataset */
    uint32_t rows;  /* 128-byte rows of the dataset */
};

INLINE void hashimoto(uint8_t mix_out[32], uint8_t result[32], struct source from, const uint8_t header[32], uint64_t nonce)
{
    uint64_t in[12];
    node seed, mix[2], row[2];
    uint32_t short_mix[8];
    memcpy(in, header, 32);
    in[4] = nonce;
    keccak_one(seed.q, 8, in, 5, 9);
    mix[0] = mix[1] = seed;
    for (uint32_t i = 0; i < ACCESSES; i++) {
        uint32_t p = fnv(i ^ seed.w[0], mix[i / 16 % 2].w[i % 16]) % from.rows;
        if (from.count)
            make_items(row, 2, from.nodes, from.count, 2 * p);
        else
            row[0] = from.nodes[2 * (size_t)p], row[1] = from.nodes[2 * (size_t)p + 1];
        mix[0].v = fnv16(mix[0].v, row[0].v);
        mix[1].v = fnv16(mix[1].v, row[1].v);
    }
    for (int i = 0; i < 8; i++) {
        const uint32_t *m = &mix[i / 4].w[i % 4 * 4];
        short_mix[i] = fnv(fnv(fnv(m[0], m[1]), m[2]), m[3]);
    }
    memcpy(in, &seed, 64);
    memcpy(in + 8, short_mix, 32);
    memcpy(mix_out, short_mix, 32);
    keccak_one(in, 4, in, 12, 17);
    memcpy(result, in, 32);
}

/* The same code for three instruction sets; the choice is made once, when the module loads. */
struct path {
    const char *name;
    void (*fill)(node *out, const node *cache, uint32_t count, uint32_t first, uint32_t items);
    void (*hash)(uint8_t mix[32], uint8_t result[32], struct source from, const uint8_t header[32], uint64_t nonce);
};

#define PATH(NAME, ATTRIBUTE)                                                                                              \
    ATTRIBUTE static void fill_##NAME(node *out, const node *cache, uint32_t count, uint32_t first, uint32_t items)        \
    {                                                                                                                      \
        uint32_t i = 0;                                                                                                    \
        for (; i + LANES <= items; i += LANES)                                                                             \
            make_items(out + i, LANES, cache, count, first + i);                                                           \
        for (; i < items; i++)                                                                                             \
            make_items(out + i, 1, cache, count, first + i);                                                               \
    }                                                                                                                      \
    ATTRIBUTE static void hash_##NAME(uint8_t mix[32], uint8_t result[32], struct source from, const uint8_t header[32],   \
                                      uint64_t nonce)                                                                      \
    {                                                                                                                      \
        hashimoto(mix, result, from, header, nonce);                                                                       \
    }                                                                                                                      \
    static const struct path path_##NAME = {#NAME, fill_##NAME, hash_##NAME};

PATH(portable, )
#ifdef X86
PATH(avx2, __attribute__((target("avx2"))))
PATH(avx512, __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))))
#endif
static const struct path *chosen = &path_portable;

static void choose(void)
{
#ifdef X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        chosen = &path_avx512;
    else if (__builtin_cpu_supports("avx2"))
        chosen = &path_avx2;
#endif
}

static PyObject *complain(enum outcome outcome)
{
    PyErr_SetString(PyExc_ValueError, outcome == BAD_SIZE ? "a cache is whole nodes of 64 bytes, a dataset whole rows of 128, both aligned to 16"
                                                          : "a seed, a header hash and a boundary are 32 bytes");
    return NULL;
}

static int whole_size(Py_ssize_t size, Py_ssize_t unit)
{
    return size >= unit && size % unit == 0 && size / NODE <= UINT32_MAX;
}

static int whole(const Py_buffer *buffer, Py_ssize_t unit)
{
    return whole_size(buffer->len, unit) && (uintptr_t)buffer->buf % 16 == 0;
}

static PyObject *py_cache(PyObject *module, PyObject *args)
{
    Py_buffer seed, target;
    if (!PyArg_ParseTuple(args, "y*w*", &seed, &target))
        return NULL;
    PyObject *done = NULL;
    if (seed.len != 32)
        complain(BAD_LENGTH);
    else if (!whole(&target, NODE))
        complain(BAD_SIZE);
    else {
        Py_BEGIN_ALLOW_THREADS;
        build_cache(target.buf, (uint32_t)(target.len / NODE), seed.buf);
        Py_END_ALLOW_THREADS;
        done = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&seed);
    PyBuffer_Release(&target);
    return done;
}

static PyObject *py_item(PyObject *module, PyObject *args)
{
    Py_buffer cache;
    unsigned int index;
    if (!PyArg_ParseTuple(args, "y*I", &cache, &index))
        return NULL;
    PyObject *made = NULL;
    if (!whole(&cache, NODE))
        complain(BAD_SIZE);
    else {
        node item;
        chosen->fill(&item, cache.buf, (uint32_t)(cache.len / NODE), index, 1);
        made = PyBytes_FromStringAndSize((const char *)item.b, NODE);
    }
    PyBuffer_Release(&cache);
    return made;
}

static PyObject *py_fill(PyObject *module, PyObject *args)
{
    Py_buffer cache, target;
    Py_ssize_t first, items;
    if (!PyArg_ParseTuple(args, "y*w*nn", &cache, &target, &first, &items))
        return NULL;
    PyObject *done = NULL;
    if (!whole(&cache, NODE) || !whole(&target, NODE) || first < 0 || items < 0 || first > target.len / NODE - items)
        complain(BAD_SIZE);
    else {
        Py_BEGIN_ALLOW_THREADS;
        chosen->fill((node *)target.buf + first, cache.buf, (uint32_t)(cache.len / NODE), (uint32_t)first, (uint32_t)items);
        Py_END_ALLOW_THREADS;
        done = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&cache);
    PyBuffer_Release(&target);
    return done;
}

/* `size` is the dataset's; where the buffer is as long as that, it is the dataset, else the cache */
static int source_of(struct source *from, const Py_buffer *buffer, Py_ssize_t size)
{
    if (!whole_size(size, ROW) || !whole(buffer, NODE))
        return 0;
    from->nodes = buffer->buf;
    from->count = buffer->len == size ? 0 : (uint32_t)(buffer->len / NODE);
    from->rows = (uint32_t)(size / ROW);
    return 1;
}

static PyObject *py_hash(PyObject *module, PyObject *args)
{
    Py_buffer buffer, header;
    Py_ssize_t size;
    unsigned long long nonce;
    if (!PyArg_ParseTuple(args, "y*ny*K", &buffer, &size, &header, &nonce))
        return NULL;
    struct source from;
    uint8_t mix[32], result[32];
    PyObject *pair = NULL;
    if (header.len != 32)
        complain(BAD_LENGTH);
    else if (!source_of(&from, &buffer, size))
        complain(BAD_SIZE);
    else {
        Py_BEGIN_ALLOW_THREADS;
        chosen->hash(mix, result, from, header.buf, nonce);
        Py_END_ALLOW_THREADS;
        pair = Py_BuildValue("(y#y#)", mix, (Py_ssize_t)32, result, (Py_ssize_t)32);
    }
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&header);
    return pair;
}

static PyObject *py_search(PyObject *module, PyObject *args)
{
    Py_buffer buffer, header, boundary, stop;
    Py_ssize_t size;
    unsigned long long start, count;
    if (!PyArg_ParseTuple(args, "y*ny*y*KKy*", &buffer, &size, &header, &boundary, &start, &count, &stop))
        return NULL;
    struct source from;
    PyObject *found = NULL;
    if (header.len != 32 || boundary.len != 32 || stop.len < 1)
        complain(BAD_LENGTH);
    else if (!source_of(&from, &buffer, size))
        complain(BAD_SIZE);
    else {
        const volatile uint8_t *halt = stop.buf;
        uint8_t mix[32], result[32];
        int hit = 0;
        unsigned long long tried = 0;
        Py_BEGIN_ALLOW_THREADS;
        while (tried < count && !hit && !*halt) {
            chosen->hash(mix, result, from, header.buf, start + tried++);
            hit = memcmp(result, boundary.buf, 32) <= 0;
        }
        Py_END_ALLOW_THREADS;
        found = hit ? Py_BuildValue("(Ky#K)", start + tried - 1, mix, (Py_ssize_t)32, tried) : Py_BuildValue("(OOK)", Py_None, Py_None, tried);
    }
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&header);
    PyBuffer_Release(&boundary);
    PyBuffer_Release(&stop);
    return found;
}

static PyObject *py_path(PyObject *module, PyObject *none) { return PyUnicode_FromString(chosen->name); }

static PyMethodDef methods[] = {
    {"cache", py_cache, METH_VARARGS, "cache(seed, target) -> None"},
    {"item", py_item, METH_VARARGS, "item(cache, index) -> bytes"},
    {"fill", py_fill, METH_VARARGS, "fill(cache, dataset, first, items) -> None"},
    {"hashimoto", py_hash, METH_VARARGS, "hashimoto(cache_or_dataset, dataset_size, header_hash, nonce) -> (mix, result)"},
    {"search", py_search, METH_VARARGS,
     "search(cache_or_dataset, dataset_size, header_hash, boundary, start, count, stop) -> (nonce | None, mix | None, tried)"},
    {"path", py_path, METH_NOARGS, "path() -> str: the instruction set in use"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_def = {PyModuleDef_HEAD_INIT, "consensus._ethash", "Ethash in C.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__ethash(void)
{
    choose();
    return PyModule_Create(&module_def);
}
