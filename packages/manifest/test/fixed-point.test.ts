import { expect, test } from 'vitest';
import { readVectors } from '../../../test/support/vectors.ts';
import { type AnyObject, loadManifests } from '../src/index.ts';

/** What a server stored is complete: reading it again, as from a dump of a live cluster, must change nothing. */
function changed(objects: readonly AnyObject[]): string[] {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  const { objects: read, findings } = loadManifests([{ file: 'dump.json', text }]);
  const errors = findings.filter((finding) => finding.severity === 'error').map((finding) => finding.message);
  if (errors.length > 0) return errors;
  return objects
    .filter((object, i) => plain(read[i]) !== plain(object))
    .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
}

function plain(object: unknown): string {
  return JSON.stringify(object, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

const server = readVectors<{ cases: { stored?: AnyObject }[] }>('manifest/apiserver-recorded');

test.skipIf(server === undefined)('objects as the API server stored them are read back unchanged', () => {
  const stored = server!.cases.flatMap((each) => (each.stored === undefined ? [] : [each.stored]));
  expect(changed(stored)).toEqual([]);
  expect(stored.length).toBeGreaterThan(0);
});

const controllers = readVectors<{
  nodes: AnyObject[];
  cases: { pods: AnyObject[]; services: AnyObject[]; endpointSlices: AnyObject[]; endpoints: AnyObject[] }[];
}>('control/endpoints-recorded');

test.skipIf(controllers === undefined)('pods, services and nodes of a live cluster are read back unchanged', () => {
  const as = (apiVersion: string, kind: string) => (object: AnyObject) => ({ ...object, apiVersion, kind });
  const objects = controllers!.cases.flatMap(({ pods, services }) => [
    ...pods.map(as('v1', 'Pod')),
    ...services.map(as('v1', 'Service')),
  ]);
  expect(changed([...controllers!.nodes.map(as('v1', 'Node')), ...objects])).toEqual([]);
});

const kubectl = readVectors<{ objects: AnyObject[] }>('kubectl/kubectl-recorded');

test.skipIf(kubectl === undefined)('everything that kubectl was shown is read back unchanged', () => {
  expect(changed(kubectl!.objects)).toEqual([]);
});
