/*
 * Intrusive doubly linked list: a ring through a head.
 *
 *   head <-> first <-> ... <-> last <-> head        an empty list is a head that points to itself
 */
#pragma once

#include "base/check.h"

struct mt_list {
	struct mt_list *next;
	struct mt_list *prev;
};

#define MT_LIST_ITEM(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void mt_list_init(struct mt_list *head)
{
	head->next = head->prev = head;
}

static inline bool mt_list_is_empty(const struct mt_list *head)
{
	return head->next == head;
}

/* True when the node is in some list (nodes start zeroed or removed). */
static inline bool mt_list_is_linked(const struct mt_list *node)
{
	return node->next != NULL;
}

static inline void mt_list_push_back(struct mt_list *head, struct mt_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Does nothing to a node that is in no list. */
static inline void mt_list_remove(struct mt_list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

/* First node, or NULL. */
static inline struct mt_list *mt_list_first(const struct mt_list *head)
{
	return head->next == head ? NULL : head->next;
}
