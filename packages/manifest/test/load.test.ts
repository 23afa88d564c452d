import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyDefaults,
  formatFinding,
  type KubeObject,
  kindInfo,
  loadManifests,
  ORIGIN,
  type Path,
} from '../src/index.ts';

describe('places', () => {
  const yaml = `# a comment
apiVersion: v1
kind: Service
metadata: {name: kubia, labels: {app: kubia}}
spec:
  ports:
  - name: http
    port: 80
  - {name: https, port: 443}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata:
    name: a
- apiVersion: v1
  kind: Namespace
  metadata:
    name: b
`;
  const rows: readonly (readonly [number, Path, string])[] = [
    [0, [], '2:1'],
    [0, ['kind'], '3:1'],
    [0, ['metadata', 'name'], '4:12'],
    [0, ['metadata', 'labels', 'app'], '4:34'],
    [0, ['spec', 'ports', 0], '7:5'],
    [0, ['spec', 'ports', 0, 'port'], '8:5'],
    [0, ['spec', 'ports', 1, 'port'], '9:19'],
    [0, ['spec', 'ports', 1, 'nodePort'], '9:5'],
    [0, ['spec', 'type'], '5:1'],
    [0, ['status'], '2:1'],
    [1, ['metadata', 'name'], '17:5'],
    [2, [], '18:3'],
    [2, ['metadata', 'name'], '21:5'],
  ];

  test.each(rows)('of object %i, field %j, in YAML: %s', (i, path, place) => {
    const { objects } = loadManifests([{ file: 'a.yaml', text: yaml }]);
    const { line, column } = objects[i]![ORIGIN]!.locate(path);
    expect(`${line}:${column}`).toBe(place);
  });

  test('of fields that come through an alias or a merge are where they were written', () => {
    const text =
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: &l\n    p: q\n  annotations:\n    <<: *l\n    r: s\n';
    const { objects } = loadManifests([{ file: 'a.yaml', text }]);
    expect(objects[0]!.metadata.annotations).toEqual({ p: 'q', r: 's' });
    expect(objects[0]![ORIGIN]!.locate(['metadata', 'annotations', 'p']).line).toBe(6);
  });

  test.each([
    ['in a block', 'Corefile: |\n    . {\n\n      log\n    }\n', '9:7'],
    ['in a block on the line after its key', 'Corefile:\n    |-\n    . {\n\n      log\n    }\n', '10:7'],
    ['in a block that a comment follows', 'Corefile: | # of the cluster\n   . {\n\n     log\n   }\n', '9:6'],
    ['in a block that says its indentation', 'Corefile: |2\n      . {\n\n      log\n    }\n', '9:7'],
    ['in a block with an anchor, by its alias', 'a: &text |\n    . {\n\n      log\n    }\n  Corefile: *text\n', '9:7'],
    ['in a folded block', 'Corefile: >\n    . {\n\n      log\n    }\n', undefined],
    ['in quotes', 'Corefile: ". {\\n\\n  log\\n}"\n', undefined],
    ['in a block that has no such line', 'Corefile: |\n    . {\n', undefined],
    ['of no text', 'Corefile: { a: b }\n', undefined],
  ])('of the third line of a text %s', (_, data, place) => {
    for (const newline of ['\n', '\r\n']) {
      const text = `kind: ConfigMap\napiVersion: v1\ndata:\n  ${data}metadata: { name: a }\n`.replaceAll('\n', newline);
      const [object] = loadManifests([{ file: 'a.yaml', text: `# first${newline}---${newline}${text}` }], {
        raw: true,
      }).objects;
      const at = object![ORIGIN]!.locateInText!(['data', 'Corefile'], 3, 3);
      expect(at === undefined ? undefined : `${at.line}:${at.column}`).toBe(place);
    }
  });

  test('survive a spread, and are not printed', () => {
    const { objects } = loadManifests([{ file: 'a.yaml', text: yaml }]);
    const copy = { ...objects[0]! };
    expect(copy[ORIGIN]!.locate(['spec']).line).toBe(5);
    expect(JSON.stringify(copy)).not.toContain('a.yaml');
  });

  test('of every field of any JSON are those of its key', () => {
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    const json = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 3 }), tie('object')),
      object: fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(json.object, fc.integer({ min: 0, max: 3 }), (extra, space) => {
        const object = { apiVersion: 'example.com/v1', kind: 'X', metadata: { name: 'a' }, extra };
        const text = JSON.stringify(object, null, space);
        const { objects } = loadManifests([{ file: 'a.json', text }], { raw: true });
        const lines = text.split('\n');
        for (const path of paths(extra, ['extra'])) {
          const { line, column } = objects[0]![ORIGIN]!.locate(path);
          const key = path.at(-1)!;
          if (typeof key === 'string')
            expect(lines[line - 1]!.slice(column - 1).startsWith(JSON.stringify(key))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  function* paths(value: unknown, base: Path): Generator<Path> {
    yield base;
    if (typeof value !== 'object' || value === null) return;
    const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
    for (const [key, item] of entries) yield* paths(item, [...base, key]);
  }
});

describe('defaults', () => {
  const service = (spec: object): KubeObject & { spec: object } => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a' },
    spec,
  });

  test('of a service are those of the API server, and the input stays as it is', () => {
    const input = service({ ports: [{ port: 80 }] });
    expect(applyDefaults(input)).toMatchObject({
      metadata: { name: 'a', namespace: 'default' },
      spec: { type: 'ClusterIP', sessionAffinity: 'None', ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }] },
    });
    expect(input).toEqual(service({ ports: [{ port: 80 }] }));
  });

  test('may be applied twice', () => {
    const once = applyDefaults(service({ type: 'LoadBalancer', ports: [{ port: 80 }] }));
    expect(applyDefaults(once)).toEqual(once);
  });

  test('keep the origin', () => {
    const { objects } = loadManifests([
      { file: 'x.yaml', text: 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n' },
    ]);
    expect(applyDefaults(objects[0]!)[ORIGIN]!.file).toBe('x.yaml');
  });

  test('put objects into the namespace that is asked for, but nodes into none', () => {
    const text =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n';
    const { objects } = loadManifests([{ file: 'a.yaml', text }], { namespace: 'prod' });
    expect(objects.map((object) => object.metadata.namespace)).toEqual(['prod', undefined]);
  });

  test('keep what a dump of a cluster says of status', () => {
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
      spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
      status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] },
    });
    const { objects, findings } = loadManifests([{ file: 'a.json', text }]);
    expect(findings).toEqual([]);
    expect(objects).toMatchObject([{ status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] } }]);
  });
});

