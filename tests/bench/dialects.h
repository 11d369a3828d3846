/* How the clouds of S3's family say the same thing: header names, listings, CRC-64. Told apart by Authorization alone.
 *
 * Each states what its adapter reads from the real one, and lays out its listing as the vendor's page shows it:
 * https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0022.html
 * https://www.alibabacloud.com/help/en/oss/developer-reference/listobjectsv2
 * https://www.tencentcloud.com/document/product/436/30614 */
#ifndef DIALECTS_H
#define DIALECTS_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *authorization; /* how the header begins */
    const char *prefix;        /* of the header family */
    const char *crc64;         /* the header that states it, without prefix; NULL: none */
    const char *always;        /* what every object's reply says besides */
    const char *standard;      /* what the reply says of the standard class */
    int upper_etag, id_behind_name;
    /* A listing: before a key; between it and the time; time and ETag; ETag and size; behind the size. */
    const char *open, *time, *etag, *size, *close, *indent;
} dialect;

static const dialect dialects[] = {
    {"AWS", "x-amz-", NULL, "", "", 0, 0, "<Contents><Key>", "</Key><LastModified>", "</LastModified><ETag>&quot;",
     "&quot;</ETag><Size>", "</Size><StorageClass>STANDARD</StorageClass></Contents>", ""},
    {"OBS ", "x-obs-", "checksum-crc64ecma", "", "", 0, 0, "<Contents><Key>", "</Key><LastModified>", "</LastModified><ETag>\"",
     "\"</ETag><Size>",
     "</Size><Owner><ID>b4bf1b36d9ca43d984fbcb9491b6fce9</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>", ""},
    {"OSS", "x-oss-", "hash-crc64ecma", "x-oss-object-type: Normal\r\n", "x-oss-storage-class: Standard\r\n", 1, 0,
     "  <Contents>\n    <Key>", "</Key>\n    <LastModified>", "</LastModified>\n    <ETag>\"",
     "\"</ETag>\n    <Type>Normal</Type>\n    <Size>",
     "</Size>\n    <StorageClass>Standard</StorageClass>\n  </Contents>\n", "\n  "},
    {"q-sign", "x-cos-", "hash-crc64ecma", "", "", 0, 1, "\t<Contents>\n\t\t<Key>", "</Key>\n\t\t<LastModified>",
     "</LastModified>\n\t\t<ETag>\"", "\"</ETag>\n\t\t<Size>",
     "</Size>\n\t\t<Owner>\n\t\t\t<ID>1250000000</ID>\n\t\t\t<DisplayName>1250000000</DisplayName>\n\t\t</Owner>\n"
     "\t\t<StorageClass>STANDARD</StorageClass>\n\t</Contents>\n", "\n\t"},
};

/* The dialect of a request; S3's where nothing tells. */
static const dialect *dialect_of(const char *authorization)
{
    for (size_t i = 1; authorization && i < sizeof dialects / sizeof *dialects; i++)
        if (!strncmp(authorization, dialects[i].authorization, strlen(dialects[i].authorization)))
            return &dialects[i];
    return &dialects[0];
}

static const char *etag_in(const dialect *d, const char *etag)
{
    static char upper[48];
    if (!d->upper_etag)
        return etag;
    size_t i = 0;
    for (; etag[i]; i++)
        upper[i] = (char)toupper((unsigned char)etag[i]);
    upper[i] = 0;
    return upper;
}

/* Stored header lines have \1 where the family's prefix belongs. */
static size_t expand(const dialect *d, const char *stored, char *out, size_t room)
{
    size_t at = 0, size = strlen(d->prefix);
    for (; *stored && at + size + 1 < room; stored++) {
        if (*stored == 1) {
            memcpy(out + at, d->prefix, size);
            at += size;
        } else {
            out[at++] = *stored;
        }
    }
    out[at] = 0;
    return at;
}

/* The bucket of a host name such as src.oss.localhost:9000 or src-1250000000.localhost:9000; 0: the path names it. */
static int bucket_in_host(const dialect *d, const char *host, char *bucket, size_t room)
{
    char *end = strstr(host, ".localhost");
    size_t size = strcspn(host, ".");
    if (!end || (end[10] && end[10] != ':') || size >= room)
        return 0;
    snprintf(bucket, room, "%.*s", (int)size, host);
    if (d->id_behind_name && strrchr(bucket, '-'))
        *strrchr(bucket, '-') = 0;
    return 1;
}

/* CRC-64/XZ, the one all three of them state. */
static uint64_t crc64(const char *data, size_t size)
{
    static uint64_t table[256];
    for (unsigned i = 0; !table[255] && i < 256; i++) {
        uint64_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ 0xC96C5795D7870F42u : value >> 1;
        table[i] = value;
    }
    uint64_t sum = ~0ull;
    for (size_t i = 0; i < size; i++)
        sum = table[(sum ^ (unsigned char)data[i]) & 255] ^ sum >> 8;
    return ~sum;
}

#endif
