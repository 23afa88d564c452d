import type { EndpointSlice, Endpoints, Node, Pod, Service } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../test/support/vectors.ts';
import { cluster } from './support/cluster.ts';

interface Recorded {
  nodes: Omit<Node, 'kind' | 'apiVersion'>[];
  cases: {
    id: string;
    pods: Omit<Pod, 'kind' | 'apiVersion'>[];
    services: Omit<Service, 'kind' | 'apiVersion'>[];
    endpointSlices: Omit<EndpointSlice, 'kind' | 'apiVersion'>[];
    endpoints: Omit<Endpoints, 'kind' | 'apiVersion'>[];
  }[];
}

const name = 'control/endpoints-recorded';
const recorded = readVectors<Recorded>(name);
const dualStack = {
  podCIDRs: [parsePrefix('10.0.0.0/8'), parsePrefix('fd00:10::/48')],
  serviceCIDRs: [parsePrefix('172.30.0.0/16'), parsePrefix('fd00:30::/112')],
};

test.skipIf(recorded === undefined)('slices and endpoints are those that the real controllers made', () => {
  const failed: string[] = [];
  for (const each of recorded!.cases) {
    const objects = [
      ...recorded!.nodes.map((node): Node => ({ apiVersion: 'v1', kind: 'Node', ...node })),
      ...each.services.map((service): Service => ({ apiVersion: 'v1', kind: 'Service', ...service })),
      ...each.pods.map((pod): Pod => ({ apiVersion: 'v1', kind: 'Pod', ...pod })),
    ];
    const { store } = cluster(objects, dualStack);
    const made = {
      slices: store.list<EndpointSlice>('EndpointSlice', each.id).map(sliceText).sort(),
      endpoints: store.list<Endpoints>('Endpoints', each.id).map(endpointsText).sort(),
    };
    const wanted = {
      slices: each.endpointSlices.map(sliceText).sort(),
      endpoints: each.endpoints.map(endpointsText).sort(),
    };
    if (JSON.stringify(made) !== JSON.stringify(wanted)) {
      failed.push(each.id);
      if (failed.length === 1) expect.soft(made, each.id).toEqual(wanted);
    }
  }
  reportVectors(name, recorded!.cases.length, failed);
  expect(failed).toEqual([]);
});

const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time';

function annotationsOf({ annotations = {} }: Endpoints['metadata']): string[] {
  return Object.keys(annotations).map((key) => (key === triggerTime ? key : `${key}=${annotations[key]}`));
}

/** A slice without its random parts, with lists as sets. */
function sliceText({ metadata, addressType, endpoints, ports }: Omit<EndpointSlice, 'kind' | 'apiVersion'>): string {
  return text({
    generateName: metadata.generateName,
    labels: metadata.labels,
    annotations: annotationsOf(metadata),
    addressType,
    endpoints: endpoints
      ?.map((endpoint) => text({ ...endpoint, targetRef: { ...endpoint.targetRef, uid: '' } }))
      .sort(),
    ports: ports?.map(text).sort(),
  });
}

function endpointsText({ metadata, subsets }: Omit<Endpoints, 'kind' | 'apiVersion'>): string {
  const addresses = (list: NonNullable<Endpoints['subsets']>[number]['addresses']) =>
    list?.map((address) => text({ ...address, targetRef: { ...address.targetRef, uid: '' } })).sort();
  return text({
    name: metadata.name,
    labels: metadata.labels,
    annotations: annotationsOf(metadata),
    subsets: subsets
      ?.map((subset) =>
        text({
          addresses: addresses(subset.addresses),
          notReadyAddresses: addresses(subset.notReadyAddresses),
          ports: subset.ports?.map(text).sort(),
        }),
      )
      .sort(),
  });
}

/** JSON with the keys in order. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
