import { availableParallelism } from 'node:os';
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
    // Much of the time of some tests is waiting for the real kernel: one worker more than cores has something to do meanwhile.
    maxWorkers: availableParallelism() + 1,
    // Files of one worker share the modules: nothing has state of its own at import, and half of the time was to import them again.
    isolate: false,
    passWithNoTests: false,
  },
});
