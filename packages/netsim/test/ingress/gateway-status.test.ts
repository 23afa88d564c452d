import type { Condition, Gateway, Route } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { Cluster } from '../../src/index.ts';
import { gatewayOf } from './support.ts';

const yaml = `${gatewayOf('name: http, port: 80, protocol: HTTP')}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: kubia }
spec:
  parentRefs: [{ name: web }]
  rules: [{ backendRefs: [{ name: kubia, port: 80 }] }]
`;
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'kubia' }, spec: { ports: [{ port: 80 }] } };

function reason(conditions: readonly Condition[] | undefined, type: string): string | undefined {
  return conditions?.find((one) => one.type === type)?.reason;
}

test('the conditions of routes and Gateways are in the objects, and follow what is applied', async () => {
  const cluster = await Cluster.load({ yaml });
  const route = () => cluster.store.get<Route>('HTTPRoute', 'default', 'kubia')?.status?.parents[0]?.conditions;
  expect(reason(route(), 'Accepted')).toBe('Accepted');
  expect(reason(route(), 'ResolvedRefs')).toBe('BackendNotFound');
  cluster.apply(service);
  expect(reason(route(), 'ResolvedRefs')).toBe('ResolvedRefs');
  cluster.delete('svc/kubia');
  expect(reason(route(), 'ResolvedRefs')).toBe('BackendNotFound');
  const gateway = cluster.store.get<Gateway>('Gateway', 'default', 'web');
  expect(gateway?.status?.listeners?.[0]?.attachedRoutes).toBe(1);
});

test('a host of a route that a Gateway has accepted is known outside by the address of the Gateway', async () => {
  const cluster = await Cluster.load({ yaml: yaml.replace('rules:', 'hostnames: [kubia.example.com]\n  rules:') });
  const [address] = cluster.store.get<Gateway>('Gateway', 'default', 'web')?.status?.addresses ?? [];
  const { records } = cluster.outsideNames.answer('kubia.example.com.', 'A');
  expect(records.map(({ data }) => data)).toContain(address?.value);
  expect(address).toBeDefined();
});
