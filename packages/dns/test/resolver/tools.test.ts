import { spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  type ResourceRecord,
  replyTo,
} from '../../src/coredns/index.ts';
import {
  formatBusyboxNslookup,
  formatDig,
  formatGetentAhosts,
  formatGetentHosts,
  formatHost,
  formatNslookup,
  type NslookupRun,
  type ToolFailure,
  type ToolReply,
} from '../../src/resolver/index.ts';

const SERVER = '127.0.0.1';
const owner = (name: string) => ({ name, class: 'IN', ttl: 5 });
const a = (name: string, data: string): ResourceRecord => ({ ...owner(name), type: 'A', data });
const aaaa = (name: string, data: string): ResourceRecord => ({ ...owner(name), type: 'AAAA', data });
const cname = (name: string, data: string): ResourceRecord => ({ ...owner(name), type: 'CNAME', data });
const soa = (name: string): ResourceRecord => ({
  ...owner(name),
  type: 'SOA',
  data: { mname: 'ns.t.', rname: 'host.t.', serial: 5, refresh: 7200, retry: 1800, expire: 86400, minimum: 30 },
});

/** All that the server knows; CNAMEs are followed. */
const records: ResourceRecord[] = [
  a('web.default.svc.cluster.local.', '10.96.1.1'),
  a('two.t.', '10.0.0.1'),
  a('two.t.', '10.0.0.2'),
  aaaa('two.t.', 'fd00::1'),
  aaaa('six.t.', 'fd00::6'),
  cname('alias.t.', 'two.t.'),
  cname('alias6.t.', 'six.t.'),
  cname('dangling.t.', 'empty.t.'),
  { ...owner('srv.t.'), type: 'SRV', data: { priority: 0, weight: 50, port: 80, target: 'a.srv.t.' } },
  { ...owner('srv.t.'), type: 'SRV', data: { priority: 0, weight: 50, port: 8080, target: 'b.srv.t.' } },
  { ...owner('txt.t.'), type: 'TXT', data: ['hello world'] },
  { ...owner('txt.t.'), type: 'TXT', data: ['say "x"'] },
  { ...owner('mx.t.'), type: 'MX', data: { preference: 10, exchange: 'mail.t.' } },
  { ...owner('t.'), type: 'NS', data: 'ns.t.' },
  soa('t.'),
  { ...owner('1.1.96.10.in-addr.arpa.'), type: 'PTR', data: 'web.default.svc.cluster.local.' },
  // One name of each length, for the columns of dig.
  ...Array.from({ length: 48 }, (_, i) => a(`${'x'.repeat(i + 10)}.t.`, '10.0.0.3')),
];
const broken: Record<string, DnsMessage['rcode'] | 'silent'> = {
  'servfail.t.': 'SERVFAIL',
  'refused.t.': 'REFUSED',
  'silent.t.': 'silent',
};

function reply(query: DnsMessage, aa: boolean): DnsMessage | undefined {
  const { name, type } = query.questions[0]!;
  const fault = broken[name.toLowerCase()];
  if (fault === 'silent') return undefined;
  const answers: ResourceRecord[] = [];
  let at = name.toLowerCase();
  for (const alias of records) {
    if (alias.type === 'CNAME' && alias.name === at) {
      answers.push(alias);
      at = alias.data;
    }
  }
  answers.push(...records.filter((record) => record.name === at && record.type === type && type !== 'CNAME'));
  const known = at === 'empty.t.' || records.some((record) => record.name === at);
  const rcode = fault ?? (known ? 'NOERROR' : 'NXDOMAIN');
  const made = replyTo(query, { rcode, aa, answers, authorities: answers.length === 0 && aa ? [soa('t.')] : [] });
  const message = { ...made, ra: !aa };
  return query.edns === undefined
    ? message
    : { ...message, edns: { size: 1232, version: 0, dnssecOk: false, options: [] } };
}

let socket: Socket;
let port = 0;
let authoritative = true;
let replies: ToolReply[] = [];

beforeAll(async () => {
  socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const query = decodeMessage(bytes);
    const message = reply(query, authoritative);
    if (message === undefined) return;
    const encoded = encodeMessage(message);
    replies.push({ message, server: SERVER, port, size: encoded.length, elapsedMs: 0 });
    socket.send(encoded, from.port, from.address);
  });
  await new Promise<void>((done) => {
    socket.bind(0, SERVER, done);
  });
  port = socket.address().port;
});
afterAll(() => socket.close());

async function real(command: readonly string[]): Promise<{ stdout: string; stderr: string; status: number | null }> {
  replies = [];
  const child = spawn(command[0]!, command.slice(1));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const status = await new Promise<number | null>((done) => {
    child.on('close', done);
  });
  return { stdout, stderr, status };
}

