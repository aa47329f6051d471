/* Names and addresses of this machine. */
#include "shell/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <strings.h>
#include <unistd.h>

#define LABEL_BYTES_MAX 63u
#define NAME_BYTES_MAX 253u

static bool is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* RFC 1123 section 2.1, and '_', which machines bear in spite of it. */
static bool is_host_name(const char *name)
{
	size_t label = 0, len = strlen(name);
	if (len == 0 || len > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.' ? label == 0 : !is_label_byte(name[i]))
			return false;
		label = name[i] == '.' ? 0 : label + 1;
		if (label > LABEL_BYTES_MAX)
			return false;
	}
	return label > 0;
}

static void add_name(struct mt_host *host, const char *name)
{
	for (size_t i = 0; i < host->names.dns_count; i++)
		if (strcasecmp(host->dns_list[i], name) == 0)
			return;
	host->dns_list[host->names.dns_count++] = name;
}

static void add_address(struct mt_host *host, int family, const void *address)
{
	size_t at = host->names.address_count;
	if (at == MT_HOST_ADDRESSES_MAX ||
	    !inet_ntop(family, address, host->addresses[at], INET6_ADDRSTRLEN))
		return;
	for (size_t i = 0; i < at; i++)
		if (strcmp(host->addresses[i], host->addresses[at]) == 0)
			return;
	host->address_list[at] = host->addresses[at];
	host->names.address_count++;
}

static void add_socket_address(struct mt_host *host, const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (!address)
		return;
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		add_address(host, AF_INET, &v4.sin_addr);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		add_address(host, AF_INET6, &v6.sin6_addr);
	}
}

static void ask_names(struct mt_host *host)
{
	char *dot;
	if (gethostname(host->name, sizeof(host->name) - 1) != 0 || !is_host_name(host->name))
		memcpy(host->name, "localhost", sizeof("localhost"));
	dot = strchr(host->name, '.');
	if (dot) {
		memcpy(host->full_name, host->name, sizeof(host->name));
		*dot = '\0';
	}
	add_name(host, "localhost");
	add_name(host, host->name);
	if (host->full_name[0] != '\0')
		add_name(host, host->full_name);
}

static void ask_addresses(struct mt_host *host)
{
	const struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
	struct ifaddrs *interfaces;
	add_address(host, AF_INET, &loopback);
	add_address(host, AF_INET6, &in6addr_loopback);
	if (getifaddrs(&interfaces) != 0)
		return;
	for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
		add_socket_address(host, at->ifa_addr);
	freeifaddrs(interfaces);
}

void mt_host_ask(struct mt_host *out)
{
	*out = (struct mt_host){.names = {.dns = out->dns_list, .addresses = out->address_list}};
	ask_names(out);
	ask_addresses(out);
}
