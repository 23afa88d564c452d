import { dns1123LabelProblems, dns1123SubdomainProblems, qualifiedNameProblems } from '../labels.ts';
import type { Service, ServicePort, ServiceSpec } from '../objects.ts';
import { checkCidr, checkIp, checkNonSpecialIp, contains, parseCidr, parseIp } from '../validate/address.ts';
import { type Causes, type FieldPath, METADATA, SPEC } from '../validate/cause.ts';
import {
  labelName,
  PROTOCOLS,
  validateLabels,
  validateMetadata,
  validatePortNumber,
  validatePortNumberOrName,
} from '../validate/common.ts';

type Family = 'IPv4' | 'IPv6';

/** Seconds that `sessionAffinity: ClientIP` lasts where nothing is said. */
const AFFINITY_TIMEOUT = 10_800;

/** SetDefaults_Service of core/v1, and the pairing of clusterIP with clusterIPs. What depends on the cluster is left open. */
export function defaultService(service: Service): void {
  const { spec } = service;
  spec.sessionAffinity ??= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_TIMEOUT } };
  }
  spec.type ??= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    if ((port.protocol ?? '') === '') port.protocol = 'TCP';
    if (port.targetPort === 0 || port.targetPort === '' || port.targetPort === undefined) port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'ClusterIP' || spec.type === 'NodePort' || spec.type === 'LoadBalancer') {
    spec.internalTrafficPolicy ??= 'Cluster';
  }
  if (spec.type === 'LoadBalancer') {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of service.status?.loadBalancer?.ingress ?? []) {
      if (ingress.ip !== undefined) ingress.ipMode ??= 'VIP';
    }
  }
  if (spec.clusterIP !== undefined && spec.clusterIPs === undefined && spec.type !== 'ExternalName') {
    spec.clusterIPs = [spec.clusterIP];
  }
}

/**
 * Sets `ipFamilies` and `ipFamilyPolicy` as the server does when it allocates, for a cluster whose service ranges have
 * the given families (the first is the default). Returns what the cluster refuses.
 */
