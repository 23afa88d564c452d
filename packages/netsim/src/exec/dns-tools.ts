import {
  addrconfigFamily,
  bindCandidates,
  busyboxCandidates,
  type DigShow,
  type Family,
  formatBusyboxNslookup,
  formatDig,
  formatGetentAhosts,
  formatGetentHosts,
  formatHost,
  formatNslookup,
  illegalName,
  queryMessage,
  type ToolFailure,
  type ToolOutput,
  type ToolReply,
} from '@netsim/dns';
import { familyOf, formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { type Asked, ask } from '../dns/ask.ts';
import { driveLookup } from '../dns/drive.ts';
import { type ExecContext, fail, type Tool, type ToolDns, type ToolResult } from './tool.ts';

/** The tools of bind: five seconds a try, three tries. */
const TIMEOUT = 5_000;
const TRIES = 3;
const EDNS = { size: 1232, version: 0, dnssecOk: false, options: [] };

export const nslookup: Tool = (args, context) => {
  const dns = context.dns;
  if (dns === undefined) return unknown('nslookup');
  const words = args.filter((word) => !word.startsWith('-'));
  const options = args.filter((word) => word.startsWith('-'));
  let type: string | undefined;
  for (const option of options) {
    type = /^-(?:type|querytype|query|q)=(\w+)$/.exec(option)?.[1]?.toUpperCase();
    if (type === undefined) return fail(1, `netsim: nslookup ${option} is not emulated`);
  }
  const [name, given] = words;
  if (name === undefined) return fail(1, 'netsim: interactive nslookup is not emulated: give a name');
  const servers = serversOf(given, dns);
  if (typeof servers === 'string') return fail(1, `nslookup: couldn't get address for '${given}': not found`);
  const server = given ?? servers[0]!;
  const reverse = reverseName(name);
  if (dns.nslookup === 'busybox')
    return busybox(context, reverse ?? name, reverse === undefined ? type : 'PTR', servers, server);
  const illegal = illegalName(name);
  if (illegal !== undefined) return fail(10, `nslookup: '${name}' is not a legal name (${illegal})`);
  const replies: ToolReply[] = [];
  const failures: ToolFailure[] = [];
  const question = (asked: string, of: string): Asked => {
    const result = query(context, servers, asked, of);
    if (result.reply !== undefined) replies.push(result.reply);
    failures.push(...result.failures);
    return result;
  };
  const first = reverse === undefined ? (type ?? 'A') : 'PTR';
  for (const candidate of reverse === undefined ? bindCandidates(name, dns.conf) : [reverse]) {
    const { reply } = question(candidate, first);
    if (reply === undefined) break;
    if (reply.message.rcode === 'NXDOMAIN') continue;
    if (reverse === undefined && type === undefined && reply.message.rcode === 'NOERROR') question(candidate, 'AAAA');
    break;
  }
  const mode = reverse !== undefined ? 'reverse' : type === undefined ? 'default' : 'typed';
  return result(formatNslookup({ mode, server, serverGiven: given !== undefined, replies, failures }));
};

function busybox(
  context: ExecContext,
  name: string,
  type: string | undefined,
  servers: readonly string[],
  server: string,
): ToolResult {
  if (illegalName(name) !== undefined) {
    // It hands on what its C library could not write.
    const stderr = `nslookup: write to '${server}': Message too long\n`;
    return { stdout: ';; connection timed out; no servers could be reached\n\n', stderr, code: 1 };
  }
  const candidates = busyboxCandidates(name, context.dns!.conf);
  const asked = candidates.flatMap((candidate) =>
    (type === undefined ? ['A', 'AAAA'] : [type]).map((of) => query(context, servers, candidate, of, { tries: 1 })),
  );
  const replies = asked.flatMap(({ reply }) => reply ?? []);
  const refused = asked.some(({ failures }) => failures.some(({ error }) => error === 'connection refused'));
  return result(
    formatBusyboxNslookup({
      name,
      server,
      replies,
      unanswered: asked.length - replies.length,
      ...(refused && { error: 'Connection refused' }),
    }),
  );
}

export const host: Tool = (args, context) => {
  const dns = context.dns;
  if (dns === undefined) return unknown('host');
  let type: string | undefined;
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === '-t') type = args[++at]?.toUpperCase();
    else if (word.startsWith('-')) return fail(1, `netsim: host ${word} is not emulated`);
    else words.push(word);
  }
  const [name, given] = words;
  const illegal = illegalName(name ?? '');
  if (illegal !== undefined) return fail(1, `host: '${name}' is not a legal name (${illegal})`);
  if (name === undefined) return fail(1, 'Usage: host [-t type] {hostname} [server]');
  const servers = serversOf(given, dns);
  if (typeof servers === 'string') return fail(1, `host: couldn't get address for '${given}': not found`);
  const reverse = reverseName(name);
  const replies: ToolReply[] = [];
  const failures: ToolFailure[] = [];
  const types = reverse !== undefined ? ['PTR'] : type === undefined ? ['A', 'AAAA', 'MX'] : [type];
  for (const candidate of reverse === undefined ? bindCandidates(name, dns.conf) : [reverse]) {
    const asked = types.map((of, i) => (i > 0 && replies.length === 0 ? undefined : record(candidate, of)));
    if (asked[0]?.reply?.message.rcode !== 'NXDOMAIN') break;
    replies.length = 0;
  }
  function record(candidate: string, of: string): Asked {
    const found = query(context, servers as readonly string[], candidate, of);
    if (found.reply !== undefined) replies.push(found.reply);
    failures.push(...found.failures);
    return found;
  }
  return result(
    formatHost({
      name: reverse ?? name,
      ...(type !== undefined && { type }),
      ...(given !== undefined && { server: given }),
      replies,
      failures,
    }),
  );
};

