import {
  type KubeObject,
  kindInfo,
  knownKinds,
  matchesSelector,
  nearest,
  parseSelector,
  SelectorError,
} from '@netsim/manifest';
import { CliError } from '../context.ts';

/** What `get` and `describe` are asked for. */
export interface Selection {
  /** Kinds, by commas. */
  readonly kinds: string;
  readonly names: readonly string[];
}

/** Reads `KIND [NAME...]` and `KIND/NAME ...`. */
export function readSelection(kind: string, names: readonly string[]): Selection {
  if (!kind.includes('/')) return { kinds: kind, names };
  const pairs = [kind, ...names].map((word) => {
    const slash = word.indexOf('/');
    if (slash < 0)
      throw new CliError(
        'there is no need to specify a resource type as a separate argument when passing arguments in resource/name form',
      );
    return { kind: word.slice(0, slash), name: word.slice(slash + 1) };
  });
  const kinds = new Set(pairs.map((pair) => kindInfo(pair.kind)?.kind ?? pair.kind));
  if (kinds.size > 1) throw new CliError(`one kind at a time, not ${[...kinds].join(' and ')}`);
  return { kinds: pairs[0]!.kind, names: pairs.map(({ name }) => name) };
}

/** The test of `-l`. */
export function selectorTest(selector: string | undefined): ((object: KubeObject) => boolean) | undefined {
  if (selector === undefined) return undefined;
  try {
    const parsed = parseSelector(selector);
    return ({ metadata }) => matchesSelector(parsed, metadata.labels);
  } catch (error) {
    if (error instanceof SelectorError) throw new CliError(`-l ${JSON.stringify(selector)}: ${error.message}`);
    throw error;
  }
}

/** The kind whose name is nearest to a word that names none. */
export function suggestKind(word: string): string | undefined {
  return nearest(
    word,
    knownKinds().flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]),
  );
}