export function completeServiceFamilies(spec: ServiceSpec, cluster: readonly Family[], causes: Causes): void {
  if (spec.type === 'ExternalName') return;
  const families = spec.ipFamilies ?? [];
  const ips = spec.clusterIPs ?? [];
  const headless = ips[0] === 'None';
  const open = headless && Object.keys(spec.selector ?? {}).length === 0;
  const dual = families.length === 2 || ips.length === 2;
  // Nobody but the owner of the endpoints knows their families: without a selector both are allowed.
  const policy = spec.ipFamilyPolicy ?? (open ? 'RequireDualStack' : 'SingleStack');
  const refusedBefore = causes.list.length;
  if (policy === 'SingleStack' && dual) {
    const many = ips.length === 2 ? 'clusterIPs' : 'ipFamilies';
    causes.invalid(
      SPEC.child('ipFamilyPolicy'),
      policy,
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${many} are specified`,
    );
  }
  if (!headless) {
    ips.forEach((ip, i) => {
      const family = parseIp(ip)?.family === 6 ? 'IPv6' : 'IPv4';
      if (i < families.length) return;
      if (cluster.includes(family)) families.push(family);
      else causes.invalid(SPEC.child('clusterIPs').index(i), ips, `${family} is not configured on this cluster`);
    });
  }
  if (causes.list.length > refusedBefore) return;
  const other = (family: Family): Family => (family === 'IPv4' ? 'IPv6' : 'IPv4');
  if (!open) {
    if (policy === 'RequireDualStack' && cluster.length < 2) {
      causes.invalid(SPEC.child('ipFamilyPolicy'), policy, 'this cluster is not configured for dual-stack services');
    }
    families.forEach((family, i) => {
      if (!cluster.includes(family))
        causes.invalid(SPEC.child('ipFamilies').index(i), family, 'not configured on this cluster');
    });
  }
  if (families.length === 0) families.push(cluster[0]!);
  if (policy !== 'SingleStack' && families.length === 1 && (open || cluster.length === 2))
    families.push(other(families[0]!));
  spec.ipFamilyPolicy = policy;
  spec.ipFamilies = families;
}

/** Fixed addresses must lie in one of the cluster's service ranges. */
export function checkClusterIPRanges(spec: ServiceSpec, ranges: readonly string[], causes: Causes): void {
  const ips = spec.clusterIPs ?? [];
  if (spec.type === 'ExternalName' || ips[0] === 'None') return;
  const cidrs = ranges.map((range) => parseCidr(range));
  for (const ip of ips) {
    const parsed = parseIp(ip);
    if (parsed === undefined || cidrs.some((cidr) => cidr !== undefined && contains(cidr, parsed))) continue;
    const detail = `failed to allocate IP ${ip}: the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${ranges.join(', ')}`;
    causes.invalid(SPEC.child('clusterIPs'), ips, detail);
  }
}

/** Whether traffic may come from outside the cluster: NodePort, LoadBalancer, or a ClusterIP with externalIPs. */
export function isExternallyAccessible(spec: ServiceSpec): boolean {
  return (
    spec.type === 'LoadBalancer' ||
    spec.type === 'NodePort' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0)
  );
}

const KUBELET_PORT = 10_250;

/** ValidateService of core/validation. */
export function validateService(service: Service, causes: Causes): void {
  const { spec } = service;
  const ports = spec.ports ?? [];
  validateMetadata(causes, service.metadata, true, labelName);
  const headless = spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
  if (ports.length === 0 && !headless && spec.type !== 'ExternalName') causes.required(SPEC.child('ports'));
  validateByType(spec, headless, causes);
  const names = new Set<string>();
  ports.forEach((port, i) => {
    validatePort(port, ports.length > 1, names, SPEC.child('ports').index(i), causes);
  });
  if (spec.selector) validateLabels(causes, SPEC.child('selector'), spec.selector);
  validateAffinity(spec, causes);
  causes.whileAllocating(() => validateClusterIPs(spec, headless, causes));
  spec.externalIPs?.forEach((ip, i) => {
    const at = SPEC.child('externalIPs').index(i);
    if (checkIp(causes, at, ip) !== undefined) checkNonSpecialIp(causes, at, ip);
  });
  causes.oneOf(SPEC.child('type'), spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']);
  validatePortUniqueness(spec, causes);
  validateSourceRanges(service, causes);
  validateLoadBalancerFields(spec, causes);
  validateTrafficPolicies(spec, causes);
}

function validateByType(spec: ServiceSpec, headless: boolean, causes: Causes): void {
  switch (spec.type) {
    case 'LoadBalancer':
      spec.ports?.forEach(({ port }, i) => {
        if (port === KUBELET_PORT) {
          causes.invalid(
            SPEC.child('ports').index(i),
            port,
            `may not expose port ${KUBELET_PORT} externally since it is used by kubelet`,
          );
        }
      });
      if (headless)
        causes.invalid(SPEC.child('clusterIPs').index(0), 'None', "may not be set to 'None' for LoadBalancer services");
      return;
    case 'NodePort':
      if (headless)
        causes.invalid(SPEC.child('clusterIPs').index(0), 'None', "may not be set to 'None' for NodePort services");
      return;
    case 'ExternalName': {
      const detail = 'may not be set for ExternalName services';
      if ((spec.clusterIPs?.length ?? 0) > 0 || spec.clusterIP !== undefined)
        causes.forbidden(SPEC.child('clusterIPs'), detail);
      if ((spec.ipFamilies?.length ?? 0) > 0) causes.forbidden(SPEC.child('ipFamilies'), detail);
      if (spec.ipFamilyPolicy !== undefined) causes.forbidden(SPEC.child('ipFamilyPolicy'), detail);
      const name = (spec.externalName ?? '').replace(/\.$/, '');
      if (name === '') causes.required(SPEC.child('externalName'));
      else causes.invalidEach(SPEC.child('externalName'), name, dns1123SubdomainProblems(name));
      return;
    }
    case 'ClusterIP':
      spec.ports?.forEach(({ nodePort }, i) => {
        if ((nodePort ?? 0) !== 0) {
          causes.forbidden(
            SPEC.child('ports').index(i).child('nodePort'),
            "may not be used when `type` is 'ClusterIP'",
          );
        }
      });
      return;
    case undefined:
      return;
  }
}

function validatePort(
  port: ServicePort,
  requireName: boolean,
  names: Set<string>,
  at: FieldPath,
  causes: Causes,
): void {
  const name = port.name ?? '';
  if (requireName && name === '') causes.required(at.child('name'));
  else if (name !== '') {
    causes.invalidEach(at.child('name'), name, dns1123LabelProblems(name));
    if (names.has(name)) causes.duplicate(at.child('name'), name);
    names.add(name);
  }
  validatePortNumber(causes, at.child('port'), port.port);
  causes.oneOf(at.child('protocol'), port.protocol, PROTOCOLS);
  validatePortNumberOrName(causes, at.child('targetPort'), port.targetPort ?? 0);
  if (port.appProtocol !== undefined) {
    causes.invalidEach(at.child('appProtocol'), port.appProtocol, qualifiedNameProblems(port.appProtocol));
  }
}

function validateAffinity(spec: ServiceSpec, causes: Causes): void {
  causes.oneOf(SPEC.child('sessionAffinity'), spec.sessionAffinity, ['ClientIP', 'None']);
  const at = SPEC.child('sessionAffinityConfig');
  if (spec.sessionAffinity === 'ClientIP') {
    const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
    if (seconds === undefined) causes.required(at, 'when session affinity type is ClientIP');
    else if (seconds <= 0 || seconds > 86_400) {
      causes.invalid(
        at.child('clientIP').child('timeoutSeconds'),
        seconds,
        'must be greater than 0 and less than 86400',
      );
    }
  } else if (spec.sessionAffinity === 'None' && spec.sessionAffinityConfig !== undefined) {
    causes.forbidden(at, 'must not be set when session affinity is None');
  }
}

/** ValidateServiceClusterIPsRelatedFields. */
function validateClusterIPs(spec: ServiceSpec, headless: boolean, causes: Causes): void {
  if (spec.type === 'ExternalName') return;
  const ips = spec.clusterIPs ?? [];
  const at = SPEC.child('clusterIPs');
  if (spec.clusterIP === undefined) {
    if (ips.length > 0) causes.invalid(at, ips, 'must be empty when `clusterIP` is not specified');
  } else if (ips[0] !== spec.clusterIP) causes.invalid(at, ips, 'first value must match `clusterIP`');
  const families = spec.ipFamilies ?? [];
  let familiesRight = true;
  families.forEach((family, i) => {
    const here = SPEC.child('ipFamilies').index(i);
    if (family !== 'IPv4' && family !== 'IPv6') {
      causes.unsupported(here, family, ['IPv4', 'IPv6']);
      familiesRight = false;
    } else if (families.indexOf(family) < i) causes.duplicate(here, family);
  });
  if (families.length > 2) causes.tooMany(SPEC.child('ipFamilies'), families.length, 2);
  if (spec.ipFamilyPolicy !== undefined) {
    causes.oneOf(SPEC.child('ipFamilyPolicy'), spec.ipFamilyPolicy, [
      'PreferDualStack',
      'RequireDualStack',
      'SingleStack',
    ]);
  }
  let ipsRight = true;
  ips.forEach((ip, i) => {
    if (i === 0 && ip === 'None') {
      if (ips.length > 1) {
        ipsRight = false;
        causes.invalid(at, ips, "'None' must be the first and only value");
      }
    } else if (checkIp(causes, at.index(i), ip) === undefined) ipsRight = false;
  });
  if (ips.length > 2) causes.invalid(at, ips, 'may only hold up to 2 values');
  if (!ipsRight || headless) return;
  const familyOf = ips.map((ip) => (parseIp(ip)?.family === 6 ? 'IPv6' : 'IPv4'));
  if (ips.length === 2 && familyOf[0] === familyOf[1]) {
    causes.invalid(at, ips, 'may specify no more than one IP for each IP family');
  }
  if (!familiesRight) return;
  familyOf.forEach((family, i) => {
    if (families[i] !== undefined && families[i] !== family) {
      causes.invalid(at.index(i), ips[i], `expected an ${families[i]} value as indicated by \`ipFamilies[${i}]\``);
    }
  });
}

