import { addressRecords, type Backend, type Found, type Lookup, nsRecords, soaRecord, srvRecords } from '../backend.ts';
import {
  type NameRecord,
  type Rcode,
  type ResourceRecord,
  replyTo,
  type SoaRecord,
  type TxtRecord,
} from '../message.ts';
import { fqdn, matchZone, trimZone } from '../names.ts';
import {
  type Handler,
  isWaiting,
  type Outcome,
  type Request,
  replied,
  type Served,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
  type Transferer,
  unwritten,
  type Waiting,
  withQuestion,
} from '../plugin.ts';
import { type Fallthrough, type KubernetesOptions, readKubernetesOptions } from './options.ts';
import { isDefaultNameServer, KubernetesRecords } from './records.ts';
import { transferRecords } from './transfer.ts';

/** The DNS schema version that CoreDNS announces, and how long the answer holds. */
const SCHEMA_VERSION = '1.1.0';
const SCHEMA_TTL = 28800;

/** Records found for a question; no records is NODATA. */
interface Section {
  readonly records: readonly ResourceRecord[];
  readonly extra?: readonly ResourceRecord[];
  readonly truncated?: boolean;
}
const NONE: readonly never[] = [];
const NOTHING: Section = { records: NONE };
type Result = Section | 'name-error';

/** The kubernetes plugin: answers for the names of the cluster. After CoreDNS `plugin/kubernetes/handler.go`. */
export class KubernetesHandler implements Handler, Backend, Transferer {
  readonly name = 'kubernetes';
  readonly #records: () => KubernetesRecords;
  readonly #context: SetupContext;
  readonly #next: Handler;
  readonly #options: KubernetesOptions;
  /** The record that negative answers carry, as it was made last. */
  #lastSoa: SoaRecord | undefined;

