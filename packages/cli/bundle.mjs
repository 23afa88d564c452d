// Joins the command line and the libraries it needs at once into a few files: reading some three hundred small ones takes longer than
// the work itself. The lab stays outside: it is loaded only for `netsim lab`, and reads its C sources beside itself.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const out = join(import.meta.dirname, 'bundle');
rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: join(import.meta.dirname, 'dist/index.js'),
  platform: 'node',
  external: ['@netsim/lab', 'yaml', 'pino'],
});
await bundle.write({ dir: out, format: 'esm', entryFileNames: 'netsim.js', chunkFileNames: '[name].js' });
await bundle.close();
