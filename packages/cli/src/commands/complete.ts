import { type KubeObject, kindInfo, knownKinds, type ObjectStore, type Service } from '@netsim/manifest';
import type { Command, Option } from 'commander';
import { CommandContext } from '../context.ts';
import { formatsOf } from '../formats.ts';
import type { CliIo } from '../io.ts';

/** What the shell may do beside the candidates: complete file names, or not. */
type Directive = 0 | 4;

interface Candidate {
  readonly text: string;
  readonly description?: string;
}

/**
 * Answers the shell: candidates for the last word, one a line, then a line `:DIRECTIVE`. Never fails, for a mistake in a
 * half-typed line is not to be told while typing.
 */
export async function complete(words: readonly string[], program: Command, io: CliIo): Promise<number> {
  const line = readLine(words, program);
  let candidates: readonly Candidate[] = [];
  let directive: Directive = 4;
  if (line.pending !== undefined) {
    candidates = (line.pending.argChoices ?? []).map((text) => ({ text }));
    if (line.pending.long === '--namespace') candidates = namesOf(await storeOf(line, io), 'Namespace', line);
    else if (line.pending.long === '--from') candidates = sources(await storeOf(line, io), line);
    else if (line.pending.long === '--endpoint') candidates = namesOf(await storeOf(line, io), 'Pod', line);
    else if (line.pending.long === '--output') candidates = formatsOf(line.path).map((text) => ({ text }));
    else if (candidates.length === 0) directive = 0;
  } else if (line.last.startsWith('-') && !line.afterDashes) candidates = flags(line, program);
  else if (line.afterDashes) candidates = line.positionals.length === 1 ? await tools(line.positionals[0]!) : [];
  else if (line.command.commands.length > 0) candidates = subcommands(line.command);
  else if (line.path === 'test') directive = 0;
  else candidates = await positional(line, io);

  const matching = candidates.filter(({ text }) => text.startsWith(line.last));
  for (const { text, description } of matching) {
    io.stdout.write(description === undefined ? `${text}\n` : `${text}\t${description}\n`);
  }
  io.stdout.write(`:${directive}\n`);
  return 0;
}

interface Line {
  readonly command: Command;
  /** Names of the command and its parents: `lab verify`. */
  readonly path: string;
  readonly positionals: readonly string[];
  /** The word to complete. */
  readonly last: string;
  /** The flag whose value the last word is. */
  readonly pending: Option | undefined;
  readonly afterDashes: boolean;
  readonly files: readonly string[];
  readonly recursive: boolean;
  readonly kustomize: string | undefined;
  readonly namespace: string;
}

function readLine(words: readonly string[], program: Command): Line {
  let command = program;
  const path: string[] = [];
  const positionals: string[] = [];
  const files: string[] = [];
  let recursive = false;
  let kustomize: string | undefined;
  let namespace = 'default';
  let pending: Option | undefined;
  let afterDashes = false;
  const value = (option: Option, text: string) => {
    if (option.long === '--filename') files.push(text);
    else if (option.long === '--kustomize') kustomize = text;
    else if (option.long === '--namespace') namespace = text;
  };
  for (const word of words.slice(0, -1)) {
    if (pending !== undefined) {
      value(pending, word);
      pending = undefined;
    } else if (afterDashes) positionals.push(word);
    else if (word === '--') afterDashes = true;
    else if (word.startsWith('-')) {
      const [name = '', inline] = word.split('=', 2);
      const option = [...command.options, ...program.options].find((o) => o.short === name || o.long === name);
      if (option?.long === '--recursive') recursive = true;
      if (option?.required === true && inline === undefined) pending = option;
      else if (option !== undefined && inline !== undefined) value(option, inline);
    } else {
      const child = positionals.length > 0 ? undefined : command.commands.find((c) => c.name() === word);
      if (child === undefined) positionals.push(word);
      else {
        command = child as Command;
        path.push(word);
      }
    }
  }
  return {
    command,
    path: path.join(' '),
    positionals,
    last: words.at(-1) ?? '',
    pending,
    afterDashes,
    files,
    recursive,
    kustomize,
    namespace,
  };
}

function flags({ command }: Line, program: Command): Candidate[] {
  return [...new Set([...command.options, ...program.options])]
    .filter(({ hidden }) => !hidden)
    .map(({ long, short, description }) => ({ text: long ?? short ?? '', description }));
}

