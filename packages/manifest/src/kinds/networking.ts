import { dns1123SubdomainProblems, wildcardSubdomainProblems } from '../labels.ts';
import type { KubeObject, LabelSelector } from '../objects.ts';
import { checkCidr, isStrictSubnet, parseCidr, parseIp } from '../validate/address.ts';
import { type Causes, type FieldPath, SPEC } from '../validate/cause.ts';
import {
  labelName,
  PROTOCOLS,
  subdomainName,
  validateLabelSelector,
  validateMetadata,
  validatePortNumber,
  validatePortNumberOrName,
} from '../validate/common.ts';

export interface IngressBackend {
  service?: { name: string; port?: { name?: string; number?: number } };
  resource?: { apiGroup?: string; kind: string; name: string };
}
export interface Ingress extends KubeObject {
  spec: {
    ingressClassName?: string;
    defaultBackend?: IngressBackend;
    tls?: { hosts?: string[]; secretName?: string }[];
    rules?: {
      host?: string;
      http?: { paths: { path?: string; pathType?: string | null; backend: IngressBackend }[] | null };
    }[];
  };
  status?: { loadBalancer?: { ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] } };
}
export interface IngressClass extends KubeObject {
  spec: {
    controller?: string;
    parameters?: { apiGroup?: string; kind: string; name: string; scope?: string; namespace?: string };
  };
}
interface PolicyPort {
  protocol?: string;
  port?: number | string;
  endPort?: number;
}
interface PolicyPeer {
  podSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  ipBlock?: { cidr: string; except?: string[] };
}
export interface NetworkPolicy extends KubeObject {
  spec: {
    podSelector?: LabelSelector;
    ingress?: { ports?: PolicyPort[]; from?: PolicyPeer[] }[];
    egress?: { ports?: PolicyPort[]; to?: PolicyPeer[] }[];
    policyTypes?: string[];
  };
}

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** ValidateIngressCreate. */
export function validateIngress({ metadata, spec }: Ingress, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  const rules = spec.rules ?? [];
  if (rules.length === 0 && spec.defaultBackend === undefined) {
    causes.invalid(SPEC, null, 'either `defaultBackend` or `rules` must be specified');
  }
  if (spec.defaultBackend !== undefined) validateBackend(spec.defaultBackend, SPEC.child('defaultBackend'), causes);
  rules.forEach(({ host = '', http }, i) => {
    const at = SPEC.child('rules').index(i);
    if (host !== '') {
      if (parseIp(host) !== undefined) causes.invalid(at.child('host'), host, 'must be a DNS name, not an IP address');
      else causes.invalidEach(at.child('host'), host, hostProblems(host));
    }
    if (http === undefined) return;
    const paths = at.child('http').child('paths');
    if ((http.paths ?? []).length === 0) causes.required(paths);
    http.paths?.forEach((path, j) => {
      validatePath(path, paths.index(j), causes);
    });
  });
  spec.tls?.forEach(({ hosts = [], secretName = '' }, i) => {
    const at = SPEC.child('tls').index(i);
    hosts.forEach((host, j) => {
      causes.invalidEach(at.child('hosts').index(j), host, hostProblems(host));
    });
    if (secretName !== '') causes.invalidEach(at.child('secretName'), secretName, dns1123SubdomainProblems(secretName));
  });
  if (spec.ingressClassName !== undefined) {
    causes.invalidEach(
      SPEC.child('ingressClassName'),
      spec.ingressClassName,
      dns1123SubdomainProblems(spec.ingressClassName),
    );
    const annotated = metadata.annotations?.[CLASS_ANNOTATION];
    if (annotated !== undefined && annotated !== spec.ingressClassName) {
      causes.invalid(
        SPEC.child('ingressClassName'),
        spec.ingressClassName,
        'can not be set when the class field is also set',
      );
    }
  }
}

function hostProblems(host: string): string[] {
  return host.includes('*') ? wildcardSubdomainProblems(host) : dns1123SubdomainProblems(host);
}

