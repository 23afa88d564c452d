/* Servers that answer with their name, and one probe at a time against them. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct listener {
  int fd;
  int netns;
  int tcp;
  char name[128];
};
static struct listener listeners[MAX_LISTENERS];
static int listener_count;

int add_listener(int index, const char *protocol, const char *address, int port, const char *name) {
  if (listener_count == MAX_LISTENERS || enter_netns(index) != 0) return -1;
  struct sockaddr_storage local;
  int any = !strcmp(address, "*");
  socklen_t length = make_address(any ? "::" : address, port, &local);
  if (length == 0) {
    errno = EINVAL;
    return -1;
  }
  int tcp = !strcmp(protocol, "tcp"), yes = 1, no = 0;
  int fd = socket(local.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (any) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  if (bind(fd, (struct sockaddr *)&local, length) != 0 || (tcp && listen(fd, 64) != 0)) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
  }
  if (!tcp) { /* the answer must leave from the address that was asked, as a careful server does */
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
    if (local.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
  }
  struct listener *l = &listeners[listener_count++];
  l->fd = fd;
  l->netns = index;
  l->tcp = tcp;
  snprintf(l->name, sizeof l->name, "%s", name);
  return 0;
}

/* What the server saw, kept until the result is printed. */
static struct {
  int served;
  const struct listener *listener;
  struct sockaddr_storage peer;
} seen;

static int accepted[64];
static int accepted_count;

static void serve_tcp(struct listener *l) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  int fd = accept4(l->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  seen.served = 1;
  seen.listener = l;
  seen.peer = peer;
  ssize_t ignored = write(fd, l->name, strlen(l->name));
  (void)ignored;
  if (accepted_count < 64) accepted[accepted_count++] = fd;
  else close(fd);
}

static void serve_udp(struct listener *l) {
  char payload[512], control[256];
  struct iovec data = {payload, sizeof payload};
  struct sockaddr_storage peer;
  struct msghdr message = {.msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &data, .msg_iovlen = 1,
                           .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(l->fd, &message, 0) < 0) return;
  seen.served = 1;
  seen.listener = l;
  seen.peer = peer;
  data.iov_base = l->name;
  data.iov_len = strlen(l->name);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);
      info->ipi_spec_dst = info->ipi_addr;
      info->ipi_ifindex = 0;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      ((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
    }
  }
  sendmsg(l->fd, &message, 0);
}

static void serve(int timeout_ms, int client, short events) {
  static struct pollfd set[MAX_LISTENERS + 1];
  set[0] = (struct pollfd){.fd = client, .events = events};
  for (int i = 0; i < listener_count; i++) set[i + 1] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
  if (poll(set, listener_count + 1, timeout_ms) <= 0) return;
  for (int i = 0; i < listener_count; i++) {
    if (!(set[i + 1].revents & POLLIN)) continue;
    if (listeners[i].tcp) serve_tcp(&listeners[i]);
    else serve_udp(&listeners[i]);
  }
}

static const char *error_name(int error) {
  const char *name = strerrorname_np(error);
  return name ? name : "EUNKNOWN";
}

struct icmp_error {
  struct sock_extended_err error;
  struct sockaddr_storage offender;
};

/* The ICMP error that waits in a socket's error queue; 0 where there is none. */
static int read_icmp_error(int fd, struct icmp_error *found) {
  char control[512], payload[512];
  struct iovec data = {payload, sizeof payload};
  struct sockaddr_storage name;
  struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &data, .msg_iovlen = 1,
                           .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (!((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))) continue;
    struct sock_extended_err *e = (struct sock_extended_err *)CMSG_DATA(c);
    if (e->ee_origin != SO_EE_ORIGIN_ICMP && e->ee_origin != SO_EE_ORIGIN_ICMP6) continue;
    found->error = *e;
    memset(&found->offender, 0, sizeof found->offender);
    struct sockaddr *offender = SO_EE_OFFENDER(e);
    if (offender->sa_family == AF_INET) memcpy(&found->offender, offender, sizeof(struct sockaddr_in));
    if (offender->sa_family == AF_INET6) memcpy(&found->offender, offender, sizeof(struct sockaddr_in6));
    return 1;
  }
  return 0;
}

