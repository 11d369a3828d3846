/* MD5 of several streams at once: eight lanes of one vector cost hardly more than one stream alone.
 *
 * One MD5 is a chain of 64 steps per block, each of which waits for the one before; a processor that could do eight
 * such steps side by side is idle most of the time. https://www.rfc-editor.org/rfc/rfc1321
 *
 * Only the rounds are here, on whole blocks; md5.py has padding, tails, and the threads that meet. Proved against
 * hashlib (tests/unit/engine/test_md5.py). Where this is not compiled, md5.py is hashlib. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define BLOCK 64

typedef uint32_t words __attribute__((vector_size(4 * LANES)));

/* On x86, rotations and three-way logic in one instruction each where the processor has them, chosen when the module is
 * loaded. https://gcc.gnu.org/onlinedocs/gcc-12.2.0/gcc/x86-Function-Attributes.html */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define BEST __attribute__((target_clones("arch=x86-64-v4", "default")))
#else
#define BEST
#endif

#define F(b, c, d) (((c ^ d) & b) ^ d)
#define G(b, c, d) (((b ^ c) & d) ^ c)
#define H(b, c, d) (b ^ c ^ d)
#define I(b, c, d) (c ^ (b | ~d))
#define STEP(f, a, b, c, d, word, add, turn)                                                                           \
    a += f(b, c, d) + (word) + add;                                                                                    \
    a = (a << turn | a >> (32 - turn)) + b;
#define FOUR(f, w0, k0, s0, w1, k1, s1, w2, k2, s2, w3, k3, s3)                                                        \
    STEP(f, a, b, c, d, x[w0], k0, s0)                                                                                 \
    STEP(f, d, a, b, c, x[w1], k1, s1)                                                                                 \
    STEP(f, c, d, a, b, x[w2], k2, s2)                                                                                 \
    STEP(f, b, c, d, a, x[w3], k3, s3)
#define ROUNDS                                                                                                         \
    FOUR(F, 0, 0xd76aa478u, 7, 1, 0xe8c7b756u, 12, 2, 0x242070dbu, 17, 3, 0xc1bdceeeu, 22)                             \
    FOUR(F, 4, 0xf57c0fafu, 7, 5, 0x4787c62au, 12, 6, 0xa8304613u, 17, 7, 0xfd469501u, 22)                             \
    FOUR(F, 8, 0x698098d8u, 7, 9, 0x8b44f7afu, 12, 10, 0xffff5bb1u, 17, 11, 0x895cd7beu, 22)                           \
    FOUR(F, 12, 0x6b901122u, 7, 13, 0xfd987193u, 12, 14, 0xa679438eu, 17, 15, 0x49b40821u, 22)                         \
    FOUR(G, 1, 0xf61e2562u, 5, 6, 0xc040b340u, 9, 11, 0x265e5a51u, 14, 0, 0xe9b6c7aau, 20)                             \
    FOUR(G, 5, 0xd62f105du, 5, 10, 0x02441453u, 9, 15, 0xd8a1e681u, 14, 4, 0xe7d3fbc8u, 20)                            \
    FOUR(G, 9, 0x21e1cde6u, 5, 14, 0xc33707d6u, 9, 3, 0xf4d50d87u, 14, 8, 0x455a14edu, 20)                             \
    FOUR(G, 13, 0xa9e3e905u, 5, 2, 0xfcefa3f8u, 9, 7, 0x676f02d9u, 14, 12, 0x8d2a4c8au, 20)                            \
    FOUR(H, 5, 0xfffa3942u, 4, 8, 0x8771f681u, 11, 11, 0x6d9d6122u, 16, 14, 0xfde5380cu, 23)                           \
    FOUR(H, 1, 0xa4beea44u, 4, 4, 0x4bdecfa9u, 11, 7, 0xf6bb4b60u, 16, 10, 0xbebfbc70u, 23)                            \
    FOUR(H, 13, 0x289b7ec6u, 4, 0, 0xeaa127fau, 11, 3, 0xd4ef3085u, 16, 6, 0x04881d05u, 23)                            \
    FOUR(H, 9, 0xd9d4d039u, 4, 12, 0xe6db99e5u, 11, 15, 0x1fa27cf8u, 16, 2, 0xc4ac5665u, 23)                           \
    FOUR(I, 0, 0xf4292244u, 6, 7, 0x432aff97u, 10, 14, 0xab9423a7u, 15, 5, 0xfc93a039u, 21)                            \
    FOUR(I, 12, 0x655b59c3u, 6, 3, 0x8f0ccc92u, 10, 10, 0xffeff47du, 15, 1, 0x85845dd1u, 21)                           \
    FOUR(I, 8, 0x6fa87e4fu, 6, 15, 0xfe2ce6e0u, 10, 6, 0xa3014314u, 15, 13, 0x4e0811a1u, 21)                           \
    FOUR(I, 4, 0xf7537e82u, 6, 11, 0xbd3af235u, 10, 2, 0x2ad7d2bbu, 15, 9, 0xeb86d391u, 21)

