// npm run bench: what netsim costs, beside what the real kernel costs in the same run. Nothing is asserted: read the ratios.
//   --smoke          small sizes, seconds: does it run at all
//   --only NAME      one part alone, see `parts`
//   --no-kernel      without the real kernel's side
//   --out FOLDER     for results.json and the plots (default bench/out)
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * One part of the benchmark, a file of its own that is loaded when it runs.
 * @typedef {object} Part
 * @property {(context: Context) => unknown} run measures, prints a table, and returns what is to stand in results.json under
 *   the name of the part (or a promise of it)
 *
 * @typedef {object} Context
 * @property {boolean} smoke small sizes: does it run at all
 * @property {boolean} kernel measure the real kernel too, where it can be
 * @property {(file: string, text: string) => void} save writes a file beside results.json
 */

/** In the order in which they run. */
const parts = {
  flows: () => import('./flows.mjs'),
  rules: () => import('./rules.mjs'),
  load: () => import('./load.mjs'),
  dns: () => import('./dns.mjs'),
  routes: () => import('./routes.mjs'),
  startup: () => import('./startup.mjs'),
};

const { values: options } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string' },
    'no-kernel': { type: 'boolean', default: false },
    out: { type: 'string', default: fileURLToPath(new URL('./out/', import.meta.url)) },
  },
});
if (options.only !== undefined && !Object.hasOwn(parts, options.only)) {
  console.error(`--only ${options.only}: the parts are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}

const save = (file, text) => writeFileSync(join(options.out, file), text);
const context = { smoke: options.smoke, kernel: !options['no-kernel'], save };
const results = {
  schemaVersion: 'netsim.dev/bench/v1',
  node: process.version,
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
  smoke: options.smoke,
};
mkdirSync(options.out, { recursive: true });
for (const [name, load] of Object.entries(parts)) {
  if (options.only !== undefined && options.only !== name) continue;
  const { run } = await load();
  results[name] = await run(context);
}
save('results.json', `${JSON.stringify(results, undefined, 2)}\n`);
console.log(`\nwritten to ${options.out}`);
