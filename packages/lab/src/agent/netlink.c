/* nfnetlink: the nf_tables trace, the handles of the rules, and conntrack. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned char buffer[1 << 18];

struct attribute {
  const unsigned char *data;
  int length;
};

static void parse_attributes(const unsigned char *data, int length, struct attribute *table, int max) {
  memset(table, 0, sizeof *table * (max + 1));
  while (length >= (int)sizeof(struct nlattr)) {
    const struct nlattr *attr = (const struct nlattr *)data;
    if (attr->nla_len < sizeof *attr || attr->nla_len > length) return;
    int type = attr->nla_type & NLA_TYPE_MASK;
    if (type <= max) {
      table[type].data = data + sizeof *attr;
      table[type].length = attr->nla_len - sizeof *attr;
    }
    data += NLA_ALIGN(attr->nla_len);
    length -= NLA_ALIGN(attr->nla_len);
  }
}

static uint32_t be32(struct attribute a) {
  uint32_t v = 0;
  if (a.data && a.length >= 4) memcpy(&v, a.data, 4);
  return ntohl(v);
}
static uint64_t be64(struct attribute a) {
  uint64_t v = 0;
  for (int i = 0; a.data && i < 8 && i < a.length; i++) v = v << 8 | a.data[i];
  return v;
}
static const char *text(struct attribute a) { return a.data ? (const char *)a.data : ""; }

static int open_netlink(int index, int nonblock) {
  if (enter_netns(index) != 0) return -1;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), NETLINK_NETFILTER);
  if (fd < 0) return -1;
  struct sockaddr_nl local = {.nl_family = AF_NETLINK};
  int size = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&local, sizeof local) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

int open_trace(int index) {
  int fd = open_netlink(index, 1);
  if (fd < 0) return -1;
  int group = NFNLGRP_NFTRACE;
  if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return -1;
  netns_list[index].trace_fd = fd;
  return 0;
}

void drain_trace(int index) {
  while (recv(netns_list[index].trace_fd, buffer, sizeof buffer, 0) >= 0 || errno == ENOBUFS) {
  }
}

static void print_hex(FILE *out, const char *key, struct attribute a) {
  if (!a.data) return;
  fprintf(out, ",\"%s\":\"", key);
  for (int i = 0; i < a.length; i++) fprintf(out, "%02x", a.data[i]);
  fputc('"', out);
}

static void print_trace_event(FILE *out, int index, const struct nlmsghdr *message) {
  const struct nfgenmsg *generic = NLMSG_DATA(message);
  struct attribute a[NFTA_TRACE_MAX + 1];
  parse_attributes((const unsigned char *)(generic + 1), message->nlmsg_len - NLMSG_LENGTH(sizeof *generic), a, NFTA_TRACE_MAX);
  static const char *types[] = {"?", "policy", "return", "rule"};
  uint32_t type = be32(a[NFTA_TRACE_TYPE]);
  fprintf(out, "{\"netns\":%d,\"id\":%u,\"family\":%d,\"type\":\"%s\",\"table\":", index, be32(a[NFTA_TRACE_ID]),
          generic->nfgen_family, type < 4 ? types[type] : "?");
  print_json_string(out, text(a[NFTA_TRACE_TABLE]));
  fputs(",\"chain\":", out);
  print_json_string(out, text(a[NFTA_TRACE_CHAIN]));
  if (a[NFTA_TRACE_RULE_HANDLE].data) fprintf(out, ",\"handle\":%llu", (unsigned long long)be64(a[NFTA_TRACE_RULE_HANDLE]));
  if (a[NFTA_TRACE_VERDICT].data) {
    struct attribute v[NFTA_VERDICT_MAX + 1];
    parse_attributes(a[NFTA_TRACE_VERDICT].data, a[NFTA_TRACE_VERDICT].length, v, NFTA_VERDICT_MAX);
    fprintf(out, ",\"verdict\":%d", (int)be32(v[NFTA_VERDICT_CODE]));
  }
  if (a[NFTA_TRACE_POLICY].data) fprintf(out, ",\"policy\":%d", (int)be32(a[NFTA_TRACE_POLICY]));
  if (a[NFTA_TRACE_MARK].data) fprintf(out, ",\"mark\":%u", be32(a[NFTA_TRACE_MARK]));
  if (a[NFTA_TRACE_IIF].data) fprintf(out, ",\"iif\":%u", be32(a[NFTA_TRACE_IIF]));
  print_hex(out, "network", a[NFTA_TRACE_NETWORK_HEADER]);
  print_hex(out, "transport", a[NFTA_TRACE_TRANSPORT_HEADER]);
  fputc('}', out);
}

int print_trace(FILE *out, int index, int first, int *lost) {
  if (netns_list[index].trace_fd < 0) return first;
  for (;;) {
    ssize_t length = recv(netns_list[index].trace_fd, buffer, sizeof buffer, 0);
    if (length < 0) {
      if (errno != ENOBUFS) return first;
      *lost = 1;
      continue;
    }
    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, length); m = NLMSG_NEXT(m, length)) {
      if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE)) continue;
      if (!first) fputc(',', out);
      print_trace_event(out, index, m);
      first = 0;
    }
  }
}

static int request(int fd, int subsystem, int type, int flags, int family) {
  struct {
    struct nlmsghdr header;
    struct nfgenmsg generic;
  } message = {
      .header = {.nlmsg_len = sizeof message, .nlmsg_type = subsystem << 8 | type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1},
      .generic = {.nfgen_family = family, .version = NFNETLINK_V0},
  };
  return send(fd, &message, sizeof message, 0) == sizeof message ? 0 : -1;
}

/* Calls `each` for every message of a dump. */
static void read_dump(int fd, void (*each)(void *context, const struct nlmsghdr *message), void *context) {
  for (;;) {
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length < 0) return;
    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, length); m = NLMSG_NEXT(m, length)) {
      if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) return;
      each(context, m);
    }
  }
}

