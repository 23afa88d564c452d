import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const root = process.env.NETSIM_VECTORS ?? fileURLToPath(new URL('../../../../test/vectors', import.meta.url));

/** Cases of a file of kube-proxy's vectors; undefined, and said so, where it is not there. */
export function readCases<T>(name: string): T[] | undefined {
  const file = join(root, 'kube-proxy', `${name}.jsonl.gz`);
  if (!existsSync(file)) {
    console.log(`vectors kube-proxy/${name}: skipped`);
    return undefined;
  }
  return gunzipSync(readFileSync(file))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
