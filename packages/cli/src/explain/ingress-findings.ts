import type { Explanation } from './explanation.ts';

/** What an ingress controller makes of Ingresses, where that is not what they seem to say. */
export const ingressFindings: Readonly<Record<string, Explanation>> = {
  'ingress-annotation-not-modelled': {
    meaning: 'The annotation is one of ingress-nginx, but netsim does not model what it does.',
    mend: 'Nothing is wrong; mind that the answers here leave it out.',
  },
  'ingress-annotation-snippet': {
    meaning:
      'A snippet puts directives of its own into nginx. netsim leaves it out, and the controller refuses it by default.',
    mend: 'Say it with other annotations, or set allow-snippet-annotations and mind that netsim does not know.',
  },
  'ingress-annotation-unknown': {
    meaning: 'The controller has no such annotation and passes it over in silence.',
    mend: 'Mind the spelling and the prefix nginx.ingress.kubernetes.io/: the finding names the nearest right one.',
  },
  'ingress-annotation-value': {
    meaning: 'The controller cannot read the value of an annotation, and does as if it were not set.',
    mend: 'Write the value as the finding says.',
  },
  'ingress-backend-ignored': {
    meaning: 'The backend is a resource; ingress-nginx knows only Services.',
    mend: 'Name a Service, or use a controller that serves such resources.',
  },
  'ingress-canary-backend': {
    meaning:
      'An ordinary rule names the Service and port of an older canary Ingress: ingress-nginx makes no location for it, and its requests go where the other rules of the host send them.',
    mend: 'Give the canary a Service of its own.',
  },
  'ingress-canary-not-enabled': {
    meaning: 'The Ingress has annotations of a canary without canary: "true": the controller treats it as any other.',
    mend: 'Add the annotation nginx.ingress.kubernetes.io/canary: "true".',
  },
  'ingress-canary-second': {
    meaning: 'The controller gives a share of a backend to one canary only, the oldest.',
    mend: 'Delete the canary that is not wanted, or put one of them on another path.',
  },
  'ingress-canary-without-main': {
    meaning: 'A canary takes a share of what another Ingress gets, and there is none with this host, path and type.',
    mend: 'Give the canary the same host, path and pathType as the main Ingress, and a Service of its own.',
  },
  'ingress-class-missing': {
    meaning: 'The IngressClass that the Ingress names does not exist, so no controller serves it.',
    mend: 'Name one of the classes that kubectl get ingressclass shows.',
  },
  'ingress-config-not-modelled': {
    meaning: 'The option of the ConfigMap is one of ingress-nginx, but netsim does not model what it does.',
    mend: 'Nothing is wrong; mind that the answers here leave it out.',
  },
  'ingress-config-unknown': {
    meaning: 'The controller has no such option in its ConfigMap and passes it over.',
    mend: 'Mind the spelling: the finding names the nearest right one.',
  },
  'ingress-config-value': {
    meaning: 'The controller cannot read the value of an option in its ConfigMap; the default holds.',
    mend: 'Write the value as the finding says; all values are text in quotes.',
  },
  'ingress-default-backend-scope': {
    meaning:
      'The defaultBackend of an Ingress with rules gets what its own hosts do not route, not what other hosts get.',
    mend: 'For a default of all hosts, make an Ingress with a defaultBackend and no rules.',
  },
  'ingress-exact-as-regex': {
    meaning:
      'A path of type Exact became a regular expression without an end, for another annotation changed its whole host.',
    mend: 'Give the Ingress with rewrite-target or use-regex a host of its own.',
  },
  'ingress-host-no-fallback': {
    meaning: 'A host with rules of its own never falls back to rules of a wildcard or without a host.',
    mend: 'Repeat the path / under this host where it should go on.',
  },
  'ingress-nginx-refuses': {
    meaning:
      'nginx would not start with the configuration that this Ingress makes; the controller keeps the one before.',
    mend: 'Mend the path or annotation that the message names. The webhook of the controller refuses such an Ingress.',
  },
  'ingress-path-duplicate': {
    meaning: 'The same host, path and type stand in an older rule, which gets all requests.',
    mend: 'Remove one of the two, or give them different paths.',
  },
  'ingress-path-encoded': {
    meaning: 'nginx compares paths after decoding, so a path with a percent sign matches almost nothing.',
    mend: 'Write the character itself into the path.',
  },
  'ingress-path-literal': {
    meaning: 'The path has signs of a pattern or of a query in it, and is compared letter for letter all the same.',
    mend: 'With ingress-nginx set use-regex: "true" and pathType ImplementationSpecific; else write the path itself.',
  },
  'ingress-path-never': {
    meaning: 'nginx tidies the path of a request before it looks for a location, so that none is ever like this.',
    mend: 'Write the path without double slashes, "." and "..".',
  },
  'ingress-port-missing': {
    meaning: 'The Service has no port with this number or name.',
    mend: 'Name a port of the Service (not of the pod).',
  },
  'ingress-redirect-injection': {
    meaning:
      'A redirect contains a variable that nginx has decoded: a client can put a line end, and header fields, into it.',
    mend: 'Use $request_uri, which stays as it was sent.',
  },
  'ingress-regex-host': {
    meaning:
      'One use-regex or rewrite-target makes every path of the host a regular expression: any case, open at the end.',
    mend: 'Give the Ingress with the annotation a host of its own, or end the other paths with $.',
  },
  'ingress-regex-slow': {
    meaning: 'A repeat inside a repeat makes nginx try very many ways; netsim bounds its search, nginx may answer 500.',
    mend: 'Write the pattern without nested repeats.',
  },
  'ingress-rewrite-constant': {
    meaning: 'rewrite-target has no group, so every request below the path arrives at the same URI.',
    mend: 'Capture the rest, as in path /api(/|$)(.*) with rewrite-target /$2.',
  },
  'ingress-rewrite-group': {
    meaning: 'rewrite-target speaks of a group that the path does not have; it is empty.',
    mend: 'Count the parentheses of the path.',
  },
  'ingress-service-missing': {
    meaning: 'The Service behind a rule does not exist in the namespace of the Ingress.',
    mend: 'Make the Service, or mend its name; an Ingress reaches no other namespace.',
  },
  'ingress-slash-redirect': {
    meaning: 'nginx redirects a request that lacks only the slash at the end of a path (301).',
    mend: 'Write the path without its slash where both should be served.',
  },
  'ingress-tls-expired': {
    meaning: 'The certificate is out of date, and clients refuse it.',
    mend: 'Put a new certificate into the Secret.',
  },
  'ingress-tls-host-without-rule': {
    meaning: 'The TLS section names a host that no rule of the Ingress is for.',
    mend: 'Mind the spelling; TLS hosts and rule hosts should be the same.',
  },
  'ingress-tls-mismatch': {
    meaning: 'The certificate is not for this host: clients get the default certificate and refuse it.',
    mend: 'Use a certificate with the host among its subject alternative names.',
  },
  'ingress-tls-no-hosts': {
    meaning: 'A TLS section without hosts serves only the hosts that its certificate is for.',
    mend: 'Name the hosts.',
  },
  'ingress-tls-secret-malformed': {
    meaning: 'The Secret holds no certificate and key that belong together: clients get the default certificate.',
    mend: 'Make it with kubectl create secret tls NAME --cert=FILE --key=FILE.',
  },
  'ingress-tls-secret-missing': {
    meaning: 'The Secret for TLS does not exist in the namespace of the Ingress: clients get the default certificate.',
    mend: 'Make it there with kubectl create secret tls NAME --cert=FILE --key=FILE.',
  },
  'ingress-two-default-classes': {
    meaning: 'Several IngressClasses are marked as the default; the newest gets the Ingresses without a class.',
    mend: 'Leave the mark on one of them.',
  },
  'ingress-without-class': {
    meaning: 'The Ingress names no class and none is the default: the controller does not serve it.',
    mend: 'Set spec.ingressClassName.',
  },
};
