import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyOf, prefixOf, tryParseIp } from '@netsim/wire';
import { RuleSyntaxError } from './error.ts';
import type { NatRange, PortRange } from './rule.ts';

/** Dotted quad without any allocation; `undefined` for everything else. Rulesets hold hundreds of thousands of them. */
function fastIpv4(text: string, start: number, end: number): number | undefined {
  let ip = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 46) {
      if (octet < 0 || ++dots > 3) return undefined;
      ip = (ip << 8) | octet;
      octet = -1;
    } else if (c >= 48 && c <= 57) {
      if (octet === 0) return undefined;
      octet = (octet < 0 ? 0 : octet * 10) + c - 48;
      if (octet > 255) return undefined;
    } else return undefined;
  }
  return dots === 3 && octet >= 0 ? (ip << 8) | octet : undefined;
}

export function readIp(text: string, family: Family): Ip {
  const ip = family === 4 ? fastIpv4(text, 0, text.length) : tryParseIp(text);
  if (ip === undefined || familyOf(ip) !== family) {
    throw new RuleSyntaxError(`"${text}" is not an IPv${family} address`, text);
  }
  return ip;
}

/** `address`, `address/length` or `address/mask`. */
export function readPrefix(text: string, family: Family): Prefix {
  const slash = text.indexOf('/');
  const bits = family === 4 ? 32 : 128;
  if (slash < 0) return { address: readIp(text, family), length: bits };
  if (family === 4) {
    const ip = fastIpv4(text, 0, slash);
    const length = smallNumber(text, slash + 1);
    if (ip !== undefined && length >= 0 && length <= 32)
      return length === 32 ? { address: ip, length } : prefixOf(ip, length);
  }
  const ip = readIp(text.slice(0, slash), family);
  const tail = text.slice(slash + 1);
  if (/^[0-9]{1,3}$/.test(tail)) {
    if (Number(tail) > bits) throw new RuleSyntaxError(`prefix length ${tail} is over ${bits}`, tail);
    return prefixOf(ip, Number(tail));
  }
  return prefixOf(ip, maskLength(readIp(tail, family), tail));
}

function smallNumber(text: string, start: number): number {
  let n = 0;
  if (start >= text.length) return -1;
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 48 || c > 57) return -1;
    n = n * 10 + c - 48;
  }
  return n;
}

function maskLength(mask: Ip, text: string): number {
  const bits = typeof mask === 'number' ? 32 : 128;
  const value = typeof mask === 'number' ? BigInt(mask >>> 0) : mask;
  const ones = value.toString(2).padStart(bits, '0');
  const length = ones.indexOf('0') < 0 ? bits : ones.indexOf('0');
  if (ones.includes('1', length)) {
    throw new RuleSyntaxError(`netsim reads only masks of leading ones, not ${text}`, text);
  }
  return length;
}

/** An unsigned number, decimal, 0x hex or 0 octal, at most `max`. */
export function readNumber(text: string, max: number, what: string): number {
  const value = /^(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.test(text)
    ? text.length > 1 && text[0] === '0' && text[1] !== 'x' && text[1] !== 'X'
      ? Number.parseInt(text, 8)
      : Number(text)
    : Number.NaN;
  if (!(value >= 0 && value <= max)) throw new RuleSyntaxError(`"${text}" is not a ${what} (0 to ${max})`, text);
  return value;
}

/** `value[/mask]`; the mask defaults to all ones. */
export function readMark(text: string): { value: number; mask: number } {
  const slash = text.indexOf('/');
  if (slash < 0) return { value: readNumber(text, 0xffffffff, 'mark'), mask: 0xffffffff };
  return {
    value: readNumber(text.slice(0, slash), 0xffffffff, 'mark'),
    mask: readNumber(text.slice(slash + 1), 0xffffffff, 'mask'),
  };
}

const services: Readonly<Record<string, number>> = {
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  http: 80,
  ntp: 123,
  snmp: 161,
  https: 443,
  syslog: 514,
};

function readPort(text: string): number {
  const value = smallNumber(text, 0);
  if (value >= 0 && value <= 65535) return value;
  const named = services[text];
  if (named === undefined)
    throw new RuleSyntaxError(`"${text}" is not a port (0 to 65535)`, text, Object.keys(services));
  return named;
}

/** `80`, `80:90`, `:90`, `80:`. */
export function readPorts(text: string): PortRange {
  const colon = text.indexOf(':');
  if (colon < 0) {
    const port = readPort(text);
    return { from: port, to: port };
  }
  const from = colon === 0 ? 0 : readPort(text.slice(0, colon));
  const to = colon === text.length - 1 ? 65535 : readPort(text.slice(colon + 1));
  if (from > to) throw new RuleSyntaxError(`invalid port range (min > max): ${text}`, text);
  return { from, to };
}

/** `80` or `80-90`, as `--to-ports` has it. */
export function readNatPorts(text: string): { minPort: number; maxPort: number } {
  const dash = text.indexOf('-');
  const minPort = readNumber(dash < 0 ? text : text.slice(0, dash), 65535, 'port');
  const maxPort = dash < 0 ? minPort : readNumber(text.slice(dash + 1), 65535, 'port');
  if (minPort > maxPort) throw new RuleSyntaxError(`port range ${text} runs backwards`, text);
  return { minPort, maxPort };
}

/** `[address[-address]][:port[-port]]`; an IPv6 address with a port stands in brackets. */
export function readNatTarget(text: string, family: Family): NatRange {
  let addresses = text;
  let ports = '';
  if (family === 6) {
    const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
    if (bracket !== null) {
      addresses = bracket[1]!;
      ports = bracket[2] ?? '';
    } else if (/^:[0-9]/.test(text) && !text.startsWith('::')) {
      addresses = '';
      ports = text.slice(1);
    }
  } else {
    const colon = text.indexOf(':');
    if (colon >= 0) {
      addresses = text.slice(0, colon);
      ports = text.slice(colon + 1);
      if (ports === '') throw new RuleSyntaxError(`no port after the colon in "${text}"`, text);
    }
  }
  const portRange = ports === '' ? {} : readNatPorts(ports);
  if (addresses === '') return portRange;
  const dash = addresses.indexOf('-');
  const minAddress = readIp(dash < 0 ? addresses : addresses.slice(0, dash), family);
  const maxAddress = dash < 0 ? minAddress : readIp(addresses.slice(dash + 1), family);
  return { minAddress, maxAddress, ...portRange };
}

/** Comma list of words from a closed set. */
export function readWords<T extends string>(text: string, allowed: readonly T[], what: string): T[] {
  return text.split(',').map((word) => {
    const found = allowed.find((candidate) => candidate === word.toUpperCase());
    if (found === undefined) throw new RuleSyntaxError(`Bad ${what} "${word}"`, word, allowed);
    return found;
  });
}
