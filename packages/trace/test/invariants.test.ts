import { describe, expect, test } from 'vitest';
import {
  assertTraceInvariants,
  type Path,
  type Step,
  type Trace,
  TraceInvariantError,
  traceViolations,
} from '../src/index.ts';
import * as fixtures from './fixtures.ts';

test.each(Object.entries(fixtures))('the trace %s does not contradict itself', (_, trace) => {
  expect(traceViolations(trace)).toEqual([]);
  expect(assertTraceInvariants(trace)).toBe(trace);
});

const [good] = fixtures.delivered.paths;

function withPath(change: Partial<Path>): Trace {
  return { ...fixtures.delivered, paths: [{ ...good, ...change }] };
}

function hops(...steps: Step[]): Path['request'] {
  return { hops: [{ node: 'w1-k8s', netns: 'host', steps }] };
}

const sent: Step = {
  kind: 'send',
  action: 'sent',
  packet: { src: '10.0.0.1', dst: '10.0.0.2', protocol: 'udp', sport: 1, dport: 2, ttl: 64, length: 28 },
};

describe('a trace contradicts itself', () => {
  test.each<[string, Trace, string]>([
    ['without a path', { ...fixtures.delivered, paths: [] }, 'paths: a trace has at least one path'],
    [
      'whose paths are more than certain',
      { ...fixtures.delivered, paths: [good, good] },
      'paths: the probabilities sum to 2, not 1',
    ],
    ['whose paths are less than certain', withPath({ probability: 0.5 }), 'paths: the probabilities sum to 0.5, not 1'],
    ['with a path that cannot be', withPath({ probability: Number.NaN }), 'paths[0]: probability NaN is not in (0, 1]'],
    ['that says no reason', withPath({ reason: ' ' }), 'paths[0]: DELIVERED without a reason'],
    [
      'that delivers without a socket',
      withPath({ request: hops(sent) }),
      "paths[0].request: DELIVERED, but the last step is send sent, not a socket's",
    ],
    [
      'that delivers to a socket that is not there',
      withPath({ request: hops(sent, { kind: 'socket', action: 'no-listener' }) }),
      "paths[0].request: DELIVERED, but the last step is socket no-listener, not a socket's",
    ],
    ['that delivers without a hop', withPath({ request: { hops: [] } }), 'paths[0].request: DELIVERED without a hop'],
    [
      'with a hop in which nothing happens',
      withPath({ disposition: 'EXITS_CLUSTER', request: hops() }),
      'paths[0].request.hops[0]: no steps',
    ],
    [
      'that drops without a drop',
      withPath({ disposition: 'DROPPED', request: hops(sent) }),
      'paths[0]: DROPPED without a step that drops',
    ],
    [
      'that rejects without a rejection',
      withPath({ disposition: 'REJECTED', request: hops(sent) }),
      'paths[0]: REJECTED without a step that rejects',
    ],
    [
      'that finds no listener without asking',
      withPath({ disposition: 'NO_LISTENER', request: hops(sent), reply: undefined }),
      'paths[0]: NO_LISTENER without a socket step that says no-listener',
    ],
  ])('%s', (_, trace, violation) => {
    expect(traceViolations(trace)).toContain(violation);
    expect(() => assertTraceInvariants(trace)).toThrow(TraceInvariantError);
  });

  test('where one hop follows another in the same netns', () => {
    const [hop] = hops(sent).hops;
    expect(traceViolations(withPath({ disposition: 'EXITS_CLUSTER', request: { hops: [hop, hop] } }))).toEqual([
      'paths[0].request.hops[1]: the same netns as the hop before (w1-k8s host): they are one hop',
    ]);
  });

  test('and is told of everything at once', () => {
    const trace = withPath({ probability: 0.5, reason: '', request: { hops: [] } });
    expect(traceViolations(trace).length).toBe(4);
  });
});

test('probabilities that miss 1 by rounding are accepted', () => {
  const third = 1 / 3;
  const paths = [third, third, 1 - third - third - 1e-12].map((probability) => ({ ...good, probability }));
  expect(traceViolations({ ...fixtures.delivered, paths })).toEqual([]);
});

test('an answer of the application may follow the socket', () => {
  const request = hops(
    sent,
    { kind: 'socket', action: 'delivered' },
    { kind: 'http', action: 'response', text: '200' },
  );
  expect(traceViolations(withPath({ request }))).toEqual([]);
});

test('a name that was not found needs no hop', () => {
  expect(traceViolations(withPath({ disposition: 'NAME_NOT_FOUND', request: { hops: [] }, reply: undefined }))).toEqual(
    [],
  );
});
