import { lastValue, type ParsedArgs } from '../args.ts';

/** Milliseconds that wget waits for a server, of GNU and of BusyBox alike. */
const PATIENCE = 900_000;
/** GNU's wget asks twenty times; more are not made. */
const MOST_TRIES = 20;

export interface Options {
  readonly quiet: boolean;
  readonly spider: boolean;
  readonly showServer: boolean;
  readonly output: string | undefined;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string | undefined;
  readonly agent: string | undefined;
  readonly timeout: number;
  readonly family: 4 | 6 | undefined;
  /** `-P`. */
  readonly directory: string | undefined;
  readonly tries: number;
  readonly retryRefused: boolean;
  readonly checkCertificate: boolean;
  readonly caFile: string | undefined;
}

/** The options of a command line, or what is wrong with it. */
export function optionsOf(parsed: ParsedArgs): Options | string {
  const { flags, values } = parsed;
  const timeout = lastValue(parsed, 'T');
  if (timeout !== undefined && !/^[0-9]+(\.[0-9]+)?$/.test(timeout)) {
    return `wget: --timeout: Invalid time period ‘${timeout}’`;
  }
  // What is no number, and `inf`, is taken as 0: for ever, as far as patience goes here.
  const tries = Math.min(Math.trunc(Number(lastValue(parsed, 't') ?? 20)) || MOST_TRIES, MOST_TRIES);
  const fields = (values.get('header') ?? []).map((text): [string, string] => {
    const colon = text.indexOf(':');
    return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1).trim()];
  });
  return {
    quiet: flags.has('q'),
    spider: flags.has('spider'),
    showServer: flags.has('S'),
    output: lastValue(parsed, 'O'),
    fields,
    body: lastValue(parsed, 'post-data'),
    agent: lastValue(parsed, 'U'),
    timeout: timeout === undefined || Number(timeout) === 0 ? PATIENCE : Number(timeout) * 1000,
    family: flags.has('4') ? 4 : flags.has('6') ? 6 : undefined,
    directory: lastValue(parsed, 'P'),
    tries,
    retryRefused: flags.has('retry-connrefused'),
    checkCertificate: !flags.has('no-check-certificate'),
    caFile: lastValue(parsed, 'ca-certificate'),
  };
}
