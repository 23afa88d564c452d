import { formatIp } from '@netsim/wire';
import { KubernetesHandler } from '../kubernetes/plugin.ts';
import type { DnsMessage } from '../message.ts';
import { isSubDomainLower, matchZone, trimZone } from '../names.ts';
import {
  type Handler,
  type Outcome,
  type Request,
  replied,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
  withQuestion,
} from '../plugin.ts';
import { argumentError, normalZones, only } from './lines.ts';

/** Walks the search list of the client on the server. After CoreDNS `plugin/autopath/autopath.go`. */
class AutopathHandler implements Handler {
  readonly name = 'autopath';
  readonly #zones: readonly string[];
  readonly #search: readonly string[] | { readonly plugin: string };
  readonly #context: SetupContext;
  readonly #next: Handler;

  constructor(
    zones: readonly string[],
    search: readonly string[] | { readonly plugin: string },
    context: SetupContext,
    next: Handler,
  ) {
    this.#zones = zones;
    this.#search = search;
    this.#context = context;
    this.#next = next;
  }

  *serve(request: Request): Serving {
    const search = matchZone(this.#zones, request.name) === undefined ? [] : this.#searchOf(request);
    const [first] = search;
    if (first === undefined || !isSubDomainLower(first, request.name) || first === request.name) {
      return yield* settled(this.#next.serve(request));
    }
    const asked = request.question.name;
    const base = trimZone(asked, first)!;
    let firstOutcome: Outcome | undefined;
    for (const domain of search) {
      const inner = withQuestion(request, domain === '.' ? `${base}.` : `${base}.${domain}`, request.question.type);
      const outcome = yield* settled(this.#next.serve(inner));
      firstOutcome ??= outcome;
      if (outcome.kind === 'reply' && outcome.message.rcode !== 'NXDOMAIN') {
        return replied(withAlias(outcome.message, request));
      }
    }
    if (firstOutcome!.kind !== 'reply') return firstOutcome!;
    return replied({ ...firstOutcome!.message, questions: request.message.questions });
  }

  #searchOf({ name, source }: Request): readonly string[] {
    if (!('plugin' in this.#search)) return this.#search;
    const plugin = this.#context.find(this.#search.plugin);
    if (!(plugin instanceof KubernetesHandler)) return [];
    return plugin.records.autopathSearch(name, formatIp(source.client)) ?? [];
  }
}

/** Puts a CNAME from the name that was asked to the one that was found before the answers. */
function withAlias(message: DnsMessage, { question }: Request): DnsMessage {
  const found = message.answers.find((record) => record.name.toLowerCase() !== question.name.toLowerCase());
  const questions = [question];
  if (found === undefined) return { ...message, questions };
  const alias = { name: question.name, class: 'IN', ttl: found.ttl, type: 'CNAME' as const, data: found.name };
  return { ...message, questions, answers: [alias, ...message.answers] };
}

export const autopath: Setup = (directives, context) => {
  const directive = only(directives, context);
  const resolv = directive.args[directive.args.length - 1];
  if (resolv === undefined) {
    context.error(directive, argumentError(directive));
    return undefined;
  }
  const origins = directive.args.slice(0, -1).flatMap((text) => normalZones(text, directive, context.error));
  const zones = origins.length === 0 ? context.zones : origins;
  if (resolv.startsWith('@')) {
    const plugin = resolv.slice(1);
    return (next) => new AutopathHandler(zones, { plugin }, context, next);
  }
  const text = context.environment.file(resolv);
  if (text === undefined) {
    context.error(directive, `failed to parse "${resolv}": open ${resolv}: no such file or directory`);
    return undefined;
  }
  const line = [...text.matchAll(/^\s*search\s+(.+)$/gm)].at(-1)?.[1] ?? '';
  const list = line.split(/\s+/).filter(Boolean);
  const search = [...list.flatMap((domain) => normalZones(domain, directive, context.error)), ''];
  return (next) => new AutopathHandler(zones, search, context, next);
};
