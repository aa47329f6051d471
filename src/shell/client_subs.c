/* Subscriptions that the client remembers, to make them again when a server lost the session. */
#include "shell/client_parts.h"

#define SUBS_MAX 10000u

static struct client_sub *sub_of(struct mt_list *node)
{
	return MT_LIST_ITEM(node, struct client_sub, link);
}

static void drop(struct mortise_client *client, struct client_sub *sub)
{
	mt_list_remove(&sub->link);
	client->sub_count--;
	mt_mem_give(&client->mem, sub, sizeof(*sub) + sub->filter_bytes);
}

static struct mt_bytes filter_of(const struct client_sub *sub)
{
	return mt_bytes_of(sub->filter, sub->filter_bytes);
}

void mt_client_subs_remove(struct mortise_client *client, struct mt_bytes filter)
{
	struct mt_list *node = client->subs.next;
	while (node != &client->subs) {
		struct client_sub *sub = sub_of(node);
		node = node->next;
		if (mt_bytes_equal(filter_of(sub), filter))
			drop(client, sub);
	}
}

static int add(struct mortise_client *client, const struct mortise_subscription *wanted,
	       struct client_sub **out)
{
	size_t filter_bytes = strlen(wanted->filter);
	struct client_sub *sub;
	mt_client_subs_remove(client, mt_bytes_of(wanted->filter, filter_bytes));
	if (client->sub_count >= SUBS_MAX)
		return mt_client_say(client, MORTISE_LIMIT, "more than %u subscriptions", SUBS_MAX);
	sub = mt_mem_zero(&client->mem, sizeof(*sub) + filter_bytes);
	if (!sub)
		return mt_client_say(client, MORTISE_MEMORY, "out of memory");
	sub->filter_bytes = filter_bytes;
	memcpy(sub->filter, wanted->filter, filter_bytes);
	sub->options = (struct mt_sub_options){
		.qos = wanted->qos,
		.is_no_local = wanted->is_no_local,
		.is_retain_as_published = wanted->is_retain_as_published,
		.retain_handling = wanted->retain_handling,
	};
	mt_list_push_back(&client->subs, &sub->link);
	client->sub_count++;
	*out = sub;
	return MORTISE_OK;
}

int mt_client_subs_add(struct mortise_client *client, const struct mortise_subscription *list,
		       size_t count, uint32_t subscription_id, uint16_t request)
{
	for (size_t i = 0; i < count; i++) {
		struct client_sub *sub;
		int status = add(client, &list[i], &sub);
		if (status != MORTISE_OK)
			return status;
		sub->subscription_id = subscription_id;
		sub->request = request;
		sub->index = (uint32_t)i;
	}
	return MORTISE_OK;
}

bool mt_client_subs_answered(struct mortise_client *client, uint16_t request,
			     struct mt_bytes reasons)
{
	struct mt_list *node = client->subs.next;
	bool is_silent = false;
	while (node != &client->subs) {
		struct client_sub *sub = sub_of(node);
		node = node->next;
		if (sub->request != request)
			continue;
		sub->request = 0;
		if (sub->index < reasons.len && reasons.data[sub->index] >= 0x80)
			drop(client, sub);
		else
			is_silent = sub->is_renewal;
	}
	return is_silent;
}

void mt_client_subs_lost(struct mortise_client *client)
{
	struct mt_list *node = client->subs.next;
	while (node != &client->subs) {
		struct client_sub *sub = sub_of(node);
		node = node->next;
		if (sub->request != 0 && !sub->is_renewal)
			drop(client, sub);
		else
			sub->request = 0;
	}
}

void mt_client_subs_renew(struct mortise_client *client)
{
	for (struct mt_list *node = client->subs.next; node != &client->subs; node = node->next)
		sub_of(node)->is_due = true;
}

static enum mt_status send(struct mortise_client *client, struct client_sub *sub)
{
	struct mt_client_filter filter = {filter_of(sub), sub->options};
	struct mt_props props = {0};
	struct mt_violation why;
	if (sub->subscription_id > 0) {
		props.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
		props.subscription_id = sub->subscription_id;
		props.subscription_id_count = 1;
	}
	return mt_client_subscribe(client->core, &filter, 1, &props, &sub->request, &why);
}

void mt_client_subs_send(struct mortise_client *client)
{
	struct mt_list *node = client->subs.next;
	while (node != &client->subs) {
		struct client_sub *sub = sub_of(node);
		enum mt_status status;
		node = node->next;
		if (!sub->is_due)
			continue;
		status = send(client, sub);
		if (status != MT_OK && status != MT_INVALID && status != MT_LIMIT)
			return;
		sub->is_due = false;
		sub->is_renewal = true;
		sub->index = 0;
		if (status != MT_OK) /* this server does not take it */
			drop(client, sub);
	}
}

void mt_client_subs_finish(struct mortise_client *client)
{
	struct mt_list *first;
	while ((first = mt_list_first(&client->subs)))
		drop(client, sub_of(first));
}
