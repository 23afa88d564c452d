import type { ConfigMap } from '@netsim/manifest';
import type { Prefix } from '@netsim/wire';
import { familyOf, tryParsePrefix } from '@netsim/wire';
import type { BridgeConfig, CniConfig, FlannelConfig, PortmapConfig } from './config.ts';
import { DEFAULT_NETWORK, defaultCniConfig } from './config.ts';

/** Thrown where a network configuration cannot be used; `field` is where, as `net-conf.json: Backend.Type`. */
export class CniConfigError extends Error {
  override readonly name = 'CniConfigError';
  readonly field: string;
  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
    this.field = field;
  }
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads flannel's ConfigMap: `net-conf.json`, and for the options of the bridge the `delegate` of `cni-conf.json`.
 * `undefined` where the ConfigMap has no `net-conf.json`, so is none of flannel's.
 */
export function flannelConfig(configMap: ConfigMap): FlannelConfig | undefined {
  const text = configMap.data?.['net-conf.json'];
  if (text === undefined) return undefined;
  const file = 'net-conf.json';
  const conf = parseObject(text, file);
  const backend = objectAt(conf, 'Backend', file);
  const type = stringAt(backend, 'Type', `${file}: Backend`) ?? 'udp';
  if (type !== 'vxlan' && type !== 'host-gw') {
    throw new CniConfigError(`${file}: Backend.Type`, `${JSON.stringify(type)} is not modelled; vxlan and host-gw are`);
  }
  const base = defaultCniConfig(flannelNetworks(conf, file));
  const cniText = configMap.data?.['cni-conf.json'];
  const list = cniText === undefined ? undefined : parseObject(cniText, 'cni-conf.json');
  const delegate = list === undefined ? {} : flannelDelegate(list);
  const { portmap, ...unmapped } = base;
  return {
    ...unmapped,
    ...(list === undefined ? { portmap } : portmapOf(list, 'cni-conf.json')),
    ...bridgeOptions(delegate, 'cni-conf.json', { ...base, hairpinMode: false }),
    ...(cniText === undefined && { hairpinMode: base.hairpinMode }),
    ...(cniText !== undefined && {
      isDefaultGateway: booleanAt(delegate, 'isDefaultGateway', 'cni-conf.json') ?? false,
    }),
    backend: type,
    vni: numberAt(backend, 'VNI', `${file}: Backend`) ?? base.vni,
    port: numberAt(backend, 'Port', `${file}: Backend`) ?? base.port,
    learning: booleanAt(backend, 'Learning', `${file}: Backend`) ?? false,
    directRouting: booleanAt(backend, 'DirectRouting', `${file}: Backend`) ?? false,
  };
}

/** `EnableIPv4` is on unless told otherwise, `EnableIPv6` off. */
function flannelNetworks(conf: Json, file: string): Prefix[] {
  const networks: Prefix[] = [];
  if (booleanAt(conf, 'EnableIPv4', file) ?? true) networks.push(networkAt(conf, 'Network', 4, file));
  if (booleanAt(conf, 'EnableIPv6', file) ?? false) networks.push(networkAt(conf, 'IPv6Network', 6, file));
  if (networks.length === 0) throw new CniConfigError(file, 'neither EnableIPv4 nor EnableIPv6');
  return networks;
}

function networkAt(conf: Json, field: string, family: 4 | 6, file: string): Prefix {
  const text = stringAt(conf, field, file);
  const prefix = text?.includes('/') === true ? tryParsePrefix(text) : undefined;
  if (prefix === undefined || familyOf(prefix.address) !== family) {
    throw new CniConfigError(`${file}: ${field}`, `${JSON.stringify(text ?? null)} is not an IPv${family} CIDR`);
  }
  return prefix;
}

/** A plain plugin configuration, or a list in which one plugin is flannel. */
function flannelDelegate(conf: Json): Json {
  const plugins = Array.isArray(conf.plugins) ? conf.plugins.filter(isObject) : [conf];
  const flannel = plugins.find((plugin) => plugin.type === 'flannel');
  return flannel === undefined ? {} : objectAt(flannel, 'delegate', 'cni-conf.json');
}

/**
 * Reads a CNI network configuration list (`.conflist`), or a single plugin's `.conf`, whose main plugin is `bridge` with
 * host-local addresses, or `flannel` (then the rest comes from flannel's own configuration).
 */
