import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../labels.ts';
import type { Endpoint, EndpointAddress, EndpointSlice, Endpoints } from '../objects.ts';
import { checkIp, checkNonSpecialIp } from '../validate/address.ts';
import { type Causes, FieldPath } from '../validate/cause.ts';
import { PROTOCOLS, subdomainName, validateLabels, validateMetadata, validatePortNumber } from '../validate/common.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type SubsetPort = NonNullable<Subset['ports']>[number];

/** SetDefaults_Endpoints. */
export function defaultEndpoints({ subsets = [] }: Endpoints): void {
  for (const { ports = [] } of subsets) {
    for (const port of ports) if ((port.protocol ?? '') === '') port.protocol = 'TCP';
  }
}

/** ValidateEndpoints of core/validation. */
export function validateEndpoints(endpoints: Endpoints, causes: Causes): void {
  validateMetadata(causes, endpoints.metadata, true, subdomainName);
  const root = new FieldPath(undefined, 'subsets');
  endpoints.subsets?.forEach(({ addresses = [], notReadyAddresses = [], ports = [] }, i) => {
    const at = root.index(i);
    if (addresses.length === 0 && notReadyAddresses.length === 0) {
      causes.required(at, 'must specify `addresses` or `notReadyAddresses`');
    }
    addresses.forEach((address, j) => {
      validateAddress(address, at.child('addresses').index(j), causes);
    });
    notReadyAddresses.forEach((address, j) => {
      validateAddress(address, at.child('notReadyAddresses').index(j), causes);
    });
    ports.forEach((port, j) => {
      validateSubsetPort(port, ports.length > 1, at.child('ports').index(j), causes);
    });
  });
}

function validateAddress({ ip, hostname, nodeName }: EndpointAddress, at: FieldPath, causes: Causes): void {
  checkIp(causes, at.child('ip'), ip);
  if (hostname) causes.invalidEach(at.child('hostname'), hostname, dns1123LabelProblems(hostname));
  if (nodeName !== undefined) causes.invalidEach(at.child('nodeName'), nodeName, dns1123SubdomainProblems(nodeName));
  checkNonSpecialIp(causes, at.child('ip'), ip);
}

function validateSubsetPort(port: SubsetPort, requireName: boolean, at: FieldPath, causes: Causes): void {
  const name = port.name ?? '';
  if (name !== '') causes.invalidEach(at.child('name'), name, dns1123LabelProblems(name));
  else if (requireName) causes.required(at.child('name'));
  validatePortNumber(causes, at.child('port'), port.port);
  causes.oneOf(at.child('protocol'), port.protocol, PROTOCOLS);
  if (port.appProtocol !== undefined) {
    causes.invalidEach(at.child('appProtocol'), port.appProtocol, qualifiedNameProblems(port.appProtocol));
  }
}

/** SetDefaults_EndpointPort of discovery/v1. */
export function defaultEndpointSlice(slice: EndpointSlice): void {
  for (const port of slice.ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}

const LIMITS = { endpoints: 1000, addresses: 100, topology: 16, ports: 20_000, hints: 8 };

/** ValidateEndpointSlice of discovery/validation. */
export function validateEndpointSlice(slice: EndpointSlice, causes: Causes): void {
  validateMetadata(causes, slice.metadata, true, subdomainName);
  causes.oneOf(new FieldPath(undefined, 'addressType'), slice.addressType, ['FQDN', 'IPv4', 'IPv6']);
  const root = new FieldPath(undefined, 'endpoints');
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > LIMITS.endpoints) causes.tooMany(root, endpoints.length, LIMITS.endpoints);
  else {
    endpoints.forEach((endpoint, i) => {
      validateEndpoint(endpoint, slice.addressType, root.index(i), causes);
    });
  }
  validateSlicePorts(slice, causes);
}

function validateEndpoint(endpoint: Endpoint, type: EndpointSlice['addressType'], at: FieldPath, causes: Causes): void {
  const addresses = endpoint.addresses ?? [];
  const list = at.child('addresses');
  if (addresses.length === 0) causes.required(list, 'must contain at least 1 address');
  else if (addresses.length > LIMITS.addresses) causes.tooMany(list, addresses.length, LIMITS.addresses);
  addresses.forEach((address, i) => {
    validateSliceAddress(address, type, list.index(i), causes);
  });
  const { nodeName, hostname, deprecatedTopology, hints } = endpoint;
  if (nodeName !== undefined) causes.invalidEach(at.child('nodeName'), nodeName, dns1123SubdomainProblems(nodeName));
  if (deprecatedTopology !== undefined) {
    const topology = at.child('deprecatedTopology');
    const count = Object.keys(deprecatedTopology).length;
    if (count > LIMITS.topology) causes.tooMany(topology, count, LIMITS.topology);
    validateLabels(causes, topology, deprecatedTopology);
  }
  if (hostname !== undefined) causes.invalidEach(at.child('hostname'), hostname, dns1123LabelProblems(hostname));
  validateHints(hints?.forZones, at.child('hints').child('forZones'), labelValueProblems, causes);
  validateHints(hints?.forNodes, at.child('hints').child('forNodes'), dns1123SubdomainProblems, causes);
}

function validateSliceAddress(
  address: string,
  type: EndpointSlice['addressType'],
  at: FieldPath,
  causes: Causes,
): void {
  switch (type) {
    case 'IPv4':
    case 'IPv6': {
      const ip = checkIp(causes, at, address);
      if (ip === undefined) return;
      if (ip.family !== (type === 'IPv4' ? 4 : 6)) causes.invalid(at, address, `must be a valid ${type} address`);
      checkNonSpecialIp(causes, at, address);
      return;
    }
    case 'FQDN': {
      const name = address.replace(/\.$/, '');
      if (name === '') causes.required(at);
      else if (!name.includes('.'))
        causes.invalid(at, address, 'should be a domain with at least two segments separated by dots');
      else causes.invalidEach(at, address, dns1123SubdomainProblems(name));
      return;
    }
  }
}

function validateHints(
  hints: readonly { name: string }[] | undefined,
  at: FieldPath,
  check: (name: string) => readonly string[],
  causes: Causes,
): void {
  if (hints === undefined) return;
  if (hints.length > LIMITS.hints) {
    causes.tooMany(at, hints.length, LIMITS.hints);
    return;
  }
  hints.forEach(({ name }, i) => {
    const here = at.index(i).child('name');
    if (hints.findIndex((hint) => hint.name === name) < i) causes.duplicate(here, name);
    causes.invalidEach(here, name, check(name));
  });
}

function validateSlicePorts({ ports }: EndpointSlice, causes: Causes): void {
  if (ports === null || ports === undefined) return;
  const root = new FieldPath(undefined, 'ports');
  if (ports.length > LIMITS.ports) {
    causes.tooMany(root, ports.length, LIMITS.ports);
    return;
  }
  const names = new Set<string>();
  ports.forEach(({ name = '', protocol, appProtocol }, i) => {
    const at = root.index(i);
    if (name !== '') causes.invalidEach(at.child('name'), name, dns1123LabelProblems(name));
    if (names.has(name)) causes.duplicate(at.child('name'), name);
    names.add(name);
    causes.oneOf(at.child('protocol'), protocol, PROTOCOLS);
    if (appProtocol !== undefined)
      causes.invalidEach(at.child('appProtocol'), appProtocol, qualifiedNameProblems(appProtocol));
  });
}
