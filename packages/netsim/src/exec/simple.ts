import { familyOf, formatIp } from '@netsim/wire';
import { parseArgs } from './args.ts';
import { addressesOf } from './lookup.ts';
import { type ExecContext, fail, ok, type Tool } from './tool.ts';

const gnuUsage = `Usage: hostname [-b] {hostname|-F file}         set host name (from file)
       hostname [-a|-A|-d|-f|-i|-I|-s|-y]       display formatted name
       hostname                                 display host name`;

/** `hostname`: the kernel's name; -f, -d and -i look it up, in /etc/hosts first. */
export const hostname: Tool = async (args, context) => {
  const { hostname: name, netns, userland } = context;
  const gnu = userland === 'gnu';
  const long = {
    short: 's',
    fqdn: 'f',
    long: 'f',
    domain: 'd',
    'ip-address': 'i',
    'all-ip-addresses': 'I',
    alias: 'a',
  };
  const { flags, operands, problem } = parseArgs(args, gnu ? { short: 'sfdiIa', long } : { short: 'sfdi' });
  if (problem !== undefined) {
    const text = `hostname: invalid option -- '${problem.option.replace(/^--/, '')}'`;
    return gnu ? fail(255, `${text}\n${gnuUsage}`) : fail(1, text);
  }
  if (operands.length > 0) {
    return fail(
      1,
      gnu ? 'hostname: you must be root to change the host name' : 'hostname: sethostname: Operation not permitted',
    );
  }
  if (flags.has('s')) return ok(`${name.split('.')[0]}\n`);
  if (flags.has('I')) {
    const own = netns.addresses().filter(({ scope }) => scope === 'global');
    return ok(`${own.map(({ address }) => formatIp(address)).join(' ')} \n`);
  }
  if (flags.has('i')) {
    const found = await addressesOf(name, context);
    if (found.length === 0) return fail(1, 'hostname: Name or service not known');
    // BusyBox knows addresses of IPv4 only.
    const shown = gnu ? found : found.filter((ip) => familyOf(ip) === 4);
    return ok(`${shown.map(formatIp).join(' ')}\n`);
  }
  if (!flags.has('f') && !flags.has('d') && !flags.has('a')) return ok(`${name}\n`);
  const names = hostsNames(context);
  const full = names[0] ?? name;
  if (flags.has('a')) return ok(`${names.slice(1).join(' ')}\n`);
  if (flags.has('f')) return ok(`${full}\n`);
  const dot = full.indexOf('.');
  return ok(dot < 0 ? (gnu ? '' : '\n') : `${full.slice(dot + 1)}\n`);
};

/** Names of the line of /etc/hosts that has the machine's own name. */
function hostsNames({ files, hostname: name }: ExecContext): readonly string[] {
  const text = files.read('/etc/hosts');
  if (typeof text !== 'string') return [];
  for (const line of text.split('\n')) {
    const [, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (names.includes(name)) return names;
  }
  return [];
}

/** `sleep`: virtual time passes. */
export const sleep: Tool = (args, { netns, userland }) => {
  const gnu = userland === 'gnu';
  if (args.length === 0)
    return fail(
      1,
      gnu ? "sleep: missing operand\nTry 'sleep --help' for more information." : 'sleep: too few arguments',
    );
  let total = 0;
  for (const word of args) {
    const found = /^([0-9]+(?:\.[0-9]*)?)([smhd]?)$/.exec(word);
    if (found === null)
      return fail(
        1,
        gnu
          ? `sleep: invalid time interval ‘${word}’\nTry 'sleep --help' for more information.`
          : `sleep: invalid number '${word}'`,
      );
    total += Number(found[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[found[2] || 's']!;
  }
  if (total > SLEEP_LIMIT) return fail(1, `netsim: sleep: at most ${SLEEP_LIMIT} seconds`);
  netns.world.advance(total * 1000);
  return ok('');
};

/** A day, in seconds. */
const SLEEP_LIMIT = 86_400;

export const trueTool: Tool = () => ok('');
export const falseTool: Tool = () => fail(1, '');
export const echo: Tool = (args) => (args[0] === '-n' ? ok(args.slice(1).join(' ')) : ok(`${args.join(' ')}\n`));
export const whoami: Tool = () => ok('root\n');
