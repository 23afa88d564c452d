import { type Backend, type Found, type ServiceItem, soaRecord, srvRecords } from '../backend.ts';
import { fallsThrough, KubernetesHandler, nameRecord } from '../kubernetes/plugin.ts';
import { item, type KubernetesRecords, portMatches } from '../kubernetes/records.ts';
import { stripUnderscore } from '../kubernetes/request-name.ts';
import { type Rcode, type ResourceRecord, replyTo } from '../message.ts';
import { fqdn, joinNames, labelsOf, matchZone, trimZone } from '../names.ts';
import {
  type Exchange,
  type ExchangeResult,
  type Handler,
  type Outcome,
  type Request,
  replied,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
} from '../plugin.ts';
import { addressOfReverse } from '../reverse.ts';
import { expectArgs, type Fallthrough, only, originsOf, readFallthrough, readLines, readNumber } from './lines.ts';

interface ExternalOptions {
  readonly zones: readonly string[];
  readonly apex: string;
  readonly ttl: number;
  readonly headless: boolean;
  readonly fallthrough: Fallthrough;
}
interface External {
  readonly items: readonly ServiceItem[];
  readonly rcode: Rcode;
}

/** Names of services for the world outside: their external and load-balancer addresses. After `plugin/k8s_external`. */
class ExternalHandler implements Handler {
  readonly name = 'k8s_external';
  readonly #options: ExternalOptions;
  readonly #context: SetupContext;
  readonly #next: Handler;

  constructor(options: ExternalOptions, context: SetupContext, next: Handler) {
    this.#options = options;
    this.#context = context;
    this.#next = next;
  }

  *serve(request: Request): Serving {
    const { zones, apex, headless, fallthrough } = this.#options;
    const zone = matchZone(zones, request.name);
    const kubernetes = this.#context.find('kubernetes');
    if (zone === undefined || !(kubernetes instanceof KubernetesHandler))
      return yield* settled(this.#next.serve(request));
    const { records } = kubernetes;
    const soa = this.#soa(zone, records);
    if (request.name === zone) return this.#apex(request, zone, records, soa);
    const below = trimZone(request.name, zone)!;
    if (below === apex || below.endsWith(`.${apex}`)) return this.#belowApex(request, zone, below, records, soa);
    const { type } = request.question;
    const ip = type === 'PTR' ? addressOfReverse(request.name) : undefined;
    if (ip !== undefined) return this.#reverse(request, ip, records, soa);
    const found = findExternal(records, below, zone, headless, this.#options.ttl);
    if (found.rcode === 'NXDOMAIN' && fallsThrough(fallthrough, request.name))
      return yield* settled(this.#next.serve(request));
    if (found.items.length === 0 || type === 'PTR') {
      return replied(replyTo(request.message, { rcode: found.rcode, aa: true, authorities: [soa] }));
    }
    const { answers, additionals } = yield* this.#records(request, zone, found.items);
    const authorities = answers.length === 0 ? [soa] : [];
    return replied(replyTo(request.message, { aa: true, answers, authorities, additionals }));
  }

  *#records(
    request: Request,
    zone: string,
    items: readonly ServiceItem[],
  ): Generator<Exchange, { answers: ResourceRecord[]; additionals: ResourceRecord[] }, ExchangeResult> {
    const { name, type } = request.question;
    const { ttl } = this.#options;
    if (type === 'SRV') {
      const backend: Backend = { services: (): Found => items, lookup: this.#context.lookup };
      const found = yield* srvRecords(backend, zone, request);
      if (found === 'name-error') return { answers: [], additionals: [] };
      return { answers: [...found.records], additionals: [...found.extra] };
    }
    const answers: ResourceRecord[] = [];
    if (type !== 'A' && type !== 'AAAA') return { answers, additionals: [] };
    const seen = new Set<string>();
    for (const { kind, host } of items) {
      if (seen.has(host)) continue;
      seen.add(host);
      if (kind === type) answers.push({ name, class: 'IN', ttl, type, data: host });
      else if (kind === 'CNAME') {
        answers.push(nameRecord(name, 'CNAME', ttl, fqdn(host)));
        const reply = yield* this.#context.lookup(request, fqdn(host), type);
        answers.push(...(reply?.answers ?? []));
      }
    }
    return { answers, additionals: [] };
  }

  #apex({ question, message }: Request, zone: string, records: KubernetesRecords, soa: ResourceRecord): Outcome {
    const { ttl, apex, headless } = this.#options;
    if (question.type === 'SOA') return replied(replyTo(message, { aa: true, answers: [soa] }));
    if (question.type !== 'NS') return replied(replyTo(message, { aa: true, authorities: [soa] }));
    const server = joinNames('ns1', apex, zone);
    const additionals = records.externalNameServers(zone, headless).map((one) => address(server, ttl, one));
    const answers = [nameRecord(question.name, 'NS', ttl, server)];
    return replied(replyTo(message, { aa: true, answers, additionals }));
  }

  #belowApex(
    { question, message }: Request,
    zone: string,
    below: string,
    records: KubernetesRecords,
    soa: ResourceRecord,
  ): Outcome {
    const { ttl, apex, headless } = this.#options;
    const negative = (rcode: Rcode) => replied(replyTo(message, { rcode, aa: true, authorities: [soa] }));
    if (below === apex) return negative('NOERROR');
    if (below !== `ns1.${apex}`) return negative('NXDOMAIN');
    const answers = records
      .externalNameServers(zone, headless)
      .filter(({ kind }) => kind === question.type)
      .map((one) => address(question.name, ttl, one));
    return answers.length === 0 ? negative('NOERROR') : replied(replyTo(message, { aa: true, answers }));
  }

  #reverse({ question, message }: Request, ip: string, records: KubernetesRecords, soa: ResourceRecord): Outcome {
    const { ttl, zones } = this.#options;
    const answers: ResourceRecord[] = [];
    for (const service of records.index.servicesByExternalIp(ip)) {
      if (!records.namespaceConfigured(service.namespace)) continue;
      const name = joinNames(service.name, service.namespace, zones[0]!);
      answers.push(nameRecord(question.name, 'PTR', ttl, name));
    }
    if (answers.length > 0) return replied(replyTo(message, { aa: true, answers }));
    return replied(replyTo(message, { rcode: 'NXDOMAIN', aa: true, authorities: [soa] }));
  }

