import type { EndpointSlice } from '@netsim/manifest';
import fc from 'fast-check';
import type { ProxyState } from '../../src/index.ts';
import { service, slice } from './objects.ts';

/** Random lives of a small cluster: services and slices that come, change and go. */
export const change = fc.record({
  index: fc.nat({ max: 5 }),
  what: fc.constantFrom('service', 'slice', 'second slice', 'no service', 'no slice'),
  endpoints: fc.array(
    fc.record({
      host: fc.nat({ max: 6 }),
      nodeName: fc.constantFrom('w1', 'w2'),
      ready: fc.boolean(),
      terminating: fc.boolean(),
      zone: fc.constantFrom(undefined, 'a', 'b'),
    }),
    { maxLength: 4 },
  ),
  local: fc.boolean(),
  affinity: fc.boolean(),
  nodePort: fc.boolean(),
  ranges: fc.boolean(),
});

/** Makes a change, and keeps account of the objects that there are. */
export function changeCluster(
  one: typeof change extends fc.Arbitrary<infer T> ? T : never,
  state: ProxyState,
  services: Map<number, ReturnType<typeof service>>,
  slices: Map<string, EndpointSlice>,
): void {
  const name = `svc-${one.index}`;
  const suffix = one.what === 'second slice' ? 'b' : 'a';
  switch (one.what) {
    case 'service': {
      const object = service(name, `10.96.1.${one.index}`, {
        internalTrafficPolicy: one.local ? 'Local' : 'Cluster',
        sessionAffinity: one.affinity ? 'ClientIP' : 'None',
        ...(one.nodePort && { type: 'NodePort', externalTrafficPolicy: one.ranges ? 'Local' : 'Cluster' }),
        ports: [{ port: 80, protocol: 'TCP', ...(one.nodePort && { nodePort: 30000 + one.index }) }],
      });
      services.set(one.index, object);
      state.setService(object);
      break;
    }
    case 'no service':
      services.delete(one.index);
      state.deleteService('default', name);
      break;
    case 'no slice': {
      const old = slices.get(`${name}-a`);
      slices.delete(`${name}-a`);
      if (old !== undefined) state.deleteSlice(old);
      break;
    }
    case 'slice':
    case 'second slice': {
      const endpoints = one.endpoints.map(({ host, nodeName, ready, terminating, zone }) => ({
        addresses: [`10.244.${one.index}.${host}`],
        nodeName,
        conditions: { ready, serving: true, terminating },
        ...(zone !== undefined && { hints: { forZones: [{ name: zone }] } }),
      }));
      const object = slice(name, endpoints, suffix);
      slices.set(`${name}-${suffix}`, object);
      state.setSlice(object);
      break;
    }
  }
}
