import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../test/support/vectors.ts';
import {
  type Admission,
  admit,
  Causes,
  checkClusterIPRanges,
  completeServiceFamilies,
  type KubeObject,
  refusedFields,
  type Service,
} from '../src/index.ts';

interface ServerCase {
  readonly id: string;
  readonly object: KubeObject;
  readonly code: number;
  readonly message?: string;
  readonly causes?: readonly { readonly field: string }[];
  readonly stored?: Record<string, unknown>;
  /** What the server says beside. The recording breaks off at the first quotation mark inside a text. */
  readonly warnings?: readonly string[];
}

const NAME = 'manifest/apiserver-recorded';
/** Kinds in which nothing may differ. */
const EXACT = ['Service', 'Endpoints', 'EndpointSlice', 'Namespace', 'Node'];
const vectors = readVectors<{ cases: ServerCase[] }>(NAME);

test.skipIf(vectors === undefined)('accepts, refuses and completes objects as kube-apiserver does', () => {
  const kinds = new Map<string, { total: number; failed: string[] }>();
  for (const recorded of vectors!.cases) {
    const kind = recorded.id.split('-').find((part) => /^[A-Z]/.test(part)) ?? recorded.object.kind;
    const counts = kinds.get(kind) ?? { total: 0, failed: [] };
    kinds.set(kind, counts);
    counts.total++;
    const difference = compare(recorded);
    if (difference !== undefined) counts.failed.push(`${recorded.id}: ${difference}`);
  }
  let total = 0;
  const failed: string[] = [];
  for (const [kind, counts] of kinds) {
    reportVectors(`${NAME} ${kind}`, counts.total, counts.failed);
    total += counts.total;
    failed.push(...counts.failed);
  }
  console.log(`vectors ${NAME}: ${total - failed.length}/${total}`);
  expect(EXACT.flatMap((kind) => kinds.get(kind)?.failed ?? [])).toEqual([]);
});

test.skipIf(vectors === undefined)('warns of services as kube-apiserver does', () => {
  const services = vectors!.cases.filter(({ object, code }) => object.kind === 'Service' && code === 201);
  const said = services.map(({ id, object }) => ({
    id,
    warnings: admit(object).warnings.map(({ message }) => message.replace(/".*/, '\\')),
  }));
  expect(said).toEqual(services.map(({ id, warnings = [] }) => ({ id, warnings })));
  expect(said.flatMap(({ warnings }) => warnings).length).toBeGreaterThan(20);
});

function compare({ object, code, message = '', causes = [], stored }: ServerCase): string | undefined {
  const admission = admit(object);
  const allocation = allocate(admission);
  const got = admission.code === 201 && allocation.length > 0 ? 422 : admission.code;
  const fields = new Set(allocation.length > 0 ? allocation : refusedFields(admission));
  if (got !== code) return `${got} ${[...fields]}, recorded ${code} ${message}`;
  if (code === 201) {
    const differences = differ(comparable(admission.object, object), comparable(stored!, object));
    return differences.length === 0 ? undefined : differences.join('; ');
  }
  const expected = new Set(code === 422 ? causes.map(({ field }) => field) : decoderFields(message));
  return isDeepStrictEqual([...fields].sort(), [...expected].sort())
    ? undefined
    : `names ${[...fields]}, recorded ${[...expected]}`;
}

/** What the recorded cluster cannot allocate, told before all else. It has one service range, 172.30.0.0/16. */
function allocate({ object, issues, causes: found }: Admission): string[] {
  if (object.kind !== 'Service' || issues.length > 0 || found.some((cause) => cause.allocation)) return [];
  const causes = new Causes();
  const { spec } = object as Service;
  completeServiceFamilies(spec, ['IPv4'], causes);
  if (causes.list.length === 0) checkClusterIPRanges(spec, ['172.30.0.0/16'], causes);
  return causes.list.map(({ field }) => field);
}

/** The fields that the strict decoder names: all unknown ones, or the first of a wrong type. */
function decoderFields(message: string): string[] {
  const unknown = [...message.matchAll(/unknown field "([^"]*)"/g)].map((match) => match[1]!);
  const wrong = /Go struct field \w+\.([\w.-]+) of type/.exec(message);
  return wrong === null ? unknown : [wrong[1]!];
}

type Json = Record<string, unknown>;

/** The stored form without what the server makes up: addresses, ports, ids, what node admission adds. */
function comparable(object: object, given: KubeObject): Json {
  const copy = JSON.parse(JSON.stringify(object)) as Json;
  const spec = (copy.spec ?? {}) as Json;
  const asked = (given as { spec?: Json | null }).spec ?? {};
  switch (given.kind) {
    case 'Service':
      if (!asked.clusterIP) {
        delete spec.clusterIP;
        delete spec.clusterIPs;
      }
      if (!asked.healthCheckNodePort) delete spec.healthCheckNodePort;
      (spec.ports as Json[] | undefined)?.forEach((port, i) => {
        if (!(asked.ports as Json[] | undefined)?.[i]?.nodePort) delete port.nodePort;
      });
      break;
    case 'Node':
      spec.taints = ((spec.taints ?? []) as Json[]).filter(({ key }) => key !== 'node.kubernetes.io/not-ready');
      break;
    case 'Job':
      return withoutUids(copy) as Json;
  }
  return copy;
}

/** A job's labels and selector hold the job's own uid. */
function withoutUids(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutUids);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key.endsWith('controller-uid') ? '(uid)' : withoutUids(item)]),
  );
}

/** The places where two values differ, ours first. */
function differ(ours: unknown, theirs: unknown, path = ''): string[] {
  if (isDeepStrictEqual(ours, theirs)) return [];
  if (isObject(ours) && isObject(theirs)) {
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...keys].flatMap((key) => differ(ours[key], theirs[key], `${path}.${key}`));
  }
  return [`${path} ${JSON.stringify(ours)}, recorded ${JSON.stringify(theirs)}`];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}
