import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Step, StepKind, Trace } from '../src/index.ts';
import * as fixtures from './fixtures.ts';
import { type Schema, schemaViolations } from './json-schema.ts';

const schema: Schema = JSON.parse(readFileSync(new URL('../trace.schema.json', import.meta.url), 'utf8'));

/** As it goes over the wire: fields that are undefined are not there. */
function json(trace: Trace): unknown {
  return JSON.parse(JSON.stringify(trace));
}

test.each(Object.entries(fixtures))('the trace %s keeps to the schema', (_, trace) => {
  expect(schemaViolations(json(trace), schema)).toEqual([]);
});

/** One step of each kind with every field it may have: the compiler sees that none is forgotten. */
const everyStep: { readonly [K in StepKind]: Required<Extract<Step, { kind: K }>> } = {
  send: {
    kind: 'send',
    action: 'sent',
    device: 'eth0',
    packet: { src: '::1', dst: '::2', protocol: 'tcp', sport: 1, dport: 2, info: 'SYN', ttl: 64, length: 60 },
  },
  receive: {
    kind: 'receive',
    action: 'received',
    device: 'eth0',
    packet: { src: '::1', dst: '::2', protocol: 'icmp', ttl: 64, length: 60 },
  },
  rule: {
    kind: 'rule',
    action: 'ACCEPT',
    hook: 'INPUT',
    table: 'filter',
    chain: 'INPUT',
    index: 1,
    text: '-A INPUT -j ACCEPT',
    origin: 'flannel',
    probability: 0.5,
    choice: { number: 1, of: 2 },
  },
  policy: { kind: 'policy', action: 'ACCEPT', hook: 'INPUT', table: 'filter', chain: 'INPUT' },
  nat: { kind: 'nat', action: 'DNAT', direction: 'dst', from: '1.1.1.1:80', to: '2.2.2.2:8080', reply: false },
  conntrack: { kind: 'conntrack', action: 'new', state: 'NEW', original: 'a', reply: 'b' },
  route: {
    kind: 'route',
    action: 'forward',
    destination: '::1',
    route: 'default',
    device: 'eth0',
    via: '::2',
    src: '::3',
  },
  neighbor: { kind: 'neighbor', action: 'resolved', device: 'eth0', ip: '::1', mac: '02:00:00:00:00:01' },
  bridge: { kind: 'bridge', action: 'forward', bridge: 'cni0', from: 'veth0', to: 'veth1', mac: '02:00:00:00:00:01' },
  encap: {
    kind: 'encap',
    action: 'encapsulated',
    type: 'vxlan',
    device: 'flannel.1',
    outerSrc: 'a',
    outerDst: 'b',
    vni: 1,
  },
  decap: { kind: 'decap', action: 'decapsulated', type: 'ipip', device: 'tunl0', outerSrc: 'a', outerDst: 'b', vni: 1 },
  socket: { kind: 'socket', action: 'delivered', socket: '*:80', program: 'nginx' },
  icmp: { kind: 'icmp', action: 'sent', type: 'destination-unreachable', code: 'port-unreachable', to: '::1' },
  drop: { kind: 'drop', action: 'dropped', reason: 'NO_SOCKET', detail: 'closed' },
  dns: { kind: 'dns', action: 'answered', name: 'kubia', type: 'A', rcode: 'NOERROR' },
  http: {
    kind: 'http',
    action: 'rule',
    text: 'ingress/kubia kubia.example.com/ Prefix',
    rule: {
      kind: 'Ingress',
      namespace: 'default',
      name: 'kubia',
      host: 'kubia.example.com',
      path: '/',
      pathType: 'Prefix',
      file: 'kubia.yaml',
      line: 7,
    },
    status: 404,
  },
};

describe('the schema knows every field of', () => {
  test.each(Object.entries(everyStep))('a step of kind %s', (_, step) => {
    expect(schemaViolations(step, { $ref: '#/$defs/Step' }, schema)).toEqual([]);
  });

  test('a path, a source and a destination', () => {
    const [path] = fixtures.noListener.paths;
    const whole: Required<Trace> = {
      ...fixtures.noListener,
      count: 3,
      resolution: {
        name: 'kubia',
        queries: [{ server: '10.96.0.10', name: 'kubia.', type: 'A', rcode: 'NXDOMAIN', answers: [] }],
        address: '10.96.0.1',
      },
      paths: [
        {
          ...path,
          requests: 3,
          advice: 'x',
          cause: { kind: 'Pod', namespace: 'a', name: 'b', file: 'c', line: 1, text: 'd' },
        },
      ],
    };
    expect(schemaViolations(json(whole), schema)).toEqual([]);
  });
});

describe('the schema refuses', () => {
  const good = fixtures.delivered;
  const [path] = good.paths;
  test.each([
    ['another version', { ...good, schemaVersion: 'netsim.dev/v2' }, '$.schemaVersion'],
    ['no paths', { ...good, paths: [] }, '$.paths'],
    [
      'a disposition that does not exist',
      { ...good, paths: [{ ...path, disposition: 'LOST' }] },
      '$.paths[0].disposition',
    ],
    ['a path without reason', { ...good, paths: [{ ...path, reason: '' }] }, '$.paths[0].reason'],
    ['a probability above 1', { ...good, paths: [{ ...path, probability: 1.5 }] }, '$.paths[0].probability'],
    ['a port above 65535', { ...good, destination: { ...good.destination, port: 65536 } }, '$.destination.port'],
    [
      'a hop without steps',
      { ...good, paths: [{ ...path, request: { hops: [{ node: 'a', netns: 'b', steps: [] }] } }] },
      '$.paths[0].request.hops[0].steps',
    ],
    [
      'a step of no known kind',
      {
        ...good,
        paths: [{ ...path, request: { hops: [{ node: 'a', netns: 'b', steps: [{ kind: 'magic', action: 'x' }] }] } }],
      },
      '$.paths[0].request.hops[0].steps[0]',
    ],
  ])('%s', (_, trace, where) => {
    const violations = schemaViolations(trace, schema);
    expect(violations).not.toEqual([]);
    expect(violations.every((violation) => violation.startsWith(where))).toBe(true);
  });
});