struct printer {
  FILE *out;
  int first;
  int index;
};

static void print_rule(void *context, const struct nlmsghdr *message) {
  struct printer *p = context;
  const struct nfgenmsg *generic = NLMSG_DATA(message);
  struct attribute a[NFTA_RULE_MAX + 1];
  parse_attributes((const unsigned char *)(generic + 1), message->nlmsg_len - NLMSG_LENGTH(sizeof *generic), a, NFTA_RULE_MAX);
  fprintf(p->out, "%s[%d,", p->first ? "" : ",", generic->nfgen_family);
  print_json_string(p->out, text(a[NFTA_RULE_TABLE]));
  fputc(',', p->out);
  print_json_string(p->out, text(a[NFTA_RULE_CHAIN]));
  fprintf(p->out, ",%llu]", (unsigned long long)be64(a[NFTA_RULE_HANDLE]));
  p->first = 0;
}

void print_rules(FILE *out, int index) {
  struct printer p = {out, 1, index};
  int fd = open_netlink(index, 0);
  if (fd < 0) return;
  if (request(fd, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, NLM_F_DUMP, AF_UNSPEC) == 0) read_dump(fd, print_rule, &p);
  close(fd);
}

int open_conntrack(int index) {
  int fd = open_netlink(index, 0);
  if (fd < 0) return -1;
  netns_list[index].ct_fd = fd;
  return 0;
}

static void ignore(void *context, const struct nlmsghdr *message) {
  (void)context;
  (void)message;
}

int flush_conntrack(int index) {
  int fd = netns_list[index].ct_fd;
  if (request(fd, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_UNSPEC) != 0) return -1;
  read_dump(fd, ignore, NULL);
  return 0;
}

static struct {
  int netns;
  int family;
  char table[64];
  char set[256];
} dynamic_sets[MAX_DYNAMIC_SETS];
static int dynamic_set_count;

int add_dynamic_set(int index, int family, const char *table, const char *set) {
  if (dynamic_set_count == MAX_DYNAMIC_SETS) {
    errno = ENOSPC;
    return -1;
  }
  dynamic_sets[dynamic_set_count].netns = index;
  dynamic_sets[dynamic_set_count].family = family;
  snprintf(dynamic_sets[dynamic_set_count].table, sizeof dynamic_sets->table, "%s", table);
  snprintf(dynamic_sets[dynamic_set_count].set, sizeof dynamic_sets->set, "%s", set);
  dynamic_set_count++;
  return 0;
}

static struct nlmsghdr *begin_message(unsigned char **end, int type, int flags, int family, int resource) {
  struct nlmsghdr *header = (struct nlmsghdr *)*end;
  struct nfgenmsg *generic = NLMSG_DATA(header);
  memset(header, 0, NLMSG_LENGTH(sizeof *generic));
  header->nlmsg_len = NLMSG_LENGTH(sizeof *generic);
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | flags;
  generic->nfgen_family = family;
  generic->version = NFNETLINK_V0;
  generic->res_id = htons(resource);
  *end += NLMSG_ALIGN(header->nlmsg_len);
  return header;
}

static void add_text(struct nlmsghdr *header, unsigned char **end, int type, const char *value) {
  struct nlattr *attr = (struct nlattr *)*end;
  int length = strlen(value) + 1;
  memset(attr, 0, NLA_HDRLEN + NLA_ALIGN(length));
  attr->nla_type = type;
  attr->nla_len = NLA_HDRLEN + length;
  memcpy(*end + NLA_HDRLEN, value, length);
  *end += NLA_ALIGN(attr->nla_len);
  header->nlmsg_len += NLA_ALIGN(attr->nla_len);
}