  constructor(options: KubernetesOptions, context: SetupContext, next: Handler) {
    const { indexes, localIps, changed, onClose } = context.environment;
    const wanted = {
      ...(options.labels === undefined ? {} : { labels: options.labels }),
      ...(options.namespaceLabels === undefined ? {} : { namespaceLabels: options.namespaceLabels }),
      endpointPodNames: options.endpointPodNames,
      noEndpoints: options.noEndpoints,
      watchPods: options.pods === 'verified',
    };
    // Reading the whole API costs: not before somebody asks.
    let records: KubernetesRecords | undefined;
    this.#records = () => {
      if (records !== undefined) return records;
      const { index, release } = indexes.acquire(wanted, changed);
      onClose(release);
      records = new KubernetesRecords(options, index, () => localIps);
      return records;
    };
    this.#options = options;
    this.#context = context;
    this.#next = next;
  }

  get records(): KubernetesRecords {
    return this.#records();
  }

  serve(request: Request): Served {
    const matched = matchZone(this.#options.zones, request.name);
    if (matched === undefined) return this.#next.serve(request);
    const { name, type } = request.question;
    // The zone as the client wrote it: owners of SOA records and targets repeat it.
    const zone = matched === '.' || name === request.name ? matched : name.slice(name.length - matched.length);
    if (type === 'AXFR' || type === 'IXFR') return unwritten('REFUSED', 'zone transfer needs the transfer plugin');
    const result = this.#answer(request, zone);
    return isWaiting(result) ? this.#later(request, zone, result) : this.#reply(request, zone, result);
  }

  *#later(request: Request, zone: string, result: Waiting<Result>): Serving {
    return yield* settled(this.#reply(request, zone, yield* result));
  }

  #reply(request: Request, zone: string, result: Result): Served {
    if (result === 'name-error') {
      if (fallsThrough(this.#options.fallthrough, request.name)) return this.#next.serve(request);
      return this.#negative(request, zone, this.#context.environment.synced() ? 'NXDOMAIN' : 'SERVFAIL');
    }
    if (result.records.length === 0) return this.#negative(request, zone, 'NOERROR');
    return replied(
      replyTo(request.message, {
        aa: true,
        tc: result.truncated ?? false,
        answers: result.records,
        additionals: result.extra ?? NONE,
      }),
    );
  }

  services(request: Request, zone: string): Found {
    const { name } = request;
    if (request.question.type === 'NS') return this.records.nameServers(zone);
    if (isDefaultNameServer(name, zone)) {
      return this.records.nameServers(zone).map((server) => ({ ...server, target: request.question.name }));
    }
    const found = this.records.find(name, zone);
    if (request.question.type !== 'SRV' || found === 'name-error') return found;
    return found.filter((entry) => entry.kind !== 'CNAME');
  }

  lookup(request: Request, name: string, type: string): Lookup {
    return this.#context.lookup(request, name, type);
  }

  transfer(zone: string, serial: number): readonly ResourceRecord[] | undefined {
    return this.#options.zones.includes(zone) ? transferRecords(this.records, zone, serial) : undefined;
  }

  #answer(request: Request, zone: string): Result | Waiting<Result> {
    const { type, name } = request.question;
    switch (type) {
      case 'A':
      case 'AAAA':
        return addressRecords(this, zone, request, type);
      case 'SRV':
        return srvRecords(this, zone, request);
      case 'TXT':
        return this.#txt(request, zone);
      case 'CNAME':
        return this.#cname(request, zone);
      case 'PTR':
        return this.#ptr(request, zone);
      case 'SOA':
        // CoreDNS does not look whether the name exists.
        return name === zone ? { records: [this.#soa(zone)] } : NOTHING;
      case 'NS':
        return request.name === zone ? nsRecords(this, zone, request) : this.#existence(request, zone);
      default:
        return this.#existence(request, zone);
    }
  }

  /** No records, or that the name does not exist. */
  #existence(request: Request, zone: string): Result {
    const asAddress = withQuestion(request, request.question.name, 'A');
    return this.services(asAddress, zone) === 'name-error' ? 'name-error' : NOTHING;
  }

  #txt(request: Request, zone: string): Result {
    if (trimZone(request.name, zone) === 'dns-version') {
      const record: TxtRecord = {
        name: request.question.name,
        class: 'IN',
        ttl: SCHEMA_TTL,
        type: 'TXT',
        data: [SCHEMA_VERSION],
      };
      return { records: [record] };
    }
    const found = this.records.find(request.name, zone);
    // Here a name with nothing below it counts as missing, unlike for other types; a zonal name that is empty does not.
    if (found === 'name-error' || (found.length === 0 && !this.#isZonal(request.name))) return 'name-error';
    return NOTHING;
  }

  #isZonal(name: string): boolean {
    return this.#options.zonal && name.includes('._zone.');
  }

  #cname(request: Request, zone: string): Result {
    const found = this.services(request, zone);
    if (found === 'name-error') return found;
    const [first] = found;
    if (first === undefined || first.kind !== 'CNAME') return NOTHING;
    return { records: [nameRecord(request.question.name, 'CNAME', first.ttl, fqdn(first.host))] };
  }

  #ptr(request: Request, zone: string): Result {
    const names = this.records.reverse(request.name);
    if (names === undefined) return this.records.find(request.name, zone) === 'name-error' ? 'name-error' : NOTHING;
    if (names.length === 0) return 'name-error';
    const { ttl } = this.#options;
    return { records: names.map((name) => nameRecord(request.question.name, 'PTR', ttl, name)) };
  }

  #soa(zone: string): SoaRecord {
    const serial = this.records.index.modified;
    const known = this.#lastSoa;
    if (known?.name === zone && known.data.serial === serial) return known;
    const record = soaRecord(zone, this.#options.ttl, serial);
    this.#lastSoa = record;
    return record;
  }

  #negative(request: Request, zone: string, rcode: Rcode): Outcome {
    return replied(replyTo(request.message, { rcode, aa: true, authorities: [this.#soa(zone)] }));
  }
}

/** Whether a `fallthrough` option passes a name on. */
export function fallsThrough(fallthrough: Fallthrough, name: string): boolean {
  return fallthrough !== undefined && matchZone(fallthrough, name) !== undefined;
}

export function nameRecord(name: string, type: NameRecord['type'], ttl: number, data: string): NameRecord {
  return { name, class: 'IN', ttl, type, data };
}

export const kubernetes: Setup = (directives, context) => {
  const options = readKubernetesOptions(directives, context.zones, context.error);
  return options === undefined ? undefined : (next) => new KubernetesHandler(options, context, next);
};
