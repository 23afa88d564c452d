// Checks every package as it would be published: exports that resolve, files that are there.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = join(import.meta.dirname, '../../packages');
let wrong = 0;
for (const folder of readdirSync(root)) {
  const pkgDir = join(root, folder);
  if (!existsSync(join(pkgDir, 'dist/index.js'))) {
    console.log(`${folder}: not built`);
    wrong++;
    continue;
  }
  const { messages, pkg } = await publint({ pkgDir, level: 'warning', strict: true, pack: false });
  for (const message of messages) {
    console.log(`${folder}: ${formatMessage(message, pkg)}`);
    wrong++;
  }
}
console.log(wrong === 0 ? 'every package is fit to publish' : `${wrong} problems`);
process.exitCode = wrong === 0 ? 0 : 1;
