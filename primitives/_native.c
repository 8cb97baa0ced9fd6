/* The C extension of primitives/: hashing, the nonce scan and RLP. Each function has its twin in hashing.py or rlp.py. */
#include "_native.h"

enum { WORTH_RELEASING = 1 << 15 }; /* bytes from which on hashing lets other threads run */

typedef void hash_function(uint8_t *out, const uint8_t *data, size_t size);

static PyObject *hash(PyObject *data, hash_function *function, Py_ssize_t size)
{
    Py_buffer view;
    uint8_t out[32];
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len < WORTH_RELEASING) {
        function(out, view.buf, (size_t)view.len);
    } else {
        Py_BEGIN_ALLOW_THREADS
        function(out, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return PyBytes_FromStringAndSize((const char *)out, size);
}

static void hash160(uint8_t *out, const uint8_t *data, size_t size)
{
    uint8_t inner[32];
    sha256(inner, data, size);
    ripemd160(out, inner, 32);
}

static PyObject *py_keccak256(PyObject *module, PyObject *data) { (void)module; return hash(data, keccak256, 32); }
static PyObject *py_sha256(PyObject *module, PyObject *data) { (void)module; return hash(data, sha256, 32); }
static PyObject *py_sha256d(PyObject *module, PyObject *data) { (void)module; return hash(data, sha256d, 32); }
static PyObject *py_ripemd160(PyObject *module, PyObject *data) { (void)module; return hash(data, ripemd160, 20); }
static PyObject *py_hash160(PyObject *module, PyObject *data) { (void)module; return hash(data, hash160, 20); }

static PyObject *py_sha256d_pairs(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *out = NULL;
    if (view.len % 64)
        PyErr_SetString(PyExc_ValueError, "the data are not whole pairs of 32-byte hashes");
    else
        out = PyBytes_FromStringAndSize(NULL, view.len / 2);
    if (out) {
        uint8_t *to = (uint8_t *)PyBytes_AsString(out);
        const uint8_t *from = view.buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t pair = 0; pair < view.len / 64; pair++)
            sha256d(to + 32 * pair, from + 64 * pair, 64);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return out;
}

static uint64_t read_le64(const uint8_t *p) { return read_le32(p) | (uint64_t)read_le32(p + 4) << 32; }
static uint64_t rotl64(uint64_t x, int n) { return (x << n) | (x >> (64 - n)); }

static void sip_rounds(uint64_t v[4], int count)
{
    while (count--) {
        v[0] += v[1], v[1] = rotl64(v[1], 13) ^ v[0], v[0] = rotl64(v[0], 32);
        v[2] += v[3], v[3] = rotl64(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = rotl64(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = rotl64(v[1], 17) ^ v[2], v[2] = rotl64(v[2], 32);
    }
}

static PyObject *py_siphash(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long k0, k1;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "KKy*", &k0, &k1, &view))
        return NULL;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    const uint8_t *data = view.buf;
    Py_ssize_t left = view.len;
    uint8_t last[8] = {0};
    for (; left >= 8; data += 8, left -= 8) {
        uint64_t word = read_le64(data);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    if (left)
        memcpy(last, data, (size_t)left);
    last[7] = (uint8_t)view.len;
    PyBuffer_Release(&view);
    uint64_t word = read_le64(last);
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return PyLong_FromUnsignedLongLong(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static const struct scan_path *find_path(const char *name)
{
    const struct scan_path *const *paths = scan_available();
    if (!name)
        return paths[0];
    for (; *paths; paths++)
        if (!strcmp((*paths)->name, name))
            return *paths;
    PyErr_Format(PyExc_ValueError, "this machine has no way to scan named %s", name);
    return NULL;
}

static PyObject *py_scan(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer header, target, stop = {0};
    long long start, count;
    PyObject *flag = Py_None, *result = NULL;
    const char *name = NULL;
    if (!PyArg_ParseTuple(args, "y*y*LL|Oz:scan", &header, &target, &start, &count, &flag, &name))
        return NULL;
    const struct scan_path *path = find_path(name);
    if (!path || (flag != Py_None && PyObject_GetBuffer(flag, &stop, PyBUF_SIMPLE) < 0))
        goto done;
    if (header.len != 80 || target.len != 32) {
        PyErr_SetString(PyExc_ValueError, "a scan takes an 80-byte header and a 32-byte target");
    } else if (start < 0 || start > 0xffffffffLL || count < 0 || (stop.obj && !stop.len)) {
        PyErr_SetString(PyExc_ValueError, "the nonces to scan lie outside 32 bits, or the flag is empty");
    } else {
        int64_t nonce;
        uint64_t tried, most = 0x100000000ULL - (uint64_t)start;
        Py_BEGIN_ALLOW_THREADS
        nonce = scan_nonces(path, header.buf, target.buf, (uint64_t)start, (uint64_t)count < most ? (uint64_t)count : most,
                            stop.buf, &tried);
        Py_END_ALLOW_THREADS
        result = nonce < 0 ? Py_BuildValue("(OK)", Py_None, (unsigned long long)tried)
                           : Py_BuildValue("(LK)", (long long)nonce, (unsigned long long)tried);
    }
done:
    if (stop.obj)
        PyBuffer_Release(&stop);
    PyBuffer_Release(&target);
    PyBuffer_Release(&header);
    return result;
}

static PyObject *py_scan_paths(PyObject *module, PyObject *none)
{
    (void)module, (void)none;
    PyObject *names = PyList_New(0), *all = NULL;
    for (const struct scan_path *const *path = scan_available(); names && *path; path++) {
        PyObject *name = PyUnicode_FromString((*path)->name);
        if (!name || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    if (names)
        all = PyList_AsTuple(names);
    Py_XDECREF(names);
    return all;
}

static PyMethodDef methods[] = {
    {"keccak256", py_keccak256, METH_O, NULL},
    {"sha256", py_sha256, METH_O, NULL},
    {"sha256d", py_sha256d, METH_O, NULL},
    {"sha256d_pairs", py_sha256d_pairs, METH_O, NULL},
    {"ripemd160", py_ripemd160, METH_O, NULL},
    {"hash160", py_hash160, METH_O, NULL},
    {"siphash", py_siphash, METH_VARARGS, NULL},
    {"scan", py_scan, METH_VARARGS, NULL},
    {"scan_paths", py_scan_paths, METH_NOARGS, NULL},
    {"rlp_encode", rlp_encode, METH_O, NULL},
    {"rlp_decode", rlp_decode, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "primitives._native", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    sha256_choose();
    scan_available();
    return rlp_load() < 0 ? NULL : PyModule_Create(&module);
}