function missing(tool: string, probe: readonly string[]): boolean {
  const absent = spawnSync(tool, [...probe]).error !== undefined;
  if (absent) console.log(`real ${tool}: skipped, not installed`);
  return absent;
}

const names = [
  'web.default.svc.cluster.local',
  'two.t',
  'six.t',
  'alias.t',
  'alias6.t',
  'dangling.t',
  'srv.t',
  'nope.t',
  'refused.t',
];
const typed = [
  ['SRV', 'srv.t'],
  ['TXT', 'txt.t'],
  ['MX', 'mx.t'],
  ['NS', 't'],
  ['SOA', 't'],
  ['AAAA', 'alias.t'],
  ['A', 'six.t'],
  ['CNAME', 'alias.t'],
  ['MX', 'two.t'],
  ['PTR', '1.1.96.10.in-addr.arpa'],
  ['SRV', 'nope.t'],
] as const;
const both = [
  ['authoritative', true],
  ['forwarded', false],
] as const;
const reverse = (address: string) => `${address.split('.').reverse().join('.')}.in-addr.arpa`;
const timedOut = (): ToolFailure[] => [{ server: SERVER, port, error: 'timed out' }];
/** One reply for each question: a server is asked again after SERVFAIL. */
const perQuestion = () => [...new Map(replies.map((each) => [each.message.questions[0]!.type, each])).values()];

describe.skipIf(missing('nslookup', ['-version'])).each(both)('nslookup of bind, %s', (_, aa) => {
  async function compare(args: string[], mode: NslookupRun['mode']): Promise<void> {
    authoritative = aa;
    const wanted = await real(['nslookup', `-port=${port}`, ...args, SERVER]);
    expect(formatNslookup({ mode, server: SERVER, serverGiven: true, replies: perQuestion() })).toEqual(wanted);
  }
  test.each([...names, 'servfail.t'])('prints %s', (name) => compare([name], 'default'));
  test.each(typed)('prints %s of %s', (type, name) => compare([`-type=${type}`, name], 'typed'));
  test.each(['10.96.1.1', '10.96.1.9'])('prints the name of %s', (address) => compare([address], 'reverse'));
});

test.skipIf(missing('nslookup', ['-version']))('nslookup of bind says that no server answers', async () => {
  const wanted = await real(['nslookup', `-port=${port}`, '-timeout=1', '-retry=1', 'silent.t', SERVER]);
  const made = formatNslookup({
    mode: 'default',
    server: SERVER,
    serverGiven: true,
    replies: [],
    failures: timedOut(),
  });
  expect(made).toEqual(wanted);
});

describe.skipIf(missing('busybox', ['true'])).each(both)('nslookup of BusyBox, %s', (_, aa) => {
  async function compare(args: string[], name: string): Promise<void> {
    authoritative = aa;
    const server = `${SERVER}:${port}`;
    const wanted = await real(['busybox', 'nslookup', ...args, server]);
    expect(formatBusyboxNslookup({ name, server, replies: perQuestion() })).toEqual(wanted);
  }
  test.each([...names, 'servfail.t'])('prints %s', (name) => compare([name], name));
  test.each(typed)('prints %s of %s', (type, name) => compare([`-type=${type.toLowerCase()}`, name], name));
  test.each(['10.96.1.1', '10.96.1.9'])('prints the name of %s', (address) => compare([address], reverse(address)));
});

describe.skipIf(missing('dig', ['-v'])).each(both)('dig, %s', (_, aa) => {
  const version = /DiG (\S+)/.exec(spawnSync('dig', ['-v'], { encoding: 'utf8' }).stderr ?? '')?.[1];
  /** Without what changes from run to run. */
  const still = (text: string) =>
    text
      .replace(/Query time: \d+/, 'Query time: 0')
      .replace(/WHEN: \w{3} \w{3} +\d+ [0-9:]{8} \S+ \d{4}/, 'WHEN: then')
      .replace(/\bid: \d+/, 'id: 0');

  async function compare(args: string[], show = {}): Promise<void> {
    authoritative = aa;
    const given = [`@${SERVER}`, '-p', String(port), '+nocookie', ...args];
    const wanted = await real(['dig', ...given]);
    const [last] = replies;
    const run = { args: given, serverGiven: true, when: new Date(Date.UTC(2026, 10, 21, 10, 27, 38)), show };
    const made = formatDig({
      ...run,
      ...(last === undefined ? {} : { reply: last }),
      ...(version === undefined ? {} : { version }),
    });
    expect({ ...made, stdout: still(made.stdout) }).toEqual({ ...wanted, stdout: still(wanted.stdout) });
  }
  test.each([...names, 'servfail.t'])('prints %s', (name) => compare([name]));
  test.each([20, 21, 22, 23, 27, 28, 29, 30, 31, 32, 36, 37, 38, 44, 45, 46, 47, 52])(
    'keeps its columns with a name of %i',
    (length) => compare([`${'x'.repeat(length)}.t`]),
  );
  test.each(typed)('prints %s of %s', (type, name) => compare([name, type]));
  test.each(typed)('prints %s of %s with +short', (type, name) => compare(['+short', name, type], { short: true }));
  test('prints without EDNS', () => compare(['+noedns', 'two.t']));
  test('prints the answer alone', () =>
    compare(['+noall', '+answer', 'alias.t'], {
      cmd: false,
      comments: false,
      question: false,
      authority: false,
      additional: false,
      stats: false,
    }));
});

