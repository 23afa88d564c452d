import type { Container, KubeObject, Namespace, Pod } from '@netsim/manifest';
import type { GatewayView } from './view.ts';

/** What puts pods into a mesh: on namespaces or pods. */
const marks: readonly (readonly [mesh: string, key: string, value: RegExp])[] = [
  ['Istio', 'istio-injection', /^enabled$/],
  ['Istio', 'istio.io/rev', /./],
  ['Istio', 'istio.io/dataplane-mode', /^ambient$/],
  ['Istio', 'sidecar.istio.io/inject', /^true$/],
  ['Linkerd', 'linkerd.io/inject', /^(enabled|ingress)$/],
  ['Kuma', 'kuma.io/sidecar-injection', /^(enabled|true)$/],
];

/** Images of control planes and of the proxies that they put into pods. */
const images: readonly (readonly [mesh: string, image: RegExp])[] = [
  ['Istio', /(^|\/)istio\/(pilot|proxyv2|ztunnel)([:@]|$)/],
  ['Linkerd', /(^|\/)linkerd\/(controller|proxy)([:@]|$)/],
  ['Kuma', /(^|\/)kumahq\/kuma-(cp|dp)([:@]|$)/],
  ['Cilium', /(^|\/)cilium\/cilium([:@]|$)/],
];

const WORKLOADS = ['Pod', 'Deployment', 'DaemonSet', 'ReplicaSet', 'StatefulSet'];

/** The mesh that the manifests have: by its pods, or by what asks for its proxies; undefined: none that is known. */
export function meshOf(view: GatewayView): string | undefined {
  for (const { metadata } of view.list<Namespace>('Namespace')) {
    const found = markOf({ ...metadata.annotations, ...metadata.labels });
    if (found !== undefined) return found;
  }
  for (const kind of WORKLOADS) {
    for (const object of view.list<KubeObject & { spec?: { template?: Pod; containers?: Container[] } }>(kind)) {
      const pod = kind === 'Pod' ? (object as Pod) : object.spec?.template;
      const { annotations, labels } = pod?.metadata ?? {};
      const found = markOf({ ...annotations, ...labels }) ?? imageOf(pod?.spec?.containers ?? []);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function markOf(values: Readonly<Record<string, string>>): string | undefined {
  return marks.find(([, key, value]) => value.test(values[key] ?? ''))?.[0];
}

function imageOf(containers: readonly Container[]): string | undefined {
  for (const { image = '' } of containers) {
    const found = images.find(([, pattern]) => pattern.test(image));
    if (found !== undefined) return found[0];
  }
  return undefined;
}
