import type { Hop, Leg, PacketSummary, Path, Step, Trace } from '../src/index.ts';

/** Hand-made traces of the kubia cluster: pod-a on w1-k8s asks for svc/kubia, whose pods are elsewhere. */

const VIP = '10.106.139.160';
const POD_A = '10.244.1.5';
const TTL_AT_SENDER = 64;

function tcp(src: string, sport: number, dst: string, dport: number, info = 'SYN', ttl = TTL_AT_SENDER): PacketSummary {
  return { src, dst, protocol: 'tcp', sport, dport, info, ttl, length: 40 };
}

function hop(node: string, netns: string, ...steps: Step[]): Hop {
  return { node, netns, steps };
}

function rule(hook: string, table: string, chain: string, index: number, text: string, action: string): Step {
  return { kind: 'rule', hook, table, chain, index, text, action };
}

const SERVICE_RULE =
  '-A KUBE-SERVICES -d 10.106.139.160/32 -p tcp -m comment --comment "default/kubia cluster IP" -m tcp --dport 80 -j KUBE-SVC-L5EAUEZ74VZL5GSC';

/** From the nat table's PREROUTING to one of the endpoints. */
function serviceRules(endpoint: { ip: string; chain: string; index: number; probability?: number }): Step[] {
  const { ip, chain, index, probability } = endpoint;
  const random =
    probability === undefined ? '' : ` -m statistic --mode random --probability ${probability.toFixed(11)}`;
  return [
    rule(
      'PREROUTING',
      'nat',
      'PREROUTING',
      1,
      '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      'jump KUBE-SERVICES',
    ),
    {
      ...(rule('PREROUTING', 'nat', 'KUBE-SERVICES', 4, SERVICE_RULE, 'jump KUBE-SVC-L5EAUEZ74VZL5GSC') as Extract<
        Step,
        { kind: 'rule' }
      >),
      origin: 'Service/default/kubia',
    },
    {
      ...(rule(
        'PREROUTING',
        'nat',
        'KUBE-SVC-L5EAUEZ74VZL5GSC',
        index,
        `-A KUBE-SVC-L5EAUEZ74VZL5GSC -m comment --comment "default/kubia -> ${ip}:8080"${random} -j ${chain}`,
        `jump ${chain}`,
      ) as Extract<Step, { kind: 'rule' }>),
      ...(probability === undefined ? {} : { probability }),
      choice: { number: index, of: 3 },
    },
    rule(
      'PREROUTING',
      'nat',
      chain,
      2,
      `-A ${chain} -p tcp -m comment --comment "default/kubia" -m tcp -j DNAT --to-destination ${ip}:8080`,
      'DNAT',
    ),
    { kind: 'nat', action: 'translated', direction: 'dst', from: `${VIP}:80`, to: `${ip}:8080` },
    {
      kind: 'conntrack',
      action: 'lookup',
      state: 'NEW',
      original: `src=${POD_A} dst=${VIP} sport=40000 dport=80`,
      reply: `src=${ip} dst=${POD_A} sport=8080 dport=40000`,
    },
  ];
}

const sendFromPodA = hop(
  'w1-k8s',
  'default/pod-a',
  { kind: 'send', action: 'sent', device: 'eth0', packet: tcp(POD_A, 40000, VIP, 80) },
  { kind: 'route', action: 'output', destination: VIP, route: 'default via 10.244.1.1 dev eth0', src: POD_A },
  { kind: 'neighbor', action: 'resolved', device: 'eth0', ip: '10.244.1.1', mac: '0a:58:0a:f4:01:01' },
);

const arriveOnBridge: Step[] = [
  { kind: 'receive', action: 'received', device: 'vethbf7e1a2c', packet: tcp(POD_A, 40000, VIP, 80) },
  { kind: 'bridge', action: 'local', bridge: 'cni0', from: 'vethbf7e1a2c', mac: '0a:58:0a:f4:01:01' },
];

interface Remote {
  readonly pod: string;
  readonly ip: string;
  readonly node: string;
  readonly nodeIp: string;
  readonly chain: string;
  readonly index: number;
  readonly probability?: number;
}

