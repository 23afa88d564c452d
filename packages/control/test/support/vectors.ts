import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = process.env.NETSIM_VECTORS ?? fileURLToPath(new URL('../../../../test/vectors', import.meta.url));

/** The vectors of a file such as `control/endpoints-recorded`, or nothing where it is not there. */
export function readVectors<T>(name: string): T | undefined {
  const file = `${folder}/${name}.json`;
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined;
}

/** Prints the closing line of a vector file, after the ids that did not agree. */
export function reportVectors(name: string, total: number, failed: readonly string[]): void {
  for (const id of failed.slice(0, 20)) console.log(`vectors ${name}: not equal: ${id}`);
  console.log(`vectors ${name}: ${total - failed.length}/${total}`);
}
