import type { Container, Pod } from '@netsim/manifest';
import { imageName } from '../listeners.ts';

/** Label of the pods that carry a Gateway's traffic (GEP-1762). */
const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** A program of a pod that takes requests from outside and passes them on by Ingresses or by a Gateway. */
export interface Controller {
  /** `gce`, `gce-internal`: no pod, but a load balancer of Google's outside the cluster, one for each Ingress. */
  readonly kind: 'ingress-nginx' | 'spec' | 'gateway' | 'gce' | 'gce-internal';
  /** What it is, for people: `ingress-nginx`, `traefik`. */
  readonly name: string;
  /** `spec.controller` of the classes that are its own. */
  readonly controller: string;
  readonly container: string;
  readonly listeners: readonly ControllerListener[];
  /** Command line flags: the value of `--name=value`. */
  readonly flags: ReadonlyMap<string, string>;
  /** The Gateway that it serves. */
  readonly gateway?: string;
  /** The address of a load balancer. */
  readonly address?: string;
}

/** How a controller is spoken of. */
export function controllerWord({ kind }: Controller): string {
  return kind === 'gce' || kind === 'gce-internal' ? 'the load balancer' : 'the controller';
}

export interface ControllerListener {
  readonly port: number;
  readonly scheme: 'http' | 'https';
}

export interface KnownController {
  readonly name: string;
  readonly kind: 'ingress-nginx' | 'spec';
  readonly controller: string;
}

const nginx: KnownController = { name: 'ingress-nginx', kind: 'ingress-nginx', controller: 'k8s.io/ingress-nginx' };
const other = (name: string, controller: string): KnownController => ({ name, kind: 'spec', controller });
const f5 = other('nginx-ingress', 'nginx.org/ingress-controller');
const traefik = other('traefik', 'traefik.io/ingress-controller');
const haproxy = other('haproxy', 'haproxy.org/ingress-controller/haproxy');
const kong = other('kong', 'ingress-controllers.konghq.com/kong');
const contour = other('contour', 'projectcontour.io/ingress-controller');

/** Images of ingress controllers, without their registry. */
const images: ReadonlyMap<string, KnownController> = new Map([
  ['ingress-nginx/controller', nginx],
  ['ingress-nginx/controller-chroot', nginx],
  ['ingress-nginx-controller', nginx],
  ['kubernetes-ingress-controller/nginx-ingress-controller', nginx],
  ['nginx-ingress-controller', nginx],
  ['rancher/nginx-ingress-controller', nginx],
  ['nginx/nginx-ingress', f5],
  ['traefik', traefik],
  ['rancher/mirrored-library-traefik', traefik],
  ['haproxytech/kubernetes-ingress', haproxy],
  ['jcmoraisjr/haproxy-ingress', other('haproxy-ingress', 'haproxy-ingress.github.io/controller')],
  ['kong/kubernetes-ingress-controller', kong],
  ['kong', kong],
  ['projectcontour/contour', contour],
]);

/** What an `IngressClass` names as its controller, where it is one that is known. */
export function knownController(controller: string): KnownController | undefined {
  return [...images.values()].find((each) => each.controller === controller);
}

/** The ingress controller that a pod runs, or the data plane of a Gateway; undefined for all other pods. */
export function controllerOf(pod: Pod): Controller | undefined {
  const gateway = pod.metadata.labels?.[GATEWAY_NAME_LABEL];
  const [first] = pod.spec.containers;
  if (gateway !== undefined && first !== undefined) {
    return {
      kind: 'gateway',
      name: 'gateway',
      controller: '',
      container: first.name,
      listeners: listenersOf(first, new Map()),
      flags: new Map(),
      gateway,
    };
  }
  for (const container of pod.spec.containers) {
    const known = images.get(imageName(container.image ?? ''));
    if (known === undefined) continue;
    const flags = flagsOf(container);
    return {
      ...known,
      controller: flags.get('controller-class') ?? known.controller,
      container: container.name,
      listeners: listenersOf(container, flags),
      flags,
    };
  }
  return undefined;
}

function flagsOf(container: Container): ReadonlyMap<string, string> {
  const { command = [], args = [] } = container as Container & { command?: string[]; args?: string[] };
  return new Map(
    [...command, ...args].flatMap((word) => {
      const found = /^--?([a-z0-9.-]+)(?:=(.*))?$/.exec(word);
      return found === null ? [] : [[found[1]!, found[2] ?? 'true'] as const];
    }),
  );
}

const httpsName = /https|secure|tls/;
const httpName = /^(http|web)$/;

/** Its ports for requests: by flag, else those that it declares, else 80 and 443. */
function listenersOf(container: Container, flags: ReadonlyMap<string, string>): ControllerListener[] {
  const declared = (container.ports ?? []).filter(({ protocol = 'TCP' }) => protocol === 'TCP');
  const found = declared.flatMap(({ name = '', containerPort: port }): ControllerListener[] => {
    if (httpsName.test(name) || port === 443 || port === 8443) return [{ port, scheme: 'https' }];
    return httpName.test(name) || port === 80 || port === 8000 || port === 8080 ? [{ port, scheme: 'http' }] : [];
  });
  const flagged = (['http', 'https'] as const).flatMap((scheme): ControllerListener[] => {
    const port = Number(flags.get(`${scheme}-port`));
    return port >= 1 && port <= 65535 ? [{ port, scheme }] : [];
  });
  const listeners = flagged.length > 0 ? flagged : found;
  if (listeners.length > 0) return listeners;
  return [
    { port: 80, scheme: 'http' },
    { port: 443, scheme: 'https' },
  ];
}
