import type { KubeObject } from '@netsim/manifest';
import { columnsOf, nameOf } from './columns.ts';
import { formatLabels, tableCell } from './format.ts';
import { infoOfKind, qualifiedName } from './resource.ts';
import { alignTabs, TABLE_TABS } from './tabwriter.ts';

export interface TableOptions {
  /** `-o wide`. */
  readonly wide?: boolean;
  /** `--show-labels`. */
  readonly labels?: boolean;
  /** `-L KEY`: a column for each label. */
  readonly labelColumns?: readonly string[];
  readonly noHeaders?: boolean;
  /** A NAMESPACE column first. */
  readonly allNamespaces?: boolean;
  /** Names as `pod/x`, where several kinds are shown. */
  readonly showKind?: boolean;
  /** Virtual time, milliseconds since 1970, for ages. */
  readonly now: number;
}

/** In the order of the API server: by namespace, then by name. */
export function inOrder<T extends KubeObject>(objects: readonly T[]): T[] {
  const key = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}\0${metadata.name}`;
  return [...objects].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** Objects of one kind as `kubectl get` prints them: header and one line each, ending in a newline. */
export function renderTable(kind: string, objects: readonly KubeObject[], options: TableOptions): string {
  const { wide = false, labels = false, labelColumns = [], noHeaders = false, allNamespaces = false, now } = options;
  const withNamespace = allNamespaces && infoOfKind(kind).namespaced;
  const prefix = options.showKind === true ? `${qualifiedName(kind)}/` : '';
  const columns = columnsOf(kind).filter((column) => wide || column.wide !== true);

  const header = [
    ...(withNamespace ? ['NAMESPACE'] : []),
    'NAME',
    ...columns.map(({ title }) => title),
    ...labelColumns.map(labelTitle),
    ...(labels ? ['LABELS'] : []),
  ];
  const rows = inOrder(objects).map((object) => [
    ...(withNamespace ? [object.metadata.namespace ?? ''] : []),
    prefix + nameOf(object),
    ...columns.map((column) => column.cell(object, { wide, now })),
    ...labelColumns.map((key) => object.metadata.labels?.[key] ?? ''),
    ...(labels ? [formatLabels(object.metadata.labels)] : []),
  ]);
  const lines = (noHeaders ? rows : [header, ...rows]).map((cells) => `${cells.map(tableCell).join('\t')}\n`);
  return alignTabs(lines.join(''), TABLE_TABS);
}

function labelTitle(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1).toUpperCase();
}

/** Objects as `kubectl get -o name` prints them: `pod/x`, `deployment.apps/y`. */
export function renderNames(objects: readonly KubeObject[]): string {
  return inOrder(objects)
    .map((object) => `${qualifiedName(object.kind)}/${object.metadata.name}\n`)
    .join('');
}