function validatePortUniqueness(spec: ServiceSpec, causes: Causes): void {
  const ports = spec.ports ?? [];
  const nodePorts = new Set<string>();
  const seen = new Set<string>();
  ports.forEach((each, i) => {
    const { port, protocol } = each;
    const at = SPEC.child('ports').index(i);
    const nodePort = nodePortKey(spec, each);
    if (nodePort !== undefined) {
      const key = `${protocol}/${nodePort}`;
      if (nodePorts.has(key)) causes.duplicate(at.child('nodePort'), each.nodePort ?? 0);
      nodePorts.add(key);
    }
    const key = `${protocol}/${port}`;
    if (seen.has(key)) causes.duplicate(at, { port, protocol });
    seen.add(key);
  });
}

/** Stands for the node port that a port has or will get: ports of one number share theirs. */
function nodePortKey(
  { type, allocateLoadBalancerNodePorts, ports = [] }: ServiceSpec,
  { port, nodePort }: ServicePort,
): string | undefined {
  if ((nodePort ?? 0) !== 0) return String(nodePort);
  if (type !== 'NodePort' && !(type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false)) return undefined;
  const asked = ports.find((other) => other.port === port && (other.nodePort ?? 0) !== 0);
  return asked === undefined ? `of ${port}` : String(asked.nodePort);
}