static void print_icmp_error(FILE *out, int fd) {
  struct icmp_error found;
  if (!read_icmp_error(fd, &found)) return;
  fprintf(out, ",\"icmp\":{\"type\":%d,\"code\":%d,\"from\":", found.error.ee_type, found.error.ee_code);
  if (found.offender.ss_family == AF_UNSPEC) fputs("null", out);
  else print_address(out, (struct sockaddr *)&found.offender);
  fputc('}', out);
}

static void hear_icmp_errors(int fd, int family) {
  int yes = 1;
  setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &yes, sizeof yes);
}

static uint16_t checksum(const void *data, int length) {
  const uint16_t *p = data;
  uint32_t sum = 0;
  for (; length > 1; length -= 2) sum += *p++;
  if (length) sum += *(const uint8_t *)p;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

struct result {
  const char *outcome; /* answered, timeout, or the name of an errno */
  char answer[256];
};

/* As ping does: not connected, so that an answer from another address (that of an anycast address) is heard. */
static int send_echo(int fd, const struct sockaddr *to, socklen_t length, int id) {
  int family = to->sa_family;
  unsigned char packet[16] = {0};
  packet[0] = family == AF_INET ? ICMP_ECHO : ICMPV6_ECHO_REQUEST;
  packet[4] = id >> 8;
  packet[5] = id & 255;
  packet[7] = 1;
  if (family == AF_INET) {
    uint16_t sum = checksum(packet, sizeof packet);
    memcpy(packet + 2, &sum, 2);
  }
  return sendto(fd, packet, sizeof packet, 0, to, length) < 0 ? -1 : 0;
}

/* True where the datagram is the answer to our echo request. */
static int is_echo_reply(const unsigned char *packet, ssize_t length, int family, int id) {
  int skip = family == AF_INET ? (packet[0] & 15) * 4 : 0;
  if (length < skip + 8) return 0;
  packet += skip;
  return packet[0] == (family == AF_INET ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY) && (packet[4] << 8 | packet[5]) == id;
}

/*
 * An error that comes while connect still runs only waits in the error queue: the connection is told by the errors that its next
 * SYN meets, a second later. That SYN is a new packet to the rules, which may choose another endpoint for it, so it is not waited for.
 */
static void probe_tcp(int fd, const struct sockaddr *to, socklen_t length, int64_t deadline, struct result *r) {
  if (connect(fd, to, length) != 0 && errno != EINPROGRESS) {
    r->outcome = error_name(errno);
    return;
  }
  int connected = 0;
  for (;;) {
    int64_t left = deadline - now_ms();
    if (left <= 0) {
      r->outcome = connected ? "silent" : "timeout";
      return;
    }
    serve((int)left, fd, connected ? POLLIN : POLLOUT);
    struct icmp_error found;
    if (!connected && read_icmp_error(fd, &found)) {
      r->outcome = error_name(found.error.ee_errno);
      return;
    }
    if (!connected) {
      struct pollfd p = {.fd = fd, .events = POLLOUT};
      if (poll(&p, 1, 0) <= 0) continue;
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error) {
        r->outcome = error_name(error);
        return;
      }
      connected = 1;
    }
    ssize_t got = recv(fd, r->answer, sizeof r->answer - 1, MSG_DONTWAIT);
    if (got > 0) {
      r->outcome = "answered";
      return;
    }
    if (got == 0 || errno != EAGAIN) {
      r->outcome = got == 0 ? "closed" : error_name(errno);
      return;
    }
  }
}

