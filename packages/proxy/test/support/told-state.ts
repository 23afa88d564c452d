import type { EndpointSlice, Service } from '@netsim/manifest';
import type { Family } from '@netsim/wire';
import { ProxyState } from '../../src/index.ts';

/** All objects of a cluster as the vectors list them for each sync. */
export interface CaseObjects {
  readonly services: Service[] | null;
  readonly endpointSlices: EndpointSlice[] | null;
}

/** A state that is told of one list of objects after the other, as the changes between them. */
export class ToldState {
  readonly state: ProxyState;
  #services = new Map<string, Service>();
  #slices = new Map<string, EndpointSlice>();

  constructor(family: Family) {
    this.state = new ProxyState(family);
  }

  tell(objects: CaseObjects): void {
    const services = new Map((objects.services ?? []).map((service) => [idOf(service), service]));
    const slices = new Map((objects.endpointSlices ?? []).map((slice) => [idOf(slice), slice]));
    for (const [id, service] of this.#services) {
      if (!services.has(id)) this.state.deleteService(service.metadata.namespace!, service.metadata.name);
    }
    for (const [id, slice] of this.#slices) if (!slices.has(id)) this.state.deleteSlice(slice);
    for (const [id, service] of services) if (!same(service, this.#services.get(id))) this.state.setService(service);
    for (const [id, slice] of slices) if (!same(slice, this.#slices.get(id))) this.state.setSlice(slice);
    this.#services = services;
    this.#slices = slices;
  }
}

function idOf(object: Service | EndpointSlice): string {
  return `${object.metadata.namespace}/${object.metadata.name}`;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The first lines that are missing and the first that are too many; undefined where the texts are equal. */
export function difference(expected: string, actual: string): string | undefined {
  if (expected === actual) return undefined;
  const want = new Set(expected.split('\n'));
  const have = new Set(actual.split('\n'));
  const missing = [...want].filter((line) => !have.has(line));
  const extra = [...have].filter((line) => !want.has(line));
  if (missing.length + extra.length === 0) return 'order differs';
  return `${missing.length} missing, ${extra.length} extra\n  - ${missing.slice(0, 3).join('\n  - ')}\n  + ${extra.slice(0, 3).join('\n  + ')}`;
}
