import { X509Certificate } from 'node:crypto';
import {
  type BackendRef,
  type ConfigMap,
  type NamespacedReference,
  nearest,
  type ReferenceGrant,
  type Secret,
  type Service,
} from '@netsim/manifest';
import type { ServerCertificate } from '../model.ts';
import { readCertificate as parseCertificate } from '../tls/certificate.ts';
import type { Problem } from './conditions.ts';
import type { GatewayView, ObjectKey } from './view.ts';

/** The object that holds a reference. */
export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

interface Referent {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Whether a reference stays in its namespace, or a ReferenceGrant of the other namespace allows it. */
function isGranted(view: GatewayView, from: Referrer, to: Referent): boolean {
  if (from.namespace === to.namespace) return true;
  return view
    .list<ReferenceGrant>('ReferenceGrant')
    .some(
      ({ metadata, spec }) =>
        metadata.namespace === to.namespace &&
        spec.from.some(
          (one) => one.group === from.group && one.kind === from.kind && one.namespace === from.namespace,
        ) &&
        spec.to.some(
          (one) => one.group === to.group && one.kind === to.kind && (one.name === undefined || one.name === to.name),
        ),
    );
}

function notPermitted(to: Referent): Problem {
  return {
    reason: 'RefNotPermitted',
    message: `no ReferenceGrant in namespace "${to.namespace}" allows the reference to ${to.kind} "${to.name}"`,
  };
}

/** The certificate of a Secret that a listener or a client shows; or why it cannot be used. */
export function readCertificate(
  view: GatewayView,
  { group = '', kind = 'Secret', namespace, name }: Partial<NamespacedReference> & { name: string },
  from: Referrer,
): { readonly key: ObjectKey; readonly certificate: ServerCertificate } | Problem {
  const invalid = (message: string): Problem => ({ reason: 'InvalidCertificateRef', message });
  if (group !== '' || kind !== 'Secret') {
    return invalid(
      `certificateRef to ${kind}${group === '' ? '' : `.${group}`} "${name}" is not supported, only Secret`,
    );
  }
  const key = { namespace: namespace ?? from.namespace, name };
  const to = { group, kind, ...key };
  if (!isGranted(view, from, to)) return notPermitted(to);
  const secret = view.get<Secret>('Secret', key.namespace, name);
  if (secret === undefined) return invalid(`Secret "${key.namespace}/${name}" is not there`);
  const certificate = parseCertificate(secret);
  if (typeof certificate === 'string') return invalid(`Secret "${key.namespace}/${name}" ${certificate}`);
  return { key, certificate };
}

/** Why a reference to a bundle of certificate authorities (a ConfigMap with `ca.crt`) cannot be used. */
export function authorityProblem(
  view: GatewayView,
  { group = '', kind = 'ConfigMap', namespace, name }: Partial<NamespacedReference> & { name: string },
  from: Referrer,
  reasons: { readonly ref: string; readonly kind: string },
): Problem | undefined {
  if (group !== '' || kind !== 'ConfigMap') {
    return {
      reason: reasons.kind,
      message: `caCertificateRef to ${kind}${group === '' ? '' : `.${group}`} "${name}" is not supported, only ConfigMap`,
    };
  }
  const key = { namespace: namespace ?? from.namespace, name };
  const to = { group, kind, ...key };
  if (!isGranted(view, from, to)) return notPermitted(to);
  const map = view.get<ConfigMap>('ConfigMap', key.namespace, name);
  if (map === undefined) {
    return { reason: reasons.ref, message: `ConfigMap "${key.namespace}/${name}" is not there` };
  }
  const text = map.data?.['ca.crt'] ?? '';
  const message = `ca.crt of ConfigMap "${key.namespace}/${name}" is no PEM certificate`;
  if (text === '') return { reason: reasons.ref, message };
  try {
    new X509Certificate(text);
  } catch {
    return { reason: reasons.ref, message };
  }
  return undefined;
}

/** A backend that was found: a port of a Service. */
export interface FoundBackend {
  readonly service: Service;
  readonly namespace: string;
  readonly port: number;
  readonly portName: string | undefined;
  readonly appProtocol: string | undefined;
}

/** The Service and port that a backendRef names; or why it cannot be used. */
export function readBackend(
  view: GatewayView,
  ref: BackendRef,
  from: Referrer,
  options: { readonly transport?: 'TCP' | 'UDP'; readonly mesh?: ObjectKey } = {},
): FoundBackend | Problem {
  const { group = '', kind = 'Service', name, port } = ref;
  if (group !== '' || kind !== 'Service') {
    const what = group === '' ? kind : `${kind}.${group}`;
    return { reason: 'InvalidKind', message: `backendRef to ${what} "${name}" is not supported, only Service` };
  }
  const namespace = ref.namespace ?? from.namespace;
  const to = { group, kind, namespace, name };
  // A consumer route may name the Service whose clients it steers.
  const ofParent = options.mesh?.namespace === namespace && options.mesh.name === name;
  if (!ofParent && !isGranted(view, from, to)) return notPermitted(to);
  const service = view.get<Service>('Service', namespace, name);
  if (service === undefined) {
    const names = view
      .list<Service>('Service')
      .flatMap((one) => (one.metadata.namespace === namespace ? [one.metadata.name] : []));
    const meant = nearest(name, names);
    return {
      reason: 'BackendNotFound',
      message: `no Service "${name}" in namespace "${namespace}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    };
  }
  const transport = options.transport ?? 'TCP';
  const ports = service.spec.ports ?? [];
  const found = ports.find((one) => one.port === port && (one.protocol ?? 'TCP') === transport);
  if (found !== undefined) {
    return { service, namespace, port: found.port, portName: found.name, appProtocol: found.appProtocol };
  }
  const other = ports.find((one) => one.port === port);
  if (other !== undefined) {
    return {
      reason: 'UnsupportedProtocol',
      message: `port ${port} of Service "${name}" is ${other.protocol ?? 'TCP'}, not ${transport}`,
    };
  }
  const has = ports.map((one) => one.port).join(', ');
  return {
    reason: 'BackendNotFound',
    message:
      port === undefined
        ? `backendRef to Service "${name}" names no port`
        : `Service "${name}" has no port ${port}; it has ${has === '' ? 'none' : has}`,
  };
}

export function isProblem(value: object): value is Problem {
  return 'reason' in value;
}
