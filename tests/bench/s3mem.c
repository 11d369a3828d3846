/* An S3 bucket server in memory for speed measurements on the loopback interface, and for nothing else. It answers
 * OBS, OSS and COS in their own words too (dialects.h); a bucket may stand in the host: src.oss.localhost.
 *
 *     gcc -O2 -o s3mem s3mem.c && ./s3mem        # prints its two ports; ends when its standard input ends
 *
 * What it is: fast enough not to be what is measured. One thread, epoll, two ports that lead to the same buckets, so
 * that a source and a destination are two endpoints. List (v1 and v2), GET with ranges, HEAD, PUT, multipart, DELETE.
 *
 * What it is not: a stand-in for a store. It checks no signature and no condition (If-Match), and it takes a
 * Content-MD5 and a CRC-64 at their word. Bodies up to 64 KiB without one are hashed for their ETag; larger ones are given an ETag
 * that is no MD5 (it has a "-"), so that clients neither profit nor suffer from this server's share of the CPU.
 *
 * Control, by GET: /_ctl/fill?b=BUCKET&n=COUNT&s=BYTES   /_ctl/clear?b=BUCKET   /_ctl/cmp?a=BUCKET&b=BUCKET (byte by
 * byte: {"same","diff","miss"})   /_ctl/delay?ms=N (added to every reply)   /_ctl/stats (requests, bytes, CPU). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dialects.h"
#include "md5.h"
#include "objects.h"

#define HASHED_BODY (64 * 1024)
#define PAGE 1000
#define KEY_ROOM 4096

typedef struct {
    char *data;
    size_t size, room;
} text;

typedef struct upload {
    struct upload *next;
    char id[32], *key, *headers;
    part *parts;
} upload;

typedef struct connection {
    struct connection *later; /* the queue of delayed replies */
    int socket, closing, has_body, chunked, watched_for_writing;
    int64_t due;
    text in; /* bytes received, from `at` on not yet understood */
    size_t at;
    char *head; /* of the request, ends in NUL */
    const dialect *dialect;
    char *body;
    size_t body_size, body_got;
    char *reply_head, *reply_body;
    object *sending;
    struct iovec out[2];
    int pieces;
} connection;

static struct { long get, put, head, list, del, post, part, connections, body_in, body_out; } stats;
static upload *uploads;
static connection *delayed_first, *delayed_last;
static int delay_ms, poller;

/* ---- small things ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void add(text *to, const char *data, size_t size)
{
    if (to->size + size + 1 > to->room) {
        to->room = (to->size + size + 1) * 2;
        to->data = realloc(to->data, to->room);
    }
    memcpy(to->data + to->size, data, size);
    to->size += size;
    to->data[to->size] = 0;
}

__attribute__((format(printf, 2, 3))) static void addf(text *to, const char *format, ...)
{
    char line[KEY_ROOM];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    add(to, line, size < (int)sizeof line ? size : (int)sizeof line - 1);
}

static int hex_digit(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static void to_hex(const unsigned char *bytes, int size, char *out)
{
    for (int i = 0; i < size; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

static void url_decode(char *s, int plus)
{
    char *out = s;
    for (; *s; s++) {
        if (*s == '%' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
            *out++ = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
            s += 2;
        } else {
            *out++ = plus && *s == '+' ? ' ' : *s;
        }
    }
    *out = 0;
}

static void add_url(text *to, const char *s)
{
    for (; *s; s++) {
        if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || strchr("-_.~/", *s))
            add(to, s, 1);
        else
            addf(to, "%%%02X", (unsigned char)*s);
    }
}

static void add_xml(text *to, const char *s)
{
    for (; *s; s++) {
        if (*s == '&' || *s == '<' || *s == '>')
            addf(to, "&#%d;", *s);
        else
            add(to, s, 1);
    }
}

static int base64_16(const char *s, unsigned char out[16])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, held = 0, size = 0;
    for (; *s && *s != '='; s++) {
        const char *digit = strchr(digits, *s);
        if (!digit)
            return 0;
        bits = bits << 6 | (unsigned)(digit - digits);
        held += 6;
        if (held >= 8 && size < 16)
            out[size++] = (unsigned char)(bits >> (held -= 8));
    }
    return size == 16;
}

static const char *http_date(time_t at)
{
    static time_t shown;
    static char line[40];
    if (at != shown) {
        struct tm tm;
        strftime(line, sizeof line, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
        shown = at;
    }
    return line;
}

/* ---- the request ---- */

