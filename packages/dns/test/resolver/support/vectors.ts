import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.env.NETSIM_VECTORS ?? join(import.meta.dirname, '../../../../../test/vectors');

/** The parsed vector file, or undefined (and a line that says so) where it is not there. */
export function readVectors<T>(name: string): T | undefined {
  const file = join(root, `${name}.json`);
  if (!existsSync(file)) {
    console.log(`vectors ${name}: skipped`);
    return undefined;
  }
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** Prints the closing line of a file of vectors, with the failing ids before it. */
export function reportVectors(name: string, total: number, failed: readonly string[]): void {
  for (const line of failed.slice(0, 20)) console.log(`  ${line}`);
  console.log(`vectors ${name}: ${total - failed.length}/${total}`);
}