const kubia1: Remote = {
  pod: 'kubia-7d4b9c6f5d-x2x4q',
  ip: '10.244.2.7',
  node: 'w2-k8s',
  nodeIp: '192.168.1.102',
  chain: 'KUBE-SEP-6ZQBWMUCE2HLQOXC',
  index: 1,
  probability: 0.3333333334,
};
const kubia2: Remote = {
  ...kubia1,
  pod: 'kubia-7d4b9c6f5d-zt7vc',
  ip: '10.244.2.8',
  chain: 'KUBE-SEP-JQ2DGAEGRVKT5TGS',
  index: 2,
  probability: 0.5,
};
const { probability: _last, ...kubia3 }: Remote = {
  ...kubia1,
  pod: 'kubia-7d4b9c6f5d-b6lkj',
  ip: '10.244.3.4',
  node: 'w3-k8s',
  nodeIp: '192.168.1.103',
  chain: 'KUBE-SEP-UBBCRHGDHMDKS3SU',
  index: 3,
};

function requestTo(remote: Remote, last: Step): Leg {
  const subnet = `${remote.ip.split('.').slice(0, 3).join('.')}.0`;
  const tunnel = {
    type: 'vxlan',
    device: 'flannel.1',
    outerSrc: '192.168.1.101',
    outerDst: remote.nodeIp,
    vni: 1,
  } as const;
  const outerPacket: PacketSummary = {
    src: tunnel.outerSrc,
    dst: tunnel.outerDst,
    protocol: 'udp',
    sport: 53211,
    dport: 8472,
    ttl: 64,
    length: 90,
  };
  return {
    hops: [
      sendFromPodA,
      hop(
        'w1-k8s',
        'host',
        ...arriveOnBridge,
        ...serviceRules(remote),
        {
          kind: 'route',
          action: 'forward',
          destination: remote.ip,
          route: `${subnet}/24 via ${subnet} dev flannel.1 onlink`,
          device: 'flannel.1',
          via: subnet,
        },
        rule(
          'FORWARD',
          'filter',
          'FORWARD',
          5,
          '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
          'jump FLANNEL-FWD',
        ),
        rule(
          'FORWARD',
          'filter',
          'FLANNEL-FWD',
          1,
          '-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
          'ACCEPT',
        ),
        { kind: 'encap', action: 'encapsulated', ...tunnel },
        { kind: 'send', action: 'sent', device: 'eth0', packet: outerPacket },
        {
          kind: 'route',
          action: 'output',
          destination: remote.nodeIp,
          route: '192.168.1.0/24 dev eth0',
          device: 'eth0',
        },
      ),
      hop(
        remote.node,
        'host',
        { kind: 'receive', action: 'received', device: 'eth0', packet: outerPacket },
        { kind: 'decap', action: 'decapsulated', ...tunnel },
        {
          kind: 'receive',
          action: 'received',
          device: 'flannel.1',
          packet: tcp(POD_A, 40000, remote.ip, 8080, 'SYN', 63),
        },
        {
          kind: 'route',
          action: 'forward',
          destination: remote.ip,
          route: `${subnet}/24 dev cni0 proto kernel scope link src ${subnet.replace(/0$/, '1')}`,
          device: 'cni0',
        },
        {
          kind: 'bridge',
          action: 'forward',
          bridge: 'cni0',
          from: 'cni0',
          to: 'veth04d1f3e9',
          mac: '0a:58:0a:f4:02:07',
        },
      ),
      hop(
        remote.node,
        `default/${remote.pod}`,
        { kind: 'receive', action: 'received', device: 'eth0', packet: tcp(POD_A, 40000, remote.ip, 8080, 'SYN', 62) },
        last,
      ),
    ],
  };
}

function replyFrom(remote: Remote, info: string): Leg {
  return {
    hops: [
      hop(remote.node, `default/${remote.pod}`, {
        kind: 'send',
        action: 'sent',
        device: 'eth0',
        packet: tcp(remote.ip, 8080, POD_A, 40000, info),
      }),
      hop(remote.node, 'host', {
        kind: 'route',
        action: 'forward',
        destination: POD_A,
        route: '10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink',
      }),
      hop('w1-k8s', 'host', {
        kind: 'nat',
        action: 'restored',
        direction: 'src',
        from: `${remote.ip}:8080`,
        to: `${VIP}:80`,
        reply: true,
      }),
      hop('w1-k8s', 'default/pod-a', {
        kind: 'receive',
        action: 'received',
        device: 'eth0',
        packet: tcp(VIP, 80, POD_A, 40000, info, 62),
      }),
    ],
  };
}

function deliveredTo(remote: Remote, probability: number): Path {
  return {
    probability,
    disposition: 'DELIVERED',
    reason: `node in ${remote.pod} took it on tcp *:8080`,
    sourceSeen: POD_A,
    backend: { kind: 'Pod', namespace: 'default', name: remote.pod, ip: remote.ip, port: 8080 },
    request: requestTo(remote, { kind: 'socket', action: 'delivered', socket: 'tcp *:8080', program: 'node' }),
    reply: replyFrom(remote, 'SYN,ACK'),
  };
}

