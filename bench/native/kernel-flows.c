/* Drives the real kernel as fast as two cores can: small UDP datagrams from one network namespace to another.
 *
 *   kernel-flows SOURCE_NETNS SINK_NETNS SINK_PORT established SECONDS < targets
 *   kernel-flows SOURCE_NETNS SINK_NETNS SINK_PORT new COUNT ROUNDS SOURCE_IP/LENGTH NODE_NETNS... < targets
 *
 * `targets` are lines `IP PORT`. Both modes count at the receiver, in a thread of its own, with recvmmsg.
 *   established: one connected socket per target (at most 64), sendmmsg of 64 datagrams a call.
 *   new: a raw socket with ready-made headers; each datagram is a flow of its own (source address and port vary inside
 *        SOURCE_IP/LENGTH); after each round conntrack of the NODE_NETNS is flushed, outside of the time measured.
 * Prints one line of JSON: { "sent", "received", "seconds" } (of the best round for `new`), and all rounds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define PAYLOAD 18
#define MAX_TARGETS 100000

static struct sockaddr_in targets[MAX_TARGETS];
static int target_count;
static atomic_long received;
static atomic_llong last_ns;
static atomic_int stop;

static void die(const char *what) {
  fprintf(stderr, "kernel-flows: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void enter(const char *netns) {
  int fd = open(netns, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(netns);
  close(fd);
}

static void *receive(void *argument) {
  int fd = *(int *)argument;
  static char data[BATCH][64];
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){data[i], sizeof data[i]};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  while (!stop) {
    int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (got <= 0) continue;
    received += got;
    last_ns = now_ns();
  }
  return NULL;
}

static void read_targets(void) {
  char ip[64];
  int port;
  while (target_count < MAX_TARGETS && scanf("%63s %d", ip, &port) == 2) {
    struct sockaddr_in *t = &targets[target_count++];
    t->sin_family = AF_INET;
    t->sin_port = htons(port);
    if (inet_pton(AF_INET, ip, &t->sin_addr) != 1) die(ip);
  }
  if (target_count == 0) die("no targets");
}

static void flush_conntrack(int fd) {
  struct {
    struct nlmsghdr header;
    struct nfgenmsg generic;
  } message = {
      .header = {.nlmsg_len = sizeof message,
                 .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
      .generic = {.version = NFNETLINK_V0},
  };
  char answer[4096];
  if (send(fd, &message, sizeof message, 0) < 0 || recv(fd, answer, sizeof answer, 0) < 0) die("conntrack flush");
}

/* Waits until nothing more arrives; returns when the last datagram did. */
static int64_t drained(void) {
  long before;
  do {
    before = received;
    usleep(30000);
  } while (received != before);
  return last_ns;
}

static void established(double seconds) {
  int sockets = target_count < 64 ? target_count : 64;
  static int fds[64];
  for (int i = 0; i < sockets; i++) {
    fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&targets[(long)i * target_count / sockets], sizeof *targets) != 0) die("connect");
    if (send(fds[i], "hello", 5, 0) < 0) die("send");
  }
  drained();
  static char data[PAYLOAD];
  static struct iovec part = {data, PAYLOAD};
  static struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) {
    messages[i].msg_hdr.msg_iov = &part;
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  received = 0;
  long sent = 0;
  int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9);
  for (int i = 0; now_ns() < end; i = (i + 1) % sockets) {
    int done = sendmmsg(fds[i], messages, BATCH, 0);
    if (done > 0) sent += done;
  }
  int64_t finish = now_ns();
  int64_t last = drained();
  if (last < finish) last = finish;
  printf("{\"sent\":%ld,\"received\":%ld,\"seconds\":%.6f}\n", sent, (long)received, (last - start) / 1e9);
}

