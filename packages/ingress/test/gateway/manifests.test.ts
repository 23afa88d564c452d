import { expect, test } from 'vitest';
import { readVectors } from '../../../../test/support/vectors.ts';
import type { Suite } from './suite/types.ts';
import { worldOf } from './suite/world.ts';

test('the API server takes all manifests of the conformance suite', () => {
  const suite = readVectors<Suite>('gateway/conformance');
  const refused = (suite?.tests ?? []).flatMap(({ manifests }) => worldOf(manifests).findings);
  expect([...new Set(refused)]).toEqual([]);
});
