import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** Reads a file of JSON lines among the vectors, or `undefined` (and says so) where it is not there. */
export function readVectors<T>(path: string): T[] | undefined {
  const root = process.env.NETSIM_VECTORS ?? fileURLToPath(new URL('../../../../test/vectors', import.meta.url));
  const file = `${root}/${path}`;
  if (!existsSync(file)) {
    console.log(`vectors ${path.replace(/\..*/, '')}: skipped`);
    return undefined;
  }
  const bytes = readFileSync(file);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Prints the failing ids, at most 20. */
export function listFailures(failures: readonly string[]): void {
  for (const failure of failures.slice(0, 20)) console.log(failure);
}