static char *header(connection *c, const char *name, char *value, size_t room)
{
    size_t size = strlen(name);
    for (char *line = strstr(c->head, "\r\n"); line && line[2]; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) || line[size] != ':')
            continue;
        char *from = line + size + 1;
        while (*from == ' ')
            from++;
        size_t length = strcspn(from, "\r\n");
        snprintf(value, room, "%.*s", (int)length, from);
        return value;
    }
    return NULL;
}

static char *parameter(const char *query, const char *name, char *value, size_t room)
{
    size_t size = strlen(name);
    for (; query; query = strchr(query, '&') ? strchr(query, '&') + 1 : NULL) {
        if (strncmp(query, name, size) || (query[size] != '=' && query[size] != '&' && query[size]))
            continue;
        const char *from = query + size + (query[size] == '=');
        snprintf(value, room, "%.*s", (int)strcspn(from, "&"), from);
        url_decode(value, 1);
        return value;
    }
    return NULL;
}

/* The header lines that travel with an object, the family's prefix as \1. */
static char *kept_headers(connection *c)
{
    static const char *const kept[] = {"content-type:",        "cache-control:", "content-language:",
                                       "content-disposition:", "expires:",       "content-encoding:"};
    size_t prefix = strlen(c->dialect->prefix);
    text out = {0};
    add(&out, "", 0);
    for (char *line = strstr(c->head, "\r\n") + 2; *line && *line != '\r'; line = strstr(line, "\r\n") + 2) {
        char *own = strncasecmp(line, c->dialect->prefix, prefix) ? NULL : line + prefix;
        if (own && (!strncasecmp(own, "meta-", 5) || !strncasecmp(own, "storage-class:", 14))) {
            add(&out, "\1", 1);
            add(&out, own, strstr(own, "\r\n") + 2 - own);
        }
        for (size_t i = 0; !own && i < sizeof kept / sizeof *kept; i++)
            if (!strncasecmp(line, kept[i], strlen(kept[i])))
                add(&out, line, strstr(line, "\r\n") + 2 - line);
    }
    return out.data;
}

/* ---- the reply ---- */

static void reply(connection *c, int status, const char *headers, const char *body, size_t size)
{
    const char *word = status == 200 ? "OK" : status == 204 ? "No Content" : status == 206 ? "Partial Content" : "Error";
    text head = {0};
    addf(&head, "HTTP/1.1 %d %s\r\nServer: s3mem\r\nDate: %s\r\n%srequest-id: 000001\r\n", status, word,
         http_date(time(NULL)), c->dialect->prefix);
    add(&head, headers, strlen(headers));
    addf(&head, "Content-Length: %zu\r\n\r\n", size);
    c->reply_head = head.data;
    c->out[0] = (struct iovec){head.data, head.size};
    c->pieces = 1;
    if (size && strncmp(c->head, "HEAD", 4)) {
        c->out[1] = (struct iovec){(char *)body, size};
        c->pieces = 2;
    }
}

static void reply_text(connection *c, int status, text body)
{
    c->reply_body = body.data;
    reply(c, status, "Content-Type: application/xml\r\n", body.data, body.size);
}

static void refuse(connection *c, int status, const char *code)
{
    text body = {0};
    addf(&body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, code);
    reply_text(c, status, body);
}

static void say(connection *c, const char *xml)
{
    text body = {0};
    add(&body, xml, strlen(xml));
    reply_text(c, 200, body);
}

/* ---- what a bucket can do ---- */

