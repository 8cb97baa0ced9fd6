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
typedef uint32_t words8 __attribute__((vector_size(32), aligned(16), may_alias));
typedef union {
    words8 v[2];
    uint32_t w[16];
    uint64_t q[8];
} node;

/* Where 128 bytes of the dataset come from: the dataset itself, or the cache. */
struct source {
    const node *nodes;
    uint32_t count;   /* nodes of the cache; 0: the nodes are the dataset */
    uint64_t inverse; /* of count, for remainders without a division (Lemire, Kaser, Kurz 2019) */
    uint32_t rows;    /* 128-byte rows of the dataset */
};

struct path {
    void (*cache)(node *cache, uint32_t count, const uint8_t seed[32]);
    void (*fill)(node *out, const struct source *from, uint32_t first, uint32_t count);
    void (*hash)(uint8_t mix[32], uint8_t result[32], const struct source *from, const uint8_t header[32], uint64_t nonce);
};

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
    0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* macros, not functions: they must be compiled for each instruction set, and one of them for vectors too */
#define rotl(x, n) ((n) ? (x) << (n) | (x) >> (64 - (n)) % 64 : (x))
#define fnv(a, b) ((a)*0x01000193u ^ (b))
#define remainder_of(a, from) ((uint32_t)(((unsigned __int128)((from)->inverse * (uint32_t)(a)) * (from)->count) >> 64))

#define NAME(x) x##_portable
#include "_ethash_path.h"
#undef NAME
#ifdef X86
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2")
#define NAME(x) x##_avx2
#include "_ethash_path.h"
#undef NAME
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,avx512f,avx512vl,avx512bw,avx512dq")
#define NAME(x) x##_avx512
#include "_ethash_path.h"
#undef NAME
#pragma GCC pop_options
#endif

static const struct path *chosen = &path_portable;
static const char *chosen_name = "portable";

/* The choice is made once, when the module loads. */
static void choose(void)
{
#ifdef X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        chosen = &path_avx512, chosen_name = "avx512";
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
        chosen = &path_avx2, chosen_name = "avx2";
#endif
}

static struct source from_cache(const Py_buffer *cache)
{
    uint32_t count = (uint32_t)(cache->len / NODE);
    return (struct source){cache->buf, count, UINT64_MAX / count + 1, 0};
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
        chosen->cache(target.buf, (uint32_t)(target.len / NODE), seed.buf);
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
        struct source from = from_cache(&cache);
        chosen->fill(&item, &from, index, 1);
        made = PyBytes_FromStringAndSize((const char *)item.q, NODE);
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
        struct source from = from_cache(&cache);
        Py_BEGIN_ALLOW_THREADS;
        chosen->fill((node *)target.buf + first, &from, (uint32_t)first, (uint32_t)items);
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
    *from = from_cache(buffer);
    if (buffer->len == size)
        from->count = 0;
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
        chosen->hash(mix, result, &from, header.buf, nonce);
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
            chosen->hash(mix, result, &from, header.buf, start + tried++);
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

static PyObject *py_path(PyObject *module, PyObject *none) { return PyUnicode_FromString(chosen_name); }

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
