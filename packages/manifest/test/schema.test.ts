import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { structOf } from '../src/schema/index.ts';
import type { SchemaType, Struct } from '../src/schema/type.ts';

/**
 * The published TypeScript types of Kubernetes 1.30, read as text: interface, then field. Our tables are newer, so they may
 * know more, but nothing of these may be missing.
 */
const packageFile = createRequire(import.meta.url).resolve('kubernetes-types/package.json');

function interfaces(file: string): Map<string, string[]> {
  const text = readFileSync(packageFile.replace('package.json', file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found = new Map<string, string[]>();
  for (const [, name, body] of text.matchAll(/export interface (\w+) \{([\s\S]*?)\n\}/g)) {
    found.set(
      name!,
      [...body!.matchAll(/^ {4}"?([\w$]+)"?\??:/gm)].map((match) => match[1]!),
    );
  }
  return found;
}

const GROUPS: readonly (readonly [file: string, kinds: readonly string[]])[] = [
  [
    'core/v1.d.ts',
    ['Service', 'Endpoints', 'Namespace', 'Node', 'Pod', 'ReplicationController', 'ConfigMap', 'Secret'],
  ],
  ['core/v1.d.ts', ['ServiceAccount', 'PersistentVolumeClaim', 'PodTemplate']],
  ['apps/v1.d.ts', ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet']],
  ['batch/v1.d.ts', ['Job', 'CronJob']],
  ['networking/v1.d.ts', ['Ingress', 'IngressClass', 'NetworkPolicy']],
  ['discovery/v1.d.ts', ['EndpointSlice']],
  ['rbac/v1.d.ts', ['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding']],
];
/** Taken out of the API since. */
const GONE = new Set(['PodResourceClaim.source']);

const files = ['core', 'apps', 'batch', 'networking', 'discovery', 'rbac', 'meta'].map((name) => `${name}/v1.d.ts`);
const published = new Map(files.map((file) => [file, interfaces(file)]));

test.each(GROUPS.flatMap(([file, kinds]) => kinds.map((kind) => [kind, file] as const)))(
  'every published field of %s, and of what it is made of, is known',
  (kind, file) => {
    const missing: string[] = [];
    const seen = new Set<string>();
    const visit = (struct: Struct): void => {
      if (seen.has(struct.name)) return;
      seen.add(struct.name);
      const fields = published.get(file)!.get(struct.name) ?? published.get('core/v1.d.ts')!.get(struct.name);
      const known = fields ?? published.get('meta/v1.d.ts')!.get(struct.name) ?? [];
      for (const name of known) {
        const top = struct.name === kind && (name === 'apiVersion' || name === 'kind');
        if (!top && struct.field(name) === undefined) missing.push(`${struct.name}.${name}`);
      }
      for (const { type } of struct.fields) descend(type);
    };
    const descend = (type: SchemaType): void => {
      if (type.kind === 'struct') visit(type.struct);
      else if (type.kind !== 'scalar') descend(type.of);
    };
    visit(structOf(kind));
    expect(missing.filter((name) => !GONE.has(name))).toEqual([]);
    expect(seen.size).toBeGreaterThan(2);
  },
);
