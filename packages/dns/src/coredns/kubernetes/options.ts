import { parseSelector, type Selector, SelectorError } from '@netsim/manifest';
import { zonesOf } from '../../corefile/keys.ts';
import { type Directive, didYouMean, type Statement } from '../../corefile/parse.ts';
import { reverseKind } from '../reverse.ts';

export type PodMode = 'disabled' | 'insecure' | 'verified';

/** `fallthrough` of a plugin: undefined for none, else the zones it is for (`.` for all). */
export type Fallthrough = readonly string[] | undefined;

/** The kubernetes plugin of a server block. */
export interface KubernetesOptions {
  readonly zones: readonly string[];
  /** The first zone that is not a reverse zone: PTR records point into it. */
  readonly primaryZone: string;
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceLabels?: Selector;
  readonly labels?: Selector;
  readonly pods: PodMode;
  readonly endpointPodNames: boolean;
  /** Seconds. */
  readonly ttl: number;
  readonly noEndpoints: boolean;
  readonly fallthrough: Fallthrough;
  readonly ignoreEmptyService: boolean;
  readonly multicluster: readonly string[];
  readonly zonal: boolean;
  /** Seconds that CoreDNS waits for the API before it starts to serve. */
  readonly startupTimeout: number;
}

/** What may begin a line in the braces of the plugin. */
const PROPERTIES = [
  'apiserver_burst',
  'apiserver_max_inflight',
  'apiserver_qps',
  'endpoint',
  'endpoint_pod_names',
  'fallthrough',
  'ignore',
  'kubeconfig',
  'labels',
  'multicluster',
  'namespace_labels',
  'namespaces',
  'noendpoints',
  'pods',
  'startup_timeout',
  'tls',
  'ttl',
  'zonal',
];

const DEFAULT_TTL = 5;
const MAX_TTL = 3600;
const DEFAULT_STARTUP_TIMEOUT = 5;

