/* Dense numbers 0, 1, 2, ... for the values of a column, in the order of their first appearance. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint32_t *slots; /* open addressing, 2^bits, at most two thirds in use; 0: free; else a dense number plus one */
    uint64_t *tags;  /* by number: the value, or a text of up to 7 bytes and its length, or DENSE_LONG and a hash */
    int bits;
    uint64_t key;
    int64_t count, tags_room;
    char *letters; /* all long texts one after the other */
    int64_t *ends; /* by number: where its letters end; there is none before the first long text */
    int64_t letters_room, ends_room;
} dense_table;

#define DENSE_LONG (UINT64_C(1) << 63)

static int dense_init(dense_table *table, uint64_t key) {
    memset(table, 0, sizeof *table);
    table->bits = 10;
    table->key = key | 1;
    table->slots = (uint32_t *)calloc((size_t)1 << table->bits, sizeof(uint32_t));
    return table->slots != NULL;
}

static void dense_free(dense_table *table) {
    free(table->slots);
    free(table->tags);
    free(table->letters);
    free(table->ends);
}

/* Bytes in use, with the slots that will replace those there are. */
static int64_t dense_bytes(const dense_table *table) {
    int64_t bytes = ((int64_t)2 << table->bits) * (int64_t)sizeof(uint32_t);
    bytes += table->count * (int64_t)sizeof(uint64_t);
    if (table->ends != NULL && table->count)
        bytes += table->count * (int64_t)sizeof(int64_t) + table->ends[table->count - 1];
    return bytes;
}

/* The key is drawn anew for every file, so that no file can be made to collide. It changes no dense number. */
static inline uint64_t dense_home(const dense_table *table, uint64_t tag) {
    uint64_t mixed = (tag ^ (tag >> 32) ^ (table->key >> 16)) * table->key;
    return ((mixed ^ (mixed >> 29)) * UINT64_C(0xBF58476D1CE4E5B9)) >> (64 - table->bits);
}

/* The tags say all that the old slots did, so these need not wait for the new ones. */
static int dense_grow(dense_table *table) {
    uint64_t mask;
    free(table->slots);
    table->bits++;
    mask = ((uint64_t)1 << table->bits) - 1;
    table->slots = (uint32_t *)calloc((size_t)1 << table->bits, sizeof(uint32_t));
    if (table->slots == NULL)
        return 0;
    for (int64_t i = 0; i < table->count; i++) {
        uint64_t at = dense_home(table, table->tags[i]);
        while (table->slots[at])
            at = (at + 1) & mask;
        table->slots[at] = (uint32_t)(i + 1);
    }
    return 1;
}

/* Values of 8 bytes with room for one more than there are; NULL without memory. */
static void *dense_reserve(void *values, int64_t *room, int64_t count) {
    if (count < *room)
        return values;
    *room = count * 3 / 2 + 1024;
    return realloc(values, (size_t)*room * 8);
}

/* Takes a free slot; -1 without memory. */
static int64_t dense_add(dense_table *table, uint64_t at, uint64_t tag) {
    uint64_t *tags = (uint64_t *)dense_reserve(table->tags, &table->tags_room, table->count);
    if (tags == NULL || table->count == INT32_MAX - 1)
        return -1;
    table->tags = tags;
    table->tags[table->count] = tag;
    table->count++;
    table->slots[at] = (uint32_t)table->count;
    if (3 * table->count > (int64_t)2 << table->bits && !dense_grow(table))
        return -1;
    return table->count - 1;
}

/* Number of a 32-bit value; -1 without memory. */
static inline int64_t dense_of_value(dense_table *table, uint32_t value) {
    uint64_t at = dense_home(table, value), mask = ((uint64_t)1 << table->bits) - 1;
    for (; table->slots[at]; at = (at + 1) & mask)
        if (table->tags[table->slots[at] - 1] == value)
            return (int64_t)table->slots[at] - 1;
    return dense_add(table, at, value);
}

/* Remembers the text of the next number; one that is in its tag has no letters here. */
static int dense_keep(dense_table *table, const uint8_t *text, int64_t length) {
    int64_t first, *ends;
    if (table->ends == NULL) {
        if (!length)
            return 1;
        table->ends_room = table->count + 1024;
        table->ends = (int64_t *)calloc((size_t)table->ends_room, sizeof(int64_t));
        if (table->ends == NULL)
            return 0;
    }
    first = table->count ? table->ends[table->count - 1] : 0;
    if (first + length > table->letters_room) {
        int64_t room = (first + length) * 3 / 2 + 1024;
        char *letters = (char *)realloc(table->letters, (size_t)room);
        if (letters == NULL)
            return 0;
        table->letters = letters;
        table->letters_room = room;
    }
    ends = (int64_t *)dense_reserve(table->ends, &table->ends_room, table->count);
    if (ends == NULL)
        return 0;
    table->ends = ends;
    if (length)
        memcpy(table->letters + first, text, (size_t)length);
    table->ends[table->count] = first + length;
    return 1;
}

static uint64_t dense_tag(const dense_table *table, const uint8_t *text, int64_t length) {
    uint64_t tag = table->key ^ (uint64_t)length, part = 0;
    if (length < 8) {
        tag = (uint64_t)length << 56;
        for (int64_t i = 0; i < length; i++)
            tag |= (uint64_t)text[i] << (8 * i);
        return tag;
    }
    for (int64_t i = 0; i < length; i += 8) {
        /* The last eight bytes may overlap those before. */
        memcpy(&part, text + (i + 8 <= length ? i : length - 8), 8);
        tag = (tag ^ part) * UINT64_C(0x9E3779B97F4A7C15);
        tag ^= tag >> 32;
    }
    return tag | DENSE_LONG;
}

/* Number of a text; -1 without memory. */
static int64_t dense_of_text(dense_table *table, const uint8_t *text, int64_t length) {
    uint64_t tag = dense_tag(table, text, length), mask = ((uint64_t)1 << table->bits) - 1;
    uint64_t at = dense_home(table, tag);
    for (; table->slots[at]; at = (at + 1) & mask) {
        int64_t number = (int64_t)table->slots[at] - 1, first;
        if (table->tags[number] == tag) {
            if (!(tag & DENSE_LONG))
                return number;
            first = number ? table->ends[number - 1] : 0;
            if (table->ends[number] - first == length && !memcmp(table->letters + first, text, (size_t)length))
                return number;
        }
    }
    return dense_keep(table, text, tag & DENSE_LONG ? length : 0) ? dense_add(table, at, tag) : -1;
}
