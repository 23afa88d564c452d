import type { Path } from './objects.ts';

/** The API server's spelling of a field path: `spec.ports[0].port`, `metadata.labels[a/b]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (text === '' || /^[A-Za-z0-9_-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${part}]`;
  }
  return text;
}