type HttpPath = { path?: string; pathType?: string | null; backend: IngressBackend };

function validatePath({ path = '', pathType, backend }: HttpPath, at: FieldPath, causes: Causes): void {
  if (pathType === null || pathType === undefined) {
    causes.required(at.child('pathType'), 'pathType must be specified');
    return;
  }
  switch (pathType) {
    case 'Exact':
    case 'Prefix':
      if (!path.startsWith('/')) causes.invalid(at.child('path'), path, 'must be an absolute path');
      for (const token of ['//', '/./', '/../', '%2f', '%2F']) {
        if (path.includes(token)) causes.invalid(at.child('path'), path, `must not contain '${token}'`);
      }
      for (const token of ['/..', '/.']) {
        if (path.endsWith(token)) causes.invalid(at.child('path'), path, `cannot end with '${token}'`);
      }
      break;
    case 'ImplementationSpecific':
      if (path !== '' && !path.startsWith('/')) causes.invalid(at.child('path'), path, 'must be an absolute path');
      break;
    default:
      causes.unsupported(at.child('pathType'), pathType, PATH_TYPES);
  }
  validateBackend(backend, at.child('backend'), causes);
}

function validateBackend({ service, resource }: IngressBackend, at: FieldPath, causes: Causes): void {
  if (service !== undefined && resource !== undefined) {
    causes.invalid(at, '', 'cannot set both resource and service backends');
    return;
  }
  if (resource !== undefined) {
    if (resource.kind === '') causes.required(at.child('resource').child('kind'));
    if (resource.name === '') causes.required(at.child('resource').child('name'));
    return;
  }
  if (service === undefined) {
    causes.invalid(at, '', 'resource or service backend is required');
    return;
  }
  const name = at.child('service').child('name');
  if (service.name === '') causes.required(name);
  else causes.invalidEach(name, service.name, labelName(service.name));
  const { name: portName = '', number = 0 } = service.port ?? {};
  const port = at.child('service').child('port');
  if (portName !== '' && number !== 0) causes.invalid(at, '', 'cannot set both port name & port number');
  else if (portName !== '') validatePortNumberOrName(causes, port.child('name'), portName);
  else if (number !== 0) validatePortNumber(causes, port.child('number'), number);
  else causes.required(at, 'port name or number is required');
}

export function defaultIngressClass({ spec }: IngressClass): void {
  if (spec.parameters !== undefined) spec.parameters.scope ??= 'Cluster';
}

export function validateIngressClass({ metadata, spec }: IngressClass, causes: Causes): void {
  validateMetadata(causes, metadata, false, subdomainName);
  const controller = spec.controller ?? '';
  const at = SPEC.child('controller');
  if (controller === '') causes.required(at);
  else {
    if (controller.length > 250) causes.tooLong(at, 250);
    const slash = controller.indexOf('/');
    const prefix = controller.slice(0, Math.max(slash, 0));
    const path = controller.slice(slash + 1);
    if (slash <= 0 || path === '')
      causes.invalid(at, controller, 'must be a domain-prefixed path (such as "acme.io/foo")');
    else {
      causes.invalidEach(at, prefix, dns1123SubdomainProblems(prefix));
      if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path)) causes.invalid(at, path, 'Invalid path');
    }
  }
  const { parameters } = spec;
  if (parameters === undefined) return;
  const here = SPEC.child('parameters');
  if (parameters.kind === '') causes.required(here.child('kind'), 'kind is required');
  if (parameters.name === '') causes.required(here.child('name'), 'name is required');
  const namespace = parameters.namespace ?? '';
  if (parameters.scope === 'Namespace') {
    if (namespace === '') causes.required(here.child('namespace'), "`parameters.scope` is set to 'Namespace'");
    else causes.invalidEach(here.child('namespace'), namespace, labelName(namespace));
  } else if (parameters.scope === 'Cluster') {
    if (parameters.namespace !== undefined)
      causes.forbidden(here.child('namespace'), "`parameters.scope` is set to 'Cluster'");
  } else causes.oneOf(here.child('scope'), parameters.scope, ['Cluster', 'Namespace']);
}

