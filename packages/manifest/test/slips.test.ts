import { expect, test } from 'vitest';
import { formatFinding, loadManifests } from '../src/index.ts';

/** A mistake as people make it, and what the user reads. */
interface Slip {
  readonly title: string;
  readonly text: string;
  readonly says: readonly string[];
}

const object = (apiVersion: string, kind: string, rest: string) =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: kubia\n${rest}`;
const indent = (text: string, by: number) => text.replace(/^/gm, ' '.repeat(by));
const service = (spec: string) => object('v1', 'Service', `spec:\n${indent(spec, 2)}\n`);
const pod = (container: string) =>
  object('v1', 'Pod', `spec:\n  containers:\n  - name: kubia\n    image: luksa/kubia\n${indent(container, 4)}\n`);
const deployment = (spec: string, apiVersion = 'apps/v1') =>
  object(apiVersion, 'Deployment', `spec:\n${indent(spec, 2)}\n`);
const template =
  'template:\n  metadata:\n    labels:\n      app: kubia\n  spec:\n    containers:\n    - name: a\n      image: b';

const slips: readonly Slip[] = [
  {
    title: 'a field in the wrong case',
    text: service('selector:\n  app: kubia\nports:\n- port: 80\n  targetport: 8080'),
    says: [
      'error: a.yaml:10:5: service "default/kubia": unknown field "spec.ports[0].targetport" (did you mean "targetPort"?)',
    ],
  },
  {
    title: 'a misspelt selector',
    text: service('selectors:\n  app: kubia\nports:\n- port: 80'),
    says: ['error: a.yaml:6:3: service "default/kubia": unknown field "spec.selectors" (did you mean "selector"?)'],
  },
  {
    title: 'a misspelt field that is needed: told once',
    text: service('prots:\n- port: 80'),
    says: ['error: a.yaml:6:3: service "default/kubia": unknown field "spec.prots" (did you mean "ports"?)'],
  },
  {
    title: 'a key one level too high',
    text: service('selector:\n  app: kubia\nport: 80'),
    says: ['error: a.yaml:8:3: service "default/kubia": unknown field "spec.port" ("port" belongs under spec.ports[])'],
  },
  {
    title: 'containerPort one level too high',
    text: pod('containerPort: 8080'),
    says: [
      'error: a.yaml:9:5: pod "default/kubia": unknown field "spec.containers[0].containerPort" ("containerPort" belongs under spec.containers[].ports[])',
    ],
  },
  {
    title: 'a key one level too low',
    text: object('v1', 'Service', '  type: NodePort\nspec:\n  ports:\n  - port: 80\n'),
    says: ['error: a.yaml:5:3: service "default/kubia": unknown field "metadata.type" ("type" belongs under spec)'],
  },
  {
    title: "a container's field in the pod",
    text: object('v1', 'Pod', 'spec:\n  containers:\n  - name: a\n    image: b\n  ports:\n  - containerPort: 8080\n'),
    says: [
      'error: a.yaml:9:3: pod "default/kubia": unknown field "spec.ports" ("ports" belongs under spec.containers[])',
    ],
  },
  {
    title: 'labels beside metadata',
    text: object('v1', 'Pod', 'labels:\n  app: kubia\nspec:\n  containers:\n  - name: a\n    image: b\n'),
    says: ['error: a.yaml:5:1: pod "default/kubia": unknown field "labels" ("labels" belongs under metadata)'],
  },
  {
    title: 'a selector without matchLabels',
    text: deployment(`selector:\n  app: kubia\n${template}`),
    says: [
      'error: a.yaml:7:5: deployment "default/kubia": unknown field "spec.selector.app" ("app" belongs under spec.selector.matchLabels)',
    ],
  },
  {
    title: 'a selector that does not match its own template',
    text: deployment(`selector:\n  matchLabels:\n    app: kubai\n${template}`),
    says: [
      'error: a.yaml:11:7: deployment "default/kubia": spec.template.metadata.labels: Invalid value: {"app":"kubia"}: `selector` does not match template `labels` (the selector wants app=kubai)',
    ],
  },
  {
    title: 'a map where a list is wanted',
    text: service('ports:\n  port: 80'),
    says: [
      'error: a.yaml:6:3: service "default/kubia": spec.ports: expected a list, got an object (a list is wanted: begin each item with "- ")',
    ],
  },
  {
    title: 'a number in quotes',
    text: service('ports:\n- port: "80"'),
    says: [
      'error: a.yaml:7:5: service "default/kubia": spec.ports[0].port: expected an integer, got the text "80" (leave out the quotes: 80)',
    ],
  },
  {
    title: 'numbers where strings belong, in a label and in the environment',
    text: `${object('v1', 'Service', '  labels:\n    version: 1.2\nspec:\n  ports:\n  - port: 80\n')}---\n${pod('env:\n- name: PORT\n  value: 8080')}`,
    says: [
      'error: a.yaml:6:5: service "default/kubia": metadata.labels.version: expected a string, got the number 1.2 (put it in quotes)',
      'error: a.yaml:21:7: pod "default/kubia": spec.containers[0].env[0].value: expected a string, got the number 8080 (put it in quotes)',
    ],
  },
  {
    title: 'values in the wrong case, all told at once',
    text: service('type: Nodeport\nports:\n- port: 80\n  protocol: tcp'),
    says: [
      'error: a.yaml:9:5: service "default/kubia": spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP" (did you mean "TCP"?)',
      'error: a.yaml:6:3: service "default/kubia": spec.type: Unsupported value: "Nodeport": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort" (did you mean "NodePort"?)',
    ],
  },
  {
    title: 'a port out of range',
    text: service('ports:\n- port: 70000\n  targetPort: 80'),
    says: [
      'error: a.yaml:7:5: service "default/kubia": spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
  },
  {
    title: 'a misspelt kind',
    text: object('v1', 'Sevice', ''),
    says: ['error: a.yaml:2:1: sevice "kubia": no kind "Sevice" in version "v1" (did you mean "Service"?)'],
  },
  {
    title: 'a kind in lower case',
    text: object('v1', 'service', ''),
    says: ['error: a.yaml:2:1: service "kubia": no kind "service" in version "v1" (did you mean "Service"?)'],
  },
  {
    title: 'a misspelt apiVersion',
    text: object('app/v1', 'Deployment', ''),
    says: [
      'error: a.yaml:1:1: deployment "kubia": no version "app/v1" is known (for kind "Deployment") (did you mean apps/v1?)',
    ],
  },
  {
    title: 'a misspelt group with a dot',
    text: object('network.k8s.io/v1', 'NetworkPolicy', ''),
    says: [
      'error: a.yaml:1:1: networkpolicy "kubia": no version "network.k8s.io/v1" is known (for kind "NetworkPolicy") (did you mean networking.k8s.io/v1?)',
    ],
  },
  {
    title: 'the apiVersion of another kind',
    text: object('v1', 'Deployment', ''),
    says: ['error: a.yaml:1:1: deployment "kubia": no kind "Deployment" in version "v1" (did you mean apps/v1?)'],
  },
  {
    title: 'apiVersion in the wrong case',
    text: 'apiversion: v1\nkind: Pod\nmetadata:\n  name: kubia\n',
    says: ['error: a.yaml:1:1: pod "kubia": the object has no apiVersion (is "apiversion" meant to be "apiVersion"?)'],
  },
  {
    title: 'kind in the wrong case',
    text: 'apiVersion: v1\nKind: Pod\nmetadata:\n  name: kubia\n',
    says: ['error: a.yaml:2:1: the object has no kind (is "Kind" meant to be "kind"?)'],
  },
  {
    title: 'the backend of an old Ingress in a new one',
    text: object(
      'networking.k8s.io/v1',
      'Ingress',
      'spec:\n  rules:\n  - http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          serviceName: kubia\n          servicePort: 80\n',
    ),
    says: [
      'error: a.yaml:12:11: ingress "default/kubia": unknown field "spec.rules[0].http.paths[0].backend.serviceName" (did you mean "service.name"?)',
      'error: a.yaml:13:11: ingress "default/kubia": unknown field "spec.rules[0].http.paths[0].backend.servicePort" (did you mean "service.port.number"?)',
    ],
  },
  {
    title: 'a colon without a space',
    text: 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name:kubia\n',
    says: [
      'error: a.yaml:3:1: namespace without a name: metadata: expected an object, got the text "name:kubia" (is a space missing after the colon?)',
    ],
  },
  {
    title: 'a tab',
    text: 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: kubia\n',
    says: ['error: a.yaml:4:1: a tab indents this line: YAML wants spaces'],
  },
  {
    title: 'a line indented too far',
    text: 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: kubia\n   labels:\n    a: b\n',
    says: [
      'error: a.yaml:4:9: keys below a value: is the next line indented too far, or does a value with ": " need quotes?',
    ],
  },
  {
    title: 'an object that is not one',
    text: '- a\n- b\n',
    says: ['error: a.yaml:1:1: expected an object with apiVersion and kind, got a list'],
  },
  {
    title: 'a name in capitals',
    text: object('v1', 'Namespace', '').replace('kubia', 'My_Space'),
    says: [
      'error: a.yaml:4:3: namespace "My_Space": metadata.name: Invalid value: "My_Space": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \'-\', and must start and end with an alphanumeric character (e.g. \'my-name\', or \'123-abc\') (did you mean "my-space"?)',
    ],
  },
];

test.each(slips)('$title is an error with its place and a way out', ({ text, says }) => {
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
  expect(
    findings.map(formatFinding).filter((line) => !line.includes('metadata.labels: Invalid value: "My_Space"')),
  ).toEqual(says);
  expect(objects).toEqual([]);
});

const oldVersions: readonly (readonly [apiVersion: string, kind: string, today: string, since: number])[] = [
  ['extensions/v1beta1', 'Deployment', 'apps/v1', 16],
  ['apps/v1beta1', 'Deployment', 'apps/v1', 16],
  ['apps/v1beta2', 'Deployment', 'apps/v1', 16],
];

test.each(oldVersions)(
  '%s %s is read as %s, with a note that clusters since 1.%i refuse it',
  (apiVersion, kind, today, since) => {
    const text = deployment(`selector:\n  matchLabels:\n    app: kubia\n${template}`, apiVersion);
    const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
    expect(objects.map((each) => each.apiVersion)).toEqual([today]);
    expect(findings.map(formatFinding)).toEqual([
      `warning: a.yaml:1:1: deployment "kubia": ${kind} in ${apiVersion} is refused by clusters since 1.${since}; read as ${today} (write apiVersion: ${today})`,
    ]);
  },
);

test('an old Deployment without a selector takes that of its template', () => {
  const { objects } = loadManifests([{ file: 'a.yaml', text: deployment(template, 'extensions/v1beta1') }]);
  expect(objects).toMatchObject([{ spec: { selector: { matchLabels: { app: 'kubia' } } } }]);
});

test('an old Ingress becomes one of today', () => {
  const text = object(
    'extensions/v1beta1',
    'Ingress',
    'spec:\n  backend: {serviceName: d, servicePort: 80}\n  rules:\n  - host: kubia.example.com\n    http:\n      paths:\n      - path: /\n        backend: {serviceName: kubia, servicePort: http}\n',
  );
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
  expect(findings.map((finding) => finding.code)).toEqual(['removed-api']);
  expect(objects).toMatchObject([
    {
      apiVersion: 'networking.k8s.io/v1',
      spec: {
        defaultBackend: { service: { name: 'd', port: { number: 80 } } },
        rules: [
          {
            http: {
              paths: [
                { pathType: 'ImplementationSpecific', backend: { service: { name: 'kubia', port: { name: 'http' } } } },
              ],
            },
          },
        ],
      },
    },
  ]);
});

test('an old EndpointSlice keeps node and zone from its topology', () => {
  const text = JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1beta1',
    kind: 'EndpointSlice',
    metadata: { name: 'x' },
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: ['10.0.0.1'],
        topology: { 'kubernetes.io/hostname': 'n1', 'topology.kubernetes.io/zone': 'a', rack: 'r' },
      },
    ],
  });
  const { objects } = loadManifests([{ file: 'a.json', text }]);
  expect(objects).toMatchObject([
    { endpoints: [{ addresses: ['10.0.0.1'], nodeName: 'n1', zone: 'a', deprecatedTopology: { rack: 'r' } }] },
  ]);
});

test.each([
  ['metallb.io/v1beta1', 'IPAddressPool'],
  ['serving.knative.dev/v1', 'Service'],
  ['kubeadm.k8s.io/v1beta3', 'ClusterConfiguration'],
  ['kind.x-k8s.io/v1alpha4', 'Cluster'],
  ['cert-manager.io/v1', 'Certificate'],
  ['netsim.dev/v1', 'Expectations'],
])('%s %s is kept as it is: a custom resource', (apiVersion, kind) => {
  const text = object(apiVersion, kind, 'whatever: {a: [1, 2]}\n');
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
  expect(findings).toEqual([]);
  expect(objects).toMatchObject([{ apiVersion, kind, whatever: { a: [1, 2] } }]);
});

test('configuration files without metadata are kept, under an empty name', () => {
  const text = 'apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\nnodes: [{role: worker}]\n';
  const { objects, findings } = loadManifests([{ file: 'kind.yaml', text }]);
  expect(findings).toEqual([]);
  expect(objects).toMatchObject([{ kind: 'Cluster', metadata: { name: '' }, nodes: [{ role: 'worker' }] }]);
});

test('an object given twice is a warning that names the first', () => {
  const text = `${service('ports:\n- port: 80')}---\n${service('ports:\n- port: 81')}`;
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
  expect(objects.length).toBe(2);
  expect(findings.map(formatFinding)).toEqual([
    'warning: a.yaml:12:3: service "default/kubia": given twice (first at a.yaml:4); the last one counts',
  ]);
});

test('a key given twice is a warning, in YAML and in JSON', () => {
  const yaml = 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  name: b\n';
  const json = '{"apiVersion": "v1", "kind": "Namespace",\n "metadata": {"name": "a",\n  "name": "c"}}';
  const { objects, findings } = loadManifests([
    { file: 'a.yaml', text: yaml },
    { file: 'b.json', text: json },
  ]);
  expect(objects.map((each) => each.metadata.name)).toEqual(['b', 'c']);
  expect(findings.map(formatFinding)).toEqual([
    'warning: a.yaml:5:3: key "name" is given twice; the last one counts',
    'warning: b.json:3:3: key "name" is given twice; the last one counts',
  ]);
});