static void list(connection *c, const char *bucket, const char *query)
{
    char prefix[1100] = "", after[1100] = "", delimiter[8] = "", word[64], full[KEY_ROOM], folder[1100] = "", last[1100] = "";
    int two = parameter(query, "list-type", word, sizeof word) != NULL, count = 0, truncated = 0, limit = PAGE;
    int url = parameter(query, "encoding-type", word, sizeof word) && !strcmp(word, "url");
    void (*add_key)(text *, const char *) = url ? add_url : add_xml;
    stats.list++;
    parameter(query, "prefix", prefix, sizeof prefix);
    parameter(query, "delimiter", delimiter, sizeof delimiter);
    if (parameter(query, "max-keys", word, sizeof word) && atoi(word) < PAGE)
        limit = atoi(word);
    parameter(query, two ? "start-after" : "marker", after, sizeof after);
    if (two)
        parameter(query, "continuation-token", after, sizeof after);
    size_t root = strlen(bucket) + 1, prefix_size = strlen(prefix);
    const dialect *d = c->dialect;
    text page = {0};
    addf(&page, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult%s>%s<Name>%s</Name>%s<Prefix>",
         d == dialects ? " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"" : "", d->indent, bucket, d->indent);
    add_key(&page, prefix);
    addf(&page, "</Prefix>%s%s%s", url ? d->indent : "", url ? "<EncodingType>url</EncodingType>" : "", *d->indent ? "\n" : "");
    snprintf(full, sizeof full, "%s/%s", bucket, strcmp(after, prefix) > 0 ? after : prefix);
    for (object *it = object_from(full); it; it = it->next[0]) {
        const char *key = it->key + root, *cut;
        if (strncmp(it->key, full, root) || strncmp(key, prefix, prefix_size))
            break;
        if (*after && !strcmp(key, after))
            continue;
        if (*delimiter && (cut = strstr(key + prefix_size, delimiter))) {
            size_t size = cut - key + strlen(delimiter);
            if ((*folder && !strncmp(folder, key, size) && strlen(folder) == size) ||
                (*after && !strncmp(after, key, size) && strlen(after) == size))
                continue;
            if ((truncated = count++ >= limit))
                break;
            snprintf(folder, sizeof folder, "%.*s", (int)size, key);
            strcpy(last, folder);
            add(&page, "<CommonPrefixes><Prefix>", 24);
            add_key(&page, folder);
            add(&page, "</Prefix></CommonPrefixes>", 26);
            continue;
        }
        if ((truncated = count++ >= limit))
            break;
        char date[32];
        struct tm tm;
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S.000Z", gmtime_r(&it->modified, &tm));
        add(&page, d->open, strlen(d->open));
        add_key(&page, key);
        addf(&page, "%s%s%s%s%s%zu%s", d->time, date, d->etag, etag_in(d, it->etag), d->size, it->size, d->close);
        snprintf(last, sizeof last, "%s", key);
    }
    addf(&page, "<MaxKeys>%d</MaxKeys><KeyCount>%d</KeyCount><IsTruncated>%s</IsTruncated>", limit, count - truncated,
         truncated ? "true" : "false");
    if (truncated) {
        addf(&page, "<%s>", two ? "NextContinuationToken" : "NextMarker");
        (two ? add_xml : add_key)(&page, last);
        addf(&page, "</%s>", two ? "NextContinuationToken" : "NextMarker");
    }
    addf(&page, "</ListBucketResult>");
    reply_text(c, 200, page);
}

static void get(connection *c, const char *key)
{
    int head = !strncmp(c->head, "HEAD", 4), status = 200;
    char range[64], headers[8192], *dash;
    object *it = object_find(key);
    head ? stats.head++ : stats.get++;
    if (!it) {
        refuse(c, 404, "NoSuchKey");
        return;
    }
    size_t from = 0, to = it->size;
    const dialect *d = c->dialect;
    int at = (int)expand(d, it->headers, headers, sizeof headers - 512);
    at += snprintf(headers + at, sizeof headers - at, "ETag: \"%s\"\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n%s%s",
                   etag_in(d, it->etag), http_date(it->modified), d->always,
                   strcasestr(it->headers, "\1storage-class:") ? "" : d->standard);
    if (d->crc64 && *it->crc64)
        at += snprintf(headers + at, sizeof headers - at, "%s%s: %s\r\n", d->prefix, d->crc64, it->crc64);
    if (!head && it->size && header(c, "range", range, sizeof range) && (dash = strchr(range, '-'))) {
        from = strtoull(range + 6, NULL, 10); /* bytes=FIRST-LAST; no client measured here asks for a suffix */
        to = dash[1] ? strtoull(dash + 1, NULL, 10) + 1 : it->size;
        to = to > it->size ? it->size : to;
        if (from >= to) {
            refuse(c, 416, "InvalidRange");
            return;
        }
        status = 206;
        snprintf(headers + at, sizeof headers - at, "Content-Range: bytes %zu-%zu/%zu\r\n", from, to - 1, it->size);
    }
    it->references++;
    c->sending = it;
    stats.body_out += head ? 0 : to - from;
    reply(c, status, headers, head ? NULL : object_data(it) + from, to - from);
}

/* Take the body off the connection; "aws-chunked" signatures between its chunks are dropped. */
static char *take_body(connection *c, size_t *size)
{
    char word[64], *data = c->body;
    size_t total = c->body_got, at = 0, out = 0;
    c->body = NULL;
    if (!header(c, "x-amz-content-sha256", word, sizeof word) || strncmp(word, "STREAMING-", 10)) {
        *size = total;
        return data;
    }
    while (at < total) {
        size_t chunk = strtoull(data + at, NULL, 16);
        char *line = memchr(data + at, '\n', total - at);
        if (!line || !chunk)
            break;
        at = line + 1 - data;
        memmove(data + out, data + at, chunk);
        out += chunk;
        at += chunk + 2;
    }
    *size = out;
    return data;
}

/* Write the ETag of a body; returns whether `digest` is an MD5. */
static int etag_of(connection *c, const char *data, size_t size, unsigned char digest[16], char etag[48])
{
    static unsigned long number;
    char stated[32];
    if (!header(c, "content-md5", stated, sizeof stated) || !base64_16(stated, digest)) {
        if (size > HASHED_BODY) {
            memset(digest, 0, 16);
            sprintf(etag, "%024lx-0", ++number);
            return 0;
        }
        md5(data, size, digest);
    }
    to_hex(digest, 16, etag);
    return 1;
}

static void put(connection *c, const char *key)
{
    unsigned char digest[16];
    char etag[48], line[200], name[64], *headers = kept_headers(c);
    size_t size;
    char *data = take_body(c, &size);
    const dialect *d = c->dialect;
    stats.put++;
    etag_of(c, data, size, digest, etag);
    object *it = object_put(key, data, size, headers);
    strcpy(it->etag, etag);
    free(headers);
    int at = snprintf(line, sizeof line, "ETag: \"%s\"\r\n", etag_in(d, etag));
    snprintf(name, sizeof name, "%s%s", d->prefix, d->crc64 ? d->crc64 : "");
    if (d->crc64 && header(c, name, it->crc64, sizeof it->crc64))
        snprintf(line + at, sizeof line - at, "%s: %s\r\n", name, it->crc64);
    reply(c, 200, line, NULL, 0);
}

static upload **upload_find(const char *id)
{
    upload **it = &uploads;
    while (*it && strcmp((*it)->id, id))
        it = &(*it)->next;
    return it;
}

static void put_part(connection *c, const char *id, int number)
{
    upload *to = *upload_find(id);
    stats.part++;
    if (!to) {
        refuse(c, 404, "NoSuchUpload");
        return;
    }
    part *it = calloc(1, sizeof *it), **at = &to->parts;
    char etag[48], line[100];
    it->number = number;
    it->data = take_body(c, &it->size);
    etag_of(c, it->data, it->size, it->md5, etag);
    while (*at && (*at)->number < number)
        at = &(*at)->next;
    it->next = *at;
    if (*at && (*at)->number == number) {
        it->next = (*at)->next;
        free((*at)->data);
        free(*at);
    }
    *at = it;
    snprintf(line, sizeof line, "ETag: \"%s\"\r\n", etag);
    reply(c, 200, line, NULL, 0);
}

static void start_upload(connection *c, const char *key)
{
    static long number;
    upload *it = calloc(1, sizeof *it);
    text body = {0};
    snprintf(it->id, sizeof it->id, "up%ld", ++number);
    it->key = strdup(key);
    it->headers = kept_headers(c);
    it->next = uploads;
    uploads = it;
    addf(&body, "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>%s</UploadId>"
                "</InitiateMultipartUploadResult>", it->id);
    reply_text(c, 200, body);
}

static void complete_upload(connection *c, const char *id)
{
    upload **link = upload_find(id), *from = *link;
    if (!from) {
        refuse(c, 404, "NoSuchUpload");
        return;
    }
    size_t total = 0;
    int count = 0;
    text digests = {0};
    for (part *it = from->parts; it; it = it->next, count++) {
        total += it->size;
        add(&digests, (char *)it->md5, 16);
    }
    unsigned char digest[16];
    char etag[48];
    md5(digests.data, digests.size, digest);
    to_hex(digest, 16, etag);
    snprintf(etag + 32, sizeof etag - 32, "-%d", count);
    object *joined = object_put(from->key, NULL, total, from->headers);
    joined->parts = from->parts;
    strcpy(joined->etag, etag);
    *link = from->next;
    free(digests.data);
    free(from->key);
    free(from->headers);
    free(from);
    text body = {0};
    addf(&body, "<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>&quot;%s&quot;</ETag>"
                "</CompleteMultipartUploadResult>", etag);
    reply_text(c, 200, body);
}

static void delete_upload(const char *id)
{
    upload **link = upload_find(id), *it = *link;
    if (!it)
        return;
    *link = it->next;
    parts_free(it->parts);
    free(it->key);
    free(it->headers);
    free(it);
}

/* ---- control ---- */

static void fill(const char *bucket, long count, size_t size)
{
    for (long i = 0; i < count; i++) {
        char key[256];
        unsigned char digest[16];
        snprintf(key, sizeof key, "%s/o/%03ld/%08ld.bin", bucket, i % 100, i);
        char *data = malloc(size + 8);
        uint64_t dice = hash_of(key);
        for (size_t at = 0; at < size; at += 8) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            memcpy(data + at, &dice, 8);
        }
        md5(data, size, digest);
        object *it = object_put(key, data, size, "Content-Type: application/octet-stream\r\n\1meta-color: blue\r\n");
        it->modified -= 3600;
        if (size <= HASHED_BODY)
            sprintf(it->crc64, "%" PRIu64, crc64(data, size));
        to_hex(digest, 16, it->etag);
    }
}

