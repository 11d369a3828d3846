/* The objects of the benchmark's server, in memory: a hash table for GET and PUT, a skip list in key order for LIST.
 *
 * Keys are "bucket/key". Objects are counted by reference, so one that is being sent survives its replacement. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_SLOTS (1u << 21)
#define LEVELS 16

typedef struct part {
    struct part *next;
    int number;
    char *data;
    size_t size;
    unsigned char md5[16];
} part;

typedef struct object {
    struct object *chain;
    char *key, *data; /* by object_data() */
    part *parts; /* of an upload in parts, until somebody reads it */
    const char *headers; /* shared: see intern() */
    size_t size;
    time_t modified;
    int references, levels;
    char etag[48], crc64[24]; /* the CRC-64 in decimal digits; empty: not known */
    struct object *next[]; /* the skip list, `levels` long */
} object;

static object *slots[HASH_SLOTS];
static object *first[LEVELS]; /* the skip list's heads */

static uint64_t hash_of(const char *key)
{
    uint64_t hash = 1469598103934665603ULL;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 1099511628211ULL;
    return hash ^ (hash >> 29);
}

/* Header blocks are few: keep each once. Linear, the list is a handful long. */
static const char *intern(const char *text)
{
    static struct known { struct known *next; char text[]; } *all;
    for (struct known *it = all; it; it = it->next)
        if (!strcmp(it->text, text))
            return it->text;
    struct known *it = malloc(sizeof *it + strlen(text) + 1);
    strcpy(it->text, text);
    it->next = all;
    all = it;
    return it->text;
}

static void parts_free(part *from)
{
    for (part *it = from, *next; it; it = next) {
        next = it->next;
        free(it->data);
        free(it);
    }
}

/* The bytes of an object. Parts are joined when they are first read: a client that completes an upload must not wait
 * while this server, which has one thread, copies all of it. */
static char *object_data(object *it)
{
    if (it->parts) {
        size_t at = 0;
        it->data = malloc(it->size + 1);
        for (part *from = it->parts; from; at += from->size, from = from->next)
            memcpy(it->data + at, from->data, from->size);
        parts_free(it->parts);
        it->parts = NULL;
    }
    return it->data;
}

static void object_release(object *it)
{
    if (it && --it->references == 0) {
        parts_free(it->parts);
        free(it->key);
        free(it->data);
        free(it);
    }
}

static object *object_find(const char *key)
{
    object *it = slots[hash_of(key) & (HASH_SLOTS - 1)];
    while (it && strcmp(it->key, key))
        it = it->chain;
    return it;
}

/* The last node before `key` on every level: NULL stands for the head. */
static void skip_before(const char *key, object *before[LEVELS])
{
    object *at = NULL;
    for (int level = LEVELS - 1; level >= 0; level--) {
        object *next = at ? at->next[level] : first[level];
        while (next && strcmp(next->key, key) < 0) {
            at = next;
            next = at->next[level];
        }
        before[level] = at;
    }
}

/* The first object whose key is not before `key`. */
static object *object_from(const char *key)
{
    object *before[LEVELS];
    skip_before(key, before);
    return before[0] ? before[0]->next[0] : first[0];
}

static void object_delete(const char *key)
{
    object **slot = &slots[hash_of(key) & (HASH_SLOTS - 1)];
    while (*slot && strcmp((*slot)->key, key))
        slot = &(*slot)->chain;
    object *it = *slot, *before[LEVELS];
    if (!it)
        return;
    *slot = it->chain;
    skip_before(key, before);
    for (int level = 0; level < it->levels; level++)
        *(before[level] ? &before[level]->next[level] : &first[level]) = it->next[level];
    object_release(it);
}

/* Store an object under `key`; `data` becomes its own. */
static object *object_put(const char *key, char *data, size_t size, const char *headers)
{
    static uint32_t dice = 2463534242u;
    object_delete(key);
    dice ^= dice << 13;
    dice ^= dice >> 17;
    dice ^= dice << 5;
    int levels = 1;
    while (levels < LEVELS && (dice >> (2 * levels) & 3) == 0)
        levels++;
    object *it = calloc(1, sizeof *it + levels * sizeof *it->next), *before[LEVELS];
    it->key = strdup(key);
    it->data = data;
    it->size = size;
    it->headers = intern(headers);
    it->modified = time(NULL);
    it->references = 1;
    it->levels = levels;
    object **slot = &slots[hash_of(key) & (HASH_SLOTS - 1)];
    it->chain = *slot;
    *slot = it;
    skip_before(key, before);
    for (int level = 0; level < levels; level++) {
        object **link = before[level] ? &before[level]->next[level] : &first[level];
        it->next[level] = *link;
        *link = it;
    }
    return it;
}

#endif
