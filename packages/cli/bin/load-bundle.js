// Loads the bundle. What V8 made of it at build time lies beside it: with that, two megabytes of source need not be read
// and compiled at each start. V8 takes it only for the version and flags that made it, and compiles as ever otherwise.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const file = fileURLToPath(new URL('../bundle/netsim.cjs', import.meta.url));
export const cacheFile = `${file}.cache`;

/**
 * @returns {{ script: Script, run: typeof import('../dist/index.js').run }} the compiled bundle, and what it exports
 */
export function loadBundle() {
  const source = readFileSync(file, 'utf8');
  const text = `(function (exports, require, __filename, importOutside) {${source}\n})`;
  const script = new Script(text, { filename: file, cachedData: readCache() });
  const exports = {};
  script.runInThisContext()(exports, createRequire(file), file, (name) => import(name));
  return { script, run: exports.run };
}

function readCache() {
  try {
    return readFileSync(cacheFile);
  } catch {
    return undefined;
  }
}
