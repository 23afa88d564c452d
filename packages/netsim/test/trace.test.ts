import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

test('the demo: a packet from pod-a to svc/kubia and back', async () => {
  const cluster = await Cluster.load({ demo: 'kubia' });
  const trace = cluster.trace({ from: 'pod/pod-a', to: 'svc/kubia' });
  expect(trace.paths[0]!.disposition).toBe('DELIVERED');
  if (process.env.SHOW) console.log(JSON.stringify(trace, null, 1));
});
