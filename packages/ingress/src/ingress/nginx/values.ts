import { type Prefix, tryParseIp, tryParsePrefix } from '@netsim/wire';

/** Go's strconv.ParseBool; undefined: it is none. */
export function parseFlag(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

/** Go's strconv.Atoi; undefined: it is no whole number. */
export function parseWhole(text: string): number | undefined {
  return /^[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** nginx's sizes in bytes: `8m`, `512k`, `0`. */
export function parseBytes(text: string): number | undefined {
  const found = /^(\d{1,12})([kKmMgG]?)$/.exec(text);
  return found === null ? undefined : Number(found[1]) * 1024 ** ' kmg'.indexOf(found[2]!.toLowerCase() || ' ');
}

/** Items between commas, without the space around them; empty ones are left out. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Addresses and CIDRs between commas; undefined where one of them is neither. */
export function parseRanges(text: string): Prefix[] | undefined {
  const ranges = parseList(text).map((item) =>
    tryParseIp(item) === undefined ? tryParsePrefix(item) : tryParsePrefix(`${item}/${item.includes(':') ? 128 : 32}`),
  );
  return ranges.every((range) => range !== undefined) ? ranges : undefined;
}

/** `proxy_next_upstream`: the conditions that nginx knows; undefined where one of them is none. */
export function parseConditions(text: string): string[] | undefined {
  const words = text.split(' ').filter((word) => word !== '');
  return words.every((word) => CONDITIONS.test(word)) ? words : undefined;
}

const CONDITIONS = /^(error|timeout|invalid_header|http_(500|502|503|504|403|404|429)|non_idempotent|updating|off)$/;
