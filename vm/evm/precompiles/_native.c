/* The C extension of the precompiles. Each function has its twin in Python, in blake2.py or bn254_*.py. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "_native.h"

static PyObject *wrong_size(Py_buffer *view)
{
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "the data have not the right length");
    return NULL;
}

static PyObject *py_blake2_compress(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    uint8_t out[64];
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len != 213)
        return wrong_size(&view);
    Py_BEGIN_ALLOW_THREADS
    blake2_compress(out, view.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyBytes_FromStringAndSize((const char *)out, 64);
}

static PyObject *py_bn254_multiply(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    uint8_t out[64] = {0};
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len != 96)
        return wrong_size(&view);
    const uint8_t *bytes = view.buf;
    Py_BEGIN_ALLOW_THREADS
    bn254_multiply(out, bytes, bytes + 64);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyBytes_FromStringAndSize((const char *)out, 64);
}

static PyObject *py_bn254_in_subgroup(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len != 128)
        return wrong_size(&view);
    int found;
    Py_BEGIN_ALLOW_THREADS
    found = bn254_in_subgroup(view.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyBool_FromLong(found);
}

static PyObject *py_bn254_pairing_check(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len % 192)
        return wrong_size(&view);
    int found;
    Py_BEGIN_ALLOW_THREADS
    found = bn254_pairing_check(view.buf, (size_t)view.len / 192);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return found < 0 ? PyErr_NoMemory() : PyBool_FromLong(found);
}

static PyMethodDef methods[] = {
    {"blake2_compress", py_blake2_compress, METH_O, "The input of EIP-152, 213 bytes, to a state of 64."},
    {"bn254_multiply", py_bn254_multiply, METH_O, "A point and a factor, 96 bytes, to a point; zeros are infinity."},
    {"bn254_in_subgroup", py_bn254_in_subgroup, METH_O, "Whether a point of the twist, 128 bytes, is in the subgroup."},
    {"bn254_pairing_check", py_bn254_pairing_check, METH_O, "Whether the product of pairings is one; 192 bytes a pair."},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module)
{
    (void)module;
    bn254_init();
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", "Arithmetic of precompiles.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
