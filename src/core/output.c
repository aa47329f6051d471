/* Unsent bytes of a connection: a chain of chunks, from a small stock, held only while there is
 * something to send. */
#include "core/state.h"

#define CHUNK_CAP (4096u - sizeof(struct mt_chunk))
#define STOCK_MAX 1024u

static struct mt_chunk *take_chunk(struct mt_chunk_stock *stock, size_t cap)
{
	struct mt_chunk *chunk = stock->free;
	if (chunk && cap <= CHUNK_CAP) {
		stock->free = chunk->next;
		stock->free_count--;
		if (stock->free_count < stock->unused_count)
			stock->unused_count = stock->free_count;
	} else {
		if (cap < CHUNK_CAP && cap > 0)
			cap = CHUNK_CAP;
		chunk = mt_mem_take(stock->mem, sizeof(*chunk) + cap);
		if (!chunk)
			return NULL;
		chunk->cap = cap;
	}
	chunk->next = NULL;
	chunk->msg = NULL;
	chunk->ext = NULL;
	chunk->pos = chunk->end = 0;
	return chunk;
}

static void give_chunk(struct mt_chunk_stock *stock, struct mt_chunk *chunk)
{
	mt_msg_unref(&chunk->msg);
	if (chunk->cap == CHUNK_CAP && stock->free_count < STOCK_MAX) {
		chunk->next = stock->free;
		stock->free = chunk;
		stock->free_count++;
		return;
	}
	mt_mem_give(stock->mem, chunk, sizeof(*chunk) + chunk->cap);
}

static void append_chunk(struct mt_output *out, struct mt_chunk *chunk)
{
	if (out->last)
		out->last->next = chunk;
	else
		out->first = chunk;
	out->last = chunk;
}

uint8_t *mt_output_room(struct mt_chunk_stock *stock, struct mt_output *out, size_t need)
{
	struct mt_chunk *chunk = out->last;
	uint8_t *at;
	if (!chunk || chunk->msg || chunk->cap - chunk->end < need) {
		chunk = take_chunk(stock, need);
		if (!chunk)
			return NULL;
		append_chunk(out, chunk);
	}
	at = chunk->data + chunk->end;
	chunk->end += need;
	out->bytes += need;
	return at;
}

enum mt_status mt_output_refer(struct mt_chunk_stock *stock, struct mt_output *out,
			       struct mt_msg *msg, struct mt_bytes view)
{
	struct mt_chunk *chunk = mt_mem_take(stock->mem, sizeof(*chunk));
	if (!chunk)
		return MT_MEMORY;
	*chunk = (struct mt_chunk){.msg = mt_msg_ref(msg), .ext = view.data, .end = view.len};
	append_chunk(out, chunk);
	out->bytes += view.len;
	return MT_OK;
}

size_t mt_output_list(const struct mt_output *out, struct mt_bytes *list, size_t list_max)
{
	size_t count = 0;
	for (const struct mt_chunk *chunk = out->first; chunk && count < list_max;
	     chunk = chunk->next) {
		const uint8_t *from = chunk->msg ? chunk->ext : chunk->data;
		if (chunk->end > chunk->pos)
			list[count++] = mt_bytes_of(from + chunk->pos, chunk->end - chunk->pos);
	}
	return count;
}

void mt_output_advance(struct mt_chunk_stock *stock, struct mt_output *out, size_t bytes)
{
	MT_CHECK(bytes <= out->bytes);
	out->bytes -= bytes;
	while (out->first) {
		struct mt_chunk *chunk = out->first;
		size_t part = chunk->end - chunk->pos;
		if (part > bytes) {
			chunk->pos += bytes;
			return;
		}
		bytes -= part;
		out->first = chunk->next;
		if (!out->first)
			out->last = NULL;
		give_chunk(stock, chunk);
	}
}

void mt_output_clear(struct mt_chunk_stock *stock, struct mt_output *out)
{
	mt_output_advance(stock, out, out->bytes);
	MT_CHECK(out->first == NULL);
}

static void drop_free(struct mt_chunk_stock *stock, uint32_t count)
{
	for (; count > 0; count--) {
		struct mt_chunk *chunk = stock->free;
		stock->free = chunk->next;
		stock->free_count--;
		mt_mem_give(stock->mem, chunk, sizeof(*chunk) + chunk->cap);
	}
}

void mt_chunk_stock_trim(struct mt_chunk_stock *stock)
{
	drop_free(stock, stock->unused_count);
	stock->unused_count = stock->free_count;
}

void mt_chunk_stock_finish(struct mt_chunk_stock *stock)
{
	drop_free(stock, stock->free_count);
}
