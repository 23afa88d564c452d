// Joins the command line and the libraries it needs at once into a few files: reading some three hundred small ones takes longer than
// the work itself. The lab stays outside: it is loaded only for `netsim lab`, and reads its C sources beside itself.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const out = join(import.meta.dirname, 'bundle');
const bundle = await rolldown({
  input: join(import.meta.dirname, 'dist/index.js'),
  platform: 'node',
  external: ['@netsim/lab', 'yaml', 'pino'],
});
// What was there goes only once the new one is whole.
await bundle.generate({ format: 'esm' });
rmSync(out, { recursive: true, force: true });
await bundle.write({ dir: out, format: 'esm', entryFileNames: 'netsim.js', chunkFileNames: '[name].js' });
await bundle.close();
