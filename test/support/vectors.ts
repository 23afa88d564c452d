import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Folder of the recordings: that of NETSIM_VECTORS, else the repository's own. */
const root = process.env.NETSIM_VECTORS ?? join(import.meta.dirname, '../vectors');

/** Text of a file such as `control/endpoints-recorded.json`, unpacked; undefined, and said so, where it is not there. */
function readText(path: string): string | undefined {
  const file = join(root, path);
  if (!existsSync(file)) {
    console.log(`vectors ${path.replace(/\..*$/, '')}: skipped`);
    return undefined;
  }
  const bytes = readFileSync(file);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

/** A file of vectors that is no JSON (`gateway/base/manifests.yaml`), or undefined where it is not there. */
export function readVectorText(path: string): string | undefined {
  return readText(path);
}

/** A JSON file of vectors (`control/endpoints-recorded`), or undefined where it is not there. */
export function readVectors<T>(name: string): T | undefined {
  const text = readText(`${name}.json`);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

/** A file of JSON lines (`kube-proxy/topology.jsonl`, also with `.gz`), or undefined where it is not there. */
export function readVectorLines<T>(path: string): T[] | undefined {
  return readText(path)
    ?.split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Prints the ids that did not agree, at most 20. */
export function listFailures(failed: readonly string[]): void {
  for (const id of failed.slice(0, 20)) console.log(`  ${id}`);
}

/** Prints the closing line of a file of vectors, after the ids that did not agree (at most 20). */
export function reportVectors(name: string, total: number, failed: readonly string[]): void {
  listFailures(failed);
  console.log(`vectors ${name}: ${total - failed.length}/${total}`);
}
