import { ManifestError } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { Cluster, checkExpectations, readExpectations } from '../src/index.ts';

const manifests = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: db
  replicas: 2
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: db, image: postgres }] }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { nodeName: w1-k8s, containers: [{ name: web, image: luksa/kubia, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: NodePort, selector: { app: web }, ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: mixed }
spec: { selector: { tier: front }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: good, labels: { tier: front } }
spec: { containers: [{ name: c, image: luksa/kubia }] }
---
apiVersion: v1
kind: Pod
metadata: { name: deaf, labels: { tier: front }, annotations: { netsim.dev/listen: "9090" } }
spec: { containers: [{ name: c, image: luksa/kubia }] }
---
apiVersion: v1
kind: Service
metadata: { name: nobody }
spec: { selector: { app: nobody }, ports: [{ port: 80 }] }
`;

function file(...entries: readonly string[]): string {
  const list = entries.map((entry) => `- { ${entry} }`).join('\n');
  return `apiVersion: netsim.dev/v1\nkind: Expectations\nexpectations:\n${list}\n`;
}

/** The problems of one expectation. */
async function problems(entry: string): Promise<readonly string[]> {
  const cluster = await Cluster.load({ yaml: manifests });
  const text = file(`name: it, ${entry}`);
  const { results } = await checkExpectations(cluster, readExpectations([{ file: 'e.yaml', text }]));
  return results[0]!.problems;
}

describe('an expectation is met', () => {
  test.each([
    ['delivered, on every way', 'from: web, to: svc/db, expect: delivered'],
    ['a disposition in any spelling', 'from: web, to: svc/nobody, expect: No-Endpoints'],
    ['exactly these backends', 'from: web, to: svc/db, expect: delivered, backends: [sts/db]'],
    ['pods by their names', 'from: web, to: svc/db, expect: delivered, backends: [db-0, pod/db-1]'],
    ['a workload as the source', 'from: sts/db, to: svc/web, expect: delivered'],
    ['the source is seen', 'from: sts/db, to: svc/web, expect: delivered, sourceSeen: pod'],
    ['a node is seen', 'from: external, to: "node/w2-k8s:30080", expect: delivered, sourceSeen: node'],
    ['status and body', `from: db-0, to: "http://web/", expect: { status: 200, bodyContains: "You've hit web" }`],
    ['a protocol', 'from: web, to: pod/db-0, protocol: icmp, expect: delivered'],
  ])('%s', async (_, entry) => expect(await problems(entry)).toEqual([]));
});

describe('an expectation is not met', () => {
  test.each([
    ['another end', 'from: web, to: svc/nobody, expect: dropped', ['expected DROPPED, got NO_ENDPOINTS']],
    [
      'one way of two',
      'from: web, to: svc/mixed, expect: delivered',
      ['expected DELIVERED, got NO_LISTENER on 1 of 2 ways'],
    ],
    [
      'a status, where one way of two gives none',
      'from: web, to: "http://mixed/", expect: { status: 200 }',
      ['expected status 200, got NO_LISTENER on 1 of 2 ways'],
    ],
    [
      'a backend that is not named, and one that gets nothing',
      'from: web, to: svc/db, expect: delivered, backends: [db-0, web]',
      ['unexpected backend db-1', 'expected backend web gets nothing'],
    ],
    ['another status', 'from: db-0, to: "http://web/", expect: { status: 404 }', ['expected status 404, got 200']],
    [
      'another body',
      'from: db-0, to: "http://web/", expect: { bodyContains: hello }',
      [`expected a body with "hello", got "You've hit web\\n"`],
    ],
    ['no name', 'from: db-0, to: "http://wep/", expect: { status: 200 }', ['expected status 200, got NAME_NOT_FOUND']],
    [
      'another source',
      'from: web, to: "pod/db-0:5432", expect: delivered, sourceSeen: 10.1.1.1',
      [expect.stringMatching(/^expected 10\.1\.1\.1 to be seen, got 10\.244\.1\.\d$/)],
    ],
  ])('%s', async (_, entry, said) => expect(await problems(entry)).toEqual(said));
});

/** What is said of a text that cannot be used. */
async function refused(text: string): Promise<string[]> {
  const cluster = await Cluster.load({ yaml: manifests });
  try {
    await checkExpectations(cluster, readExpectations([{ file: 'e.yaml', text }]));
    return [];
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return error.message.split('\n');
  }
}

describe('a file is refused', () => {
  test.each([
    ['of another kind', manifests.split('---')[1]!, [/e\.yaml:3:1: Service of v1: expected kind Expectations/]],
    ['that is empty of entries', 'apiVersion: netsim.dev/v1\nkind: Expectations\n', [/expected a list with at least/]],
    ['with a slip in a field', file('nam: a, from: web, to: svc/db, expect: delivered'), [/:4:5: .*"nam".*"name"/]],
    ['with a field missing', file('name: a, from: web, expect: delivered'), [/:4:3: to is missing/]],
    ['with no such end', file('name: a, from: web, to: svc/db, expect: deliverd'), [/"deliverd".*"delivered"/]],
    ['with a status of no URL', file('name: a, from: web, to: svc/db, expect: { status: 200 }'), [/that of a URL/]],
    [
      'with wrong types',
      file('name: 1, from: [a], to: svc/db, expect: 3, backends: x, protocol: tpc'),
      [
        /name: expected a string, got 1/,
        /from: expected a string, got \["a"\]/,
        /expect: 3 is no way/,
        /backends: expected a list/,
        /protocol: "tpc" is none of/,
      ],
    ],
    [
      'with names that are not there: all are told',
      file('name: a, from: wep, to: svc/db, expect: delivered', 'name: b, from: web, to: svc/bd, expect: delivered'),
      [/e\.yaml:4:1: expectation "a".*"web"/, /e\.yaml:5:1: expectation "b".*"db"/],
    ],
    [
      'with a backend that is not there',
      file('name: a, from: web, to: svc/db, expect: delivered, backends: [sts/d]'),
      [/statefulset "d" not found/],
    ],
    [
      'with a source seen that is none',
      file('name: a, from: web, to: svc/db, expect: delivered, sourceSeen: me'),
      [/sourceSeen: "me" is no address/],
    ],
  ])('%s', async (_, text, says) => {
    const said = await refused(text);
    expect(said).toHaveLength(says.length);
    for (const pattern of says)
      expect(
        said.some((line) => pattern.test(line)),
        `${pattern} in ${said.join('\n')}`,
      ).toBe(true);
  });
});
