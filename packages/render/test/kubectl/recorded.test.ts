import { type KubeObject, kindInfo, ObjectStore } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { readVectors } from '../../../../test/support/vectors.ts';
import {
  describe as describeObject,
  type GetRequest,
  getObjects,
  type Printed,
  warningOf,
} from '../../src/kubectl/index.ts';

/**
 * Every output that kubectl 1.36 was recorded to print, made again from the recorded objects.
 *
 * Two things had to be filled in. AGE depends on the moment: the moment of each command is looked for among the seconds
 * after the objects were made. The recording leaves out objects of two commands (all namespaces, all services): those
 * are read back from the rows of the recorded table, so that for them only the layout is checked.
 */
interface Recorded {
  objects: KubeObject[];
  outputs: { command: string; exit: number; stdout: string; stderr: string }[];
}

const name = 'kubectl/kubectl-recorded';
const recorded = readVectors<Recorded>(name);

function storeOf(objects: readonly KubeObject[]): ObjectStore {
  const store = new ObjectStore();
  for (const object of objects) store.put(object);
  return store;
}

/** Milliseconds of `3m5s`. */
function millisecondsOf(age: string): number {
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };
  return [...age.matchAll(/(\d+)([smhd])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit!]! * 1000, 0);
}

const head = (text: string) => text.split('\n').slice(0, 40).join('\n');
const cells = (line: string) => line.split(/ {2,}/);

/** Objects for the rows of a table whose objects were not recorded. `now` is what their ages are counted from. */
function objectsOfRows(command: string, stdout: string, now: number): KubeObject[] {
  const made = (age: string) => new Date(now - millisecondsOf(age)).toISOString();
  const objects: KubeObject[] = [];
  for (const line of stdout.split('\n')) {
    if (line === '' || line.startsWith('NAME')) continue;
    if (command.includes(' namespaces')) {
      const [text = '', , age = '0s'] = cells(line);
      const title = text.replace('namespace/', '');
      const labels = { 'kubernetes.io/metadata.name': title };
      objects.push({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: title, labels, creationTimestamp: made(age) },
        status: { phase: 'Active' },
      } as KubeObject);
    } else {
      // The last row is cut off in the recording: any service of that namespace stands for it.
      const [namespace, title = '', type, ip, external, ports = '<none>', age = '0s'] = cells(line);
      if (namespace === 'shop') continue;
      const list = ports === '<none>' ? [] : ports.split(',').map((port) => port.split('/'));
      objects.push({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: title, namespace, creationTimestamp: made(age) },
        spec: {
          type,
          ...(type === 'ExternalName' ? { externalName: external } : { clusterIP: ip }),
          ports: list.map(([port, protocol]) => ({ port: Number(port), protocol })),
        },
      } as KubeObject);
    }
  }
  return objects;
}

/** Runs a recorded command line on a store. */
function runCommand(command: string, store: ObjectStore, now: number): Printed {
  const words = command.split(' ').slice(1);
  const take = (flag: string) => {
    const at = words.indexOf(flag);
    return at < 0 ? undefined : words.splice(at, 2)[1];
  };
  const has = (flag: string) => {
    const at = words.indexOf(flag);
    if (at >= 0) words.splice(at, 1);
    return at >= 0;
  };
  const namespace = take('-n') ?? 'default';
  const selector = take('-l')?.split('=');
  const field = take('--field-selector')?.split('=');
  const labelColumn = take('-L');
  const request: Omit<GetRequest, 'kinds'> = {
    namespace,
    now,
    output: (take('-o') ?? 'text') as GetRequest['output'] & string,
    allNamespaces: has('-A'),
    labels: has('--show-labels'),
    noHeaders: has('--no-headers'),
    ...(labelColumn === undefined ? {} : { labelColumns: [labelColumn] }),
    selects: ({ metadata }) =>
      (selector === undefined || metadata.labels?.[selector[0]!] === selector[1]) &&
      (field === undefined || metadata.namespace === field[1]),
  };
  const [verb, kinds = '', ...names] = words;
  if (verb === 'get') return getObjects(store, { ...request, kinds, names });
  const object = store.get(kindInfo(kinds)!.kind, namespace, names[0]!)!;
  const warning = warningOf(kindInfo(kinds)!.kind);
  return {
    stdout: describeObject(object, { store, now }),
    stderr: warning === undefined ? '' : `Warning: ${warning}\n`,
    code: 0,
  };
}

describe.skipIf(recorded === undefined)('what kubectl was recorded to print', () => {
  const { objects, outputs } = recorded ?? { objects: [], outputs: [] };
  const start = Date.parse('2026-11-21T08:19:50Z');

  /** Truncated in the recording. */
  const cut = (text: string, recorded: string) => (recorded.length === 20000 ? text.slice(0, 20000) : text);

  function agrees({ command, exit, stdout, stderr }: Recorded['outputs'][number]): boolean {
    const fromRows = command.includes(' namespaces') || command === 'kubectl get svc -A';
    for (let second = 0; second <= 60; second++) {
      const now = start + second * 1000;
      const store = storeOf([...objects, ...(fromRows ? objectsOfRows(command, stdout, now) : [])]);
      const ours = runCommand(command, store, now);
      const messages = stderr === '' ? '' : `${stderr.trimEnd()}\n`;
      if (cut(ours.stdout, stdout) === stdout && ours.stderr === messages && ours.code === exit) return true;
    }
    return false;
  }

  test('is printed by netsim in the same way, byte for byte', () => {
    const failing = outputs.filter((output) => !agrees(output));
    for (const { command, stdout } of failing.slice(0, 20)) {
      const store = storeOf(objects);
      const ours = runCommand(command, store, start + 15_000);
      console.log(
        `vectors ${name}: differs: ${command}\n--- kubectl\n${head(stdout)}\n--- netsim\n${head(ours.stdout)}${ours.stderr}`,
      );
    }
    console.log(`vectors ${name}: ${outputs.length - failing.length}/${outputs.length}`);
    expect(failing.map(({ command }) => command)).toEqual([]);
  });
});
