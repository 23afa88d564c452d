import { Cluster } from 'netsim';
import { expect, test } from 'vitest';
import { curl, ingress, METALLB, web } from './support.ts';

test('a body over proxy-body-size is answered 413, one of that size is passed on', async () => {
  const size = { 'nginx.ingress.kubernetes.io/proxy-body-size': '8' };
  const cluster = await Cluster.load({ yaml: web('kubia', 1) + ingress({ '/': 'kubia' }, size) + METALLB });
  const status = (body: string): Promise<string> =>
    curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', '-d', body, 'http://kubia.example.com/');
  expect(await status('12345678')).toBe('200');
  expect(await status('123456789')).toBe('413');
});

test('a rule that nginx holds as two locations is one row of the routes', async () => {
  const cluster = await Cluster.load({ yaml: web('kubia', 1) + ingress({ '/bar': 'kubia', '/': 'kubia' }) + METALLB });
  expect(cluster.routes().map(({ path }) => path)).toEqual(['/bar', '/']);
});