/* A word as MD5 reads it, of a machine of either byte order. */
static inline uint32_t word_at(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static void one_lane(uint32_t state[4], const unsigned char *data, size_t blocks)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], x[16];
    for (; blocks; blocks--, data += BLOCK) {
        uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        for (int i = 0; i < 16; i++)
            x[i] = word_at(data + 4 * i);
        ROUNDS
        a += a0, b += b0, c += c0, d += d0;
    }
    state[0] = a, state[1] = b, state[2] = c, state[3] = d;
}

BEST static void all_lanes(uint32_t state[4][LANES], const unsigned char *data[LANES], size_t blocks)
{
    words a, b, c, d, x[16];
    memcpy(&a, state[0], sizeof a);
    memcpy(&b, state[1], sizeof b);
    memcpy(&c, state[2], sizeof c);
    memcpy(&d, state[3], sizeof d);
    for (size_t at = 0; blocks; blocks--, at += BLOCK) {
        words a0 = a, b0 = b, c0 = c, d0 = d;
        for (int i = 0; i < 16; i++)
            x[i] = (words){word_at(data[0] + at + 4 * i), word_at(data[1] + at + 4 * i), word_at(data[2] + at + 4 * i),
                           word_at(data[3] + at + 4 * i), word_at(data[4] + at + 4 * i), word_at(data[5] + at + 4 * i),
                           word_at(data[6] + at + 4 * i), word_at(data[7] + at + 4 * i)};
        ROUNDS
        a += a0, b += b0, c += c0, d += d0;
    }
    memcpy(state[0], &a, sizeof a);
    memcpy(state[1], &b, sizeof b);
    memcpy(state[2], &c, sizeof c);
    memcpy(state[3], &d, sizeof d);
}

typedef struct {
    Py_buffer state, data;
    size_t blocks;
    const unsigned char *at;
} stream;

/* Hash `count` streams to their ends; lanes that nobody needs repeat the first. */
static void hash_streams(stream *streams, int count)
{
    while (count) {
        size_t blocks = streams[0].blocks;
        for (int i = 1; i < count; i++)
            if (streams[i].blocks < blocks)
                blocks = streams[i].blocks;
        if (count == 1) {
            one_lane(streams[0].state.buf, streams[0].at, blocks);
        } else if (blocks) {
            uint32_t state[4][LANES];
            const unsigned char *data[LANES];
            for (int lane = 0; lane < LANES; lane++) {
                const stream *from = &streams[lane < count ? lane : 0];
                data[lane] = from->at;
                for (int i = 0; i < 4; i++)
                    state[i][lane] = ((uint32_t *)from->state.buf)[i];
            }
            all_lanes(state, data, blocks);
            for (int lane = 0; lane < count; lane++)
                for (int i = 0; i < 4; i++)
                    ((uint32_t *)streams[lane].state.buf)[i] = state[i][lane];
        }
        int left = 0;
        for (int i = 0; i < count; i++) {
            stream moved = streams[i];
            moved.at += blocks * BLOCK;
            moved.blocks -= blocks;
            if (moved.blocks)
                streams[left++] = moved;
        }
        count = left;
    }
}

/* update(streams): take whole blocks into MD5 states, up to LANES streams of (state, data), without the GIL. */
static PyObject *update(PyObject *self, PyObject *given)
{
    stream streams[LANES];
    Py_buffer held[2 * LANES];
    int count = 0, buffers = 0;
    PyObject *list = PySequence_Fast(given, "streams must be a sequence");
    if (!list)
        return NULL;
    if (PySequence_Fast_GET_SIZE(list) > LANES) {
        PyErr_Format(PyExc_ValueError, "at most %d streams", LANES);
        goto end;
    }
    for (; count < PySequence_Fast_GET_SIZE(list); count++) {
        stream *it = &streams[count];
        PyObject *pair = PySequence_Fast_GET_ITEM(list, count);
        if (!PyTuple_Check(pair)) {
            PyErr_SetString(PyExc_TypeError, "a stream is a tuple of its state and data");
            goto end;
        }
        if (!PyArg_ParseTuple(pair, "w*y*", &it->state, &it->data))
            goto end;
        held[buffers++] = it->state;
        held[buffers++] = it->data;
        if (it->state.len != 16 || it->data.len % BLOCK) {
            PyErr_SetString(PyExc_ValueError, "a state has 16 bytes, data whole blocks of 64");
            goto end;
        }
        it->blocks = it->data.len / BLOCK;
        it->at = it->data.buf;
    }
    Py_BEGIN_ALLOW_THREADS
    hash_streams(streams, count);
    Py_END_ALLOW_THREADS
end:
    while (buffers)
        PyBuffer_Release(&held[--buffers]);
    Py_DECREF(list);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"update", update, METH_O, "Take whole blocks into MD5 states: up to LANES pairs of (state, data)."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "md5_lanes", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit_md5_lanes(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "LANES", LANES) < 0)
        Py_CLEAR(made);
    return made;
}
