import {
  type Deployment,
  type EndpointSlice,
  type KubeObject,
  loadManifests,
  matchesMap,
  ObjectStore,
  type Service,
} from '@netsim/manifest';
import { readVectorText } from '../../../../../test/support/vectors.ts';
import type { Backend, BackendTls } from '../../../src/index.ts';

const INFRA = 'gateway-conformance-infra';

/** A certificate of some server, for where the suite makes one on the run. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBvjCCAWSgAwIBAgIUb5ekPWH3d6CaawtUwpsiDi2jTAowCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTZ2F0ZXdheS1jb25mb3JtYW5jZTAgFw0yNjExMjExMzE4Mzha
GA8yMTI2MTAyODEzMTgzOFowHjEcMBoGA1UEAwwTZ2F0ZXdheS1jb25mb3JtYW5j
ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABN/zoaV1Fn+PlQf0Z6j8qAq8G+rX
JLL5LW+rxdEIaCcI/xB2pbcjCBcmTN8Fzf64aj1DW9Tl6QJxV1PrUJZDa8ijfjB8
MB0GA1UdDgQWBBTmbEepPA9oVq6eUfCcHUZ5dxQnCTAfBgNVHSMEGDAWgBTmbEep
PA9oVq6eUfCcHUZ5dxQnCTAPBgNVHRMBAf8EBTADAQH/MCkGA1UdEQQiMCCCD2Fi
Yy5leGFtcGxlLmNvbYINKi5leGFtcGxlLmNvbTAKBggqhkjOPQQDAgNIADBFAiB3
JxjGW1CYjzszCrq/a+Tk0TVD0wx6yXbf1aoDS8kbRgIhAP7q/pfN8nTBEbC4q3NW
R4GUE644Kpv7PhDQtqkXwy56
-----END CERTIFICATE-----
`;

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTdiMDzB9QddOEiWy
qFWYJsLTF3SU1kdHLAFiSVa3orChRANCAATf86GldRZ/j5UH9Geo/KgKvBvq1ySy
+S1vq8XRCGgnCP8QdqW3IwgXJkzfBc3+uGo9Q1vU5ekCcVdT61CWQ2vI
-----END PRIVATE KEY-----
`;

/**
 * Secrets that the suite makes before its tests: the names that their certificates are good for, and the ConfigMap with the
 * authority that signed them.
 */
const SECRETS: readonly { namespace: string; name: string; names: readonly string[]; authority?: string }[] = [
  { namespace: 'gateway-conformance-web-backend', name: 'certificate', names: ['*'] },
  { namespace: INFRA, name: 'tls-validity-checks-certificate', names: ['*', '*.org'] },
  { namespace: INFRA, name: 'tls-passthrough-checks-certificate', names: ['abc.example.com'] },
  {
    namespace: 'gateway-conformance-app-backend',
    name: 'tls-passthrough-checks-certificate',
    names: ['abc.example.com'],
  },
  { namespace: INFRA, name: 'tls-terminate-checks-certificate', names: ['tls.example.com'] },
  {
    namespace: INFRA,
    name: 'tls-checks-certificate',
    names: ['abc.example.com', 'spiffe://abc.example.com/test-identity', 'other.example.com'],
    authority: 'tls-checks-ca-certificate',
  },
  { namespace: INFRA, name: 'tls-checks-client-certificate', names: [], authority: 'tls-checks-ca-certificate' },
];

const AUTHORITIES = [
  'tls-checks-ca-certificate',
  'mismatch-ca-certificate',
  'tls-validity-checks-ca-certificate',
  'tls-validity-checks-per-port-ca-certificate',
];

const coded = (text: string) => Buffer.from(text).toString('base64');

/** A Secret with a certificate that ends TLS. */
export function secretManifest(namespace: string, name: string): KubeObject {
  const data = { 'tls.crt': coded(CERTIFICATE), 'tls.key': coded(KEY) };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    type: 'kubernetes.io/tls',
    data,
  } as KubeObject;
}