static void clear(const char *bucket)
{
    char root[100];
    size_t size = snprintf(root, sizeof root, "%s/", bucket);
    for (object *it = object_from(root); it && !strncmp(it->key, root, size); it = object_from(root))
        object_delete(it->key);
}

static void compare(connection *c, const char *source, const char *copy)
{
    long same = 0, different = 0, missing = 0;
    char root[100];
    size_t size = snprintf(root, sizeof root, "%s/", source);
    for (object *it = object_from(root); it && !strncmp(it->key, root, size); it = it->next[0]) {
        char key[KEY_ROOM];
        snprintf(key, sizeof key, "%s/%s", copy, it->key + size);
        object *other = object_find(key);
        if (!other)
            missing++;
        else if (other->size == it->size && !memcmp(object_data(other), object_data(it), it->size))
            same++;
        else
            different++;
    }
    text body = {0};
    addf(&body, "{\"same\":%ld,\"diff\":%ld,\"miss\":%ld}\n", same, different, missing);
    reply_text(c, 200, body);
}

static void control(connection *c, const char *name, const char *query)
{
    char a[64] = "", b[64] = "", count[32] = "0", size[32] = "0";
    parameter(query, "a", a, sizeof a);
    parameter(query, "b", b, sizeof b);
    parameter(query, "n", count, sizeof count);
    parameter(query, "s", size, sizeof size);
    if (!strcmp(name, "fill"))
        fill(b, atol(count), strtoull(size, NULL, 10));
    else if (!strcmp(name, "clear"))
        clear(b);
    else if (!strcmp(name, "delay") && parameter(query, "ms", count, sizeof count))
        delay_ms = atoi(count);
    if (!strcmp(name, "cmp")) {
        compare(c, a, b);
        return;
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    text body = {0};
    addf(&body, "{\"get\":%ld,\"put\":%ld,\"head\":%ld,\"list\":%ld,\"del\":%ld,\"post\":%ld,\"part\":%ld,\"connections\":%ld,"
                "\"body_in\":%ld,\"body_out\":%ld,\"cpu\":%.3f}\n",
         stats.get, stats.put, stats.head, stats.list, stats.del, stats.post, stats.part, stats.connections, stats.body_in,
         stats.body_out, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    reply_text(c, 200, body);
}

/* ---- one request ---- */

static void bucket_request(connection *c, const char *method, char *bucket, const char *query)
{
    char word[8];
    if (strcmp(method, "GET")) {
        if (!strcmp(method, "POST"))
            say(c, "<DeleteResult/>");
        else
            reply(c, 200, "", NULL, 0);
    } else if (parameter(query, "location", word, sizeof word)) {
        say(c, "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>");
    } else if (parameter(query, "uploads", word, sizeof word)) {
        say(c, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>");
    } else if (parameter(query, "versioning", word, sizeof word)) {
        say(c, "<VersioningConfiguration/>");
    } else {
        list(c, bucket, query);
    }
}

static void object_request(connection *c, const char *method, const char *key, const char *query)
{
    char id[64], number[16], word[8];
    int in_upload = parameter(query, "uploadId", id, sizeof id) != NULL;
    if (!strcmp(method, "GET") || !strcmp(method, "HEAD")) {
        get(c, key);
    } else if (!strcmp(method, "PUT")) {
        if (header(c, "x-amz-copy-source", word, sizeof word))
            refuse(c, 501, "NotImplemented");
        else if (in_upload && parameter(query, "partNumber", number, sizeof number))
            put_part(c, id, atoi(number));
        else
            put(c, key);
    } else if (!strcmp(method, "POST")) {
        stats.post++;
        if (in_upload)
            complete_upload(c, id);
        else
            start_upload(c, key);
    } else {
        stats.del++;
        if (in_upload)
            delete_upload(id);
        else
            object_delete(key);
        reply(c, 204, "", NULL, 0);
    }
}

static void answer(connection *c)
{
    char method[8] = "", target[8192] = "", full[8192], bucket[64], word[128], *query = NULL;
    sscanf(c->head, "%7s %8000s", method, target);
    if ((query = strchr(target, '?')))
        *query++ = 0;
    char *key = target + (*target == '/');
    url_decode(key, 0);
    c->closing = header(c, "connection", word, sizeof word) && !strcasecmp(word, "close");
    c->dialect = dialect_of(header(c, "authorization", word, sizeof word));
    if (header(c, "host", word, sizeof word) && bucket_in_host(c->dialect, word, bucket, sizeof bucket)) {
        snprintf(full, sizeof full, "%s/%s", bucket, key);
        key = full;
    }
    char *slash = strchr(key, '/');
    if (!strncmp(key, "_ctl/", 5)) {
        control(c, key + 5, query);
    } else if (!slash || !slash[1]) {
        if (slash)
            *slash = 0;
        bucket_request(c, method, key, query);
    } else {
        object_request(c, method, key, query);
    }
}

/* ---- connections ---- */

static void end_reply(connection *c)
{
    free(c->reply_head);
    free(c->reply_body);
    c->reply_head = c->reply_body = NULL;
    object_release(c->sending);
    c->sending = NULL;
    c->pieces = 0;
}

static void hang_up(connection *c)
{
    close(c->socket);
    end_reply(c);
    free(c->in.data);
    free(c->head);
    free(c->body);
    free(c);
}

static void watch(connection *c, int writing)
{
    if (c->watched_for_writing == writing)
        return;
    c->watched_for_writing = writing;
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &event);
}

/* 1: all of it is sent, 0: later, -1: hang up. */
static int send_reply(connection *c)
{
    while (c->pieces) {
        ssize_t sent = writev(c->socket, c->out, c->pieces);
        if (sent < 0 && errno != EAGAIN)
            return -1;
        if (sent < 0) {
            watch(c, 1);
            return 0;
        }
        size_t left = 0;
        for (int i = 0; i < c->pieces; i++) {
            size_t step = (size_t)sent < c->out[i].iov_len ? (size_t)sent : c->out[i].iov_len;
            c->out[i].iov_base = (char *)c->out[i].iov_base + step;
            c->out[i].iov_len -= step;
            sent -= (ssize_t)step;
            left += c->out[i].iov_len;
        }
        if (!left)
            c->pieces = 0;
    }
    watch(c, 0);
    end_reply(c);
    return c->closing ? -1 : 1;
}

/* Receive more into `in`. 1: something came, 0: later, -1: hang up. */
static int receive(connection *c)
{
    if (c->at) {
        memmove(c->in.data, c->in.data + c->at, c->in.size - c->at);
        c->in.size -= c->at;
        c->at = 0;
    }
    if (c->in.room - c->in.size < 32768) {
        c->in.room = c->in.size + 65536;
        c->in.data = realloc(c->in.data, c->in.room);
    }
    ssize_t got = recv(c->socket, c->in.data + c->in.size, c->in.room - c->in.size, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    c->in.size += (size_t)got;
    return 1;
}

static int read_head(connection *c)
{
    char word[32], *end;
    while (!(end = c->in.size > c->at ? memmem(c->in.data + c->at, c->in.size - c->at, "\r\n\r\n", 4) : NULL)) {
        int got = receive(c);
        if (got <= 0)
            return got;
    }
    size_t size = end + 4 - (c->in.data + c->at);
    free(c->head);
    c->head = strndup(c->in.data + c->at, size);
    c->at += size;
    c->body_got = c->body_size = 0;
    if (header(c, "content-length", word, sizeof word))
        c->body_size = strtoull(word, NULL, 10);
    c->chunked = header(c, "transfer-encoding", word, sizeof word) && strcasestr(word, "chunked");
    free(c->body);
    c->body = malloc(c->body_size + 8);
    c->has_body = 1;
    if (header(c, "expect", word, sizeof word) && write(c->socket, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0)
        return -1;
    return 1;
}

static int read_body(connection *c)
{
    while (c->body_got < c->body_size) {
        size_t ready = c->in.size - c->at, wanted = c->body_size - c->body_got;
        if (ready) {
            size_t step = ready < wanted ? ready : wanted;
            memcpy(c->body + c->body_got, c->in.data + c->at, step);
            c->at += step;
            c->body_got += step;
            stats.body_in += step;
            continue;
        }
        ssize_t got = recv(c->socket, c->body + c->body_got, wanted, 0);
        if (got <= 0)
            return got < 0 && errno == EAGAIN ? 0 : -1;
        c->body_got += (size_t)got;
        stats.body_in += got;
    }
    return 1;
}

static int read_chunks(connection *c)
{
    for (;;) {
        char *from = c->in.data + c->at, *line = c->in.size > c->at ? memchr(from, '\n', c->in.size - c->at) : NULL;
        size_t chunk = line ? strtoull(from, NULL, 16) : 0, needed = line ? (size_t)(line + 1 - from) + chunk + 2 : 0;
        if (!line || c->in.size - c->at < needed) {
            int got = receive(c);
            if (got <= 0)
                return got;
            continue;
        }
        c->body = realloc(c->body, c->body_got + chunk + 8);
        memcpy(c->body + c->body_got, line + 1, chunk);
        c->body_got += chunk;
        stats.body_in += chunk;
        c->at += needed;
        if (!chunk)
            return 1;
    }
}

/* Go on with a connection as far as its bytes reach; -1: hang up. */
static int go_on(connection *c)
{
    for (;;) {
        int done = c->has_body ? 1 : read_head(c);
        if (done > 0)
            done = c->chunked ? read_chunks(c) : read_body(c);
        if (done <= 0)
            return done;
        c->has_body = 0;
        answer(c);
        if (delay_ms) {
            c->due = now_ms() + delay_ms;
            c->later = NULL;
            if (delayed_last)
                delayed_last->later = c;
            else
                delayed_first = c;
            delayed_last = c;
            return 0;
        }
        done = send_reply(c);
        if (done <= 0)
            return done;
    }
}

static void send_due(void)
{
    for (int64_t now = now_ms(); delayed_first && delayed_first->due <= now;) {
        connection *c = delayed_first;
        delayed_first = c->later;
        if (!delayed_first)
            delayed_last = NULL;
        c->due = 0;
        int sent = send_reply(c);
        if (sent < 0 || (sent > 0 && go_on(c) < 0))
            hang_up(c);
    }
}

static void accept_all(int listener)
{
    for (int socket; (socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        int on = 1;
        connection *c = calloc(1, sizeof *c);
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->socket = socket;
        stats.connections++;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
    }
}

/* Listen on a free port of the loopback interface and print it. */
static int listen_somewhere(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (void *)&address, size) || listen(listener, 4096)) {
        perror("s3mem: listen");
        exit(1);
    }
    getsockname(listener, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    return listener;
}

int main(void)
{
    static struct { int socket; } listeners[3]; /* the third is standard input: at its end the server ends */
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* keep memory: fresh pages for every body would cost more than its copy */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        listeners[i].socket = i < 2 ? listen_somewhere() : 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listeners[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, listeners[i].socket, &event))
            return 1; /* standard input must be a pipe or a terminal */
    }
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int64_t wait = delayed_first ? delayed_first->due - now_ms() : -1;
        int count = epoll_wait(poller, events, 256, delayed_first && wait < 0 ? 0 : (int)wait);
        for (int i = 0; i < count; i++) {
            void *at = events[i].data.ptr;
            if (at == &listeners[2])
                return 0;
            if (at == &listeners[0] || at == &listeners[1]) {
                accept_all(*(int *)at);
                continue;
            }
            connection *c = at;
            if (c->due) /* its reply is being delayed; a hang-up shows when it is sent */
                continue;
            int sent = c->pieces ? send_reply(c) : 1;
            if (sent < 0 || (sent > 0 && go_on(c) < 0))
                hang_up(c);
        }
        send_due();
    }
}
