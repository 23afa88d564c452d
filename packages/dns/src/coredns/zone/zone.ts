import type { DnsMessage, NameRecord, Rcode, ResourceRecord, SoaRecord } from '../message.ts';
import { typeOf } from '../message.ts';
import { isSubDomainLower } from '../names.ts';
import type { Exchange, ExchangeResult, Request } from '../plugin.ts';

/** What a zone answers. */
export interface ZoneAnswer {
  readonly rcode: Rcode;
  /** A delegation is not authoritative. */
  readonly aa: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
}
export type ZoneLookup = Generator<Exchange, DnsMessage | undefined, ExchangeResult>;

/** CNAMEs that are followed inside a zone. */
const MAX_CNAMES = 9;

/** A zone read from a file, with the look-up rules of CoreDNS `plugin/file/lookup.go`: wildcards, delegations, DNAME. */
export class Zone {
  readonly origin: string;
  readonly soa: SoaRecord;
  readonly records: readonly ResourceRecord[];
  readonly #names = new Map<string, ResourceRecord[]>();
  /** Names that exist only because something is below them. */
  readonly #nonTerminals = new Set<string>();

  /** `origin` in lower case. Throws where the zone has no SOA record. */
  constructor(origin: string, records: readonly ResourceRecord[]) {
    this.origin = origin;
    const soa = records.find((record): record is SoaRecord => record.type === 'SOA');
    if (soa === undefined || soa.name.toLowerCase() !== origin) {
      throw new Error(`file has no SOA record for origin ${origin}`);
    }
    this.soa = { ...soa, name: origin };
    // Owners are kept, and answered, in lower case.
    this.records = records
      .map((record) => ({ ...record, name: record.name.toLowerCase() }))
      .filter((record) => isSubDomainLower(origin, record.name));
    for (const record of this.records) this.#add(record);
  }

  *lookup(
    request: Request,
    follow: (request: Request, name: string, type: string) => ZoneLookup,
  ): Generator<Exchange, ZoneAnswer, ExchangeResult> {
    const { name, question } = request;
    const { type } = question;
    const apex = this.#of(this.origin, 'NS');
    if (name === this.origin && type === 'SOA') return success([this.soa], apex);
    if (name === this.origin && type === 'NS') return success(apex, [], this.#glue(apex));
    let wildcard: ResourceRecord[] | undefined;
    const labels = name
      .slice(0, name.length - this.origin.length)
      .split('.')
      .filter(Boolean);
    for (let depth = 0; depth <= labels.length; depth++) {
      const part = [...labels.slice(labels.length - depth), ...(this.origin === '.' ? [] : [this.origin])].join('.');
      const at = part === '' ? '.' : part.endsWith('.') ? part : `${part}.`;
      const here = this.#names.get(at);
      if (here === undefined) {
        wildcard = this.#names.get(at.replace(/^[^.]*/, '*')) ?? wildcard;
        continue;
      }
      const dname = here.find((record) => record.type === 'DNAME');
      if (dname?.type === 'DNAME' && at !== name) {
        const target = question.name.slice(0, question.name.length - at.length) + dname.data;
        const cname: NameRecord = { ...dname, name: question.name, type: 'CNAME', data: target };
        const answer = yield* this.#chain(request, [cname], follow);
        return { ...answer, answers: [dname, ...answer.answers] };
      }
      const delegation = at === this.origin ? [] : this.#of(at, 'NS');
      if (delegation.length > 0 && !(type === 'DS' && at === name)) {
        const additionals = this.#glue(delegation);
        return { rcode: 'NOERROR', aa: false, answers: [], authorities: delegation, additionals };
      }
    }
    const exact = this.#names.get(name);
    if (exact !== undefined) return yield* this.#answer(request, exact, follow);
    if (wildcard !== undefined) {
      const owned = wildcard.map((record) => ({ ...record, name }));
      return yield* this.#answer(request, owned, follow);
    }
    return this.#nonTerminals.has(name) ? this.#negative('NOERROR') : this.#negative('NXDOMAIN');
  }

  *#answer(
    request: Request,
    here: readonly ResourceRecord[],
    follow: (request: Request, name: string, type: string) => ZoneLookup,
  ): Generator<Exchange, ZoneAnswer, ExchangeResult> {
    const { type } = request.question;
    const cname = here.filter((record): record is NameRecord => record.type === 'CNAME');
    if (cname.length > 0 && type !== 'CNAME') return yield* this.#chain(request, cname, follow);
    const found = here.filter((record) => typeOf(record) === type);
    if (found.length === 0) return this.#negative('NOERROR');
    return success(found, this.#of(this.origin, 'NS'), this.#additional(found));
  }

  *#chain(
    request: Request,
    start: readonly NameRecord[],
    follow: (request: Request, name: string, type: string) => ZoneLookup,
  ): Generator<Exchange, ZoneAnswer, ExchangeResult> {
    const answers: ResourceRecord[] = [...start];
    const { type } = request.question;
    let target = start[0]!.data;
    for (let hops = 0; ; hops++) {
      const here = this.#names.get(target.toLowerCase());
      if (here === undefined) {
        const reply = yield* follow(request, target, type);
        answers.push(...(reply?.answers ?? []));
        break;
      }
      const next = here.find((record): record is NameRecord => record.type === 'CNAME');
      if (next === undefined) {
        answers.push(...here.filter((record) => typeOf(record) === type));
        break;
      }
      answers.push(next);
      if (hops >= MAX_CNAMES - 1) break;
      target = next.data;
    }
    return success(answers, this.#of(this.origin, 'NS'));
  }

  /** Addresses of the name servers, where the zone has them. */
  #glue(servers: readonly ResourceRecord[]): ResourceRecord[] {
    return servers.flatMap((record) => (record.type === 'NS' ? this.#addresses(record.data) : []));
  }

  #additional(records: readonly ResourceRecord[]): ResourceRecord[] {
    return records.flatMap((record) => {
      if (record.type === 'SRV') return this.#addresses(record.data.target);
      return record.type === 'MX' ? this.#addresses(record.data.exchange) : [];
    });
  }

  #addresses(name: string): ResourceRecord[] {
    const lower = name.toLowerCase();
    return [...this.#of(lower, 'A'), ...this.#of(lower, 'AAAA')];
  }

  #of(name: string, type: ResourceRecord['type']): ResourceRecord[] {
    return (this.#names.get(name) ?? []).filter((record) => record.type === type);
  }

  #negative(rcode: Rcode): ZoneAnswer {
    return { rcode, aa: true, answers: [], authorities: [this.soa], additionals: [] };
  }

  #add(record: ResourceRecord): void {
    const { name } = record;
    const here = this.#names.get(name);
    if (here === undefined) this.#names.set(name, [record]);
    else if (!here.some((other) => sameRecord(other, record))) here.push(record);
    for (let at = name.indexOf('.') + 1; at > 0 && at < name.length; at = name.indexOf('.', at) + 1) {
      const above = name.slice(at);
      if (!isSubDomainLower(this.origin, above) || this.#nonTerminals.has(above)) break;
      this.#nonTerminals.add(above);
    }
  }
}

function sameRecord(a: ResourceRecord, b: ResourceRecord): boolean {
  return a.type === b.type && JSON.stringify(a.data) === JSON.stringify(b.data);
}

function success(
  answers: readonly ResourceRecord[],
  authorities: readonly ResourceRecord[],
  additionals: readonly ResourceRecord[] = [],
): ZoneAnswer {
  return { rcode: 'NOERROR', aa: true, answers, authorities, additionals };
}