function subcommands(command: Command): Candidate[] {
  const shown = command.createHelp().visibleCommands(command);
  return shown.map((child) => ({ text: child.name(), description: child.description() }));
}

async function positional(line: Line, io: CliIo): Promise<Candidate[]> {
  const at = line.positionals.length;
  switch (line.path) {
    case 'trace': {
      if (at > 1) return [];
      const store = await storeOf(line, io);
      return at === 0 ? sources(store, line) : destinations(store, line);
    }
    case 'diagnose':
      return at > 0 ? [] : destinations(await storeOf(line, io), line);
    case 'dns':
    case 'exec':
      return at > 0 ? [] : [...targets(await storeOf(line, io), line)];
    case 'get':
    case 'describe': {
      const [kind = ''] = line.positionals;
      if (at > 0) return namesOf(await storeOf(line, io), kindInfo(kind)?.kind ?? '', line);
      const slash = line.last.indexOf('/');
      if (slash >= 0) {
        const word = line.last.slice(0, slash);
        return withPrefix(`${word}/`, namesOf(await storeOf(line, io), kindInfo(word)?.kind ?? '', line));
      }
      return [{ text: 'all' }, ...knownKinds().map(({ plural }) => ({ text: plural }))];
    }
    case 'explain': {
      const { allCodes } = await import('../explain/index.ts');
      return at > 0 ? [] : allCodes().map(({ code, type }) => ({ text: code, description: type }));
    }
    case 'completion':
      return at > 0 ? [] : ['bash', 'zsh', 'fish'].map((text) => ({ text }));
    default:
      return [];
  }
}

async function tools(target: string): Promise<Candidate[]> {
  const { execTools } = await import('netsim');
  return (await execTools({ privileged: /^(node|host)\//.test(target) })).map((text) => ({ text }));
}

/** Any other name after `host/` is a machine outside too. */
const OUTSIDE = 'host/external';

function targets(store: ObjectStore | undefined, line: Line): Candidate[] {
  return [...namesOf(store, 'Pod', line), ...withPrefix('node/', namesOf(store, 'Node', line)), { text: OUTSIDE }];
}

function sources(store: ObjectStore | undefined, line: Line): Candidate[] {
  return [
    ...namesOf(store, 'Pod', line),
    ...withPrefix('pod/', namesOf(store, 'Pod', line)),
    ...withPrefix('deploy/', namesOf(store, 'Deployment', line)),
    ...withPrefix('node/', namesOf(store, 'Node', line)),
    { text: 'external' },
    { text: OUTSIDE },
  ];
}

function destinations(store: ObjectStore | undefined, line: Line): Candidate[] {
  const services = store?.list<Service>('Service', line.namespace) ?? [];
  const ports = services.flatMap(({ metadata, spec }) =>
    (spec.ports ?? []).flatMap(({ port, name }) => [
      { text: `svc/${metadata.name}:${port}` },
      ...(name === undefined ? [] : [{ text: `svc/${metadata.name}:${name}` }]),
    ]),
  );
  return [
    ...withPrefix('svc/', namesOf(store, 'Service', line)),
    ...(line.last.startsWith('svc/') && line.last.includes(':') ? ports : []),
    ...withPrefix('pod/', namesOf(store, 'Pod', line)),
    ...withPrefix('node/', namesOf(store, 'Node', line)),
  ];
}

function namesOf(store: ObjectStore | undefined, kind: string, { namespace }: Line): Candidate[] {
  const namespaced = kindInfo(kind)?.namespaced ?? true;
  const objects: readonly KubeObject[] = store?.list(kind, namespaced ? namespace : undefined) ?? [];
  return objects.map(({ metadata }) => ({ text: metadata.name })).sort((a, b) => (a.text < b.text ? -1 : 1));
}

function withPrefix(prefix: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.map(({ text }) => ({ text: prefix + text }));
}

/** The objects of the `-f` files on the line; nothing where they cannot be read. Standard input is the shell's. */
async function storeOf(line: Line, io: CliIo): Promise<ObjectStore | undefined> {
  if (line.files.includes('-')) return undefined;
  try {
    const context = new CommandContext(io, {
      color: 'never',
      filename: line.files,
      recursive: line.recursive,
      ...(line.kustomize === undefined ? {} : { kustomize: line.kustomize }),
    });
    return (await context.buildCluster({ quiet: true })).store;
  } catch {
    return undefined;
  }
}
