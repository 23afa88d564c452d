/** Names of well-known ports, as /etc/services has them: what tools show without -n. */
const names = new Map<string, string>([
  ['21/tcp', 'ftp'],
  ['22/tcp', 'ssh'],
  ['23/tcp', 'telnet'],
  ['25/tcp', 'smtp'],
  ['53/tcp', 'domain'],
  ['53/udp', 'domain'],
  ['80/tcp', 'http'],
  ['110/tcp', 'pop3'],
  ['123/udp', 'ntp'],
  ['143/tcp', 'imap2'],
  ['161/tcp', 'snmp'],
  ['161/udp', 'snmp'],
  ['389/tcp', 'ldap'],
  ['443/tcp', 'https'],
  ['443/udp', 'https'],
  ['587/tcp', 'submission'],
  ['636/tcp', 'ldaps'],
  ['993/tcp', 'imaps'],
  ['995/tcp', 'pop3s'],
  ['1433/tcp', 'ms-sql-s'],
  ['2049/tcp', 'nfs'],
  ['2049/udp', 'nfs'],
  ['3306/tcp', 'mysql'],
  ['5432/tcp', 'postgresql'],
  ['5672/tcp', 'amqp'],
  ['6379/tcp', 'redis'],
  ['8080/tcp', 'http-alt'],
]);

export function serviceName(port: number, protocol: string): string | undefined {
  return names.get(`${port}/${protocol}`);
}