const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';

function validateSourceRanges({ metadata, spec }: Service, causes: Causes): void {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const annotation = metadata.annotations?.[SOURCE_RANGES];
  const detail = "may only be used when `type` is 'LoadBalancer'";
  if (ranges.length > 0) {
    // The server spells the field so in its messages.
    const at = SPEC.child('loadBalancerSourceRanges').shownAs('spec.LoadBalancerSourceRanges');
    if (spec.type !== 'LoadBalancer') causes.forbidden(at, detail);
    ranges.forEach((range, i) => {
      checkCidr(causes, at.index(i), range.trim());
    });
  } else if (annotation !== undefined) {
    const at = METADATA.child('annotations').key(SOURCE_RANGES);
    if (spec.type !== 'LoadBalancer') causes.forbidden(at, detail);
    if (annotation.trim() !== '') for (const range of annotation.trim().split(',')) checkCidr(causes, at, range.trim());
  }
}

function validateLoadBalancerFields(spec: ServiceSpec, causes: Causes): void {
  const detail = "may only be used when `type` is 'LoadBalancer'";
  if (spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts !== undefined)
      causes.forbidden(SPEC.child('allocateLoadBalancerNodePorts'), detail);
    if (spec.loadBalancerClass !== undefined) causes.forbidden(SPEC.child('loadBalancerClass'), detail);
  } else if (spec.loadBalancerClass !== undefined) {
    causes.invalidEach(
      SPEC.child('loadBalancerClass'),
      spec.loadBalancerClass,
      qualifiedNameProblems(spec.loadBalancerClass),
    );
  }
}

function validateTrafficPolicies(spec: ServiceSpec, causes: Causes): void {
  const external = SPEC.child('externalTrafficPolicy');
  if (isExternallyAccessible(spec)) causes.oneOf(external, spec.externalTrafficPolicy, ['Cluster', 'Local']);
  else if (spec.externalTrafficPolicy !== undefined) {
    causes.invalid(external, spec.externalTrafficPolicy, 'may only be set for externally-accessible services');
  }
  const health = spec.healthCheckNodePort ?? 0;
  if (health !== 0) {
    const at = SPEC.child('healthCheckNodePort');
    if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local') validatePortNumber(causes, at, health);
    else
      causes.invalid(
        at,
        health,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      );
  }
  if (
    spec.type === 'ClusterIP' ||
    spec.type === 'NodePort' ||
    spec.type === 'LoadBalancer' ||
    spec.internalTrafficPolicy !== undefined
  ) {
    causes.oneOf(SPEC.child('internalTrafficPolicy'), spec.internalTrafficPolicy, ['Cluster', 'Local']);
  }
  if (spec.trafficDistribution !== undefined) {
    const supported = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
    if (!supported.includes(spec.trafficDistribution)) {
      causes.unsupported(SPEC.child('trafficDistribution'), spec.trafficDistribution, supported);
    }
  }
}