const displays: readonly (keyof DigShow)[] = [
  'cmd',
  'comments',
  'question',
  'answer',
  'authority',
  'additional',
  'stats',
];
const typeNames = /^(A|AAAA|ANY|CAA|CNAME|DNSKEY|DS|HINFO|MX|NAPTR|NS|PTR|SOA|SRV|TXT)$/i;

export const dig: Tool = (args, context) => {
  const dns = context.dns;
  if (dns === undefined) return unknown('dig');
  const show: { -readonly [K in keyof DigShow]?: boolean } = {};
  let [name, type, given]: (string | undefined)[] = [];
  let [search, tcp] = [false, false];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word.startsWith('@')) given = word.slice(1);
    else if (word === '-t') type = args[++at]?.toUpperCase();
    else if (word === '-x') {
      name = reverseName(args[++at] ?? '');
      if (name === undefined) return fail(1, `dig: Invalid IP address ${args[at] ?? ''}`);
      type = 'PTR';
    } else if (word.startsWith('+')) {
      const on = !word.startsWith('+no');
      const option = word.slice(on ? 1 : 3);
      if (option === 'all') for (const each of displays) show[each] = on;
      else if (option === 'short') show.short = on;
      else if (option === 'search') search = on;
      else if (option === 'tcp' || option === 'vc') tcp = on;
      else if (displays.some((each) => each === option)) show[option as keyof DigShow] = on;
      else return fail(1, `netsim: dig ${word} is not emulated`);
    } else if (word.startsWith('-')) return fail(1, `netsim: dig ${word} is not emulated`);
    else if (typeNames.test(word)) type = word.toUpperCase();
    else name = word;
  }
  const servers = serversOf(given, dns);
  if (typeof servers === 'string') {
    return fail(1, `dig: couldn't get address for '${given}': not found`);
  }
  const asked = name ?? '.';
  const illegal = illegalName(asked);
  if (illegal !== undefined) return fail(10, `dig: '${asked}' is not a legal name (${illegal})`);
  let found: Asked = { failures: [] };
  for (const candidate of search ? bindCandidates(asked, dns.conf) : [asked]) {
    found = query(context, servers, candidate, type ?? (name === undefined ? 'NS' : 'A'), { edns: true, tcp });
    if (found.reply?.message.rcode !== 'NXDOMAIN') break;
  }
  return result(formatDig({ args, serverGiven: given !== undefined, ...found, when: dns.now(), show }));
};

export const getent: Tool = (args, context) => {
  const dns = context.dns;
  if (dns === undefined) return unknown('getent');
  const [database = '', ...names] = args;
  if (database === 'ahosts') {
    const own = context.netns.addresses().filter(({ scope }) => scope === 'global');
    const family = addrconfigFamily({
      ipv4: own.some(({ address }) => familyOf(address) === 4),
      ipv6: own.some(({ address }) => familyOf(address) === 6),
    });
    return result(formatGetentAhosts(dns.lookup(names[0] ?? '', family)));
  }
  if (database !== 'hosts') return fail(1, `netsim: getent ${database} is not emulated: hosts and ahosts are`);
  return result(
    formatGetentHosts(
      names.map((name) => {
        for (const family of ['inet6', 'inet'] as const) {
          const { addresses, canonicalName } = dns.lookup(name, family);
          if (addresses.length > 0) return { addresses, canonicalName: canonicalName ?? name, aliases: [] };
        }
        return undefined;
      }),
    ),
  );
};

function query(
  { netns }: ExecContext,
  servers: readonly string[],
  name: string,
  type: string,
  { tries = TRIES, edns = false, tcp = false }: { tries?: number; edns?: boolean; tcp?: boolean } = {},
): Asked {
  const message = queryMessage(name, type, { id: netns.random.below(65_536), ...(edns && { edns: EDNS }) });
  const { clock } = netns.world;
  return driveLookup(netns, ask(servers, message, { clock, timeout: TIMEOUT, tries, transport: tcp ? 'tcp' : 'udp' }));
}

/** The servers to ask: the one that was given, by address or by name, else those of resolv.conf. */
function serversOf(given: string | undefined, dns: ToolDns): readonly string[] | 'not found' {
  if (given === undefined) return dns.conf.nameservers;
  if (tryParseIp(given) !== undefined) return [given];
  const { addresses } = dns.lookup(given, 'unspec' satisfies Family);
  return addresses.length === 0 ? 'not found' : addresses.slice(0, 1);
}

function reverseName(text: string): string | undefined {
  const ip: Ip | undefined = tryParseIp(text);
  if (typeof ip === 'number') return `${formatIp(ip).split('.').reverse().join('.')}.in-addr.arpa.`;
  if (ip === undefined) return undefined;
  return `${[...ip.toString(16).padStart(32, '0')].reverse().join('.')}.ip6.arpa.`;
}

function result({ stdout, stderr, status }: ToolOutput): ToolResult {
  return { stdout, stderr, code: status };
}

function unknown(tool: string): ToolResult {
  return fail(1, `netsim: ${tool}: name servers of machines outside pods are not modelled`);
}
