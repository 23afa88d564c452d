import { fail, ok, type Tool, type ToolResult } from '../tool.ts';
import { showAddresses, showLinks } from './link.ts';
import { showNeighbours } from './neighbour.ts';
import { abbreviation, readIpOptions } from './options.ts';
import { getRoute, showRoutes } from './route.ts';
import { showRules } from './rule.ts';

/** In the order of iproute2, for abbreviations. */
const objects = [
  'address',
  'route',
  'rule',
  'neighbor',
  'neighbour',
  'link',
  'netns',
  'monitor',
  'tunnel',
  'xfrm',
  'maddress',
  'mroute',
];
const verbs = [
  'show',
  'list',
  'lst',
  'get',
  'add',
  'append',
  'change',
  'chg',
  'delete',
  'flush',
  'replace',
  'set',
  'save',
  'restore',
  'help',
];
const shows = new Set(['show', 'list', 'lst']);

const usage = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | neigh | route | rule }
       OPTIONS := { -4 | -6 | -br | -d | -o }
emulated by netsim: show of every object, and ip route get`;

/** `ip`, of iproute2: what it shows, in its own format. It changes nothing here. */
export const ip: Tool = (args, { netns }): ToolResult => {
  const { options, words } = readIpOptions(args);
  const [word = '', ...rest] = words;
  if (word === '' || word === 'help') return fail(255, usage);
  const object = abbreviation(word, objects);
  if (object === undefined) return fail(1, `Object "${word}" is unknown, try "ip help".`);
  const verb = rest.length === 0 ? 'show' : abbreviation(rest[0]!, verbs);
  // `ip addr dev eth0` is no command there either: the word after the object is always a verb.
  if (verb === undefined) return fail(255, `Command "${rest[0]}" is unknown, try "ip ${object} help".`);
  const selection = rest.slice(1);
  if (object === 'route' && verb === 'get') return ok(getRoute(netns, selection));
  if (!shows.has(verb)) return fail(1, `netsim: ip ${object} ${verb} is not emulated: change the manifests instead`);
  switch (object) {
    case 'address':
      return ok(showAddresses(netns, selection, options));
    case 'link':
      return ok(showLinks(netns, selection, options));
    case 'route':
      return ok(showRoutes(netns, selection, options));
    case 'rule':
      return ok(showRules(netns, options));
    case 'neighbor':
    case 'neighbour':
      return ok(showNeighbours(netns, selection, options));
    default:
      return fail(1, `netsim: ip ${object} is not emulated`);
  }
};
