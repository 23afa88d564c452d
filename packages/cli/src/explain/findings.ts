import type { Explanation } from './explanation.ts';

/** What can be wrong with manifests. */
export const findings: Readonly<Record<string, Explanation>> = {
  syntax: {
    meaning: 'The text is not valid YAML or JSON.',
    mend: 'The place named is where the reader gave up; the mistake is there or just before it. Mind the indentation.',
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
    meaning: 'A directory has no .yaml, .yml or .json file.',
    mend: 'Directories below it are read with -R.',
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
  required: { meaning: 'A required field is missing.', mend: 'Add it.' },
  invalid: { meaning: 'The API server refuses a value.', mend: 'The message says what is allowed.' },
  'old-api-version': {
    meaning: 'The API version was removed from Kubernetes; netsim still understands it.',
    mend: 'Change to the version named: clusters of today refuse the old one.',
  },
  'selector-matches-nothing': {
    meaning: 'A selector matches no pod, so the service has no endpoints.',
    mend: "Compare the selector with the pods' labels: netsim get pods --show-labels.",
  },
  'target-port-missing': {
    meaning: "A service's targetPort names a port that no container of its pods has.",
    mend: 'Give the container port that name, or write the number.',
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
};
