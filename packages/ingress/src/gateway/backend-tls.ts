import type { BackendTLSPolicy } from '@netsim/manifest';
import type { BackendTls } from '../model.ts';
import type { Problem } from './conditions.ts';
import { authorityProblem, type FoundBackend } from './references.ts';
import { byAge, GATEWAY_GROUP, type GatewayView, nameOf, namespaceOf, type ObjectKey } from './view.ts';

/** A policy, with what hinders it. */
export interface PolicyState {
  readonly policy: BackendTLSPolicy;
  /** Why none of its certificate authorities can be used. */
  readonly unresolved: Problem | undefined;
  /** An older policy has the same target. */
  readonly conflict: Problem | undefined;
}

/** Which policy is in force for each target. */
export class BackendPolicies {
  readonly states: readonly PolicyState[];
  readonly #inForce = new Map<string, PolicyState>();

  constructor(view: GatewayView) {
    this.states = [...view.list<BackendTLSPolicy>('BackendTLSPolicy')].sort(byAge).map((policy) => {
      const namespace = namespaceOf(policy);
      const from = { group: GATEWAY_GROUP, kind: policy.kind, namespace };
      const { caCertificateRefs = [], wellKnownCACertificates } = policy.spec.validation;
      const problems = caCertificateRefs.map((ref) =>
        authorityProblem(view, ref, from, { ref: 'InvalidCACertificateRef', kind: 'InvalidKind' }),
      );
      const none = wellKnownCACertificates === undefined && problems.every((one) => one !== undefined);
      const keys = policy.spec.targetRefs.flatMap(({ group, kind, name, sectionName }) =>
        group === '' && kind === 'Service' ? [targetKey(namespace, name, sectionName)] : [],
      );
      const older = keys.map((key) => this.#inForce.get(key)).find((state) => state !== undefined);
      const state: PolicyState = {
        policy,
        unresolved: none
          ? (problems[0] ?? { reason: 'InvalidCACertificateRef', message: 'no certificate authority is named' })
          : undefined,
        conflict:
          older === undefined
            ? undefined
            : { reason: 'Conflicted', message: `the older policy "${nameOf(older.policy)}" has the same target` },
      };
      for (const key of keys) if (!this.#inForce.has(key)) this.#inForce.set(key, state);
      return state;
    });
  }

  /** The policy for a backend: one that names its port goes before one for the whole Service. */
  for({ namespace, service, portName }: FoundBackend): PolicyState | undefined {
    const { name } = service.metadata;
    const ofPort = portName === undefined ? undefined : this.#inForce.get(targetKey(namespace, name, portName));
    return ofPort ?? this.#inForce.get(targetKey(namespace, name, undefined));
  }
}

function targetKey(namespace: string, name: string, section: string | undefined): string {
  return `${namespace}/${name}/${section ?? ''}`;
}

/** How the data plane opens TLS to a backend that the policy is for. */
export function backendTls({ policy }: PolicyState, clientCertificate: ObjectKey | undefined): BackendTls {
  const { hostname, subjectAltNames = [], caCertificateRefs = [], wellKnownCACertificates } = policy.spec.validation;
  const namespace = namespaceOf(policy);
  return {
    serverName: hostname,
    authorities:
      wellKnownCACertificates === 'System' ? 'System' : caCertificateRefs.map(({ name }) => ({ namespace, name })),
    // Where alternative names are given, the host name is for the handshake only.
    subjectNames:
      subjectAltNames.length === 0
        ? [hostname]
        : subjectAltNames.map(({ type, hostname: name, uri }) => (type === 'URI' ? uri : name) ?? ''),
    ...(clientCertificate !== undefined && { clientCertificate }),
  };
}