describe('generateName', () => {
  test('gives each object a name of its own, the same on every run', () => {
    const one = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n';
    const names = () =>
      loadManifests([{ file: 'a.yaml', text: `${one}---\n${one}` }]).objects.map((each) => each.metadata.name);
    expect(new Set(names()).size).toBe(2);
    for (const name of names()) expect(name).toMatch(/^a-[a-z0-9]{5}$/);
    expect(names()).toEqual(names());
  });
});

describe('lists', () => {
  test('the items of a PodList are pods', () => {
    const pod = { metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '' }, items: [pod] });
    const { objects, findings } = loadManifests([{ file: '-', text }]);
    expect(findings).toEqual([]);
    expect(objects).toMatchObject([{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }]);
  });

  test('errors in one document leave the others', () => {
    const text =
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n{{{\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n';
    const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
    expect(objects.map((object) => object.metadata.name)).toEqual(['a', 'b']);
    expect(findings.length).toBe(1);
    expect(formatFinding(findings[0]!)).toMatch(/^error: a.yaml:[56]:\d+: /);
  });

  test('JSON objects one after the other, then YAML', () => {
    const json = (name: string) => `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"${name}"}}\n`;
    const text = `${json('a')}${json('b')}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: c}\n`;
    const { objects, findings } = loadManifests([{ file: '-', text }]);
    expect(findings).toEqual([]);
    expect(objects.map((object) => object.metadata.name)).toEqual(['a', 'b', 'c']);
  });
});

describe('names of kinds', () => {
  test.each([
    ['po', 'Pod'],
    ['pods', 'Pod'],
    ['Pod', 'Pod'],
    ['svc', 'Service'],
    ['SVC', 'Service'],
    ['deploy', 'Deployment'],
    ['deployments.apps', 'Deployment'],
    ['deployments.v1.apps', 'Deployment'],
    ['rs', 'ReplicaSet'],
    ['ep', 'Endpoints'],
    ['endpointslices', 'EndpointSlice'],
    ['ns', 'Namespace'],
    ['no', 'Node'],
    ['ing', 'Ingress'],
    ['netpol', 'NetworkPolicy'],
    ['cm', 'ConfigMap'],
  ])('%s is %s', (alias, kind) => {
    expect(kindInfo(alias)?.kind).toBe(kind);
  });

  test('what no cluster knows is unknown', () => {
    expect(kindInfo('podz')).toBeUndefined();
    expect(kindInfo('pods.apps')).toBeUndefined();
    expect(kindInfo('constructor')).toBeUndefined();
  });

  test('nodes and namespaces live in no namespace', () => {
    expect([kindInfo('no')?.namespaced, kindInfo('ns')?.namespaced, kindInfo('po')?.namespaced]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
