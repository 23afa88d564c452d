import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** The layers of ARCHITECTURE.md. Imports go down only, and never to a package of the same layer. */
const layers: Record<string, number> = {
  wire: 0,
  trace: 1,
  manifest: 1,
  kernel: 2,
  control: 3,
  cni: 3,
  proxy: 3,
  dns: 3,
  ingress: 3,
  netsim: 4,
  render: 5,
  lab: 5,
  testing: 6,
  cli: 6,
};

/** Everything from the registry that a package may use at run time. */
const allowedDependencies: Record<string, readonly string[]> = {
  wire: ['ip-address', 'netmask'],
  manifest: ['yaml'],
  dns: ['dns-packet'],
  render: ['yaml'],
  cli: ['commander', 'pino', 'yaml'],
};

/** Node's own modules that reach outside the process, and who may use them. */
const outside = new Set([
  'node:fs',
  'node:fs/promises',
  'node:child_process',
  'node:net',
  'node:http',
  'node:dgram',
  'node:os',
  'node:process',
  'node:tty',
]);
const mayReachOutside = new Set(['manifest', 'netsim', 'lab', 'cli']);

const packages = readdirSync(join(root, 'packages'));
const packageName = (folder: string): string => (folder === 'netsim' ? 'netsim' : `@netsim/${folder}`);
const folderOf = (name: string): string => name.replace(/^@netsim\//, '').split('/')[0]!;

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const patterns = [
    /^(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'/gm,
    /^import\s*'([^']+)'/gm,
    /\bimport\(\s*'([^']+)'\s*\)/g,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]!));
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Record<string, string>;
  readonly exports: Record<string, Record<string, string> | string>;
  readonly files: readonly string[];
  readonly sideEffects: boolean;
}
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'));

test('every package has a layer', () => {
  expect(packages.slice().sort()).toEqual(Object.keys(layers).sort());
});

describe.each(packages)('package %s', (folder) => {
  const manifest = manifestOf(folder);
  const files = [...sourceFiles(join(root, 'packages', folder, 'src'))];

  test('is named after its folder and exports its sources to tests and its build to users', () => {
    expect(manifest.name).toBe(packageName(folder));
    expect(manifest.exports['.']).toEqual({
      'netsim-source': './src/index.ts',
      types: './dist/index.d.ts',
      default: './dist/index.js',
    });
    expect(manifest.files).toContain('dist');
  });

  test('depends only on lower layers and on the libraries it is allowed', () => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (name === 'netsim' || name.startsWith('@netsim/')) {
        expect(layers[folderOf(name)], `${folder} -> ${name}`).toBeLessThan(layers[folder]!);
      } else {
        expect(allowedDependencies[folder] ?? [], `${folder} -> ${name}`).toContain(name);
      }
    }
  });

  test('imports only what it declares, by the index of the other package', () => {
    const declared = new Set(Object.keys(manifest.dependencies ?? {}));
    for (const file of files) {
      for (const specifier of importsOf(file)) {
        const where = `${relative(root, file)} imports ${specifier}`;
        if (specifier.startsWith('.')) {
          const target = relative(join(root, 'packages', folder), join(file, '..', specifier));
          expect(target.startsWith('..'), where).toBe(false);
          expect(specifier, where).toMatch(/\.(ts|json)$/);
        } else if (specifier.startsWith('node:')) {
          if (outside.has(specifier)) expect(mayReachOutside.has(folder), where).toBe(true);
        } else {
          expect(
            declared.has(
              specifier
                .split('/')
                .slice(0, specifier.startsWith('@') ? 2 : 1)
                .join('/'),
            ),
            where,
          ).toBe(true);
          if (specifier.startsWith('@netsim/')) expect(specifier.split('/').length, where).toBe(2);
        }
      }
    }
  });

  test('names its files in kebab-case and keeps them short enough for one concept', () => {
    for (const file of files) {
      expect(basename(file, '.ts'), file).toMatch(/^[a-z0-9]+([-.][a-z0-9]+)*$/);
      expect(readFileSync(file, 'utf8').split('\n').length, `${relative(root, file)} is long`).toBeLessThan(800);
    }
  });

  test('reads the real clock, the environment and the arguments only in the command line and the lab', () => {
    if (folder === 'cli' || folder === 'lab') return;
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      expect(text, relative(root, file)).not.toMatch(
        /\bDate\.now\(|\bnew Date\(\)|performance\.now\(|Math\.random\(|process\.(argv|env|stdout|stderr|exit)\b/,
      );
    }
  });
});
