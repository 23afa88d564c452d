// Clusters to measure on, as plain Kubernetes objects.

/** Two nodes, a client pod on the first, one server pod on the second, and any number of services in front of it. */
export function flowCluster(services, mode) {
  const objects = [
    { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', mode },
    node(1),
    node(2),
    pod('client', 'w1', {}, 'none'),
    pod('server', 'w2', { app: 'server' }, '8080/udp'),
  ];
  for (let i = 0; i < services; i++) {
    objects.push({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `svc-${i}`, namespace: 'default' },
      spec: {
        clusterIP: serviceIp(i),
        selector: { app: 'server' },
        ports: [{ protocol: 'UDP', port: 80, targetPort: 8080 }],
      },
    });
  }
  return objects;
}

/** Cluster IP of the service `svc-<i>`. */
export function serviceIp(i) {
  return `10.${96 + ((i + 512) >> 16)}.${((i + 512) >> 8) & 255}.${(i + 512) & 255}`;
}

/** As a dump of a real cluster: pods with nodes, services with selectors; 100 pods a node, 10 pods a service. */
export function largeCluster(pods) {
  const nodes = Math.max(1, Math.ceil(pods / 100));
  const services = Math.max(1, Math.ceil(pods / 10));
  const objects = [];
  for (let i = 1; i <= nodes; i++) objects.push(node(i));
  for (let i = 0; i < services; i++) {
    objects.push({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `svc-${i}`, namespace: 'default' },
      spec: { selector: { app: `app-${i}` }, ports: [{ port: 80, targetPort: 8080 }] },
    });
  }
  for (let i = 0; i < pods; i++)
    objects.push(pod(`pod-${i}`, `w${(i % nodes) + 1}`, { app: `app-${i % services}` }, '8080'));
  return objects;
}

function node(i) {
  const podCIDR = `10.244.${i}.0/24`;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `w${i}` },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: { addresses: [{ type: 'InternalIP', address: `192.168.1.${i}` }] },
  };
}

function pod(name, nodeName, labels, listen) {
  const [port, protocol = 'tcp'] = listen.split('/');
  const ports = listen === 'none' ? [] : [{ containerPort: Number(port), protocol: protocol.toUpperCase() }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels, annotations: { 'netsim.dev/listen': listen } },
    spec: { nodeName, containers: [{ name: 'main', image: 'example/server', ports }] },
  };
}
