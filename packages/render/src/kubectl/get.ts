import { type KindInfo, type KubeObject, kindInfo, type ObjectStore } from '@netsim/manifest';
import { notFoundMessage, nothingFoundMessage, unknownResourceMessage } from './errors.ts';
import { ALL_KINDS, infoOfKind, warningOf } from './resource.ts';
import { renderJson, renderYaml } from './serialize.ts';
import { renderNames, renderTable } from './table.ts';

export interface GetRequest {
  /** Kinds, as the user wrote them: `pods`, `svc,ep`, `all`. */
  readonly kinds: string;
  /** Names of objects of the one kind; none for all. */
  readonly names?: readonly string[];
  readonly namespace: string;
  /** `-A`. */
  readonly allNamespaces?: boolean;
  /** `-l`, `--field-selector`: which objects are wanted. */
  readonly selects?: (object: KubeObject) => boolean;
  readonly output?: 'text' | 'wide' | 'name' | 'json' | 'yaml';
  readonly labels?: boolean;
  readonly labelColumns?: readonly string[];
  readonly noHeaders?: boolean;
  /** Virtual time, milliseconds since 1970. */
  readonly now: number;
}

/** What a command printed, and its exit status. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** `kubectl get`, on the objects of a store: output, messages and exit status are kubectl's. */
export function getObjects(store: ObjectStore, request: GetRequest): Printed {
  const wanted: KindInfo[] = [];
  for (const word of request.kinds.split(',').filter((part) => part !== '')) {
    if (word.toLowerCase() === 'all') {
      wanted.push(...ALL_KINDS.map(infoOfKind));
      continue;
    }
    const resource = kindInfo(word);
    if (resource === undefined) return { stdout: '', stderr: `${unknownResourceMessage(word)}\n`, code: 1 };
    wanted.push(resource);
  }

  const messages: string[] = [];
  const groups: { resource: KindInfo; objects: KubeObject[] }[] = [];
  for (const resource of new Set(wanted)) {
    const warning = warningOf(resource.kind);
    if (warning !== undefined) messages.push(`Warning: ${warning}`);
    groups.push({ resource, objects: find(store, resource, request, messages) });
  }
  const failed = messages.some((line) => line.startsWith('Error'));
  const objects = groups.flatMap((group) => group.objects);
  const { output = 'text' } = request;
  const stdout = print(groups, objects, request, wanted.length > 1);
  const listed = output === 'text' || output === 'wide';
  if (objects.length === 0 && !failed && listed) {
    const clusterWide = request.allNamespaces === true || wanted.every(({ namespaced }) => !namespaced);
    messages.push(nothingFoundMessage(clusterWide ? undefined : request.namespace));
  }
  return { stdout, stderr: messages.map((line) => `${line}\n`).join(''), code: failed ? 1 : 0 };
}

function find(store: ObjectStore, resource: KindInfo, request: GetRequest, messages: string[]): KubeObject[] {
  const { names = [], selects = () => true } = request;
  const namespace = resource.namespaced ? request.namespace : undefined;
  if (names.length === 0) {
    return store.list(resource.kind, request.allNamespaces === true ? undefined : namespace).filter(selects);
  }
  const found: KubeObject[] = [];
  for (const name of names) {
    const object = store.get(resource.kind, namespace, name);
    if (object === undefined) messages.push(notFoundMessage(resource.kind, name));
    else found.push(object);
  }
  return found;
}

function print(
  groups: readonly { resource: KindInfo; objects: readonly KubeObject[] }[],
  objects: readonly KubeObject[],
  request: GetRequest,
  showKind: boolean,
): string {
  const { output = 'text', names = [] } = request;
  switch (output) {
    case 'name':
      return groups.map((group) => renderNames(group.objects)).join('');
    case 'json':
    case 'yaml': {
      const single = names.length === 1;
      if (single && objects.length === 0) return '';
      return output === 'json' ? renderJson(objects, { single }) : renderYaml(objects, { single });
    }
    default:
      return groups
        .filter((group) => group.objects.length > 0)
        .map((group) =>
          renderTable(group.resource.kind, group.objects, { ...request, wide: output === 'wide', showKind }),
        )
        .join('\n');
  }
}