static uint16_t header_checksum(const void *data) {
  const uint16_t *p = data;
  uint32_t sum = 0;
  for (int i = 0; i < 10; i++) sum += p[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

struct datagram {
  struct iphdr ip;
  struct udphdr udp;
  char payload[PAYLOAD];
};

static void new_flows(long count, int rounds, const char *block, char **nodes, int node_count) {
  char address[64];
  snprintf(address, sizeof address, "%s", block);
  char *slash = strchr(address, '/');
  int length = 32;
  if (slash) {
    *slash = 0;
    length = atoi(slash + 1);
  }
  struct in_addr base;
  if (inet_pton(AF_INET, address, &base) != 1) die(block);
  uint32_t first = ntohl(base.s_addr);
  uint32_t sources = length >= 31 ? 1 : (1u << (32 - length)) - 2; /* without the broadcast address */

  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  int size = 64 << 20;
  if (fd < 0) die("raw socket");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  int *netlink = calloc(node_count, sizeof *netlink);
  for (int i = 0; i < node_count; i++) {
    enter(nodes[i]);
    netlink[i] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (netlink[i] < 0) die("netlink");
  }
  static struct datagram data[BATCH];
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  static struct sockaddr_in to[BATCH];
  for (int i = 0; i < BATCH; i++) {
    data[i].ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(sizeof data[i]), .frag_off = htons(0x4000)};
    data[i].udp.len = htons(sizeof data[i] - sizeof data[i].ip); /* checksum 0: none */
    parts[i] = (struct iovec){&data[i], sizeof data[i]};
    messages[i].msg_hdr = (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  double best = 0;
  long best_received = 0, best_sent = 0, flow = 0;
  double best_seconds = 0;
  char all[4096] = "";
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < node_count; i++) flush_conntrack(netlink[i]);
    received = 0;
    long sent = 0;
    int64_t start = now_ns();
    while (sent < count) {
      int n = count - sent < BATCH ? (int)(count - sent) : BATCH;
      for (int i = 0; i < n; i++, flow++) {
        /* Every target in turn. Source ports and addresses do not repeat within a round whatever the target: services
         * that share a backend would else clash after DNAT, and conntrack would look for a free port each time. */
        const struct sockaddr_in *t = &targets[flow % target_count];
        to[i] = *t;
        data[i].ip.saddr = htonl(first + (uint32_t)((flow / 60000) % sources));
        data[i].ip.daddr = t->sin_addr.s_addr;
        data[i].ip.check = 0;
        data[i].ip.check = header_checksum(&data[i].ip);
        data[i].udp.source = htons(1024 + flow % 60000);
        data[i].udp.dest = t->sin_port;
      }
      int done = sendmmsg(fd, messages, n, 0);
      if (done > 0) sent += done;
      else if (errno != ENOBUFS && errno != EAGAIN) die("sendmmsg");
    }
    int64_t finish = now_ns();
    int64_t last = drained();
    if (last < finish) last = finish;
    double seconds = (last - start) / 1e9, rate = received / seconds;
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%.0f", round ? "," : "", rate);
    if (rate > best) {
      best = rate;
      best_received = received;
      best_sent = sent;
      best_seconds = seconds;
    }
  }
  for (int i = 0; i < node_count; i++) flush_conntrack(netlink[i]);
  printf("{\"sent\":%ld,\"received\":%ld,\"seconds\":%.6f,\"rounds\":[%s]}\n", best_sent, best_received, best_seconds, all);
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr, "usage: kernel-flows SOURCE_NETNS SINK_NETNS SINK_PORT established|new ...\n");
    return 2;
  }
  read_targets();
  enter(argv[2]);
  int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 256 << 20;
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  if (sink < 0 || bind(sink, (struct sockaddr *)&local, sizeof local) != 0) die("bind");
  setsockopt(sink, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  struct timeval wait = {.tv_usec = 50000};
  setsockopt(sink, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  pthread_t thread;
  pthread_create(&thread, NULL, receive, &sink);
  enter(argv[1]);
  if (!strcmp(argv[4], "established")) established(atof(argv[5]));
  else if (!strcmp(argv[4], "new") && argc >= 9) new_flows(atol(argv[5]), atoi(argv[6]), argv[7], argv + 8, argc - 8);
  else return 2;
  stop = 1;
  pthread_join(thread, NULL);
  return 0;
}
