import type { KubeObject } from '@netsim/manifest';
import { stringify } from 'yaml';
import { inOrder } from './table.ts';

/** One object stays itself; several become a `List`, as `kubectl get -o json` gives it. */
function documentOf(objects: readonly KubeObject[], single: boolean): unknown {
  if (single && objects.length === 1) return sorted(objects[0]);
  return { apiVersion: 'v1', items: inOrder(objects).map(sorted), kind: 'List', metadata: { resourceVersion: '' } };
}

/** Keys in order, as Go prints a map. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

export interface SerializeOptions {
  /** One object was asked for by name: no list around it. */
  readonly single?: boolean;
}

/** Objects as `kubectl get -o json` prints them. */
export function renderJson(objects: readonly KubeObject[], { single = false }: SerializeOptions = {}): string {
  return `${JSON.stringify(documentOf(objects, single), undefined, 4)}\n`;
}

/** Objects as `kubectl get -o yaml` prints them. */
export function renderYaml(objects: readonly KubeObject[], { single = false }: SerializeOptions = {}): string {
  return toYaml(documentOf(objects, single));
}

/** A value as YAML in the style of kubectl. YAML 1.1 rules decide what is quoted, so that every reader reads it the same. */
export function toYaml(value: unknown): string {
  return stringify(value, { version: '1.1', indentSeq: false, lineWidth: 0, aliasDuplicateObjects: false });
}
