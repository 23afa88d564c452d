import { infoOfKind } from './resource.ts';

/** What kubectl says when an object is not there. */
export function notFoundMessage(kind: string, name: string): string {
  const { plural, group } = infoOfKind(kind);
  const resource = group === '' ? plural : `${plural}.${group}`;
  return `Error from server (NotFound): ${resource} "${name}" not found`;
}

/** What kubectl says when a list is empty. */
export function nothingFoundMessage(namespace: string | undefined): string {
  return namespace === undefined ? 'No resources found' : `No resources found in ${namespace} namespace.`;
}

/** What kubectl says when a kind is not known. */
export function unknownResourceMessage(word: string): string {
  return `error: the server doesn't have a resource type "${word}"`;
}
