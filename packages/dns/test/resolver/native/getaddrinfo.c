/* Prints the addresses that getaddrinfo gives for a name, one a line as "addr ADDRESS"; exit status 2 where it fails. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  struct addrinfo hints, *list;
  char text[INET6_ADDRSTRLEN];
  if (argc < 2) return 1;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = argc > 2 && strcmp(argv[2], "inet") == 0 ? AF_INET : argc > 2 && strcmp(argv[2], "inet6") == 0 ? AF_INET6 : AF_UNSPEC;
  int error = getaddrinfo(argv[1], NULL, &hints, &list);
  if (error != 0) {
    printf("error %d\n", error);
    return 2;
  }
  for (struct addrinfo *each = list; each != NULL; each = each->ai_next) {
    const void *address = each->ai_family == AF_INET
      ? (const void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
      : (const void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
    printf("addr %s\n", inet_ntop(each->ai_family, address, text, sizeof text));
  }
  return 0;
}