static void probe_datagram(int fd, int icmp, int family, const struct sockaddr *to, socklen_t length, int id, int64_t deadline, struct result *r) {
  if (icmp ? send_echo(fd, to, length, id) < 0 : connect(fd, to, length) != 0 || send(fd, "probe", 5, 0) < 0) {
    r->outcome = error_name(errno);
    return;
  }
  for (;;) {
    int64_t left = deadline - now_ms();
    if (left <= 0) {
      r->outcome = "timeout";
      return;
    }
    serve((int)left, fd, POLLIN);
    unsigned char packet[512];
    ssize_t got = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN) {
      r->outcome = error_name(errno);
      return;
    }
    if (got <= 0) continue;
    if (icmp && !is_echo_reply(packet, got, family, id)) continue;
    r->outcome = "answered";
    if (!icmp) {
      size_t n = (size_t)got < sizeof r->answer - 1 ? (size_t)got : sizeof r->answer - 1;
      memcpy(r->answer, packet, n);
    }
    return;
  }
}

static int client = -1;
static int client_is_tcp;

/* Runs one probe and prints what its client and its server saw, and conntrack while the flow is open. The JSON object stays open. */
void run_probe(FILE *out, int index, const char *protocol, const char *dst, int dport, int sport, int timeout_ms, int ttl) {
  struct result result = {.outcome = "EINVAL"};
  struct sockaddr_storage to, local;
  int tcp = !strcmp(protocol, "tcp"), icmp = !strcmp(protocol, "icmp"), yes = 1, fd = -1;
  memset(&seen, 0, sizeof seen);
  socklen_t length = make_address(dst, icmp ? 0 : dport, &to);
  if (length > 0 && enter_netns(index) == 0) {
    int family = to.ss_family;
    if (icmp) fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    else fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  if (fd >= 0) {
    int family = to.ss_family;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    /* As ping does. A UDP socket is left as a plain program has it: told of closed ports, not of unreachable hosts. */
    if (icmp || tcp) hear_icmp_errors(fd, family);
    if (ttl > 0) setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS, &ttl, sizeof ttl);
    memset(&local, 0, sizeof local);
    local.ss_family = family;
    ((struct sockaddr_in *)&local)->sin_port = htons(sport);
    int64_t deadline = now_ms() + timeout_ms;
    if (!icmp && sport > 0 && bind(fd, (struct sockaddr *)&local, length) != 0) result.outcome = error_name(errno);
    else if (tcp) probe_tcp(fd, (struct sockaddr *)&to, length, deadline, &result);
    else probe_datagram(fd, icmp, family, (struct sockaddr *)&to, length, sport, deadline, &result);
  } else {
    result.outcome = error_name(errno);
  }
  fputs("{\"outcome\":", out);
  print_json_string(out, result.outcome);
  fputs(",\"answer\":", out);
  print_json_string(out, result.answer);
  if (seen.served) {
    fprintf(out, ",\"server\":{\"netns\":%d,\"name\":", seen.listener->netns);
    print_json_string(out, seen.listener->name);
    fputs(",\"peer\":", out);
    print_address(out, (struct sockaddr *)&seen.peer);
    fputc('}', out);
  }
  if (fd >= 0 && icmp) print_icmp_error(out, fd);
  fputs(",\"connections\":[", out);
  for (int i = 0, first = 1; i < MAX_NETNS && netns_list[i].fd > 0; i++) first = print_conntrack(out, i, first);
  fputs("]", out);
  client = fd;
  client_is_tcp = tcp;
}

/* Closes a connection without a word to the other end: a reset on its way would be met by the next probe. */
static void close_silently(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on);
  close(fd);
}

/* Connections and datagrams that came too late for the probe that they were meant for. */
static void forget_late_comers(void) {
  char ignored[512];
  for (int i = 0; i < listener_count; i++) {
    if (!listeners[i].tcp) {
      while (recv(listeners[i].fd, ignored, sizeof ignored, MSG_DONTWAIT) >= 0) {
      }
      continue;
    }
    for (int fd; (fd = accept4(listeners[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) close_silently(fd);
  }
}

/* Ends the flow at both ends, after everything was printed: nothing lingers into the next probe. */
void end_probe(void) {
  for (int i = 0; i < accepted_count; i++) close_silently(accepted[i]);
  accepted_count = 0;
  if (client >= 0) {
    if (client_is_tcp) close_silently(client);
    else close(client);
  }
  client = -1;
  forget_late_comers();
}