export function conflistConfig(text: string, file: string, networks: readonly Prefix[] = [DEFAULT_NETWORK]): CniConfig {
  const conf = parseObject(text, file);
  const plugins = Array.isArray(conf.plugins) ? conf.plugins.filter(isObject) : [conf];
  const flannel = plugins.find((plugin) => plugin.type === 'flannel');
  if (flannel !== undefined) {
    const { portmap: _, ...base } = defaultCniConfig(networks);
    const bridge = bridgeOptions(objectAt(flannel, 'delegate', file), file, { ...base, hairpinMode: false });
    return { ...base, ...bridge, ...portmapOf(conf, file) };
  }
  const bridge = plugins.find((plugin) => plugin.type === 'bridge');
  if (bridge === undefined) {
    const types = plugins.map((plugin) => String(plugin.type)).join(', ');
    throw new CniConfigError(file, `no plugin that is modelled among ${types || 'none'}; bridge and flannel are`);
  }
  const ipam = objectAt(bridge, 'ipam', file);
  const routes = Array.isArray(ipam.routes) ? ipam.routes.filter(isObject) : [];
  const isDefaultGateway = booleanAt(bridge, 'isDefaultGateway', file) ?? false;
  const config: BridgeConfig = {
    plugin: 'bridge',
    networks,
    ...bridgeOptions(bridge, file, { bridge: 'cni0', hairpinMode: false, promiscMode: false }),
    isGateway: isDefaultGateway || (booleanAt(bridge, 'isGateway', file) ?? false),
    isDefaultGateway,
    ...portmapOf(conf, file),
    routes: routes.map((route, i) => {
      const prefix = typeof route.dst === 'string' ? tryParsePrefix(route.dst) : undefined;
      if (prefix === undefined) throw new CniConfigError(`${file}: ipam.routes[${i}].dst`, 'is not a CIDR');
      return prefix;
    }),
  };
  return config;
}

/** The portmap plugin of a list, if it is there and is told of port mappings. */
function portmapOf(conf: Json, file: string): { portmap?: PortmapConfig } {
  const plugins = Array.isArray(conf.plugins) ? conf.plugins.filter(isObject) : [];
  const portmap = plugins.find((plugin) => plugin.type === 'portmap');
  if (portmap === undefined || booleanAt(objectAt(portmap, 'capabilities', file), 'portMappings', file) !== true)
    return {};
  const bit = numberAt(portmap, 'markMasqBit', file) ?? 13;
  if (bit < 0 || bit > 31) throw new CniConfigError(`${file}: markMasqBit`, 'must be between 0 and 31');
  return {
    portmap: {
      network: stringAt(conf, 'name', file) ?? '',
      snat: booleanAt(portmap, 'snat', file) ?? true,
      markMasqBit: bit,
    },
  };
}

type BridgeOptions = Pick<CniConfig, 'bridge' | 'hairpinMode' | 'promiscMode' | 'mtu'>;

function bridgeOptions(conf: Json, file: string, defaults: BridgeOptions): BridgeOptions {
  const mtu = numberAt(conf, 'mtu', file) ?? defaults.mtu;
  return {
    bridge: stringAt(conf, 'bridge', file) ?? defaults.bridge,
    hairpinMode: booleanAt(conf, 'hairpinMode', file) ?? defaults.hairpinMode,
    promiscMode: booleanAt(conf, 'promiscMode', file) ?? defaults.promiscMode,
    ...(mtu !== undefined && mtu > 0 && { mtu }),
  };
}

function parseObject(text: string, file: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CniConfigError(file, error instanceof Error ? error.message : 'is not JSON');
  }
  if (!isObject(value)) throw new CniConfigError(file, 'is not a JSON object');
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectAt(conf: Json, field: string, where: string): Json {
  const value = conf[field];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new CniConfigError(`${where}: ${field}`, 'is not an object');
  return value;
}

function stringAt(conf: Json, field: string, where: string): string | undefined {
  const value = conf[field];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new CniConfigError(`${where}: ${field}`, 'is not a string');
  return value;
}

function numberAt(conf: Json, field: string, where: string): number | undefined {
  const value = conf[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new CniConfigError(`${where}: ${field}`, 'is not a whole number');
  }
  return value;
}

function booleanAt(conf: Json, field: string, where: string): boolean | undefined {
  const value = conf[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw new CniConfigError(`${where}: ${field}`, 'is not true or false');
  return value;
}
