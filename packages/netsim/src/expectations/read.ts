import {
  type AnyObject,
  type Finding,
  type KubeObject,
  loadManifests,
  ManifestError,
  type ManifestSource,
  nearest,
  ORIGIN,
  type Path,
} from '@netsim/manifest';
import type { Disposition } from '@netsim/trace';
import { inOrder } from '../load.ts';
import { type TransportProtocol, transportProtocols } from '../names.ts';
import type { Expectation, Wanted } from './model.ts';

const dispositions: Readonly<Record<Disposition, true>> = {
  DELIVERED: true,
  REJECTED: true,
  DROPPED: true,
  NO_ENDPOINTS: true,
  NO_ROUTE: true,
  NEIGHBOR_UNREACHABLE: true,
  TTL_EXPIRED: true,
  MTU_EXCEEDED: true,
  NO_LISTENER: true,
  EXITS_CLUSTER: true,
  NAME_NOT_FOUND: true,
  INSUFFICIENT_INFO: true,
};
const words = Object.keys(dispositions).map((each) => each.toLowerCase());

const fields = ['name', 'from', 'to', 'protocol', 'expect', 'backends', 'sourceSeen'] as const;
const httpFields = ['status', 'bodyContains', 'insecure'] as const;

export interface ReadExpectationsOptions {
  /** Whether objects of other kinds in this file are passed over, as in a directory that has the manifests too. Default: they are refused. */
  readonly mayHoldOthers?: (file: string) => boolean;
}

/**
 * Reads files of `kind: Expectations`, `netsim.dev/v1`.
 * @throws ManifestError with everything that is wrong in them.
 */
export function readExpectations(
  sources: readonly ManifestSource[],
  { mayHoldOthers = () => false }: ReadExpectationsOptions = {},
): Expectation[] {
  const { objects, findings } = loadManifests(sources, { raw: true });
  const own = objects.filter((object) => object.kind === 'Expectations' || !mayHoldOthers(object[ORIGIN]?.file ?? ''));
  const expectations = own.flatMap((object) => new Reader(object, findings).read());
  if (findings.some(({ severity }) => severity === 'error')) throw new ManifestError(inOrder(findings));
  return expectations;
}

class Reader {
  readonly #object: AnyObject;
  readonly #findings: Finding[];

  constructor(object: KubeObject, findings: Finding[]) {
    this.#object = object as AnyObject;
    this.#findings = findings;
  }

