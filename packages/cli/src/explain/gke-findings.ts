import type { Explanation } from './explanation.ts';

/** What GKE's controller makes of Ingresses, where that is not what they seem to say. */
export const gkeFindings: Readonly<Record<string, Explanation>> = {
  'gke-annotation': {
    meaning:
      'An annotation of a Service that GKE reads is no JSON object, so that the whole Ingress gets no load balancer.',
    mend: `Write JSON with quotes: cloud.google.com/neg: '{"ingress": true}'.`,
  },
  'gke-backend': {
    meaning: 'GKE sends requests to Services only; with any other backend the whole Ingress gets no load balancer.',
    mend: 'Name a Service and one of its ports.',
  },
  'gke-backend-config': {
    meaning:
      'A Service names a BackendConfig that is not in its namespace, so that the whole Ingress gets no load balancer.',
    mend: 'Apply the BackendConfig, or correct the name in the annotation cloud.google.com/backend-config.',
  },
  'gke-certificate': {
    meaning:
      'A certificate that Google holds (a ManagedCertificate or a pre-shared one) cannot be seen in manifests. netsim takes it to be there and good; a ManagedCertificate becomes active only once the DNS of its domains leads to the load balancer.',
    mend: 'Look at it in the cloud: kubectl describe managedcertificate, gcloud compute ssl-certificates list.',
  },
  'gke-class-field': {
    meaning: 'GKE does not read spec.ingressClassName: only the annotation kubernetes.io/ingress.class counts.',
    mend: 'Leave the field out.',
  },
  'gke-frontend-config': {
    meaning: 'The Ingress names a FrontendConfig that is not in its namespace.',
    mend: 'Apply the FrontendConfig, or correct the name in the annotation.',
  },
  'gke-host-twice': {
    meaning:
      'Two rules of one Ingress are for the same host. Other controllers join their paths; GKE keeps those of the last one.',
    mend: 'Write all paths of a host into one rule.',
  },
  'gke-no-port': {
    meaning: 'HTTP is switched off and there is no certificate for HTTPS: the load balancer has no forwarding rule.',
    mend: 'Add a Secret to spec.tls or a ManagedCertificate, or allow HTTP.',
  },
  'gke-path': {
    meaning:
      'The path is none that a URL map of Google takes, so that the whole Ingress gets no load balancer. A star may stand at the end only, behind a slash, and only with the type ImplementationSpecific.',
    mend: 'Write the type Prefix and the path without the star.',
  },
  'gke-path-exact': {
    meaning: 'With the type ImplementationSpecific GKE takes a path as it stands: / is the start page alone.',
    mend: 'Write /*, or the type Prefix.',
  },
  'gke-service-type': {
    meaning:
      'A load balancer of GKE reaches pods of a Service with network endpoint groups, or nodes at the node port. A Service of type ClusterIP without the annotation has neither, so that the whole Ingress gets no load balancer. In VPC-native clusters since 1.17 GKE adds the annotation to new Services, which no manifest shows.',
    mend: `Add the annotation cloud.google.com/neg: '{"ingress": true}' to the Service, or make it type NodePort.`,
  },
  'gke-static-ip': {
    meaning: 'A reserved address is known by its name only; netsim takes another one for it.',
    mend: 'Write the real one into status.loadBalancer.ingress of the Ingress if it matters; nothing is wrong otherwise.',
  },
};
