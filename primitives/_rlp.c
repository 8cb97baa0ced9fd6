/* RLP for the hot paths of trie and transactions: the twin of rlp.py, and judged by it. Source: yellow paper, appendix B. */
#include "_native.h"

enum { MAX_DEPTH = 128 };

static PyObject *decode_error;

int rlp_load(void)
{
    PyObject *errors = PyImport_ImportModule("primitives.errors");
    if (!errors)
        return -1;
    decode_error = PyObject_GetAttrString(errors, "DecodeError");
    Py_DECREF(errors);
    return decode_error ? 0 : -1;
}

/* -- encoding: measure, allocate, then write from the end, so that a list's length is known when its turn comes -- */

static size_t prefix_size(size_t size)
{
    size_t bytes = 1;
    if (size > 55)
        for (; size; size >>= 8)
            bytes++;
    return bytes;
}

static int as_string(PyObject *item, const uint8_t **data, size_t *size)
{
    if (PyBytes_Check(item)) {
        *data = (const uint8_t *)PyBytes_AsString(item), *size = (size_t)PyBytes_Size(item);
        return 1;
    }
    if (PyByteArray_Check(item)) {
        *data = (const uint8_t *)PyByteArray_AsString(item), *size = (size_t)PyByteArray_Size(item);
        return 1;
    }
    return 0;
}

/* The size of an encoded item, or -1 with an exception set. */
static Py_ssize_t measure(PyObject *item, int depth)
{
    const uint8_t *data;
    size_t size = 0;
    if (as_string(item, &data, &size))
        return (Py_ssize_t)(size == 1 && data[0] < 0x80 ? 1 : prefix_size(size) + size);
    int is_list = PyList_Check(item);
    if (!is_list && !PyTuple_Check(item)) {
        PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(item), "__name__");
        if (name)
            PyErr_Format(PyExc_TypeError, "RLP takes bytes, lists and tuples, not %U", name);
        Py_XDECREF(name);
        return -1;
    }
    if (depth == MAX_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "RLP lists nested too deep");
        return -1;
    }
    Py_ssize_t length = is_list ? PyList_Size(item) : PyTuple_Size(item);
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_ssize_t part = measure(is_list ? PyList_GetItem(item, i) : PyTuple_GetItem(item, i), depth + 1);
        if (part < 0)
            return -1;
        size += (size_t)part;
    }
    return (Py_ssize_t)(prefix_size(size) + size);
}

static uint8_t *write_prefix(uint8_t *end, size_t size, uint8_t base)
{
    if (size < 56) {
        *--end = (uint8_t)(base + size);
        return end;
    }
    uint8_t bytes = 0;
    for (; size; size >>= 8, bytes++)
        *--end = (uint8_t)size;
    *--end = (uint8_t)(base + 55 + bytes);
    return end;
}

/* Writes an item that ends at `end`; where it begins. No Python code runs between measure and here. */
static uint8_t *write_item(uint8_t *end, PyObject *item)
{
    const uint8_t *data;
    size_t size;
    if (as_string(item, &data, &size)) {
        memcpy(end - size, data, size);
        end -= size;
        return size == 1 && *end < 0x80 ? end : write_prefix(end, size, 0x80);
    }
    uint8_t *at = end;
    int is_list = PyList_Check(item);
    for (Py_ssize_t i = is_list ? PyList_Size(item) : PyTuple_Size(item); i-- > 0;)
        at = write_item(at, is_list ? PyList_GetItem(item, i) : PyTuple_GetItem(item, i));
    return write_prefix(at, (size_t)(end - at), 0xc0);
}

PyObject *rlp_encode(PyObject *module, PyObject *item)
{
    (void)module;
    Py_ssize_t size = measure(item, 0);
    if (size < 0)
        return NULL;
    PyObject *out = PyBytes_FromStringAndSize(NULL, size);
    if (out)
        write_item((uint8_t *)PyBytes_AsString(out) + size, item);
    return out;
}

/* -- decoding -- */

static PyObject *refuse(const char *why)
{
    PyErr_SetString(decode_error, why);
    return NULL;
}

/* Reads the item at *at, which must lie before `end`, and moves *at behind it. */
static PyObject *read_item(const uint8_t **at, const uint8_t *end, int depth)
{
    const uint8_t *start = *at;
    if (start == end)
        return refuse("RLP: an item is missing");
    uint8_t first = *start++;
    if (first < 0x80) {
        *at = start;
        return PyBytes_FromStringAndSize((const char *)&first, 1);
    }
    int is_list = first >= 0xc0;
    size_t size = first - (is_list ? 0xc0 : 0x80);
    if (size > 55) {
        size_t bytes = size - 55;
        if ((size_t)(end - start) < bytes)
            return refuse("RLP: the length runs past the end");
        uint64_t length = 0;
        for (size_t i = 0; i < bytes; i++)
            length = length << 8 | start[i];
        if (start[0] == 0 || length < 56)
            return refuse("RLP: the length is not in its shortest form");
        start += bytes;
        if (length > (uint64_t)(end - start))
            return refuse("RLP: the item runs past the end");
        size = (size_t)length;
    }
    if (size > (size_t)(end - start))
        return refuse("RLP: the item runs past the end");
    if (!is_list) {
        if (size == 1 && *start < 0x80)
            return refuse("RLP: a single byte is not in its shortest form");
        *at = start + size;
        return PyBytes_FromStringAndSize((const char *)start, (Py_ssize_t)size);
    }
    if (depth == MAX_DEPTH)
        return refuse("RLP: lists nested too deep");
    *at = start + size;
    end = *at;
    PyObject *list = PyList_New(0);
    while (list && start < end) {
        PyObject *item = read_item(&start, end, depth + 1);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

PyObject *rlp_decode(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    const uint8_t *at = view.buf, *end = at + view.len;
    PyObject *item = read_item(&at, end, 0);
    if (item && at != end) {
        Py_CLEAR(item);
        refuse("RLP: bytes after the item");
    }
    PyBuffer_Release(&view);
    return item;
}