function trace(paths: readonly Path[], destination?: Partial<Trace['destination']>): Trace {
  return {
    schemaVersion: 'netsim.dev/v1',
    kind: 'Trace',
    source: { kind: 'Pod', namespace: 'default', name: 'pod-a', ip: POD_A },
    destination: {
      text: 'svc/kubia',
      kind: 'Service',
      namespace: 'default',
      name: 'kubia',
      ip: VIP,
      port: 80,
      protocol: 'tcp',
      ...destination,
    },
    paths,
  };
}

export const delivered = trace([deliveredTo(kubia1, 1)]);

export const allPaths = trace([deliveredTo(kubia1, 1 / 3), deliveredTo(kubia2, 1 / 3), deliveredTo(kubia3, 1 / 3)]);

export const noEndpoints = trace([
  {
    probability: 1,
    disposition: 'NO_ENDPOINTS',
    reason: 'service default/kubia has no ready endpoints: kube-proxy makes the node answer "port unreachable"',
    cause: {
      kind: 'Service',
      namespace: 'default',
      name: 'kubia',
      file: 'examples/kubia/kubia.yaml',
      line: 31,
      text: 'spec.selector app=kubai matches no pod',
    },
    advice: 'change the selector to app=kubia, which the 3 pods of deployment/kubia have',
    request: {
      hops: [
        sendFromPodA,
        hop(
          'w1-k8s',
          'host',
          ...arriveOnBridge,
          {
            kind: 'route',
            action: 'forward',
            destination: VIP,
            route: 'default via 192.168.1.1 dev eth0',
            device: 'eth0',
          },
          rule(
            'FORWARD',
            'filter',
            'FORWARD',
            2,
            '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
            'jump KUBE-SERVICES',
          ),
          rule(
            'FORWARD',
            'filter',
            'KUBE-SERVICES',
            1,
            '-A KUBE-SERVICES -d 10.106.139.160/32 -p tcp -m comment --comment "default/kubia has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
            'REJECT',
          ),
          { kind: 'icmp', action: 'sent', type: 'destination-unreachable', code: 'port-unreachable', to: POD_A },
        ),
      ],
    },
  },
]);

export const droppedByRule = trace(
  [
    {
      probability: 1,
      disposition: 'DROPPED',
      reason: 'a rule in chain KUBE-FIREWALL of w2-k8s drops it',
      request: {
        hops: [
          hop('w1-k8s', 'default/pod-a', {
            kind: 'send',
            action: 'sent',
            device: 'eth0',
            packet: { src: POD_A, dst: '192.168.1.102', protocol: 'icmp', info: 'echo-request', ttl: 64, length: 84 },
          }),
          hop('w1-k8s', 'host', {
            kind: 'route',
            action: 'forward',
            destination: '192.168.1.102',
            route: '192.168.1.0/24 dev eth0',
            device: 'eth0',
          }),
          hop(
            'w2-k8s',
            'host',
            {
              kind: 'receive',
              action: 'received',
              device: 'eth0',
              packet: {
                src: '192.168.1.101',
                dst: '192.168.1.102',
                protocol: 'icmp',
                info: 'echo-request',
                ttl: 63,
                length: 84,
              },
            },
            rule('INPUT', 'filter', 'INPUT', 3, '-A INPUT -j KUBE-FIREWALL', 'jump KUBE-FIREWALL'),
            rule(
              'INPUT',
              'filter',
              'KUBE-FIREWALL',
              2,
              '-A KUBE-FIREWALL -m comment --comment "kubernetes firewall for dropping marked packets" -m mark --mark 0x8000/0x8000 -j DROP',
              'DROP',
            ),
            { kind: 'drop', action: 'dropped', reason: 'NETFILTER_DROP' },
          ),
        ],
      },
    },
  ],
  {
    text: 'node/w2-k8s',
    kind: 'Node',
    namespace: undefined,
    name: 'w2-k8s',
    ip: '192.168.1.102',
    port: undefined,
    protocol: 'icmp',
  },
);

export const noListener = trace([
  {
    probability: 1,
    disposition: 'NO_LISTENER',
    reason: 'nobody listens on port 8080 in kubia-7d4b9c6f5d-x2x4q: its kernel answers with RST',
    sourceSeen: POD_A,
    backend: { kind: 'Pod', namespace: 'default', name: kubia1.pod, ip: kubia1.ip, port: 8080 },
    cause: {
      kind: 'Service',
      namespace: 'default',
      name: 'kubia',
      file: 'kubia.yaml',
      line: 12,
      text: 'targetPort 8080, but container kubia listens on 8081 only',
    },
    advice: 'set targetPort to 8081',
    request: requestTo(kubia1, { kind: 'socket', action: 'no-listener', socket: 'tcp port 8080' }),
    reply: replyFrom(kubia1, 'RST,ACK'),
  },
]);

