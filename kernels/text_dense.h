/* Dense numbers 0, 1, 2, ... for the values of a column, in the order of their first appearance. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t tag;   /* the value itself, or a text of up to 7 bytes and its length, or DENSE_LONG and a text's hash */
    int64_t number; /* 0: free; else the dense number plus one */
} dense_slot;

#define DENSE_LONG (UINT64_C(1) << 63)

typedef struct {
    dense_slot *slots; /* open addressing, 2^bits of them, at most two thirds in use */
    int bits;
    uint64_t key;
    int64_t count;
    char *letters; /* all long texts one after the other */
    int64_t *ends; /* where each one ends */
    int64_t letters_room, ends_room;
} dense_table;

static int dense_init(dense_table *table, uint64_t key) {
    memset(table, 0, sizeof *table);
    table->bits = 10;
    table->key = key | 1;
    table->slots = (dense_slot *)calloc((size_t)1 << table->bits, sizeof(dense_slot));
    return table->slots != NULL;
}

static void dense_free(dense_table *table) {
    free(table->slots);
    free(table->letters);
    free(table->ends);
}

/* Bytes that are held, without those of the slots. */
static int64_t dense_text_bytes(const dense_table *table) {
    return table->letters_room + table->ends_room * (int64_t)sizeof(int64_t);
}

/* The key is drawn anew for every file, so that no file can be made to collide. It changes no dense number. */
static inline uint64_t dense_home(const dense_table *table, uint64_t tag) {
    uint64_t mixed = (tag ^ (tag >> 32) ^ (table->key >> 16)) * table->key;
    return ((mixed ^ (mixed >> 29)) * UINT64_C(0xBF58476D1CE4E5B9)) >> (64 - table->bits);
}

static int dense_grow(dense_table *table) {
    uint64_t old_size = (uint64_t)1 << table->bits, mask = 2 * old_size - 1;
    dense_slot *old = table->slots;
    dense_slot *slots = (dense_slot *)calloc(2 * old_size, sizeof(dense_slot));
    if (slots == NULL)
        return 0;
    table->slots = slots;
    table->bits++;
    for (uint64_t i = 0; i < old_size; i++) {
        if (old[i].number) {
            uint64_t at = dense_home(table, old[i].tag);
            while (slots[at].number)
                at = (at + 1) & mask;
            slots[at] = old[i];
        }
    }
    free(old);
    return 1;
}

/* Takes a free slot; -1 without memory. */
static int64_t dense_add(dense_table *table, uint64_t at, uint64_t tag) {
    if (table->count == INT32_MAX - 1)
        return -1;
    table->count++;
    table->slots[at].tag = tag;
    table->slots[at].number = table->count;
    if (3 * table->count > (int64_t)2 << table->bits && !dense_grow(table))
        return -1;
    return table->count - 1;
}

/* Number of a 32-bit value; -1 without memory. */
static inline int64_t dense_of_value(dense_table *table, uint32_t value) {
    uint64_t at = dense_home(table, value), mask = ((uint64_t)1 << table->bits) - 1;
    for (; table->slots[at].number; at = (at + 1) & mask)
        if (table->slots[at].tag == value)
            return table->slots[at].number - 1;
    return dense_add(table, at, value);
}

/* Remembers the text of the next number; one that is in its tag has no letters here. */
static int dense_keep(dense_table *table, const uint8_t *text, int64_t length) {
    int64_t first = table->count ? table->ends[table->count - 1] : 0;
    if (first + length > table->letters_room) {
        int64_t room = (first + length) * 3 / 2 + 1024;
        char *letters = (char *)realloc(table->letters, (size_t)room);
        if (letters == NULL)
            return 0;
        table->letters = letters;
        table->letters_room = room;
    }
    if (table->count == table->ends_room) {
        int64_t room = table->count * 3 / 2 + 1024;
        int64_t *ends = (int64_t *)realloc(table->ends, (size_t)room * sizeof(int64_t));
        if (ends == NULL)
            return 0;
        table->ends = ends;
        table->ends_room = room;
    }
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
    for (; table->slots[at].number; at = (at + 1) & mask) {
        if (table->slots[at].tag == tag) {
            int64_t number = table->slots[at].number - 1, first;
            if (!(tag & DENSE_LONG))
                return number;
            first = number ? table->ends[number - 1] : 0;
            if (table->ends[number] - first == length && !memcmp(table->letters + first, text, (size_t)length))
                return number;
        }
    }
    return dense_keep(table, text, tag & DENSE_LONG ? length : 0) ? dense_add(table, at, tag) : -1;
}
