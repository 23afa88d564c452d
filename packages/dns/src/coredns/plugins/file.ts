import type { Directive } from '../../corefile/parse.ts';
import { fallsThrough } from '../kubernetes/plugin.ts';
import { type ResourceRecord, replyTo } from '../message.ts';
import { matchZone } from '../names.ts';
import {
  type Handler,
  type Request,
  replied,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
  type Transferer,
  unwritten,
} from '../plugin.ts';
import { Zone } from '../zone/zone.ts';
import { parseZoneText, ZoneError } from '../zone/zone-text.ts';
import { goRegExp } from './go-regexp.ts';
import { type Fallthrough, normalZones, originsOf, readFallthrough, readLines } from './lines.ts';

/** Answers from zones: plugins file, auto and secondary. */
class ZoneHandler implements Handler, Transferer {
  readonly name: string;
  readonly #zones: ReadonlyMap<string, Zone>;
  readonly #names: readonly string[];
  readonly #fallthrough: Fallthrough;
  readonly #context: SetupContext;
  readonly #next: Handler;

  constructor(
    name: string,
    zones: ReadonlyMap<string, Zone>,
    fallthrough: Fallthrough,
    context: SetupContext,
    next: Handler,
  ) {
    this.name = name;
    this.#zones = zones;
    this.#names = [...zones.keys()];
    this.#fallthrough = fallthrough;
    this.#context = context;
    this.#next = next;
  }

  *serve(request: Request): Serving {
    const matched = matchZone(this.#names, request.name);
    const zone = matched === undefined ? undefined : this.#zones.get(matched);
    if (zone === undefined) return yield* settled(this.#next.serve(request));
    const { type } = request.question;
    if (type === 'AXFR' || type === 'IXFR') return unwritten('REFUSED', 'zone transfer needs the transfer plugin');
    const answer = yield* zone.lookup(request, this.#context.lookup);
    if (answer.rcode === 'NXDOMAIN' && answer.answers.length === 0 && fallsThrough(this.#fallthrough, request.name)) {
      return yield* settled(this.#next.serve(request));
    }
    return replied(replyTo(request.message, answer));
  }

  transfer(name: string, serial: number): readonly ResourceRecord[] | undefined {
    const zone = this.#zones.get(name);
    if (zone === undefined) return undefined;
    if (serial !== 0 && serial >= zone.soa.data.serial) return [zone.soa];
    return [zone.soa, ...zone.records.filter((record) => record.type !== 'SOA'), zone.soa];
  }
}

export const file: Setup = (directives, context) => {
  const zones = new Map<string, Zone>();
  let fallthrough: Fallthrough;
  for (const directive of directives) {
    const [path, ...origins] = directive.args;
    if (path === undefined) {
      context.error(directive, "Wrong argument count or unexpected line ending after 'file'");
      continue;
    }
    readLines(directive, context, {
      reload: () => {},
      upstream: () => {},
      fallthrough: (line) => {
        fallthrough = readFallthrough(line, context.error);
      },
    });
    const names =
      origins.length === 0 ? context.zones : origins.flatMap((text) => normalZones(text, directive, context.error));
    for (const origin of names) addZone(zones, origin, path, directive, context);
  }
  return (next) => new ZoneHandler('file', zones, fallthrough, context, next);
};

/** Zones of all files of a directory whose names match; by default `db.<zone>`. */
export const auto: Setup = (directives, context) => {
  const zones = new Map<string, Zone>();
  let fallthrough: Fallthrough;
  for (const directive of directives) {
    let directory: string | undefined;
    let pattern = /db\.(.*)/;
    let template = '{1}';
    const origins = originsOf(directive, context.zones, context.error);
    readLines(directive, context, {
      directory: (line) => {
        directory = line.args[0];
        if (directory === undefined)
          context.error(line, "Wrong argument count or unexpected line ending after 'directory'");
        try {
          if (line.args[1] !== undefined) pattern = goRegExp(line.args[1]);
        } catch (error) {
          context.error(line, `error parsing regexp: ${error instanceof Error ? error.message : ''}`);
        }
        template = line.args[2] ?? template;
      },
      reload: () => {},
      upstream: () => {},
      fallthrough: (line) => {
        fallthrough = readFallthrough(line, context.error);
      },
    });
    if (directory === undefined) continue;
    for (const path of context.environment.files(directory)) {
      const match = pattern.exec(path.slice(path.lastIndexOf('/') + 1));
      if (match === null) continue;
      const name = template.replace(/\{(\d)\}/g, (_, index: string) => match[Number(index)] ?? '');
      for (const origin of normalZones(name, directive, context.error)) {
        if (matchZone(origins, origin) !== undefined) addZone(zones, origin, path, directive, context);
      }
    }
  }
  return (next) => new ZoneHandler('auto', zones, fallthrough, context, next);
};

function addZone(
  zones: Map<string, Zone>,
  origin: string,
  path: string,
  directive: Directive,
  { environment, error }: SetupContext,
): void {
  const text = environment.file(path);
  if (text === undefined) {
    // CoreDNS starts without the file and answers SERVFAIL until it is there; a simulation can say so at once.
    error(directive, `open ${path}: no such file or directory`);
    return;
  }
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const include = (name: string) => environment.file(name.startsWith('/') ? name : `${folder}${name}`);
  try {
    zones.set(origin, new Zone(origin, parseZoneText(text, { origin, include })));
  } catch (problem) {
    if (problem instanceof ZoneError) {
      error(directive, `dns: ${path}: ${problem.message} at line: ${problem.line}`);
    } else if (problem instanceof Error) error(directive, problem.message);
  }
}