test.skipIf(missing('dig', ['-v']))('dig says that no server answers, and ends with 9', async () => {
  const args = [`@${SERVER}`, '-p', String(port), '+short', '+time=1', '+tries=1', 'silent.t'];
  const made = formatDig({ args, when: new Date(0), failures: timedOut(), show: { short: true } });
  expect(made).toEqual(await real(['dig', ...args]));
});

test('dig writes the time as date does', () => {
  const { stdout } = formatDig({
    args: ['x'],
    when: new Date(Date.UTC(2026, 10, 1, 2, 3, 4)),
    reply: { message: reply(decodeMessage(queryBytes()), true)!, server: '10.96.0.10', size: 1, elapsedMs: 1.6 },
  });
  expect(stdout).toContain(
    ';; Query time: 2 msec\n;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)\n;; WHEN: Sun Nov 01 02:03:04 UTC 2026\n',
  );
});

function queryBytes(): Uint8Array {
  const nothing = { rcode: 'NOERROR', aa: false, tc: false, ra: false, ad: false, cd: false } as const;
  const questions = [{ name: 'two.t.', type: 'A', class: 'IN' }];
  return encodeMessage({
    ...nothing,
    id: 1,
    response: false,
    opcode: 0,
    rd: true,
    questions,
    answers: [],
    authorities: [],
    additionals: [],
  });
}

describe.skipIf(missing('host', ['-V'])).each(both)('host, %s', (_, aa) => {
  async function compare(args: string[], name: string, type?: string): Promise<void> {
    authoritative = aa;
    const wanted = await real(['host', '-p', String(port), ...args, SERVER]);
    const made = formatHost({ name, server: SERVER, replies: perQuestion(), ...(type === undefined ? {} : { type }) });
    expect(made).toEqual(wanted);
  }
  test.each([...names, 'servfail.t', 'mx.t'])('prints %s', (name) => compare([name], name));
  test.each(typed)('prints %s of %s', (type, name) => compare(['-t', type, name], name, type));
  test.each(['10.96.1.1', '10.96.1.9'])('prints the name of %s', (address) =>
    compare([address], `${reverse(address)}.`),
  );
});

describe('getent', () => {
  const found = { name: 'al.t', canonicalName: 'two.t', queries: [], elapsedMs: 0 };
  test('ahosts prints each address for three kinds of socket', () => {
    expect(formatGetentAhosts({ ...found, addresses: ['fd00::1', '10.0.0.1'] })).toEqual({
      stdout:
        'fd00::1         STREAM two.t\nfd00::1         DGRAM  \nfd00::1         RAW    \n10.0.0.1        STREAM \n10.0.0.1        DGRAM  \n10.0.0.1        RAW    \n',
      stderr: '',
      status: 0,
    });
    expect(formatGetentAhosts({ ...found, addresses: [], error: 'EAI_NONAME' })).toEqual({
      stdout: '',
      stderr: '',
      status: 2,
    });
  });
  test('hosts prints the canonical name, then the aliases', () => {
    const entry = { addresses: ['10.1.1.2', '10.1.1.3'], canonicalName: 'dup', aliases: ['x'] };
    expect(formatGetentHosts([entry])).toEqual({
      stdout: '10.1.1.2        dup x\n10.1.1.3        dup x\n',
      stderr: '',
      status: 0,
    });
    expect(formatGetentHosts([entry, undefined]).status).toBe(2);
  });
  test.skipIf(process.platform !== 'linux' || missing('getent', ['--version']))(
    'prints a number as the real one does',
    async () => {
      const wanted = await real(['getent', 'ahosts', '10.1.1.1']);
      expect(formatGetentAhosts({ ...found, canonicalName: '10.1.1.1', addresses: ['10.1.1.1'] })).toEqual(wanted);
    },
  );
});
