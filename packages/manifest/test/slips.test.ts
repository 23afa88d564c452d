import { expect, test } from 'vitest';
import { formatFinding, loadManifests } from '../src/index.ts';

interface Slip {
  readonly title: string;
  readonly text: string;
  /** The findings as the user reads them. */
  readonly says: readonly string[];
  /** How many objects are accepted. */
  readonly accepted?: number;
}

const service = (spec: string) => `apiVersion: v1
kind: Service
metadata:
  name: kubia
spec:
${spec.replace(/^/gm, '  ')}
`;

const pod = (container: string) => `apiVersion: v1
kind: Pod
metadata:
  name: kubia
spec:
  containers:
  - name: kubia
    image: luksa/kubia
${container.replace(/^/gm, '    ')}
`;

const slips: readonly Slip[] = [];

test.each(slips)('$title', ({ text, says, accepted = 0 }) => {
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
  expect(findings.map(formatFinding)).toEqual(says);
  expect(objects.length).toBe(accepted);
});
void service;
void pod;