/** Reads the `kubernetes` directives of a server block; mistakes go to `report`. */
export function readKubernetesOptions(
  directives: readonly Directive[],
  blockZones: readonly string[],
  report: (at: Statement, message: string, suggestion?: string) => void,
): KubernetesOptions | undefined {
  const directive = directives[0]!;
  let good = true;
  const error = (at: Statement, message: string, suggestion?: string) => {
    good = false;
    report(at, message, suggestion);
  };
  if (directives.length > 1) error(directives[1]!, 'this plugin can only be used once per Server Block');
  const zones = originsOf(directive, blockZones, error);
  const primaryZone = zones.find((zone) => reverseKind(zone) === 0);
  if (primaryZone === undefined) error(directive, 'non-reverse zone name must be used');
  const options = {
    zones,
    primaryZone: primaryZone ?? zones[0] ?? '.',
    namespaces: new Set<string>(),
    namespaceLabels: undefined as Selector | undefined,
    labels: undefined as Selector | undefined,
    pods: 'disabled' as PodMode,
    endpointPodNames: false,
    ttl: DEFAULT_TTL,
    noEndpoints: false,
    fallthrough: undefined as Fallthrough,
    ignoreEmptyService: false,
    multicluster: [] as readonly string[],
    zonal: false,
    startupTimeout: DEFAULT_STARTUP_TIMEOUT,
  };
  for (const line of directive.body ?? []) {
    const { name, args } = line;
    const wrongCount = () => error(line, argumentError(line));
    switch (name) {
      case 'endpoint_pod_names':
        if (args.length > 0) wrongCount();
        options.endpointPodNames = true;
        break;
      case 'pods':
        if (args.length !== 1) wrongCount();
        else if (args[0] === 'disabled' || args[0] === 'insecure' || args[0] === 'verified') options.pods = args[0];
        else error(line, `wrong value for pods: ${args[0]},  must be one of: disabled, verified, insecure`);
        break;
      case 'namespaces':
        if (args.length === 0) wrongCount();
        for (const namespace of args) options.namespaces.add(namespace);
        break;
      case 'endpoint':
        if (args.length === 0) wrongCount();
        break;
      case 'tls':
        if (args.length !== 3) wrongCount();
        break;
      case 'labels':
      case 'namespace_labels': {
        if (args.length === 0) {
          wrongCount();
          break;
        }
        const selector = readSelector(args.join(' '));
        if (typeof selector === 'string') {
          const what = name === 'labels' ? 'label' : 'namespace_label';
          error(line, `unable to parse ${what} selector value: '${args.join(' ')}': ${selector}`);
        } else if (name === 'labels') options.labels = selector;
        else options.namespaceLabels = selector;
        break;
      }
      case 'fallthrough':
        options.fallthrough = readFallthrough(line, error);
        break;
      case 'ttl': {
        const ttl = Number(args[0]);
        if (args.length === 0) wrongCount();
        else if (!/^-?[0-9]+$/.test(args[0]!)) error(line, `strconv.Atoi: parsing "${args[0]}": invalid syntax`);
        else if (ttl < 0 || ttl > MAX_TTL) error(line, `ttl must be in range [0, ${MAX_TTL}]: ${args[0]}`);
        else options.ttl = ttl;
        break;
      }
      case 'noendpoints':
        if (args.length !== 0) wrongCount();
        options.noEndpoints = true;
        break;
      case 'ignore':
        if (args.length !== 1 || args[0] !== 'empty_service') {
          error(line, `unable to parse ignore value: '${args.join(' ')}'`);
        } else options.ignoreEmptyService = true;
        break;
      case 'kubeconfig':
        if (args.length !== 1 && args.length !== 2) wrongCount();
        break;
      case 'multicluster':
        options.multicluster = args.flatMap((arg) => normalZones(arg, line, error));
        for (const zone of options.multicluster) {
          if (!zones.includes(zone)) {
            error(line, `is not authoritative for the multicluster zone ${zone}`);
          }
        }
        break;
      case 'zonal':
        if (args.length !== 0) wrongCount();
        options.zonal = true;
        break;
      case 'startup_timeout': {
        const seconds = args.length === 1 ? parseDuration(args[0]!) : undefined;
        if (args.length !== 1) wrongCount();
        else if (seconds === undefined) error(line, `time: invalid duration "${args[0]}"`);
        else options.startupTimeout = seconds;
        break;
      }
      case 'apiserver_qps':
      case 'apiserver_burst':
      case 'apiserver_max_inflight':
        if (args.length !== 1) wrongCount();
        else if (!(Number(args[0]) >= 0)) error(line, `${name} must be a non-negative number: ${args[0]}`);
        break;
      default:
        error(line, `unknown property '${name}'`, didYouMean(name, PROPERTIES));
    }
  }
  if (options.namespaces.size > 0 && options.namespaceLabels !== undefined) {
    error(directive, 'namespaces and namespace_labels cannot both be set');
  }
  return good ? options : undefined;
}

/** The zones of a plugin: its arguments, or those of the server block. */
export function originsOf(
  directive: Directive,
  blockZones: readonly string[],
  error: (at: Statement, message: string) => void,
): readonly string[] {
  return directive.args.length === 0 ? blockZones : directive.args.flatMap((arg) => normalZones(arg, directive, error));
}

export function normalZones(
  text: string,
  at: Statement,
  error: (at: Statement, message: string) => void,
): readonly string[] {
  const zones = zonesOf(text);
  if (typeof zones !== 'string') return zones;
  error(at, zones);
  return [];
}

/** The zones of a `fallthrough` line: all where it names none. */
export function readFallthrough(line: Statement, error: (at: Statement, message: string) => void): Fallthrough {
  return line.args.length === 0 ? ['.'] : line.args.flatMap((arg) => normalZones(arg, line, error));
}

/** What CoreDNS says of a line with too few or too many words. */
export function argumentError(line: Statement): string {
  const last = line.args[line.args.length - 1] ?? line.name;
  return `Wrong argument count or unexpected line ending after '${last}'`;
}

/** Go's time.ParseDuration, in seconds; undefined where the text is not one. */
export function parseDuration(text: string): number | undefined {
  const UNITS: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };
  if (text === '0') return 0;
  if (!/^[+-]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(number) * UNITS[unit!]!;
  }
  return text.startsWith('-') ? -seconds : seconds;
}

function readSelector(text: string): Selector | string {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) return error.message;
    throw error;
  }
}
