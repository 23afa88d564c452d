import { defineConfig } from 'vitest/config';

// Tests run on the TypeScript sources: the `netsim-source` export condition of
// every package points at src/, so no build is needed before a test run.
const conditions = ['netsim-source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    passWithNoTests: false,
  },
});
