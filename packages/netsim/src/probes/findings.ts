import { controllerOf } from '@netsim/control';
import type { Finding, ObjectStore, Pod } from '@netsim/manifest';
import type { Containers } from '../containers/containers.ts';
import { userlandOf } from '../containers/userland.ts';
import { findingOf } from '../finding.ts';
import { runCommand } from './exec-probe.ts';
import { expectationOf } from './expectation.ts';
import { hasProbes, type ProbeKind, type ProbeSpec, probesOf } from './probe-spec.ts';

const consequence: Readonly<Record<ProbeKind, string>> = {
  startup: 'the kubelet kills the container again and again',
  liveness: 'the kubelet kills the container again and again',
  readiness: 'the container is not ready, and gets no traffic from services',
};

/** Probes that fail, and those of which netsim cannot tell. Pods made from one template are told of once. */
export function probeFindings(store: ObjectStore, containers: Containers): Finding[] {
  const told = new Set<string>();
  return store.list<Pod>('Pod').flatMap((pod) => {
    // What the cluster itself is made of looks after itself in ways that are not modelled.
    if (!hasProbes(pod) || pod.metadata.namespace === 'kube-system') return [];
    const owner = controllerOf(pod)?.uid;
    if (owner !== undefined && told.has(owner)) return [];
    const found = pod.spec.containers.flatMap((container, index) =>
      probesOf(container).flatMap((spec) => ofProbe(pod, index, spec, containers) ?? []),
    );
    if (owner !== undefined) told.add(owner);
    return found;
  });
}

function ofProbe(pod: Pod, index: number, spec: ProbeSpec, containers: Containers): Finding | undefined {
  const { kind, container, probe } = spec;
  const expected = expectationOf(pod, spec);
  const path = ['spec', 'containers', index, `${kind}Probe`];
  const subject = `${kind} probe of container ${JSON.stringify(container.name)}`;
  switch (expected.kind) {
    case 'success':
      return undefined;
    case 'unknown':
      return findingOf(
        pod,
        'probe-unknown',
        path,
        `${subject}: nobody can say how it ends: ${expected.why}`,
        'it is taken to succeed',
      );
    case 'failure':
      return findingOf(
        pod,
        'probe-fails',
        path,
        `${subject} fails: ${expected.why}`,
        expected.suggestion ?? consequence[kind],
      );
    case 'file': {
      const { files } = containers.view(pod, container);
      const why = runCommand(probe.exec?.command ?? [], files, userlandOf(pod, container));
      if (why === undefined) return undefined;
      return findingOf(
        pod,
        'probe-fails',
        path,
        `${subject} fails: ${why}`,
        `${consequence[kind]}; where the image has the file, say so with the annotation netsim.dev/files`,
      );
    }
  }
}
