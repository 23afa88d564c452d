/* The lab's helper program: one process that has a foot in every network namespace of a lab.
 * It is told what to do line by line on stdin and answers with one line of JSON per command. */
#ifndef NETSIM_LAB_AGENT_H
#define NETSIM_LAB_AGENT_H

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define MAX_NETNS 512
#define MAX_LISTENERS 4096
#define MAX_DYNAMIC_SETS 4096

struct netns {
  int fd;         /* the namespace itself, for setns */
  int trace_fd;   /* nfnetlink socket that hears the nf_tables trace, or -1 */
  int ct_fd;      /* nfnetlink socket for conntrack requests, or -1 */
  int capture_fd; /* packet socket on all its devices, or -1 */
};

extern struct netns netns_list[MAX_NETNS];

/* The thread stays in the netns until the next call; sockets belong to the netns they were made in. */
int enter_netns(int index);
/* A socket address of either family; returns its length, 0 where the text is not an address. */
socklen_t make_address(const char *text, int port, struct sockaddr_storage *out);
void print_address(FILE *out, const struct sockaddr *address);
void print_json_string(FILE *out, const char *text);
int64_t now_ms(void);

/* netlink.c */
int open_trace(int index);
void drain_trace(int index);
/* Prints the events that came. *lost is set where the kernel had to leave some out. */
int print_trace(FILE *out, int index, int first, int *lost);
void print_rules(FILE *out, int index);
int open_conntrack(int index);
int flush_conntrack(int index);
/* Remembers a set that rules fill as packets pass; flush_sets empties those of a netns. */
int add_dynamic_set(int index, int family, const char *table, const char *set);
int flush_sets(int index);
int print_conntrack(FILE *out, int index, int first);

/* capture.c */
int open_capture(int index);
void drain_capture(int index);
int print_capture(FILE *out, int index, int first, int *lost);

/* probe.c */
int add_listener(int index, const char *protocol, const char *address, int port, const char *name);
void run_probe(FILE *out, int index, const char *protocol, const char *dst, int dport, int sport, int timeout_ms, int ttl);
void end_probe(void);
#endif
