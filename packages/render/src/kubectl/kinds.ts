import type { KubeObject, LabelSelector, PodTemplate } from '@netsim/manifest';

/** Kinds that netsim only prints; the API's spelling, and only the fields that are shown. */
export interface DaemonSet extends KubeObject {
  spec: { selector: LabelSelector; template: PodTemplate };
  status?: {
    desiredNumberScheduled?: number;
    currentNumberScheduled?: number;
    numberReady?: number;
    updatedNumberScheduled?: number;
    numberAvailable?: number;
  };
}
export interface StatefulSet extends KubeObject {
  spec: { replicas?: number; selector: LabelSelector; template: PodTemplate };
  status?: { readyReplicas?: number; replicas?: number };
}
export interface ReplicationController extends KubeObject {
  spec: { replicas?: number; selector?: Record<string, string>; template: PodTemplate };
  status?: { replicas?: number; readyReplicas?: number };
}
export interface IngressBackend {
  service?: { name: string; port?: { number?: number; name?: string } };
  resource?: { kind: string; name: string; apiGroup?: string };
}
export interface Ingress extends KubeObject {
  spec: {
    ingressClassName?: string;
    defaultBackend?: IngressBackend;
    tls?: { hosts?: string[]; secretName?: string }[];
    rules?: { host?: string; http?: { paths: { path?: string; backend: IngressBackend }[] } }[];
  };
  status?: { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } };
}
export interface IngressClass extends KubeObject {
  spec?: { controller?: string; parameters?: { apiGroup?: string; kind: string; name: string } };
}
export interface PolicyPeer {
  podSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  ipBlock?: { cidr: string; except?: string[] };
}
export interface PolicyPort {
  port?: number | string;
  endPort?: number;
  protocol?: string;
}
export interface NetworkPolicy extends KubeObject {
  spec: {
    podSelector: LabelSelector;
    policyTypes?: string[];
    ingress?: { ports?: PolicyPort[]; from?: PolicyPeer[] }[];
    egress?: { ports?: PolicyPort[]; to?: PolicyPeer[] }[];
  };
}
export interface Secret extends KubeObject {
  type?: string;
  data?: Record<string, string>;
}
export interface Job extends KubeObject {
  spec: { completions?: number; parallelism?: number; template: PodTemplate };
  status?: { succeeded?: number; startTime?: string; completionTime?: string; conditions?: JobCondition[] };
}
interface JobCondition {
  type: string;
  status: string;
}
export interface CronJob extends KubeObject {
  spec: { schedule: string; timeZone?: string; suspend?: boolean };
  status?: { active?: unknown[]; lastScheduleTime?: string };
}