export function defaultNetworkPolicy({ spec }: NetworkPolicy): void {
  for (const { ports = [] } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const port of ports) port.protocol ??= 'TCP';
  }
  spec.policyTypes ??= (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

export function validateNetworkPolicy({ metadata, spec }: NetworkPolicy, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  validateLabelSelector(causes, SPEC.child('podSelector'), spec.podSelector);
  spec.ingress?.forEach(({ ports, from }, i) => {
    const at = SPEC.child('ingress').index(i);
    validatePolicyPorts(ports, at.child('ports'), causes);
    validatePeers(from, at.child('from'), causes);
  });
  spec.egress?.forEach(({ ports, to }, i) => {
    const at = SPEC.child('egress').index(i);
    validatePolicyPorts(ports, at.child('ports'), causes);
    validatePeers(to, at.child('to'), causes);
  });
  const types = spec.policyTypes ?? [];
  const at = SPEC.child('policyTypes');
  if (types.length > 2) {
    causes.invalid(at, types, 'may not specify more than two policyTypes');
    return;
  }
  types.forEach((type, i) => {
    if (type !== 'Ingress' && type !== 'Egress') causes.unsupported(at.index(i), type, ['Ingress', 'Egress']);
  });
}

function validatePolicyPorts(ports: readonly PolicyPort[] = [], at: FieldPath, causes: Causes): void {
  ports.forEach(({ protocol, port, endPort }, i) => {
    const here = at.index(i);
    if (protocol !== undefined && !PROTOCOLS.includes(protocol))
      causes.unsupported(here.child('protocol'), protocol, PROTOCOLS);
    if (port !== undefined) validatePortNumberOrName(causes, here.child('port'), port);
    if (endPort === undefined) return;
    if (port === undefined) causes.required(here.child('port'), 'must be specified when `endPort` is specified');
    else if (typeof port === 'string')
      causes.invalid(here.child('endPort'), endPort, 'may not be specified when `port` is non-numeric');
    else if (endPort < port) causes.invalid(here.child('endPort'), endPort, 'must be greater than or equal to `port`');
    validatePortNumber(causes, here.child('endPort'), endPort);
  });
}

function validatePeers(peers: readonly PolicyPeer[] = [], at: FieldPath, causes: Causes): void {
  peers.forEach(({ podSelector, namespaceSelector, ipBlock }, i) => {
    const here = at.index(i);
    if (podSelector !== undefined) validateLabelSelector(causes, here.child('podSelector'), podSelector);
    if (namespaceSelector !== undefined)
      validateLabelSelector(causes, here.child('namespaceSelector'), namespaceSelector);
    if (ipBlock === undefined) {
      if (podSelector === undefined && namespaceSelector === undefined) causes.required(here, 'must specify a peer');
      return;
    }
    if (podSelector !== undefined || namespaceSelector !== undefined) {
      causes.forbidden(here, 'may not specify both ipBlock and another peer');
    }
    validateIpBlock(ipBlock, here.child('ipBlock'), causes);
  });
}

function validateIpBlock(
  { cidr, except = [] }: { cidr: string; except?: string[] },
  at: FieldPath,
  causes: Causes,
): void {
  if (cidr === '') {
    causes.required(at.child('cidr'));
    return;
  }
  const outer = checkCidr(causes, at.child('cidr'), cidr);
  if (outer === undefined) return;
  except.forEach((text, i) => {
    const here = at.child('except').index(i);
    checkCidr(causes, here, text);
    const inner = parseCidr(text);
    if (inner !== undefined && !isStrictSubnet(inner, outer))
      causes.invalid(here, text, 'must be a strict subset of `cidr`');
  });
}