  #soa(zone: string, records: KubernetesRecords): ResourceRecord {
    const { ttl, apex } = this.#options;
    const soa = soaRecord(zone, ttl, records.index.modified);
    const data = { ...soa.data, mname: joinNames('ns1', apex, zone), rname: joinNames('hostmaster', apex, zone) };
    return { ...soa, ttl, data };
  }
}

function address(name: string, ttl: number, { kind, host }: ServiceItem): ResourceRecord {
  return { name, class: 'IN', ttl, type: kind === 'AAAA' ? 'AAAA' : 'A', data: host };
}

/** What `service.namespace`, an endpoint or a port of it stands for outside. */
function findExternal(
  records: KubernetesRecords,
  below: string,
  zone: string,
  headless: boolean,
  ttl: number,
): External {
  const labels = labelsOf(below).reverse();
  const [namespace = '', name, ...rest] = labels;
  if (!records.namespaceExposed(namespace)) return { items: [], rcode: 'NXDOMAIN' };
  if (name === undefined) return { items: [], rcode: 'NOERROR' };
  if (rest.length > 2) return { items: [], rcode: 'NXDOMAIN' };
  const endpoint = rest.length === 1 ? stripUnderscore(rest[0]!) : '';
  const wanted = { protocol: rest.length === 2 ? stripUnderscore(rest[0]!) : '', port: stripUnderscore(rest[1] ?? '') };
  const service = records.index.service(`${name}.${namespace}`);
  if (service === undefined) return { items: [], rcode: 'NXDOMAIN' };
  const base = joinNames(name, namespace, zone);
  const items: ServiceItem[] = [];
  if (headless && service.externalIps.length === 0 && (service.headless || endpoint !== '')) {
    for (const slice of records.index.slices(`${name}.${namespace}`)) {
      for (const { ip, label } of slice.addresses) {
        if (endpoint !== '' && endpoint !== label.toLowerCase()) continue;
        for (const port of slice.ports) {
          if (portMatches(port, wanted)) items.push(item(ip, port.port, ttl, joinNames(label, base)));
        }
      }
    }
  } else {
    for (const host of service.externalIps) {
      for (const port of service.ports) {
        if (!portMatches(port, wanted)) continue;
        const isAddress = host.includes(':') || /^[0-9.]+$/.test(host);
        const entry = item(host, port.port, ttl, base);
        items.push(isAddress ? entry : { ...entry, kind: 'CNAME' });
      }
    }
  }
  return { items, rcode: items.length === 0 ? 'NXDOMAIN' : 'NOERROR' };
}

export const k8sExternal: Setup = (directives, context) => {
  const directive = only(directives, context);
  const zones = originsOf(directive, context.zones, context.error);
  const options = { apex: 'dns', ttl: 5, headless: false, fallthrough: undefined as Fallthrough };
  readLines(directive, context, {
    ttl: (line) => {
      options.ttl = readNumber(line, line.args[0], context);
      if (options.ttl > 3600) context.error(line, `ttl must be in range [0, 3600]: ${options.ttl}`);
    },
    apex: (line) => {
      if (expectArgs(line, context, 1)) options.apex = line.args[0]!.toLowerCase();
    },
    headless: () => {
      options.headless = true;
    },
    fallthrough: (line) => {
      options.fallthrough = readFallthrough(line, context.error);
    },
  });
  return (next) => new ExternalHandler({ zones, ...options }, context, next);
};
