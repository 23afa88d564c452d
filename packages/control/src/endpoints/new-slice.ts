import type { EndpointSlice, KubeObject } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { controllerReference } from '../core/owners.ts';

type SliceContent = Pick<EndpointSlice, 'addressType' | 'endpoints' | 'ports'> &
  Pick<EndpointSlice['metadata'], 'labels' | 'annotations'>;

/** Makes a slice that belongs to a Service or to Endpoints, with a name generated from its owner's. */
export function putNewSlice({ store, names, time }: Context, owner: KubeObject, content: SliceContent): void {
  const { labels, annotations, ...rest } = content;
  const { namespace = 'default' } = owner.metadata;
  const generateName = `${owner.metadata.name}-`;
  const name = names.generate(
    `EndpointSlice ${namespace}`,
    generateName,
    (each) => store.get('EndpointSlice', namespace, each) !== undefined,
  );
  store.put({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      generateName,
      namespace,
      uid: names.uid(`EndpointSlice ${namespace}/${name}`),
      creationTimestamp: time(),
      generation: 1,
      labels,
      ...(annotations !== undefined && { annotations }),
      ownerReferences: [controllerReference(owner)],
    },
    ...rest,
  } satisfies EndpointSlice as EndpointSlice);
}
