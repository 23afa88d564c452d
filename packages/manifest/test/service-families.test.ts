import { expect, test } from 'vitest';
import { Causes, checkClusterIPRanges, completeServiceFamilies, type ServiceSpec } from '../src/index.ts';

type Row = readonly [
  title: string,
  spec: ServiceSpec,
  cluster: readonly ('IPv4' | 'IPv6')[],
  policy: ServiceSpec['ipFamilyPolicy'],
  families: ServiceSpec['ipFamilies'],
];
const selector = { app: 'kubia' };
const none = { clusterIP: 'None', clusterIPs: ['None'] };

const rows: readonly Row[] = [
  ['nothing said', { selector }, ['IPv4'], 'SingleStack', ['IPv4']],
  ['nothing said, IPv6 first', { selector }, ['IPv6', 'IPv4'], 'SingleStack', ['IPv6']],
  ['dual stack preferred, one family', { ipFamilyPolicy: 'PreferDualStack' }, ['IPv4'], 'PreferDualStack', ['IPv4']],
  [
    'dual stack preferred, two',
    { ipFamilyPolicy: 'PreferDualStack' },
    ['IPv4', 'IPv6'],
    'PreferDualStack',
    ['IPv4', 'IPv6'],
  ],
  ['an IPv6 address', { clusterIPs: ['fd00::1'] }, ['IPv4', 'IPv6'], 'SingleStack', ['IPv6']],
  ['headless with a selector', { ...none, selector }, ['IPv4'], 'SingleStack', ['IPv4']],
  ['headless without a selector', { ...none }, ['IPv4'], 'RequireDualStack', ['IPv4', 'IPv6']],
  ['an external name', { type: 'ExternalName' }, ['IPv4'], undefined, undefined],
];

test.each(rows)('families of a service with %s', (_, spec, cluster, policy, families) => {
  const causes = new Causes();
  const completed = { ...spec };
  completeServiceFamilies(completed, cluster, causes);
  expect(causes.list).toEqual([]);
  expect([completed.ipFamilyPolicy, completed.ipFamilies]).toEqual([policy, families]);
});

test.each<readonly [string, ServiceSpec, string]>([
  ['dual stack where the cluster has one family', { ipFamilyPolicy: 'RequireDualStack' }, 'spec.ipFamilyPolicy'],
  ['a family that the cluster lacks', { ipFamilies: ['IPv6'] }, 'spec.ipFamilies[0]'],
  ['an address of a family that the cluster lacks', { clusterIPs: ['fd00::1'] }, 'spec.clusterIPs[0]'],
  ['two families without a policy', { ipFamilies: ['IPv4', 'IPv6'] }, 'spec.ipFamilyPolicy'],
])('%s is refused', (_, spec, field) => {
  const causes = new Causes();
  completeServiceFamilies({ ...spec }, ['IPv4'], causes);
  expect(causes.list.map((cause) => cause.field)).toEqual([field]);
});

test.each<readonly [string, boolean]>([
  ['10.96.0.10', true],
  ['10.112.0.1', false],
  ['fd00:10:96::a', true],
  ['fd00:11::1', false],
  ['None', true],
])('the address %s is in the service ranges: %s', (ip, inside) => {
  const causes = new Causes();
  checkClusterIPRanges({ clusterIPs: [ip] }, ['10.96.0.0/12', 'fd00:10:96::/112'], causes);
  expect(causes.list.length === 0).toBe(inside);
});