const loadedFiles = new Map<string, ReturnType<typeof loadManifests>>();

function load(file: string): ReturnType<typeof loadManifests> {
  let loaded = loadedFiles.get(file);
  if (loaded === undefined) {
    const text =
      readVectorText(`gateway/${file}`)
        ?.replaceAll('{GATEWAY_CLASS_NAME}', 'conformance')
        .replaceAll('{GATEWAY_CONTROLLER_NAME}', 'netsim.dev/gateway') ?? '';
    loaded = loadManifests([{ file, text }]);
    loadedFiles.set(file, loaded);
  }
  return loaded;
}

/** The objects of a test: the suite's base, what the suite makes on the run, and the test's own manifests. */
export function worldOf(files: readonly string[]): {
  store: ObjectStore;
  own: readonly KubeObject[];
  findings: readonly string[];
} {
  const store = new ObjectStore();
  store.put({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'conformance' },
    spec: { controllerName: 'netsim.dev/gateway' },
  } as KubeObject);
  for (const { namespace, name } of SECRETS) store.put(secretManifest(namespace, name));
  for (const name of AUTHORITIES) {
    store.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: INFRA, name },
      data: { 'ca.crt': CERTIFICATE },
    } as KubeObject);
  }
  const findings: string[] = [];
  const own: KubeObject[] = [];
  for (const file of ['base/manifests.yaml', 'mesh/manifests.yaml', ...files]) {
    const loaded = load(file);
    findings.push(
      ...loaded.findings.filter(({ severity }) => severity === 'error').map(({ message }) => `${file}: ${message}`),
    );
    for (const object of loaded.objects) {
      store.put(object);
      if (files.includes(file)) own.push(object);
    }
  }
  return { store, own, findings };
}

/** What answers behind a backend. */
export interface Server {
  /** How its pods' names begin; undefined: pods that the suite's code chose. */
  readonly deployment: string | undefined;
  readonly namespace: string;
  /** It wants TLS on this port. */
  readonly tls: { readonly names: readonly string[]; readonly authority: string | undefined } | undefined;
}

/** The echo server behind a backend; undefined: nothing is ready. */
export function serverOf(store: ObjectStore, backend: Backend): Server | undefined {
  if (backend.kind !== 'service') return undefined;
  const { namespace, name } = backend;
  const service = store.get<Service>('Service', namespace, name);
  const selector = service?.spec.selector;
  if (service === undefined) return undefined;
  if (selector === undefined) {
    const slices = store.list<EndpointSlice>('EndpointSlice', namespace);
    const has = slices.some(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
    return has ? { deployment: undefined, namespace, tls: undefined } : undefined;
  }
  const deployment = store
    .list<Deployment>('Deployment', namespace)
    .find(({ spec }) => matchesMap(selector, spec.template.metadata?.labels));
  if (deployment === undefined) return undefined;
  const { targetPort } = service.spec.ports?.find(({ port }) => port === backend.port) ?? {};
  const volumes = (deployment.spec.template.spec as { volumes?: { secret?: { secretName?: string } }[] }).volumes ?? [];
  const secretName = volumes.map(({ secret }) => secret?.secretName).find((secret) => secret !== undefined);
  const secret = SECRETS.find((one) => one.namespace === namespace && one.name === secretName);
  const tls =
    targetPort === 8443 && secret !== undefined ? { names: secret.names, authority: secret.authority } : undefined;
  return { deployment: deployment.metadata.name, namespace, tls };
}

/** Whether the handshake with a server succeeds, as the gateway opens it. */
export function handshakes({ tls }: Server, opened: BackendTls | undefined): boolean {
  if (tls === undefined || opened === undefined) return tls === undefined && opened === undefined;
  const trusted = opened.authorities !== 'System' && opened.authorities.some(({ name }) => name === tls.authority);
  return trusted && opened.subjectNames.some((name) => tls.names.includes(name));
}
