// Joins the command line and the libraries it needs into one file, and keeps what V8 compiles of it for the main job: reading and
// compiling some four hundred files takes longer than the work itself. The lab stays outside: it is loaded only for
// `netsim lab`, and reads its C sources beside itself.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { cacheFile, loadBundle } from './bin/load-bundle.js';

const out = join(import.meta.dirname, 'bundle');

/** Takes the YAML library in, which the sources load only when there is YAML to read. */
const yamlInside = {
  name: 'yaml-inside',
  transform(code, id) {
    if (!id.endsWith('/yaml-document.js')) return undefined;
    const call = "createRequire(import.meta.url)('yaml')";
    if (!code.includes(call)) throw new Error(`${id} loads the YAML library in another way than ${call}`);
    return code.replace(call, "require('yaml')");
  },
};

/** What stays outside is imported by the loader: V8's cache does not keep who imports for a script (ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING). */
const outside = ['@netsim/lab', 'pino'];
const importsByLoader = {
  name: 'imports-by-loader',
  renderChunk(code) {
    for (const name of outside) {
      const call = `import("${name}")`;
      if (!code.includes(call)) throw new Error(`the bundle does not import ${name} as ${call}`);
      code = code.replaceAll(call, `importOutside("${name}")`);
    }
    return code;
  },
};

const bundle = await rolldown({
  input: join(import.meta.dirname, 'dist/index.js'),
  platform: 'node',
  external: outside,
  plugins: [yamlInside, importsByLoader],
});
const options = { format: 'cjs', codeSplitting: false };
// What was there goes only once the new one is whole.
await bundle.generate(options);
rmSync(out, { recursive: true, force: true });
await bundle.write({ ...options, dir: out, entryFileNames: 'netsim.cjs' });
await bundle.close();

const { script, run } = loadBundle();
const nowhere = { write: () => true };
const status = await run(['trace', 'pod-a', 'svc/kubia'], { stdout: nowhere, stderr: nowhere });
if (status !== 0) throw new Error(`the bundle's first trace ends with ${status}`);
writeFileSync(cacheFile, script.createCachedData());
