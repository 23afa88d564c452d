import { type KubeObject, ObjectStore, type Pod } from '@netsim/manifest';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { GatewayStatusWriter } from '../../src/ingress/gateway-status.ts';

const object = (kind: string, name: string, rest: object = {}, namespace: string | undefined = 'default'): KubeObject =>
  ({ apiVersion: 'v1', kind, metadata: { name, ...(namespace !== '' && { namespace }) }, ...rest }) as KubeObject;

const ready = (status: string): object => ({
  status: { conditions: [{ type: 'Ready', status }] },
});
const dataPlane = (readiness: object): KubeObject => {
  const pod = object('Pod', 'web', { spec: { nodeName: 'node1', containers: [{ name: 'proxy' }] }, ...readiness });
  return { ...pod, metadata: { ...pod.metadata, labels: { 'gateway.networking.k8s.io/gateway-name': 'web' } } };
};
const node = (address: string): KubeObject =>
  object('Node', 'node1', { status: { addresses: [{ type: 'InternalIP', address }] } }, '');
const gateway = (rest: object = {}): KubeObject =>
  object('Gateway', 'web', {
    spec: {
      gatewayClassName: 'any',
      listeners: [
        {
          name: 'http',
          port: 80,
          protocol: 'HTTP',
          allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'a' } } } },
        },
        { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } },
      ],
    },
    ...rest,
  });
const gatewayClass = (parametersRef?: object): KubeObject =>
  object(
    'GatewayClass',
    'any',
    { spec: { controllerName: 'example.com/c', ...(parametersRef && { parametersRef }) } },
    '',
  );
const route = (backend: object = { name: 'app', port: 80 }): KubeObject =>
  object('HTTPRoute', 'app', { spec: { parentRefs: [{ name: 'web' }], rules: [{ backendRefs: [backend] }] } });
const service = (port: number): KubeObject => object('Service', 'app', { spec: { ports: [{ port }] } });
const namespace = (team: string): KubeObject => {
  const made = object('Namespace', 'default', {}, '');
  return { ...made, metadata: { ...made.metadata, labels: { team } } };
};
const parameters = object('Settings', 'any', {}, '');
const needsParameters = gatewayClass({ group: 'example.com', kind: 'Settings', name: 'any' });

/** A cluster with a Gateway, and whether the writer looked at it again after a change. */
function writing(objects: readonly KubeObject[]) {
  const store = new ObjectStore();
  for (const each of objects) store.put(each);
  const writer = new GatewayStatusWriter(store);
  writer.write(0);
  const list = vi.spyOn(store, 'list');
  const looksAfter = (change: () => void): boolean => {
    change();
    list.mockClear();
    writer.write(0);
    return list.mock.calls.length > 0;
  };
  return { store, looksAfter };
}

const all = [
  node('10.0.0.1'),
  namespace('a'),
  gatewayClass(),
  gateway(),
  route(),
  service(80),
  dataPlane(ready('True')),
];

describe('a writer of status looks again', () => {
  test.each([
    ['after a change of a Gateway', gateway({ spec: { gatewayClassName: 'any', listeners: [] } })],
    ['after a status of a Gateway that another wrote', gateway({ status: {} })],
    ['after a change of a route', route({ name: 'other', port: 80 })],
    ['after a change of a backend', service(81)],
    ['after a Secret came', object('Secret', 'cert', { type: 'kubernetes.io/tls', data: {} })],
    ['after the labels of a namespace changed', namespace('b')],
    ['after a pod of the data plane is no longer ready', dataPlane(ready('False'))],
    ['after a node got another address', node('10.0.0.2')],
  ])('%s', (_what, changed) => {
    const { store, looksAfter } = writing(all);
    expect(looksAfter(() => store.put(changed))).toBe(true);
    expect(looksAfter(() => undefined)).toBe(false);
  });

  test('after the first object of the Gateway API came', () => {
    const { store, looksAfter } = writing([]);
    expect(looksAfter(() => store.put(gatewayClass()))).toBe(true);
  });

  test('after parameters of a class came, whatever their kind', () => {
    const { store, looksAfter } = writing([needsParameters, gateway()]);
    expect(looksAfter(() => store.put(parameters))).toBe(true);
  });
});

describe('a writer of status does not look again', () => {
  test.each([
    ['without a change', []],
    [
      'after a change of a pod that is no data plane',
      [object('Pod', 'app', { spec: { containers: [{ name: 'x' }] } })],
    ],
    ['after a change of endpoints', [object('Endpoints', 'app'), object('EndpointSlice', 'app', { endpoints: [] })]],
    ['after a change of a Deployment', [object('Deployment', 'app', { spec: {} })]],
    ['after a change of parameters that no class names', [parameters]],
  ])('%s', (_what, changed) => {
    const { store, looksAfter } = writing(all);
    const change = () => {
      for (const each of changed) store.put(each);
    };
    expect(looksAfter(change)).toBe(false);
  });
});

test('whatever changes, a writer that looks only after changes leaves nothing to write for a new one', () => {
  const change = fc.constantFrom<readonly KubeObject[]>(
    ...[
      [gateway(), gateway({ status: {} })],
      [route(), route({ name: 'app', port: 81 }), route({ name: 'app', namespace: 'other', port: 80 })],
      [gatewayClass(), needsParameters],
      [parameters],
      [service(80), service(81)],
      [namespace('a'), namespace('b')],
      [dataPlane(ready('True')), dataPlane(ready('False'))],
      [node('10.0.0.1'), node('10.0.0.2')],
      [object('Secret', 'cert', { type: 'kubernetes.io/tls', data: {} })],
      [
        object('Service', 'public', {
          spec: { type: 'LoadBalancer', selector: {}, ports: [{ port: 80 }] },
          status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
        }),
      ],
    ],
  );
  const step = fc.record({ of: change, at: fc.nat(), gone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const { store, looksAfter } = writing(all);
      for (const { of, at, gone } of steps) {
        const one = of[at % of.length]!;
        looksAfter(() => {
          if (gone) store.delete(one.kind, one.metadata.namespace, one.metadata.name);
          else store.put(one);
        });
        const put = vi.spyOn(store, 'put');
        new GatewayStatusWriter(store).write(0);
        expect(put.mock.calls).toEqual([]);
        put.mockRestore();
      }
    }),
  );
});

test('a pod that becomes the data plane of a Gateway gives it an address', () => {
  const { store, looksAfter } = writing([node('10.0.0.1'), gatewayClass(), gateway()]);
  expect(looksAfter(() => store.put(dataPlane(ready('True')) as Pod))).toBe(true);
  expect(store.get('Gateway', 'default', 'web')).toMatchObject({
    status: { addresses: [{ type: 'IPAddress', value: '10.0.0.1' }] },
  });
});
