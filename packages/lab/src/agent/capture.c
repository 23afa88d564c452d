/* What arrives at the devices of a netns, read by a packet socket on all of them. */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <unistd.h>

/* Enough for Ethernet, IP, UDP, VXLAN, Ethernet, IP, ICMP, IP, TCP. */
#define SNAP 256

int open_capture(int index) {
  if (enter_netns(index) != 0) return -1;
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
  if (fd < 0) return -1;
  int size = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  netns_list[index].capture_fd = fd;
  return 0;
}

/* Frames that found no room in the socket since it was asked last. */
static int lost_frames(int index) {
  struct tpacket_stats stats = {0};
  socklen_t size = sizeof stats;
  if (getsockopt(netns_list[index].capture_fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return 0;
  return stats.tp_drops > 0;
}

void drain_capture(int index) {
  unsigned char frame[SNAP];
  while (recv(netns_list[index].capture_fd, frame, sizeof frame, MSG_TRUNC) >= 0) {
  }
  lost_frames(index);
}

int print_capture(FILE *out, int index, int first, int *lost) {
  if (netns_list[index].capture_fd < 0 || enter_netns(index) != 0) return first;
  if (lost_frames(index)) *lost = 1;
  unsigned char frame[SNAP];
  struct sockaddr_ll from;
  for (;;) {
    socklen_t room = sizeof from;
    ssize_t length = recvfrom(netns_list[index].capture_fd, frame, sizeof frame, MSG_TRUNC, (struct sockaddr *)&from, &room);
    if (length < 0) return first;
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    int type = ntohs(from.sll_protocol);
    if (type != ETH_P_IP && type != ETH_P_IPV6) continue;
    char device[IF_NAMESIZE] = "?";
    if_indextoname(from.sll_ifindex, device);
    fprintf(out, "%s{\"netns\":%d,\"device\":\"%s\",\"mine\":%s,\"length\":%zd,\"bytes\":\"", first ? "" : ",", index,
            device, from.sll_pkttype == PACKET_HOST ? "true" : "false", length);
    for (ssize_t i = 0; i < length && i < SNAP; i++) fprintf(out, "%02x", frame[i]);
    fputs("\"}", out);
    first = 0;
  }
}