export const neighborUnreachable = trace(
  [
    {
      probability: 1,
      disposition: 'NEIGHBOR_UNREACHABLE',
      reason: 'no pod has the address 10.244.1.99: nobody on cni0 answers ARP for it',
      advice: 'check the address: `netsim get pods -o wide` lists those in use',
      request: {
        hops: [
          hop(
            'w1-k8s',
            'default/pod-a',
            {
              kind: 'send',
              action: 'sent',
              device: 'eth0',
              packet: tcp(POD_A, 40000, '10.244.1.99', 80),
            },
            { kind: 'neighbor', action: 'failed', device: 'eth0', ip: '10.244.1.99' },
            { kind: 'drop', action: 'dropped', reason: 'NEIGH_FAILED' },
          ),
        ],
      },
    },
  ],
  { text: '10.244.1.99:80', kind: 'IP', namespace: undefined, name: undefined, ip: '10.244.1.99' },
);

export const exitsCluster = trace(
  [
    {
      probability: 1,
      disposition: 'EXITS_CLUSTER',
      reason: 'the packet leaves the cluster by the default gateway of w1-k8s: what is beyond is not known',
      request: {
        hops: [
          hop('w1-k8s', 'default/pod-a', {
            kind: 'send',
            action: 'sent',
            device: 'eth0',
            packet: tcp(POD_A, 40000, '11.11.11.11', 80),
          }),
          hop(
            'w1-k8s',
            'host',
            {
              kind: 'route',
              action: 'forward',
              destination: '11.11.11.11',
              route: 'default via 192.168.1.1 dev eth0',
              device: 'eth0',
            },
            rule(
              'POSTROUTING',
              'nat',
              'POSTROUTING',
              2,
              '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
              'jump FLANNEL-POSTRTG',
            ),
            rule(
              'POSTROUTING',
              'nat',
              'FLANNEL-POSTRTG',
              5,
              '-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
              'MASQUERADE',
            ),
            { kind: 'nat', action: 'translated', direction: 'src', from: `${POD_A}:40000`, to: '192.168.1.101:61234' },
          ),
          hop(
            'router',
            'host',
            {
              kind: 'receive',
              action: 'received',
              device: 'eth0',
              packet: tcp('192.168.1.101', 61234, '11.11.11.11', 80, 'SYN', 63),
            },
            { kind: 'drop', action: 'dropped', reason: 'OTHERHOST', detail: 'nobody else on segment internet' },
          ),
        ],
      },
    },
  ],
  { text: '11.11.11.11:80', kind: 'IP', namespace: undefined, name: undefined, ip: '11.11.11.11' },
);

export const insufficientInfo = trace(
  [
    {
      probability: 1,
      disposition: 'INSUFFICIENT_INFO',
      reason: 'what container app of pod/shop-0 listens on is not known: image registry.example/shop declares no port',
      cause: {
        kind: 'Pod',
        namespace: 'default',
        name: 'shop-0',
        file: 'shop.yaml',
        line: 9,
        text: 'container app has no ports',
      },
      advice: 'declare containerPort, or say it with the annotation netsim.dev/listen: "8080"',
      request: { hops: [] },
    },
  ],
  { text: 'pod/shop-0:8080', kind: 'Pod', name: 'shop-0', ip: '10.244.2.9', port: 8080 },
);

/** The way there is open, the way back is not: a policy of DROP on the backend's node. */
export const replyDropped = trace([
  {
    ...deliveredTo(kubia1, 1),
    disposition: 'DROPPED',
    reason: 'the answer of kubia-7d4b9c6f5d-x2x4q is dropped by the policy of chain FORWARD on w2-k8s',
    advice: 'accept ESTABLISHED packets in chain FORWARD, or set its policy to ACCEPT',
    reply: {
      hops: [
        replyFrom(kubia1, 'SYN,ACK').hops[0],
        hop(
          'w2-k8s',
          'host',
          { kind: 'policy', action: 'DROP', hook: 'FORWARD', table: 'filter', chain: 'FORWARD' },
          { kind: 'drop', action: 'dropped', reason: 'NETFILTER_DROP' },
        ),
      ],
    },
  },
]);