/* One transaction for all sets of the netns: deleting elements without naming any empties a set. */
int flush_sets(int index) {
  unsigned char *end = buffer;
  int count = 0;
  begin_message(&end, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  for (int i = 0; i < dynamic_set_count && end - buffer < (int)sizeof buffer / 2; i++) {
    if (dynamic_sets[i].netns != index) continue;
    struct nlmsghdr *header =
        begin_message(&end, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM, count == 0 ? NLM_F_ACK : 0, dynamic_sets[i].family, 0);
    add_text(header, &end, NFTA_SET_ELEM_LIST_TABLE, dynamic_sets[i].table);
    add_text(header, &end, NFTA_SET_ELEM_LIST_SET, dynamic_sets[i].set);
    count++;
  }
  if (count == 0) return 0;
  begin_message(&end, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  int fd = netns_list[index].ct_fd;
  if (send(fd, buffer, end - buffer, 0) < 0) return -1;
  ssize_t length = recv(fd, buffer, sizeof buffer, 0);
  const struct nlmsghdr *answer = (const struct nlmsghdr *)buffer;
  if (length < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || answer->nlmsg_type != NLMSG_ERROR) return -1;
  errno = -((const struct nlmsgerr *)NLMSG_DATA(answer))->error;
  return errno == 0 ? 0 : -1;
}

static void print_tuple(FILE *out, const char *key, struct attribute tuple) {
  struct attribute t[CTA_TUPLE_MAX + 1], ip[CTA_IP_MAX + 1], proto[CTA_PROTO_MAX + 1];
  parse_attributes(tuple.data, tuple.length, t, CTA_TUPLE_MAX);
  parse_attributes(t[CTA_TUPLE_IP].data, t[CTA_TUPLE_IP].length, ip, CTA_IP_MAX);
  parse_attributes(t[CTA_TUPLE_PROTO].data, t[CTA_TUPLE_PROTO].length, proto, CTA_PROTO_MAX);
  char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "";
  if (ip[CTA_IP_V4_SRC].data) {
    inet_ntop(AF_INET, ip[CTA_IP_V4_SRC].data, src, sizeof src);
    inet_ntop(AF_INET, ip[CTA_IP_V4_DST].data, dst, sizeof dst);
  } else if (ip[CTA_IP_V6_SRC].data) {
    inet_ntop(AF_INET6, ip[CTA_IP_V6_SRC].data, src, sizeof src);
    inet_ntop(AF_INET6, ip[CTA_IP_V6_DST].data, dst, sizeof dst);
  }
  int number = proto[CTA_PROTO_NUM].data ? proto[CTA_PROTO_NUM].data[0] : 0;
  uint16_t sport = 0, dport = 0;
  int type = -1;
  struct attribute id = proto[CTA_PROTO_ICMP_ID].data ? proto[CTA_PROTO_ICMP_ID] : proto[CTA_PROTO_ICMPV6_ID];
  if (id.data) {
    memcpy(&sport, id.data, 2);
    struct attribute kind = proto[CTA_PROTO_ICMP_TYPE].data ? proto[CTA_PROTO_ICMP_TYPE] : proto[CTA_PROTO_ICMPV6_TYPE];
    type = kind.data ? kind.data[0] : -1;
  } else {
    if (proto[CTA_PROTO_SRC_PORT].data) memcpy(&sport, proto[CTA_PROTO_SRC_PORT].data, 2);
    if (proto[CTA_PROTO_DST_PORT].data) memcpy(&dport, proto[CTA_PROTO_DST_PORT].data, 2);
  }
  fprintf(out, ",\"%s\":{\"src\":\"%s\",\"dst\":\"%s\",\"protocol\":%d,\"sport\":%d,\"dport\":%d", key, src, dst, number,
          ntohs(sport), ntohs(dport));
  if (type >= 0) fprintf(out, ",\"type\":%d", type);
  fputc('}', out);
}

static void print_connection(void *context, const struct nlmsghdr *message) {
  struct printer *p = context;
  const struct nfgenmsg *generic = NLMSG_DATA(message);
  struct attribute a[CTA_MAX + 1];
  parse_attributes((const unsigned char *)(generic + 1), message->nlmsg_len - NLMSG_LENGTH(sizeof *generic), a, CTA_MAX);
  fprintf(p->out, "%s{\"netns\":%d,\"status\":%u", p->first ? "" : ",", p->index, be32(a[CTA_STATUS]));
  print_tuple(p->out, "original", a[CTA_TUPLE_ORIG]);
  print_tuple(p->out, "reply", a[CTA_TUPLE_REPLY]);
  fputc('}', p->out);
  p->first = 0;
}

int print_conntrack(FILE *out, int index, int first) {
  struct printer p = {out, first, index};
  int fd = netns_list[index].ct_fd;
  if (fd < 0) return first;
  if (request(fd, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC) == 0) read_dump(fd, print_connection, &p);
  return p.first;
}