  read(): Expectation[] {
    const { apiVersion, kind, expectations } = this.#object;
    if (kind !== 'Expectations' || apiVersion !== 'netsim.dev/v1') {
      const got = `${kind} of ${apiVersion ?? 'no apiVersion'}`;
      this.#wrong(['kind'], `${got}: expected kind Expectations, apiVersion netsim.dev/v1`, 'give manifests with -f');
      return [];
    }
    this.#unknown([], this.#object, ['apiVersion', 'kind', 'metadata', 'expectations']);
    if (!Array.isArray(expectations) || expectations.length === 0) {
      this.#wrong(['expectations'], 'expectations: expected a list with at least one entry');
      return [];
    }
    return expectations.flatMap((entry: unknown, at) => this.#entry(entry, ['expectations', at]));
  }

  #entry(value: unknown, path: Path): Expectation[] {
    if (!isRecord(value)) {
      this.#wrong(path, `expected an object with name, from, to and expect, got ${shown(value)}`);
      return [];
    }
    const before = this.#findings.length;
    const meant = this.#unknown(path, value, fields);
    const name = this.#text(value, path, 'name', meant);
    const from = this.#text(value, path, 'from', meant);
    const to = this.#text(value, path, 'to', meant);
    const protocol = this.#protocol(value, path);
    const missing = value.expect === undefined && meant.has('expect');
    const wanted = missing ? undefined : this.#wanted(value.expect, [...path, 'expect'], to);
    const backends = this.#backends(value.backends, [...path, 'backends']);
    const sourceSeen = value.sourceSeen === undefined ? undefined : this.#text(value, path, 'sourceSeen', meant);
    if (this.#findings.length > before || wanted === undefined) return [];
    const origin = this.#object[ORIGIN];
    return [
      {
        name,
        from,
        to,
        expect: wanted,
        ...(protocol !== undefined && { protocol }),
        ...(backends !== undefined && { backends }),
        ...(sourceSeen !== undefined && { sourceSeen }),
        file: origin?.file ?? '',
        line: origin?.locate(path).line ?? 0,
      },
    ];
  }

  #protocol(entry: Record<string, unknown>, path: Path): TransportProtocol | undefined {
    if (entry.protocol === undefined) return undefined;
    const found = transportProtocols.find((each) => each === entry.protocol);
    if (found === undefined) {
      this.#wrong(
        [...path, 'protocol'],
        `protocol: ${shown(entry.protocol)} is none of ${transportProtocols.join(', ')}`,
      );
    }
    return found;
  }

  #wanted(value: unknown, path: Path, to: string): Wanted | undefined {
    if (isRecord(value)) return this.#http(value, path, to);
    const text = typeof value === 'string' ? value.toLowerCase().replaceAll('-', '_') : '';
    if (!words.includes(text)) {
      const near = nearest(text, words);
      const says = value === undefined ? 'expect is missing' : `expect: ${shown(value)} is no way for a packet to end`;
      this.#wrong(path, says, near === undefined ? `known: ${words.join(', ')}` : `did you mean "${near}"?`);
      return undefined;
    }
    return { kind: 'disposition', disposition: text.toUpperCase() as Disposition };
  }

  #http(value: Record<string, unknown>, path: Path, to: string): Wanted | undefined {
    this.#unknown(path, value, httpFields);
    const { status, bodyContains, insecure = false } = value;
    const asksNothing = status === undefined && bodyContains === undefined;
    if (asksNothing) this.#wrong(path, 'expect: expected status, bodyContains, or both');
    if (!/^https?:\/\//.test(to)) this.#wrong(path, `expect: a status is that of a URL, and "to" is ${shown(to)}`);
    const statusIsNone = !Number.isInteger(status) || Number(status) < 100 || Number(status) > 599;
    if (status !== undefined && statusIsNone)
      this.#wrong([...path, 'status'], `status: ${shown(status)} is no HTTP status`);
    if (bodyContains !== undefined && typeof bodyContains !== 'string')
      this.#wrong([...path, 'bodyContains'], `bodyContains: expected a string, got ${shown(bodyContains)}`);
    if (typeof insecure !== 'boolean') this.#wrong([...path, 'insecure'], `insecure: expected true or false`);
    return {
      kind: 'http',
      ...(status !== undefined && { status: Number(status) }),
      ...(typeof bodyContains === 'string' && { bodyContains }),
      insecure: insecure === true,
    };
  }

  #backends(value: unknown, path: Path): string[] | undefined {
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length === 0 || value.some((each) => typeof each !== 'string')) {
      this.#wrong(path, 'backends: expected a list of workloads, pods or addresses, such as [deploy/api]');
      return undefined;
    }
    return value as string[];
  }

  #text(entry: Record<string, unknown>, path: Path, field: string, meant: ReadonlySet<string>): string {
    const value = entry[field];
    if (typeof value === 'string' && value !== '') return value;
    if (value !== undefined) this.#wrong([...path, field], `${field}: expected a string, got ${shown(value)}`);
    else if (!meant.has(field)) this.#wrong(path, `${field} is missing`);
    return '';
  }

  /** Tells the fields that are none, and returns those that were probably meant. */
  #unknown(path: Path, value: object, known: readonly string[]): Set<string> {
    const meant = new Set<string>();
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      if (near !== undefined) meant.add(near);
      const hint = near === undefined ? `known: ${known.join(', ')}` : `did you mean "${near}"?`;
      this.#wrong([...path, key], `unknown field "${key}"`, hint);
    }
    return meant;
  }

  #wrong(path: Path, message: string, suggestion?: string): void {
    const origin = this.#object[ORIGIN];
    this.#findings.push({
      severity: 'error',
      code: 'expectations',
      message,
      path,
      ...(suggestion !== undefined && { suggestion }),
      ...(origin !== undefined && { file: origin.file, ...origin.locate(path) }),
    });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as it would be written, cut where it is long. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
