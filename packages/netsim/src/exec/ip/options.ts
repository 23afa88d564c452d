import { ToolExit } from '../tool.ts';

/** Flags before the object: `ip -4 -br addr`. */
export interface IpOptions {
  readonly family?: 4 | 6;
  readonly brief: boolean;
  readonly oneLine: boolean;
  readonly detail: boolean;
}

export interface IpCommandLine {
  readonly options: IpOptions;
  readonly words: readonly string[];
}

export function readIpOptions(args: readonly string[]): IpCommandLine {
  let family: 4 | 6 | undefined;
  let brief = false;
  let oneLine = false;
  let detail = false;
  let at = 0;
  for (; at < args.length && args[at]!.startsWith('-'); at++) {
    const word = args[at]!.replace(/^--/, '-');
    switch (word) {
      case '-4':
        family = 4;
        break;
      case '-6':
        family = 6;
        break;
      case '-f':
      case '-family':
        family = args[++at] === 'inet6' ? 6 : 4;
        break;
      case '-br':
      case '-brief':
        brief = true;
        break;
      case '-o':
      case '-oneline':
        oneLine = true;
        break;
      case '-d':
      case '-details':
        detail = true;
        break;
      case '-s':
      case '-stats':
      case '-c':
      case '-color':
      case '-n':
        break;
      case '-j':
      case '-json':
      case '-p':
        throw new ToolExit(1, `netsim: ip ${word} is not emulated; only the text form is`);
      case '-V':
        throw new ToolExit(0, 'ip utility, iproute2-6.1.0, emulated by netsim');
      default:
        throw new ToolExit(255, `Option "${word}" is unknown, try "ip -help".`);
    }
  }
  return {
    options: { brief, oneLine, detail, ...(family === undefined ? {} : { family }) },
    words: args.slice(at),
  };
}

/** The first of the candidates that a word abbreviates, as iproute2 takes abbreviations. */
export function abbreviation(word: string, candidates: readonly string[]): string | undefined {
  return candidates.find((candidate) => candidate.startsWith(word));
}

/** `dev X table T ...`: pairs of keyword and value; `flags` are keywords without one. A word that is no keyword is given to `other`. */
export function readKeywords(
  words: readonly string[],
  keywords: readonly string[],
  flags: readonly string[],
  other: (word: string) => void,
): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (flags.includes(word)) found.set(word, '');
    else if (keywords.includes(word)) {
      const value = words[++at];
      if (value === undefined) throw new ToolExit(255, 'Command line is not complete. Try option "help"');
      found.set(word, value);
    } else other(word);
  }
  return found;
}
