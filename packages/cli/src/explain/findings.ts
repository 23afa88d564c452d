import type { Explanation } from './explanation.ts';

/** What can be wrong with manifests. */
export const findings: Readonly<Record<string, Explanation>> = {
  syntax: {
    meaning: 'The text is not valid YAML or JSON.',
    mend: 'The place named is where the reader gave up; the mistake is there or just before it. Mind the indentation.',
  },
  'too-many-mistakes': {
    meaning: 'An object has so many unknown or mistyped fields that only the first are told.',
    mend: 'Check its apiVersion and kind, and its indentation: it is probably something else than it says.',
  },
  'duplicate-key': {
    meaning: 'A key is given twice in one mapping; the last one counts, as for kubectl.',
    mend: 'Remove one of them.',
  },
  'not-an-object': {
    meaning: 'A document is not a Kubernetes object.',
    mend: 'Every document needs apiVersion, kind and metadata.',
  },
  'missing-kind': { meaning: 'An object has no kind.', mend: 'Add apiVersion and kind.' },
  'nested-list': { meaning: 'A list stands inside a list.', mend: 'Put its items into the outer list.' },
  unreadable: { meaning: 'A file or directory cannot be read.', mend: 'Check the path and its permissions.' },
  'empty-file': { meaning: 'A file holds no object.', mend: 'Check that it is the right file.' },
  'binary-file': { meaning: 'A file is not text.', mend: 'Manifests are YAML or JSON in UTF-8.' },
  'no-manifests': {
    meaning: 'A directory has no .yaml, .yml or .json file, or no file has an object in it.',
    mend: 'Directories below it are read with -R.',
  },
  'not-modelled': {
    meaning:
      'The object belongs to a program that netsim does not imitate, such as a mesh, another CNI plugin or another ingress controller.',
    mend: 'Nothing to mend. Where it steers or blocks traffic, what netsim says may differ from what the cluster does.',
  },
  expectations: {
    meaning:
      'An Expectations file cannot be used: a field is unknown or missing, or it names something that is not there.',
    mend: 'Each entry has name, from, to and expect, and may have protocol, backends and sourceSeen: see netsim test --help.',
  },
  template: {
    meaning: 'The text has {{ ... }} in it: it is a template of Helm or a like tool, of which manifests are made.',
    mend: 'Render it first: helm template CHART | netsim -f - ...',
  },
  'unknown-field': {
    meaning:
      'The object has a field that its kind does not have. The API server refuses it, or ignores it and the setting has no effect.',
    mend: 'Mind spelling, upper and lower case, and the level it stands at: the finding names the nearest right name.',
  },
  'unknown-kind': {
    meaning: 'No such kind exists in this API group.',
    mend: 'Check kind and apiVersion: the finding names the nearest right one.',
  },
  'unknown-api-version': {
    meaning: 'No such apiVersion exists.',
    mend: 'The finding names the right one for the kind.',
  },
  'wrong-type': {
    meaning: 'A value has the wrong type, such as a number where text is needed.',
    mend: 'Quote numbers and booleans that are meant as text: "80", "true".',
  },
  'required-field': { meaning: 'A required field is missing.', mend: 'Add it.' },
  'invalid-value': { meaning: 'The API server refuses a value.', mend: 'The message says what is allowed.' },
  'selector-matches-nothing': {
    meaning: 'A selector matches no pod, so the service has no endpoints.',
    mend: "Compare the selector with the pods' labels: netsim get pods --show-labels.",
  },
  'target-port-closed': {
    meaning: 'Nothing listens on the targetPort in pods of the service.',
    mend: 'Write the port that the process listens on; where netsim cannot know it, say it with the annotation netsim.dev/listen.',
  },
  'port-taken': {
    meaning:
      'Two containers of one pod want the same port; the second cannot start, for they share one network namespace.',
    mend: 'Let one of them listen on another port.',
  },
  'bad-listen-annotation': {
    meaning: 'The annotation netsim.dev/listen cannot be read.',
    mend: 'Write 8080, 127.0.0.1:8080, 53/udp or container=9090, several by commas, or none.',
  },
  'api-warning': {
    meaning:
      'The API server takes the object, and warns as kubectl would show: a field is deprecated or has no effect.',
    mend: 'Do as the warning says, or leave the field out.',
  },
  'removed-api': {
    meaning: 'The API version was removed from Kubernetes; netsim still understands it.',
    mend: 'Change to the version named: clusters of today refuse the old one.',
  },
  'missing-api-version': {
    meaning: 'An object has no apiVersion.',
    mend: 'Add the one that the finding names for the kind.',
  },
  'duplicate-object': {
    meaning: 'The same object is given twice; the last one counts, as with kubectl apply.',
    mend: 'Remove one, or give it another name or namespace.',
  },
  'defined-twice': {
    meaning: 'The same object is given twice; the last one counts, as with kubectl apply.',
    mend: 'Remove one, or give it another name or namespace.',
  },
  'duplicate-value': {
    meaning: 'A value that must be the only one of its kind in a list is there twice.',
    mend: 'Remove one of them.',
  },
  'forbidden-field': {
    meaning: 'A field may not be set here, or may not be changed.',
    mend: 'Remove it: the message says why.',
  },
  'unsupported-value': {
    meaning: 'A value is none of those that are allowed.',
    mend: 'Take one of the values that the message lists.',
  },
  'too-long': { meaning: 'A value is longer than allowed.', mend: 'Shorten it to the length in the message.' },
  'too-many': { meaning: 'A list has more entries than allowed.', mend: 'Remove some.' },
  'invalid-cidr': {
    meaning: "A block of addresses in the cluster's configuration cannot be read, or is too small.",
    mend: 'Write it as ADDRESS/LENGTH, such as 10.244.0.0/16.',
  },
  'pod-cidr-too-small': {
    meaning: "The pod network has no block left for a node, or a node's block has no address left for its pods.",
    mend: 'Take a larger pod network or larger blocks, or spread the pods over more nodes.',
  },
  'pod-cidr-family': {
    meaning:
      "A node's block is of a family that flannel has no network for, so that nobody can reach the pods of that family.",
    mend: 'Give the pod network both families: podSubnet and serviceSubnet of the ClusterConfiguration, and EnableIPv6 with IPv6Network in net-conf.json.',
  },
  'duplicate-node-ip': { meaning: 'Two nodes have the same address.', mend: 'Give each node its own InternalIP.' },
  'duplicate-pod-ip': {
    meaning: 'Two pods have the same address: packets reach only one of them.',
    mend: 'Remove the status that gives one of them the address, or delete the pod that is gone.',
  },
  'pod-ip-out-of-range': {
    meaning: "A pod's address is outside the block of its node, so that other nodes send its packets elsewhere.",
    mend: 'Move the pod to the node of that block, or leave the address to be allocated.',
  },
  'unknown-node': {
    meaning: 'A pod names a node that is not there, so it never starts.',
    mend: 'Mend spec.nodeName, or add the node.',
  },
  unschedulable: {
    meaning: 'No node takes the pod: it stays Pending and has no address.',
    mend: "The message gives each node's reason: selector, taints, ports.",
  },
  'config-not-found': {
    meaning:
      'A ConfigMap or Secret that the pod takes its environment or a volume from is not there, or lacks the key: the container is never started (CreateContainerConfigError), or the pod stays in ContainerCreating. It is no endpoint.',
    mend: 'Add the object in the namespace of the pod, correct its name or key, or set optional: true.',
  },
  'service-ip-out-of-range': {
    meaning: "A service's clusterIP is outside the service network.",
    mend: 'Take an address of the service network (10.96.0.0/12 unless said otherwise), or leave it out.',
  },
  'service-ip-clash': {
    meaning: 'Two services want the same clusterIP.',
    mend: 'Give one of them another, or leave it out.',
  },
  'service-cidr-full': {
    meaning: 'The service network has no free address left.',
    mend: 'A larger service network, or fewer services.',
  },
  'service-families': {
    meaning: 'A service wants an address family that the cluster does not have.',
    mend: 'Mend spec.ipFamilies or spec.ipFamilyPolicy, or give the cluster both families.',
  },
  'node-port-out-of-range': {
    meaning: 'A nodePort is outside the range of node ports.',
    mend: 'Take one of 30000 to 32767, or leave it out.',
  },
  'node-port-clash': {
    meaning: 'Two services want the same node port; the port for health checks is one of them too.',
    mend: 'Give one of them another, or leave it out.',
  },
  'family-left-out': {
    meaning:
      'An address or a source range of a service is of a family that the service does not have, and kube-proxy leaves it out.',
    mend: 'Write one of the family of the service, or give the service both families with spec.ipFamilyPolicy. Without any source range of its own family a service is open to all.',
  },
  'endpoints-without-service': {
    meaning: 'Endpoints are written by hand for a service that does not exist, so nothing uses them.',
    mend: 'Endpoints belong to the service of the same name in the same namespace.',
  },
  'target-port-not-found': {
    meaning: "A service's targetPort names a port that no container of its pods has.",
    mend: 'Give the container port that name, or write the number.',
  },
  'target-port-not-in-all-pods': {
    meaning: "A service's targetPort names a port that only some of its pods have: the others get no traffic on it.",
    mend: 'Name the port in the other pods too.',
  },
  'cni-config': {
    meaning: 'The configuration of the network plugin cannot be used, and the default is taken.',
    mend: 'Look at net-conf.json and cni-conf.json of the ConfigMap kube-flannel-cfg.',
  },
  'cni-not-modelled': {
    meaning:
      'The manifests put a network plugin on the nodes that netsim does not imitate: flannel in VXLAN mode is used in its place.',
    mend: 'Nothing to mend. The ways that packets take, and what a NetworkPolicy forbids, differ in the cluster.',
  },
  'proxy-config': {
    meaning: 'The configuration of kube-proxy cannot be used as it is.',
    mend: 'Look at config.conf of the ConfigMap kube-proxy in kube-system.',
  },
  'unknown-address-pool': {
    meaning: 'An advertisement of MetalLB names an IPAddressPool that does not exist.',
    mend: 'Correct the name, or add the pool.',
  },
  'invalid-address-pool': {
    meaning: 'An entry of an IPAddressPool is neither a CIDR nor a range of addresses.',
    mend: 'Write 192.168.1.0/28 or 192.168.1.11-192.168.1.19.',
  },
  'address-pools-overlap': {
    meaning: 'Two pools of MetalLB hold the same addresses; MetalLB refuses the whole configuration.',
    mend: 'Give each address to one pool only.',
  },
  'address-pool-clash': {
    meaning: 'A pool of MetalLB holds addresses that the cluster uses already: of a node, of pods or of services.',
    mend: 'Choose free addresses of the network of the nodes.',
  },
  'no-bgp-peer': {
    meaning: 'Addresses are to be announced by BGP, but no BGPPeer is given.',
    mend: 'Add the BGPPeer, or announce with an L2Advertisement.',
  },
  'load-balancer-pending': {
    meaning: 'A service of type LoadBalancer gets no external IP: nobody hands out addresses, or none is left.',
    mend: 'Add an IPAddressPool and an L2Advertisement of MetalLB; its node ports work without.',
  },
  'no-governing-service': {
    meaning: 'A StatefulSet names a service that is not there or not headless, so its pods have no names in the DNS.',
    mend: 'Make a Service of that name with clusterIP: None, or mend spec.serviceName.',
  },
  'daemon-set-on-no-node': {
    meaning: 'A DaemonSet has no node to run on: its nodeSelector, its affinity or its tolerations fit none.',
    mend: 'Label a node as the nodeSelector says, or add the toleration that is missing.',
  },
  'unreadable-schedule': {
    meaning: 'The schedule of a CronJob, or its time zone, cannot be read; it makes no job.',
    mend: 'Write five fields: minute, hour, day of the month, month, weekday (0 to 6).',
  },
  'policy-not-enforced': {
    meaning:
      'A NetworkPolicy stands in the manifests, and the network of this cluster (flannel, bridge) does not put policies in force.',
    mend: 'Use a network that enforces policies, or do not rely on the policy; netsim shows the paths without it.',
  },
  'host-port-ignored': {
    meaning: 'A container has a hostPort, but no plugin of the network sends that port of the node to the pod.',
    mend: 'Add the portmap plugin to the list of CNI plugins, or use a NodePort service.',
  },
  'host-port-clash': {
    meaning: 'Two pods that were put on one node by nodeName want the same host port; the kubelet refuses the second.',
    mend: 'Leave nodeName out, so that the scheduler finds a free node, or take another hostPort.',
  },
  'load-balancer-silent': {
    meaning: 'A service has an external IP, but no node answers for it on the network.',
    mend: 'Add an L2Advertisement for the pool; with externalTrafficPolicy Local a node needs a ready pod of the service.',
  },
  corefile: {
    meaning: 'The Corefile of the ConfigMap coredns cannot be used as it is.',
    mend: 'Look at the line that the finding names.',
  },
  'dns-loop': {
    meaning:
      'CoreDNS forwards queries to itself. Plugin loop sees its own probe come back and ends the program, again and again.',
    mend: 'Forward to a name server outside: give addresses instead of /etc/resolv.conf, or give the kubelet another resolvConf.',
  },
  firewall: {
    meaning: "An annotation or object of netsim.dev that describes a node's firewall cannot be read.",
    mend: 'The message says which entry, and what is allowed.',
  },
  'probe-fails': {
    meaning:
      'A probe of a container cannot succeed as the manifests are: nothing serves what it asks for, or a file is not there.',
    mend: 'Set the port and path of the probe to what the container serves; say with netsim.dev/listen what it listens on, and with netsim.dev/files which files it has.',
  },
  'probe-unknown': {
    meaning:
      'The manifests do not say how a probe ends (INSUFFICIENT_INFO): it runs a program that is not emulated, or asks what nobody knows to listen. It is taken to succeed.',
    mend: 'Say with netsim.dev/listen what the container listens on, with netsim.dev/files which files it has, or use an httpGet or tcpSocket probe.',
  },
  'bad-start-delay': {
    meaning: 'The annotation netsim.dev/start-delay is no duration.',
    mend: 'Write how long the program takes until it listens: 10s or 1m30s.',
  },
  'unknown-service': {
    meaning: 'An Ingress names a service that does not exist; its controller answers 503.',
    mend: 'Correct the name; the service must be in the namespace of the Ingress.',
  },
  'unknown-service-port': {
    meaning: 'An Ingress names a port that its service does not have; its controller answers 503.',
    mend: "Name one of the service's ports, not the port of the container.",
  },
  'gateway-class-missing': {
    meaning: 'A Gateway names a GatewayClass that is not there, so that no controller serves it.',
    mend: 'Name a class that exists, or add the GatewayClass of your controller.',
  },
  'gateway-not-accepted': {
    meaning: 'A Gateway or ListenerSet is not accepted by its controller: nothing of it is served.',
    mend: 'The reason in brackets is that of the condition Accepted. A ListenerSet needs spec.allowedListeners of its Gateway.',
  },
  'gateway-listener': {
    meaning:
      'A listener is refused, or refers to something that it cannot have: a Secret, a kind of route, a port of another.',
    mend: 'Check certificateRefs (a Secret of type kubernetes.io/tls; across namespaces with a ReferenceGrant), protocol and allowedRoutes.kinds; listeners of one port need different hostnames.',
  },
  'gateway-parent-missing': {
    meaning: 'A route names a parent that is not there, or that nobody serves; no status will say so.',
    mend: 'Check name and namespace of the parentRef. Without a namespace it is that of the route.',
  },
  'gateway-route-not-attached': {
    meaning: 'No listener of the parent takes the route, so that its rules get no requests.',
    mend: 'The reason in brackets is that of the condition Accepted: NotAllowedByListeners: allowedRoutes (only the namespace of the Gateway unless it says otherwise); NoMatchingListenerHostname: hostnames of route and listener have nothing in common; NoMatchingParent: sectionName or port.',
  },
  'gateway-no-grant': {
    meaning: 'A route refers to a Service in another namespace that does not allow it; requests get 500.',
    mend: 'Add a ReferenceGrant to the namespace of the Service: from the kind and namespace of the route, to Service.',
  },
  'gateway-backend': {
    meaning: 'A backendRef leads nowhere: no such Service, port or kind. Its share of the requests gets 500.',
    mend: 'Name a Service and a port that it has; the port is that of the Service, not that of the pods.',
  },
  'gateway-filter': {
    meaning: 'A rule has a filter that the data plane does not know. It may not be skipped: requests get 500.',
    mend: 'Use the filters of the API: RequestHeaderModifier, ResponseHeaderModifier, RequestMirror, RequestRedirect, URLRewrite, CORS.',
  },
  'gateway-expression': {
    meaning: 'A regular expression of a match does not compile, so that the match takes nothing.',
    mend: 'Mend the expression; it must match the whole path or value.',
  },
  'gateway-mesh': {
    meaning:
      "A route whose parent is a Service steers requests that pods send to it. A mesh's proxies do that; where there is none the route changes nothing. netsim does not play the proxies.",
    mend: 'Install a mesh that knows the Gateway API (Istio, Linkerd, Kuma, Cilium), or name a Gateway as the parent.',
  },
  'gateway-policy': {
    meaning:
      'A BackendTLSPolicy is not accepted: an older one has the same target, or none of its certificate authorities can be used.',
    mend: 'Remove one of the two, or name a ConfigMap with a PEM certificate under ca.crt.',
  },
  'gateway-rule-shadowed': {
    meaning:
      'Another rule takes every request that this one could have had: equal matches go to the older route, then to the first rule.',
    mend: 'Remove one of them, or give this one a longer path, a method or a header of its own.',
  },
  'external-name-ip': {
    meaning:
      'The externalName of a service is an address. It becomes an alias in the DNS, and aliases lead to names only: NXDOMAIN.',
    mend: 'Write a Service without selector and an EndpointSlice (label kubernetes.io/service-name) with the address.',
  },
  'search-list-too-long': {
    meaning:
      'The search line of resolv.conf is longer than what musl reads; it passes over the line, and short names are not found.',
    mend: 'Fewer or shorter domains in dnsConfig.searches, or an image with glibc, which has no such limit.',
  },
  'ndots-look-ups': {
    meaning:
      'A name of the world outside was looked up with every entry of the search list before it was asked as it is, because it has fewer dots than ndots (5 in pods).',
    mend: "Write the name with a dot at its end, or give the pod dnsConfig: { options: [{ name: ndots, value: '1' }] }.",
  },
  'search-list-captures': {
    meaning:
      'A name without a dot at its end was found with an entry of the search list added: another zone answered than the name says.',
    mend: 'Write the name with a dot at its end; or keep namespaces and search domains from being named as top-level domains.',
  },
  'service-elsewhere': {
    meaning: "A short name is looked up in the pod's own namespace, and the service is in another one.",
    mend: 'Write NAME.NAMESPACE.',
  },
  'dns-nameserver-limit': {
    meaning: 'A pod wants more than three name servers; the kubelet leaves out the rest.',
    mend: 'Name at most three in dnsConfig.nameservers, those of the cluster included.',
  },
  'dns-search-limit': {
    meaning: 'The search list of a pod is longer than 32 domains or 2048 characters; the kubelet leaves out the rest.',
    mend: 'Fewer domains in dnsConfig.searches.',
  },
  'missing-cluster-dns': {
    meaning: 'The kubelet knows no cluster DNS, so pods get the resolv.conf of their node.',
    mend: 'Set clusterDNS of the KubeletConfiguration.',
  },
  'hostname-too-long': {
    meaning: 'setHostnameAsFQDN makes a hostname of more than 64 characters; the kubelet does not start the pod.',
    mend: 'A shorter name, subdomain or namespace.',
  },
};
