import { readFileSync } from 'node:fs';
import { type KubeObject, ObjectStore } from '@netsim/manifest';
import { expect, describe as group, test } from 'vitest';
import { describe, renderJson, renderYaml } from '../../src/kubectl/index.ts';

interface Recorded {
  now: number;
  objects: KubeObject[];
  outputs: {
    verb: 'describe' | 'yaml' | 'json';
    kind: string;
    namespace: string | null;
    name: string;
    stdout: string;
  }[];
}

const file = new URL('fixtures/client-side.json', import.meta.url);
const { now, objects, outputs } = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
const store = new ObjectStore();
for (const object of objects) store.put(object);

group('what kubectl itself made of these objects', () => {
  test.each(outputs)('$verb $kind $name', ({ verb, kind, namespace, name, stdout }) => {
    const object = store.get(kind, namespace ?? undefined, name)!;
    const ours = {
      describe: () => describe(object, { store, now }),
      yaml: () => renderYaml([object], { single: true }),
      json: () => renderJson([object], { single: true }),
    }[verb]();
    expect(ours).toBe(stdout);
  });
});
