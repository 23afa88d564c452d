import { assertTraceInvariants } from '@netsim/trace';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as fixtures from '../../../trace/test/fixtures.ts';
import { type Detail, renderTrace, renderTraceJson, renderTraceYaml } from '../../src/index.ts';

const cases = Object.entries(fixtures);

describe.each(cases)('the trace %s', (name, trace) => {
  test('is one that keeps to the invariants', () => {
    expect(() => assertTraceInvariants(trace)).not.toThrow();
  });

  test.each<Detail>(['minimal', 'summary', 'full'])('is told as the golden file says, in %s form', async (detail) => {
    const text = renderTrace(trace, { detail });
    await expect(text).toMatchFileSnapshot(`golden/${name}.${detail}.txt`);
  });

  test.each<Detail>(['minimal', 'summary', 'full'])(
    'has no trailing blanks and ends its last line, in %s form',
    (detail) => {
      const text = renderTrace(trace, { detail });
      expect(text).toMatch(/[^\n]\n$/);
      expect(text.split('\n').filter((line) => line !== line.trimEnd())).toEqual([]);
    },
  );

  test('fits the terminal in summary form', () => {
    for (const width of [80, 100]) {
      const lines = renderTrace(trace, { width }).split('\n').slice(1);
      const tooLong = lines.filter((line) => line.length > width && !line.includes('-A '));
      expect(tooLong).toEqual([]);
    }
  });

  test('says the same with colour as without', () => {
    for (const detail of ['minimal', 'summary', 'full'] as const) {
      const colored = renderTrace(trace, { detail, color: true });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
      expect(colored.replace(/\x1b\[\d+m/g, '')).toBe(renderTrace(trace, { detail }));
    }
    expect(renderTrace(trace, { color: true })).toContain('\x1b[');
  });

  test('comes back from JSON and from YAML as it was', () => {
    const plain = JSON.parse(JSON.stringify(trace));
    expect(JSON.parse(renderTraceJson(trace))).toEqual(plain);
    expect(parse(renderTraceYaml(trace))).toEqual(plain);
  });
});

test('the minimal form holds no source port, no hashed chain and no generated name', () => {
  for (const [, trace] of cases) {
    const text = renderTrace(trace, { detail: 'minimal' });
    expect(text).not.toMatch(/40000|KUBE-S[VE]|x2x4q/);
  }
});

test('a delivered path takes a dozen lines', () => {
  expect(renderTrace(fixtures.delivered).trimEnd().split('\n').length).toBeLessThanOrEqual(13);
});

test('a path that failed ends with the line that is to blame and with what to change', () => {
  const lines = renderTrace(fixtures.noEndpoints).trimEnd().split('\n');
  expect(lines.at(-2)).toBe(
    'because: examples/kubia/kubia.yaml:31 service/kubia: spec.selector app=kubai matches no pod',
  );
  expect(lines.at(-1)).toMatch(/^advice: change the selector to app=kubia/);
});

test('the full form shows each rule exactly as iptables-save prints it', () => {
  const text = renderTrace(fixtures.delivered, { detail: 'full' });
  for (const hop of fixtures.delivered.paths[0].request.hops) {
    for (const step of hop.steps) if (step.kind === 'rule') expect(text).toContain(step.text);
  }
});

test('the wide form shows chains by their whole name', () => {
  expect(renderTrace(fixtures.delivered)).not.toContain('KUBE-SVC-L5EAUEZ74VZL5GSC');
  expect(renderTrace(fixtures.delivered, { wide: true })).toContain('KUBE-SVC-L5EAUEZ74VZL5GSC');
});

test('what a manifest says cannot steer the terminal', () => {
  const [path] = fixtures.noEndpoints.paths;
  const cause = { kind: 'Service', name: 'x', text: 'selector \x1b[2Japp=\x9bevil\nadvice: run this' };
  const text = renderTrace({ ...fixtures.noEndpoints, paths: [{ ...path, cause }] });
  expect(text).toContain('because: service/x: selector \ufffd[2Japp=\ufffdevil\ufffdadvice: run this\n');
});

test('a port given by name is shown with its number', () => {
  const named = { ...fixtures.delivered, destination: { ...fixtures.delivered.destination, text: 'svc/kubia:http' } };
  expect(renderTrace(named)).toMatch(/^pod\/pod-a {2}-> {2}svc\/kubia:http \(10\.106\.139\.160:80, tcp\) +DELIVERED/);
});

test('an IPv6 destination keeps its brackets', () => {
  const destination = { text: '[fd00::1]:80', kind: 'IP', ip: 'fd00::1', port: 80, protocol: 'tcp' };
  expect(renderTrace({ ...fixtures.exitsCluster, destination })).toMatch(
    /^pod\/pod-a {2}-> {2}\[fd00::1\]:80 \(tcp\) /,
  );
});

test('queries for the name come before the packet', () => {
  const queries = [
    {
      server: '10.96.0.10',
      name: 'kubia.default.svc.cluster.local.',
      type: 'A',
      rcode: 'NOERROR',
      answers: ['10.106.139.160'],
    },
  ];
  const lines = renderTrace({ ...fixtures.delivered, resolution: { name: 'kubia', queries } }).split('\n');
  expect(lines[1]).toBe('dns: kubia.default.svc.cluster.local. A from 10.96.0.10: NOERROR 10.106.139.160');
});

test('where another path began the same way, the beginning is told once', () => {
  const [path] = fixtures.noListener.paths;
  const [other] = fixtures.delivered.paths;
  const text = renderTrace({
    ...fixtures.delivered,
    paths: [
      { ...other, probability: 0.5 },
      { ...path, probability: 0.5 },
    ],
  });
  expect(text).toContain('1-8 as in path 1\n 9 w2-k8s ');
});

test('without a hint by whoever made the trace, the share of an endpoint is seen from the other paths', () => {
  const bare = JSON.parse(JSON.stringify(fixtures.allPaths), (key, value) => (key === 'choice' ? undefined : value));
  expect(renderTrace(bare)).toBe(renderTrace(fixtures.allPaths));
});

test('with the packets of the look-up each query stands before the packet, in every level of detail', () => {
  const { delivered } = fixtures;
  const query = { server: '10.96.0.10', name: 'kubia.', type: 'A', rcode: 'NOERROR', answers: ['A 10.96.1.1'] };
  const [path] = delivered.paths;
  const trace = {
    ...delivered,
    resolution: { name: 'kubia', queries: [{ ...query, transport: 'udp', path: path! }], address: '10.96.1.1' },
  };
  const levels = {
    minimal: /^dns kubia\. A/,
    summary: /^query 1 {2}kubia\. A {2}-> {2}10\.96\.0\.10:53 \(udp\)/,
    full: /^query 1/,
  };
  for (const [detail, wanted] of Object.entries(levels)) {
    const lines = renderTrace(trace, { detail: detail as Detail }).split('\n');
    const at = lines.findIndex((line) => wanted.test(line));
    expect(at, detail).toBeGreaterThanOrEqual(0);
    expect(
      lines.slice(at + 1).some((line) => line.includes('w1-k8s')),
      detail,
    ).toBe(true);
  }
});
