#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct netns netns_list[MAX_NETNS];
static int netns_count;
static int current = -1;

int enter_netns(int index) {
  if (index < 0 || index >= netns_count) return -1;
  if (index == current) return 0;
  if (setns(netns_list[index].fd, CLONE_NEWNET) != 0) return -1;
  current = index;
  return 0;
}

int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

socklen_t make_address(const char *text, int port, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  struct sockaddr_in *v4 = (struct sockaddr_in *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof *v6;
  }
  return 0;
}

void print_json_string(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\') fprintf(out, "\\%c", *c);
    else if (*c < 32 || *c > 126) fprintf(out, "\\u%04x", *c);
    else fputc(*c, out);
  }
  fputc('"', out);
}

void print_address(FILE *out, const struct sockaddr *address) {
  char text[INET6_ADDRSTRLEN] = "";
  int port;
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof text);
    else inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
  }
  fprintf(out, "{\"ip\":\"%s\",\"port\":%d}", text, port);
}

static int fail(const char *what) {
  printf("{\"error\":");
  print_json_string(stdout, what);
  printf(",\"errno\":");
  print_json_string(stdout, strerror(errno));
  printf("}\n");
  return -1;
}

static int command_open(const char *path) {
  if (netns_count == MAX_NETNS) return fail("too many netns");
  struct netns *ns = &netns_list[netns_count];
  ns->fd = open(path, O_RDONLY | O_CLOEXEC);
  ns->trace_fd = ns->ct_fd = ns->capture_fd = -1;
  if (ns->fd < 0) return fail(path);
  printf("{\"index\":%d}\n", netns_count++);
  return 0;
}

/* /proc/sys/net shows the netns of the task that looks. */
static int command_sysctl(int index, const char *path, const char *value) {
  if (enter_netns(index) != 0) return fail("setns");
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fail(path);
  ssize_t written = write(fd, value, strlen(value));
  close(fd);
  if (written < 0) return fail(path);
  printf("{}\n");
  return 0;
}

/* IPv6 addresses that the kernel does not use yet: it waits for their device to be reported up. */
static int command_tentative(int index) {
  if (enter_netns(index) != 0) return fail("setns");
  FILE *list = fopen("/proc/thread-self/net/if_inet6", "re");
  int count = 0, flags;
  if (list == NULL && errno != ENOENT) return fail("if_inet6"); /* ENOENT: a kernel without IPv6 */
  if (list != NULL) {
    while (fscanf(list, "%*32s %*x %*x %*x %x %*s", &flags) == 1) count += (flags & IFA_F_TENTATIVE) != 0;
    fclose(list);
  }
  printf("{\"tentative\":%d}\n", count);
  return 0;
}

/* Empties the lists of the `recent` match of the current netns (session affinity). */
static void flush_recent(void) {
  DIR *lists = opendir("/proc/net/xt_recent");
  if (lists == NULL) return;
  for (struct dirent *entry; (entry = readdir(lists)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    int fd = openat(dirfd(lists), entry->d_name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t ignored = write(fd, "/\n", 2);
    (void)ignored;
    close(fd);
  }
  closedir(lists);
}

static int command_probe(int index, const char *protocol, const char *dst, int dport, int sport, int timeout_ms, int ttl, int keep) {
  for (int i = 0; i < netns_count; i++) {
    if (netns_list[i].ct_fd >= 0 && !keep) {
      flush_conntrack(i);
      if (flush_sets(i) != 0) return fail("flush of the sets");
      if (enter_netns(i) == 0) flush_recent();
    }
    if (netns_list[i].trace_fd >= 0) drain_trace(i);
    if (netns_list[i].capture_fd >= 0) drain_capture(i);
  }
  run_probe(stdout, index, protocol, dst, dport, sport, timeout_ms, ttl);
  int lost = 0;
  printf(",\"trace\":[");
  for (int i = 0, first = 1; i < netns_count; i++) first = print_trace(stdout, i, first, &lost);
  printf("],\"frames\":[");
  for (int i = 0, first = 1; i < netns_count; i++) first = print_capture(stdout, i, first, &lost);
  printf("],\"lost\":%s}\n", lost ? "true" : "false");
  end_probe();
  return 0;
}

int main(void) {
  /* The lab that started us may be killed: never outlive it. End of stdin says the same. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group; whoever started us ends us after cleaning up */
  setvbuf(stdout, NULL, _IOFBF, 1 << 20);
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    char *word[10];
    int words = 0;
    for (char *token = strtok(line, " \n"); token && words < 10; token = strtok(NULL, " \n")) word[words++] = token;
    if (words == 0) continue;
    const char *command = word[0];
    int index = words > 1 ? atoi(word[1]) : -1;
    if (!strcmp(command, "open") && words == 2) command_open(word[1]);
    else if (!strcmp(command, "sysctl") && words == 4) command_sysctl(index, word[2], word[3]);
    else if (!strcmp(command, "tentative") && words == 2) command_tentative(index);
    else if (!strcmp(command, "listen") && words == 6) {
      if (add_listener(index, word[2], word[3], atoi(word[4]), word[5]) == 0) printf("{}\n");
      else fail("listen");
    } else if (!strcmp(command, "trace") && words == 2) {
      if (open_trace(index) == 0 && open_conntrack(index) == 0) printf("{}\n");
      else fail("trace");
    } else if (!strcmp(command, "dynamic-set") && words == 5) {
      if (add_dynamic_set(index, atoi(word[2]), word[3], word[4]) == 0) printf("{}\n");
      else fail("dynamic-set");
    } else if (!strcmp(command, "capture") && words == 2) {
      if (open_capture(index) == 0) printf("{}\n");
      else fail("capture");
    } else if (!strcmp(command, "rules") && words == 2) {
      printf("{\"rules\":[");
      print_rules(stdout, index);
      printf("]}\n");
    } else if (!strcmp(command, "probe") && words == 9) {
      command_probe(index, word[2], word[3], atoi(word[4]), atoi(word[5]), atoi(word[6]), atoi(word[7]), atoi(word[8]));
    } else {
      errno = EINVAL;
      fail("unknown command");
    }
    fflush(stdout);
  }
  return 0;
}
